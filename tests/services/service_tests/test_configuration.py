import os
import subprocess
import sys

import pytest

from services.service_kit.configuration import ConfigurationError, Environment

from .processes import HANG_SECONDS, REPOSITORY

GOOD = {
    "DATABASE_HOST": "db",
    "DATABASE_NAME": "d",
    "DATABASE_USER": "u",
    "DATABASE_PASSWORD": "p",
    "PAYMENT_PROVIDER_URL": "http://provider:8082",
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"DATABASE_HOST": ""}, "DATABASE_HOST is not set"),
        ({"DATABASE_PASSWORD": ""}, "DATABASE_PASSWORD is not set"),
        ({"DATABASE_PORT": "tcp://10.0.0.1:5432"}, "DATABASE_PORT is 'tcp://10.0.0.1:5432'"),
        ({"PORT": "0"}, "PORT is '0'"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is 'LOUD'"),
        ({"DRAIN_SECONDS": "nan"}, "DRAIN_SECONDS is 'nan'"),
        ({"PAYMENT_PROVIDER_URL": "provider:8082"}, "PAYMENT_PROVIDER_URL is 'provider:8082'"),
        ({"CLAIM_SECONDS": "1"}, "CLAIM_SECONDS is 1"),
    ],
)
def test_a_bad_variable_is_named_in_one_line_and_ends_the_process_with_status_2(
    change: dict[str, str], line: str
) -> None:
    environment = {"PATH": os.environ["PATH"]} | GOOD | change
    done = subprocess.run(
        [sys.executable, "-m", "services.invoice_app"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"invoice-app: configuration error: {line}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://a b", "http://x:port", "http://x/?q=1", "http://[x"])
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^URL is"):
        Environment({"URL": url}).http_url("URL")
