from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .conftest import query
from .processes import Volume

GOOD = b'{"id": "I1", "value": 12.15, "currency": "EUR"}'


def test_a_second_payment_of_the_same_invoice_returns_the_first_answer(payments: httpx.Client) -> None:
    first = payments.post("/payments/pay", content=GOOD)
    second = payments.post("/payments/pay", content=GOOD.replace(b"12.15", b"12.150"))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert len(payments.get("/payments").json()) == 1


@pytest.mark.parametrize("change", [(b"12.15", b"12.16"), (b"EUR", b"USD")])
def test_another_amount_or_currency_for_the_same_invoice_is_a_conflict(
    payments: httpx.Client, change: tuple[bytes, bytes]
) -> None:
    payments.post("/payments/pay", content=GOOD)
    answer = payments.post("/payments/pay", content=GOOD.replace(*change))
    assert answer.status_code == 409
    assert "I1" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]"]
    + [
        GOOD.replace(*change)
        for change in [(b'"id"', b'"ID"'), (b"12.15", b"0"), (b"12.15", b"-1"), (b"12.15", b"1.001")]
    ]
    + [GOOD.replace(*change) for change in [(b'"currency"', b'"c"'), (b"EUR", b"ABC"), (b"12.15", b"1e400")]],
)
def test_a_bad_payment_is_answered_400_with_a_reason_and_not_remembered(payments: httpx.Client, body: bytes) -> None:
    answer = payments.post("/payments/pay", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert payments.get("/payments").json() == []


def test_many_callers_paying_one_invoice_at_once_get_one_payment(payments: httpx.Client, payments_db: Volume) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: payments.post("/payments/pay", content=GOOD), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    (row,) = query(payments_db, "SELECT payment_id FROM payments")
    assert {answer.json()["id"] for answer in answers} == {row["payment_id"]}


def test_a_payment_in_a_currency_that_the_list_has_lost_is_listed_and_repeated(
    payments: httpx.Client, payments_db: Volume
) -> None:
    query(
        payments_db,
        "INSERT INTO payments (invoice_id, payment_id, value, currency) VALUES ('D1', 'paid-then', 12.15, 'DEM')",
    )
    body = b'{"id": "D1", "value": 12.15, "currency": "DEM"}'

    assert [one["currency"] for one in payments.get("/payments").json()] == ["DEM"]
    assert payments.post("/payments/pay", content=body).json() == {"id": "paid-then"}
    for new in (body.replace(b"D1", b"D2"), body.replace(b"12.15", b"12.16")):
        assert payments.post("/payments/pay", content=new).status_code == 400
