"""The clients of the case: what they ask, and what they make of the answers."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Any

import pytest

from harness.chaos.history import Call, Outcome, Result
from harness.chaos.invoices import Invoices

from .server import Answer, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        yield one


@pytest.fixture
def clients(server: Server) -> Iterator[Invoices]:
    one = Invoices(server.url, {"Host": "invoices.local"}, lambda _database, _statement: [], "r-")
    yield one
    one.close()


def asked(clients: Invoices, seed: int, number: int = 2000) -> list[Call]:
    return list(islice(clients.operations(Random(seed), 3), number))  # noqa: S311 -- no secret


def test_a_client_asks_the_same_by_the_same_seed(clients: Invoices) -> None:
    assert asked(clients, 1) == asked(clients, 1)
    assert asked(clients, 1) != asked(clients, 2)


def test_a_client_asks_all_that_can_be_asked(clients: Invoices) -> None:
    calls = asked(clients, 1)

    assert {call.f for call in calls} == {"add", "get", "pay", "pay-all", "list"}
    ids = [call.value["InvoiceId"] for call in calls if call.f == "add"]
    assert len(set(ids)) < len(ids), "no id is used again"
    assert all(one.startswith("r-3-") for one in ids)
    assert {call.value for call in calls if call.f in {"get", "pay"}} <= set(ids)
    amounts = [Decimal(call.value["Value"]) for call in calls if call.f == "add"]
    assert all(0 < amount <= 1000 and amount == amount.quantize(Decimal("0.01")) for amount in amounts)


INVOICE = {"InvoiceId": "r-1", "Value": "12.10", "Currency": "EUR"}
SHOWN = '{"InvoiceId": "r-1", "Value": 12.10, "Currency": "EUR", "IsPaid": true}'


@pytest.mark.parametrize(
    ("call", "status", "body", "result"),
    [
        (Call("add", INVOICE), 201, SHOWN, Result(Outcome.OK, {"new": True})),
        (Call("add", INVOICE), 200, SHOWN, Result(Outcome.OK, {"new": False})),
        (Call("add", INVOICE), 409, "no", Result(Outcome.FAIL, {"status": 409, "said": "no"})),
        (Call("add", INVOICE), 503, "no", Result(Outcome.INFO, {"status": 503, "said": "no"})),
        (Call("get", "r-1"), 200, SHOWN, Result(Outcome.OK, ["12.10", "EUR", True])),
        (Call("get", "r-1"), 404, '{"error": "there is no such invoice"}', Result(Outcome.OK, None)),
        (Call("get", "r-1"), 404, "no route", Result(Outcome.INFO, {"status": 404, "said": "no route"})),
        (Call("get", "r-1"), 502, "", Result(Outcome.INFO, {"status": 502, "said": ""})),
        (Call("list"), 200, f"[{SHOWN}]", Result(Outcome.OK, {"r-1": ["12.10", "EUR", True]})),
        (Call("list"), 200, f"[{SHOWN.replace('r-1', 'I1')}]", Result(Outcome.OK, {})),
        (Call("list"), 200, "<html>", Result(Outcome.INFO, {"status": 200, "said": "<html>"})),
        (Call("pay", "r-1"), 200, SHOWN, Result(Outcome.OK)),
        (Call("pay", "r-1"), 202, "busy", Result(Outcome.INFO, {"status": 202, "said": "busy"})),
        (Call("pay", "r-1"), 404, "no", Result(Outcome.FAIL, {"status": 404, "said": "no"})),
        (
            Call("pay", "r-1"),
            502,
            '{"error": "the provider answered 409: no"}',
            Result(Outcome.FAIL, {"status": 502, "said": '{"error": "the provider answered 409: no"}'}),
        ),
        (
            Call("pay", "r-1"),
            502,
            '{"error": "the provider answered 500"}',
            Result(Outcome.INFO, {"status": 502, "said": '{"error": "the provider answered 500"}'}),
        ),
        (
            Call("pay-all"),
            502,
            '{"paid": ["a"], "in_progress": ["b"], "failed": [{"InvoiceId": "c", "error": "late"}]}',
            Result(Outcome.OK, {"paid": ["a"], "in_progress": ["b"], "failed": {"c": "late"}}),
        ),
        (Call("pay-all"), 502, "bad gateway", Result(Outcome.INFO, {"status": 502, "said": "bad gateway"})),
    ],
)
def test_an_answer_is_ok_fail_or_unknown(
    server: Server, clients: Invoices, *, call: Call, status: int, body: str, result: Result
) -> None:
    server.answer = Answer(status, body)

    assert clients.invoke(call) == result
    assert len(server.requests) == 1, "one operation is one request"


def test_a_lost_answer_is_unknown_and_not_asked_for_again(server: Server, clients: Invoices) -> None:
    server.answer = None

    found = clients.invoke(Call("add", INVOICE))

    assert found.outcome is Outcome.INFO
    assert len(server.requests) == 1


def test_an_amount_is_sent_as_the_number_that_it_is(server: Server, clients: Invoices) -> None:
    clients.invoke(Call("add", {**INVOICE, "Value": "0.10"}))

    [(method, path, headers, body)] = server.requests
    assert (method, path, headers["Host"]) == ("POST", "/invoices", "invoices.local")
    sent: dict[str, Any] = json.loads(body, parse_float=str)
    assert sent == {**INVOICE, "Value": "0.10"}
