"""Start with `python -m payment_provider` (in the image) or `python -m services.payment_provider` (in the checkout)."""

import sys

from services.payment_provider.service import build
from services.service_kit.serving import run

sys.exit(run("payment-provider", default_port=8082, build=build))
