"""Bad input: answered with 400 and a reason that names what is wrong, and nothing is written."""

import json
from typing import Any

import pytest

from harness.case import Case
from scenarios.places import InPod, fetch

pytestmark = pytest.mark.xdist_group("case")

# What is wrong, the body as it is sent, a word that the reason must have.
BAD_INVOICES = [
    ("nothing at all", "", "empty"),
    ("no JSON", "{InvoiceId: B1}", "JSON"),
    ("a list", "[]", "object"),
    ("no id", '{"Value": 1, "Currency": "EUR"}', "InvoiceId"),
    ("an empty id", '{"InvoiceId": "", "Value": 1, "Currency": "EUR"}', "InvoiceId"),
    ("a number as id", '{"InvoiceId": 7, "Value": 1, "Currency": "EUR"}', "InvoiceId"),
    ("no value", '{"InvoiceId": "B1", "Currency": "EUR"}', "Value"),
    ("a text as value", '{"InvoiceId": "B1", "Value": "1", "Currency": "EUR"}', "Value"),
    ("a value of zero", '{"InvoiceId": "B1", "Value": 0, "Currency": "EUR"}', "Value"),
    ("a negative value", '{"InvoiceId": "B1", "Value": -1, "Currency": "EUR"}', "Value"),
    ("a value that is no number", '{"InvoiceId": "B1", "Value": NaN, "Currency": "EUR"}', "JSON"),
    ("too many decimals", '{"InvoiceId": "B1", "Value": 1.001, "Currency": "EUR"}', "decimals"),
    ("a decimal of a currency without", '{"InvoiceId": "B1", "Value": 1.5, "Currency": "JPY"}', "decimals"),
    ("no currency", '{"InvoiceId": "B1", "Value": 1}', "Currency"),
    ("an unknown currency", '{"InvoiceId": "B1", "Value": 1, "Currency": "EURO"}', "Currency"),
]
BAD_PAYMENTS = [
    ("nothing at all", "", "empty"),
    ("no JSON", "id=B1", "JSON"),
    ("no id", '{"value": 1, "currency": "EUR"}', "id"),
    ("a value of zero", '{"id": "B1", "value": 0, "currency": "EUR"}', "value"),
    ("a negative value", '{"id": "B1", "value": -1, "currency": "EUR"}', "value"),
    ("no currency", '{"id": "B1", "value": 1}', "currency"),
    ("an unknown currency", '{"id": "B1", "value": 1, "currency": "XYZ"}', "currency"),
    ("too many decimals", '{"id": "B1", "value": 1.001, "currency": "EUR"}', "decimals"),
]


def complaints(bad: list[tuple[str, str, str]], answers: list[tuple[int, str]]) -> list[str]:
    """What is not as promised: each answer must be 400 with an error that has the word."""
    found = []
    for (what, _, word), (status, text) in zip(bad, answers, strict=True):
        error = json.loads(text).get("error", "") if status == 400 else ""
        if word.lower() not in error.lower():
            found.append(f"{what}: {status} {text}")
    return found


def test_a_bad_invoice_is_answered_with_400_and_a_reason(books: Case) -> None:
    before = books.invoices()

    replies = [
        books.http.post("/invoices", data=body, headers={"Content-Type": "application/json"})
        for _, body, _ in BAD_INVOICES
    ]

    assert complaints(BAD_INVOICES, [(reply.status_code, reply.text) for reply in replies]) == []
    assert books.invoices() == before


def test_a_bad_payment_is_answered_with_400_and_a_reason(books: Case) -> None:
    invoice_app = InPod(books.cluster.kubectl, "invoice", "deployment/invoice-app", "invoice-app")
    url = "http://payment-provider.payments.svc.cluster.local:8082/payments/pay"
    requests: list[dict[str, Any]] = [
        {"method": "POST", "url": url, "headers": {"Content-Type": "application/json"}, "body": body}
        for _, body, _ in BAD_PAYMENTS
    ]

    replies = fetch(invoice_app, requests)

    assert complaints(BAD_PAYMENTS, [(reply["status"], reply["body"]) for reply in replies]) == []
    assert books.payments() == []


def test_an_invoice_that_does_not_exist_is_404_and_not_an_error_of_ours(books: Case) -> None:
    for answer in (books.http.get("/invoices/none"), books.http.post("/invoices/none/pay")):
        assert answer.status_code == 404
        assert answer.json()["error"]
