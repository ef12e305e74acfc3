"""Schemathesis sends what the OpenAPI documents allow and forbid: never a server error, never another shape."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from services.invoice_app.openapi import DOCUMENT as INVOICE_APP
from services.payment_provider.openapi import DOCUMENT as PAYMENT_PROVIDER
from services.service_kit.json_text import dumps


def schema(document: Mapping[str, object]) -> schemathesis.BaseSchema:
    """The document as it is served: schemathesis knows no Decimal."""
    return schemathesis.openapi.from_dict(json.loads(dumps(document)))


SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
"""What else holds is the profile's affair: `nox -s tests` draws the same requests each time, `nox -s full` others."""


Case: TypeAlias = schemathesis.Case[Any]


def check(case: Case, client: httpx.Client) -> None:
    # JSON Schema cannot say how many decimals a currency has, so what it allows may be refused with 400.
    case.call_and_validate(base_url=str(client.base_url), excluded_checks=[positive_data_acceptance])


@schema(INVOICE_APP).parametrize()
@SETTINGS
def test_the_invoice_app_does_what_its_document_says(case: Case, invoices: httpx.Client) -> None:
    check(case, invoices)


@schema(PAYMENT_PROVIDER).parametrize()
@SETTINGS
def test_the_payment_provider_does_what_its_document_says(case: Case, payments: httpx.Client) -> None:
    check(case, payments)


def test_the_documents_are_served_as_they_are(invoices: httpx.Client, payments: httpx.Client) -> None:
    assert invoices.get("/openapi.json").json() == json.loads(dumps(INVOICE_APP))
    assert payments.get("/openapi.json").json() == json.loads(dumps(PAYMENT_PROVIDER))
