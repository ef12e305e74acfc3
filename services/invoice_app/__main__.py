"""Start with `python -m invoice_app` (in the image) or `python -m services.invoice_app` (in the checkout)."""

import sys

from services.invoice_app.service import build
from services.service_kit.serving import run

sys.exit(run("invoice-app", default_port=8081, build=build))
