"""Schemathesis sends what the OpenAPI documents allow and what they forbid: never a server error, never another shape."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from .processes import Service

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def invoice_document(invoices: httpx.Client, running_invoice_app: Service) -> Any:  # noqa: ANN401
    return schemathesis.openapi.from_url(f"{running_invoice_app.url}/openapi.json")


@pytest.fixture
def payment_document(payments: httpx.Client, payment_provider: Service) -> Any:  # noqa: ANN401
    return schemathesis.openapi.from_url(f"{payment_provider.url}/openapi.json")


def check(case: schemathesis.Case) -> None:
    # JSON Schema cannot say how many decimals a currency has, so what it allows may be refused with 400.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


@schemathesis.pytest.from_fixture("invoice_document").parametrize()
@SETTINGS
def test_the_invoice_app_does_what_its_document_says(case: schemathesis.Case) -> None:
    check(case)


@schemathesis.pytest.from_fixture("payment_document").parametrize()
@SETTINGS
def test_the_payment_provider_does_what_its_document_says(case: schemathesis.Case) -> None:
    check(case)
