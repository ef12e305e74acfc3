import json

import httpx
import pytest

from .conftest import query
from .processes import Volume

FIRST = [
    {"InvoiceId": "I1", "Value": "12.15", "Currency": "EUR", "IsPaid": False},
    {"InvoiceId": "I2", "Value": "10.25", "Currency": "GBP", "IsPaid": False},
    {"InvoiceId": "I3", "Value": "66.13", "Currency": "DKK", "IsPaid": False},
]


def exact(response: httpx.Response) -> object:
    """The JSON with numbers as the text they were sent as."""
    return json.loads(response.content, parse_float=str, parse_int=str)


def test_the_three_first_invoices_are_unpaid(invoices: httpx.Client) -> None:
    answer = invoices.get("/invoices")
    assert (answer.status_code, exact(answer)) == (200, FIRST)
    assert exact(invoices.get("/invoices/I2")) == FIRST[1]


def test_an_invoice_that_nobody_knows_is_not_found(invoices: httpx.Client) -> None:
    for path in ("/invoices/I9", "/invoices/%00", "/invoices/a%2Fb", "/invoices/%FF"):
        answer = invoices.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "there is no such invoice"})
    assert invoices.post("/invoices/I9/pay").status_code == 404


def test_adding_the_same_invoice_again_changes_nothing(invoices: httpx.Client) -> None:
    body = b'{"InvoiceId": "A-1", "Value": 0.10, "Currency": "EUR"}'
    added = invoices.post("/invoices", content=body)
    again = invoices.post("/invoices", content=body.replace(b"0.10", b"1e-1"))
    assert (added.status_code, again.status_code) == (201, 200)
    assert exact(added) == exact(again) == {"InvoiceId": "A-1", "Value": "0.10", "Currency": "EUR", "IsPaid": False}


@pytest.mark.parametrize(
    "body",
    [
        b'{"InvoiceId": "I1", "Value": 12.16, "Currency": "EUR"}',
        b'{"InvoiceId": "I1", "Value": 12.15, "Currency": "USD"}',
    ],
)
def test_adding_another_invoice_under_a_known_id_is_a_conflict(invoices: httpx.Client, body: bytes) -> None:
    answer = invoices.post("/invoices", content=body)
    assert answer.status_code == 409
    assert "I1" in answer.json()["error"]
    assert exact(invoices.get("/invoices/I1")) == FIRST[0]


def test_the_largest_amount_is_kept_to_the_last_digit(invoices: httpx.Client, invoice_db: Volume) -> None:
    body = b'{"InvoiceId": "big", "Value": 999999999999.9999, "Currency": "CLF"}'
    assert b'"Value":999999999999.9999' in invoices.post("/invoices", content=body).content
    rows = query(invoice_db, "SELECT value FROM invoices WHERE invoice_id = 'big'")
    assert str(rows[0]["value"]) == "999999999999.9999"


BAD = {
    "empty": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "no id": b'{"Value": 1, "Currency": "EUR"}',
    "no value": b'{"InvoiceId": "x", "Currency": "EUR"}',
    "no currency": b'{"InvoiceId": "x", "Value": 1}',
    "an id of a wrong type": b'{"InvoiceId": 1, "Value": 1, "Currency": "EUR"}',
    "an id too long": b'{"InvoiceId": "' + b"x" * 65 + b'", "Value": 1, "Currency": "EUR"}',
    "a NUL in the id": b'{"InvoiceId": "a\\u0000", "Value": 1, "Currency": "EUR"}',
    "a lone surrogate in the id": b'{"InvoiceId": "\\ud800", "Value": 1, "Currency": "EUR"}',
    "an id that is a route": b'{"InvoiceId": "pay", "Value": 1, "Currency": "EUR"}',
    "a value as text": b'{"InvoiceId": "x", "Value": "1", "Currency": "EUR"}',
    "a value of zero": b'{"InvoiceId": "x", "Value": 0, "Currency": "EUR"}',
    "a value below zero": b'{"InvoiceId": "x", "Value": -1, "Currency": "EUR"}',
    "a value too large": b'{"InvoiceId": "x", "Value": 1e400, "Currency": "EUR"}',
    "NaN": b'{"InvoiceId": "x", "Value": NaN, "Currency": "EUR"}',
    "Infinity": b'{"InvoiceId": "x", "Value": Infinity, "Currency": "EUR"}',
    "too many decimals": b'{"InvoiceId": "x", "Value": 1.5, "Currency": "JPY"}',
    "an unknown currency": b'{"InvoiceId": "x", "Value": 1, "Currency": "ABC"}',
    "a lone surrogate in the currency": b'{"InvoiceId": "x", "Value": 1, "Currency": "\\udfff"}',
    "a body too large": b'{"InvoiceId": "x", "Value": 1, "Currency": "EUR", "note": "' + b"x" * 100_000 + b'"}',
    "bytes that are no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_a_bad_body_is_answered_400_with_a_reason_and_adds_nothing(invoices: httpx.Client, body: bytes) -> None:
    answer = invoices.post("/invoices", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert exact(invoices.get("/invoices")) == FIRST


def test_paying_all_pays_each_invoice_and_paying_again_changes_nothing(
    invoices: httpx.Client, payments: httpx.Client
) -> None:
    first = invoices.post("/invoices/pay")
    assert (first.status_code, first.json()) == (200, {"paid": ["I1", "I2", "I3"], "in_progress": [], "failed": []})
    made = exact(payments.get("/payments"))
    again = invoices.post("/invoices/pay")
    assert (again.status_code, again.json()) == (200, {"paid": [], "in_progress": [], "failed": []})
    assert exact(invoices.get("/invoices")) == [{**invoice, "IsPaid": True} for invoice in FIRST]
    assert exact(payments.get("/payments")) == made


def test_paying_one_invoice_pays_that_one_once(invoices: httpx.Client, payments: httpx.Client) -> None:
    for _ in range(2):
        answer = invoices.post("/invoices/I2/pay")
        assert (answer.status_code, exact(answer)) == (200, {**FIRST[1], "IsPaid": True})
    assert [payment["invoice_id"] for payment in payments.get("/payments").json()] == ["I2"]
    assert exact(invoices.get("/invoices/I1")) == FIRST[0]


RETIRED = "INSERT INTO invoices (invoice_id, value, currency) VALUES ('D1', 12.15, 'DEM'), ('J1', 0.5, 'JPY')"
"""As of a time when the list of currencies had the one, and gave the other decimals."""


def test_an_invoice_in_a_currency_that_the_list_has_lost_is_shown_as_it_is(
    invoices: httpx.Client, invoice_db: Volume
) -> None:
    query(invoice_db, RETIRED)
    old = {"InvoiceId": "D1", "Value": "12.1500", "Currency": "DEM", "IsPaid": False}

    assert exact(invoices.get("/invoices/D1")) == old
    assert [one["InvoiceId"] for one in invoices.get("/invoices").json()] == ["D1", "I1", "I2", "I3", "J1"]

    body = b'{"InvoiceId": "D1", "Value": 12.15, "Currency": "DEM"}'
    again = invoices.post("/invoices", content=body)
    assert (again.status_code, exact(again)) == (200, old)
    for new in (body.replace(b"D1", b"D2"), body.replace(b"12.15", b"12.16")):
        refused = invoices.post("/invoices", content=new)
        assert (refused.status_code, "Currency" in refused.json()["error"]) == (400, True)


def test_an_invoice_in_such_a_currency_does_not_keep_the_others_from_being_paid(
    invoices: httpx.Client, invoice_db: Volume, payments_db: Volume
) -> None:
    query(invoice_db, RETIRED)
    # D1 was paid, and the answer lost, while the list had its currency.
    query(
        payments_db,
        "INSERT INTO payments (invoice_id, payment_id, value, currency) VALUES ('D1', 'paid-then', 12.15, 'DEM')",
    )

    outcome = invoices.post("/invoices/pay")
    assert outcome.status_code == 502
    assert outcome.json()["paid"] == ["D1", "I1", "I2", "I3"]
    (failed,) = outcome.json()["failed"]
    assert (failed["InvoiceId"], "decimals of JPY" in failed["error"]) == ("J1", True)
    assert invoices.post("/invoices/J1/pay").status_code == 502
    assert query(invoice_db, "SELECT payment_id FROM invoices WHERE invoice_id = 'D1'")[0][0] == "paid-then"
