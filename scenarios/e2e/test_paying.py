"""Paying: each invoice once, however often and by however many it is asked for."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from threading import Barrier
from typing import Any

import pytest

from harness.case import Case
from harness.kube.wait import wait_until

pytestmark = [pytest.mark.promise, pytest.mark.xdist_group("case")]

FIRST_INVOICES = [
    {"InvoiceId": "I1", "Value": Decimal("12.15"), "Currency": "EUR", "IsPaid": False},
    {"InvoiceId": "I2", "Value": Decimal("10.25"), "Currency": "GBP", "IsPaid": False},
    {"InvoiceId": "I3", "Value": Decimal("66.13"), "Currency": "DKK", "IsPaid": False},
]


def listed(case: Case) -> list[dict[str, Any]]:
    """The invoices as anybody outside sees them, amounts as exact decimals."""
    answer = case.http.get("/invoices")
    assert answer.status_code == 200, answer.text
    invoices: list[dict[str, Any]] = answer.json(parse_float=Decimal)
    return sorted(invoices, key=lambda invoice: str(invoice["InvoiceId"]))


def pay_all(case: Case) -> dict[str, Any]:
    """Pay all invoices that are unpaid; the answer, which must be a success."""
    answer = case.http.post("/invoices/pay", timeout=60)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def assert_the_books_balance(case: Case, number: int) -> None:
    """Both databases agree: that many invoices, all paid, each by one payment of its own amount."""
    invoices, payments = case.invoices(), case.payments()
    paid = {i["invoice_id"]: (i["payment_id"], i["value"], i["currency"]) for i in invoices if i["is_paid"]}
    made = {p["invoice_id"]: (p["payment_id"], p["value"], p["currency"]) for p in payments}

    assert len(invoices) == len(payments) == number
    assert paid == made
    assert len({payment_id for payment_id, _, _ in made.values()}) == number


def test_the_invoices_are_listed_with_their_amounts_and_whether_they_are_paid(books: Case) -> None:
    assert listed(books) == FIRST_INVOICES


def test_paying_all_pays_each_and_paying_again_changes_nothing(books: Case) -> None:
    assert pay_all(books) == {"paid": ["I1", "I2", "I3"], "in_progress": [], "failed": []}
    assert listed(books) == [{**invoice, "IsPaid": True} for invoice in FIRST_INVOICES]
    assert_the_books_balance(books, 3)
    payments = books.payments()

    assert pay_all(books) == {"paid": [], "in_progress": [], "failed": []}
    assert listed(books) == [{**invoice, "IsPaid": True} for invoice in FIRST_INVOICES]
    assert books.payments() == payments


def test_one_invoice_is_paid_alone_and_a_second_time_is_the_same_payment(books: Case) -> None:
    first = books.http.post("/invoices/I2/pay")
    payments = books.payments()
    second = books.http.post("/invoices/I2/pay")

    assert (first.status_code, second.status_code) == (200, 200)
    assert [payment["invoice_id"] for payment in payments] == ["I2"]
    assert books.payments() == payments
    assert [invoice["InvoiceId"] for invoice in listed(books) if invoice["IsPaid"]] == ["I2"]


def test_an_invoice_is_added_once_and_never_changed(books: Case) -> None:
    invoice = {"InvoiceId": "A1", "Value": 5.5, "Currency": "EUR"}

    assert books.http.post("/invoices", json=invoice).status_code == 201
    assert books.http.post("/invoices", json=invoice).status_code == 200
    assert books.http.post("/invoices", json={**invoice, "Value": 5.51}).status_code == 409
    assert [i["value"] for i in books.invoices() if i["invoice_id"] == "A1"] == [Decimal("5.5")]


def test_a_thousand_added_invoices_are_paid_in_one_call(books: Case) -> None:
    numbers = range(1000)

    def add(worker: int) -> list[int]:
        client = books.client()
        invoices = ({"InvoiceId": f"K{n:04}", "Value": n + 0.25, "Currency": "EUR"} for n in numbers[worker::8])
        return [client.post("/invoices", json=invoice).status_code for invoice in invoices]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for added in pool.map(add, range(8)) for status in added]
    answer = pay_all(books)

    assert statuses == [201] * 1000
    assert len(answer["paid"]) == 1003
    assert (answer["in_progress"], answer["failed"]) == ([], [])
    assert_the_books_balance(books, 1003)


def test_two_callers_at_once_pay_each_invoice_once(books: Case) -> None:
    rounds = count(1)

    def both_had_something_to_pay() -> bool:
        number = next(rounds)
        books.sql(
            "invoice-db",
            "INSERT INTO invoices (invoice_id, value, currency) "  # noqa: S608 -- a number
            f"SELECT 'T{number}-' || n, n, 'EUR' FROM generate_series(1, 500) n",
        )
        first, second = called_by_two(books)
        assert first["failed"] == second["failed"] == []
        assert_the_books_balance(books, 3 + 500 * number)
        return bool(first["paid"] and second["paid"])

    # Who comes too late on a busy machine finds nothing to pay: then they do it again.
    wait_until("two callers to pay at the same time", both_had_something_to_pay, seconds=60)


def called_by_two(books: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers to two calls that pay all, made at once."""
    together = Barrier(2)

    def call(_caller: int) -> dict[str, Any]:
        client = books.client()
        together.wait(timeout=60)
        body: dict[str, Any] = client.post("/invoices/pay", timeout=60).json()
        return body

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(call, range(2))
    return first, second
