import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from .conftest import PATIENT, query
from .fake_provider import (
    FakeProvider,
    after,
    cut,
    endless,
    half,
    not_http,
    paid_but_answered_after,
    pay,
    say,
)
from .processes import HANG_SECONDS, Service, Volume, a_service, free_port, wait_until

ALL_PAID = {"paid": ["I1", "I2", "I3"], "in_progress": [], "failed": []}
MANY = """
    INSERT INTO invoices (invoice_id, value, currency)
    SELECT 'B' || n, n / 100.0, 'EUR' FROM generate_series(1, 1000) AS n
"""


def unpaid(volume: Volume) -> int:
    count: int = query(volume, "SELECT count(*) FROM invoices WHERE NOT is_paid")[0][0]
    return count


def claimed(volume: Volume) -> int:
    count: int = query(volume, "SELECT count(*) FROM invoices WHERE claimed_by IS NOT NULL")[0][0]
    return count


def test_a_thousand_invoices_are_paid_in_one_call(
    invoices: httpx.Client, invoice_db: Volume, payments_db: Volume
) -> None:
    query(invoice_db, MANY)
    answer = invoices.post("/invoices/pay")
    assert answer.status_code == 200
    assert len(answer.json()["paid"]) == 1003
    assert unpaid(invoice_db) == claimed(invoice_db) == 0
    paid = query(invoice_db, "SELECT invoice_id, payment_id, value FROM invoices ORDER BY 1")
    assert paid == query(payments_db, "SELECT invoice_id, payment_id, value FROM payments ORDER BY 1")


def test_callers_at_once_pay_each_invoice_once_and_each_answer_tells_of_each(
    invoices: httpx.Client, invoice_db: Volume, payments_db: Volume
) -> None:
    query(invoice_db, MANY)
    with ThreadPoolExecutor(3) as pool:
        outcomes = [answer.json() for answer in pool.map(lambda _: invoices.post("/invoices/pay"), range(3))]
    assert [outcome["failed"] for outcome in outcomes] == [[], [], []]
    assert len({invoice_id for outcome in outcomes for invoice_id in outcome["paid"]}) == 1003
    for outcome in outcomes:
        assert not set(outcome["paid"]) & set(outcome["in_progress"])
    assert unpaid(invoice_db) == 0
    paid = query(invoice_db, "SELECT invoice_id, payment_id FROM invoices ORDER BY 1")
    assert paid == query(payments_db, "SELECT invoice_id, payment_id FROM payments ORDER BY 1")


def test_an_invoice_that_another_caller_is_paying_is_in_progress(
    misled: httpx.Client, provider: FakeProvider, invoices: httpx.Client, gate: threading.Event
) -> None:
    provider.behave = after(gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(misled.post, "/invoices/I1/pay")
        wait_until(lambda: provider.asked, "the provider is asked")
        one, everything = invoices.post("/invoices/I1/pay"), invoices.post("/invoices/pay")
        gate.set()
        assert (one.status_code, one.json()["IsPaid"]) == (202, False)
        assert everything.json() == {"paid": ["I2", "I3"], "in_progress": ["I1"], "failed": []}
        assert first.result().status_code == 200


def test_an_expired_claim_is_taken_again(invoices: httpx.Client, invoice_db: Volume) -> None:
    claim = "UPDATE invoices SET claimed_by = 'a frozen pod', claimed_until = now() + $1 * interval '1 s'"
    query(invoice_db, claim, 60)
    assert invoices.post("/invoices/pay").json() == {"paid": [], "in_progress": ["I1", "I2", "I3"], "failed": []}
    query(invoice_db, claim, -1)
    assert invoices.post("/invoices/pay").json() == ALL_PAID


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (say(500, b"oops"), "answered 500"),
        (say(400, b'{"error": "I do not like it"}'), "answered 400: I do not like it"),
        (say(302, b""), "answered 302"),
        (say(200, b"{}"), "without a payment's id"),
        (say(200, b'{"id": 7}'), "without a payment's id"),
        (say(200, b'{"id": "a\\u0000b"}'), "without a payment's id"),
        (say(200, b"\xff<html>"), "without a payment's id"),
        (endless, "longer than"),
        (not_http, "not HTTP"),
        (half, "cut"),
        (cut, "cut"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_provider_that_fails_is_reported_for_each_invoice_and_a_later_call_pays_at_once(
    misled: httpx.Client,
    provider: FakeProvider,
    invoice_db: Volume,
    behave: Callable[[BaseHTTPRequestHandler, str], None],
    reason: str,
) -> None:
    provider.behave = behave
    answer = misled.post("/invoices/pay")
    assert answer.status_code == 502
    assert answer.json()["paid"] == answer.json()["in_progress"] == []
    assert [failed["InvoiceId"] for failed in answer.json()["failed"]] == ["I1", "I2", "I3"]
    assert all(reason in failed["error"] for failed in answer.json()["failed"]), answer.text
    assert (unpaid(invoice_db), claimed(invoice_db)) == (3, 0)
    one = misled.post("/invoices/I1/pay")
    assert one.status_code == 502
    assert reason in one.json()["error"]
    provider.behave = pay
    assert misled.post("/invoices/pay").json() == ALL_PAID


def test_a_provider_that_does_not_answer_in_time_is_reported_and_a_later_call_pays_at_once(
    impatient: httpx.Client, misled: httpx.Client, provider: FakeProvider, invoice_db: Volume, gate: threading.Event
) -> None:
    provider.behave = after(gate)
    answer = impatient.post("/invoices/pay")
    assert answer.status_code == 502
    assert answer.json()["paid"] == answer.json()["in_progress"] == []
    assert [failed["InvoiceId"] for failed in answer.json()["failed"]] == ["I1", "I2", "I3"]
    assert all("did not answer within 0.5 s" in failed["error"] for failed in answer.json()["failed"]), answer.text
    assert (unpaid(invoice_db), claimed(invoice_db)) == (3, 0)
    one = impatient.post("/invoices/I1/pay")
    assert (one.status_code, "did not answer within 0.5 s" in one.json()["error"]) == (502, True)
    provider.behave = pay
    assert misled.post("/invoices/pay").json() == ALL_PAID


def test_only_the_invoices_that_fail_are_reported_as_failed(misled: httpx.Client, provider: FakeProvider) -> None:
    provider.behave = lambda handler, invoice_id: (say(500, b"") if invoice_id == "I2" else pay)(handler, invoice_id)
    answer = misled.post("/invoices/pay")
    assert answer.status_code == 502
    assert answer.json() == {
        "paid": ["I1", "I3"],
        "in_progress": [],
        "failed": [{"InvoiceId": "I2", "error": "the provider answered 500"}],
    }


def test_a_provider_that_nobody_reaches_is_not_asked_a_thousand_times(
    impatient: httpx.Client, provider: FakeProvider, invoice_db: Volume, gate: threading.Event
) -> None:
    query(invoice_db, MANY)
    provider.behave = after(gate)
    answer = impatient.post("/invoices/pay")
    assert answer.status_code == 502
    assert len(answer.json()["failed"]) == 1003
    assert len(provider.asked) < 100
    assert claimed(invoice_db) == 0


def test_a_wrong_provider_url_gives_a_clear_answer_and_loses_nothing(
    invoices: httpx.Client, invoice_db: Volume, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for host, words in ((f"127.0.0.1:{free_port()}", "Connect"), ("no-such-host.invalid", "cannot be reached")):
        output = tmp_path_factory.mktemp("wrong") / "log"
        environment = invoice_db.service_environment() | {"PAYMENT_PROVIDER_URL": f"http://{host}"}
        with a_service("invoice_app", output, environment) as wrong:
            answer = httpx.post(f"{wrong.url}/invoices/pay", timeout=HANG_SECONDS)
        assert answer.status_code == 502
        assert all(host in failed["error"] and words in failed["error"] for failed in answer.json()["failed"])
    assert invoices.post("/invoices/pay").json() == ALL_PAID


def test_a_caller_that_hangs_up_leaves_no_claims_behind(
    misled: httpx.Client, provider: FakeProvider, invoice_db: Volume, gate: threading.Event
) -> None:
    provider.behave = after(gate)
    with socket.create_connection((misled.base_url.host, misled.base_url.port or 0), timeout=HANG_SECONDS) as caller:
        caller.sendall(b"POST /invoices/pay HTTP/1.1\r\nHost: invoice-app\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: len(provider.asked) == 3, "the provider is asked")
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(1) == b"", "the service closes when it sees that the caller is gone"
    assert unpaid(invoice_db) == 3
    gate.set()
    wait_until(lambda: unpaid(invoice_db) == 0, "all are paid although the caller is gone")
    assert claimed(invoice_db) == 0


@pytest.fixture
def silent(provider: FakeProvider, payment_provider: Service, gate: threading.Event) -> FakeProvider:
    """A provider that makes each payment at once, and tells of none."""
    provider.behave = paid_but_answered_after(gate, provider, payment_provider.url)
    return provider


def test_a_process_killed_while_paying_loses_no_payment_and_pays_none_twice(
    invoices: httpx.Client, invoice_db: Volume, payments_db: Volume, silent: FakeProvider, output: Path
) -> None:
    query(invoice_db, MANY)
    environment = invoice_db.service_environment() | PATIENT | {"PAYMENT_PROVIDER_URL": silent.url}
    with (
        a_service("invoice_app", output, environment, clean=False) as doomed,
        ThreadPoolExecutor(1) as pool,
    ):
        call = pool.submit(httpx.post, f"{doomed.url}/invoices/pay", timeout=HANG_SECONDS)
        wait_until(lambda: query(payments_db, "SELECT 1 FROM payments LIMIT 1"), "the first payment")
        doomed.process.kill()
        assert isinstance(call.exception(), httpx.TransportError)
    held = claimed(invoice_db)
    assert held > 0
    answer = invoices.post("/invoices/pay").json()
    assert (len(answer["in_progress"]), len(answer["paid"]), answer["failed"]) == (held, 1003 - held, [])
    query(invoice_db, "UPDATE invoices SET claimed_until = now() - interval '1 s' WHERE claimed_by IS NOT NULL")
    assert len(invoices.post("/invoices/pay").json()["paid"]) == held
    paid = query(invoice_db, "SELECT invoice_id, payment_id FROM invoices ORDER BY 1")
    assert paid == query(payments_db, "SELECT invoice_id, payment_id FROM payments ORDER BY 1")
    assert len(paid) == 1003


def test_a_paid_invoice_never_becomes_unpaid_by_an_answer_that_comes_late(
    misled: httpx.Client, provider: FakeProvider, invoice_db: Volume, gate: threading.Event
) -> None:
    provider.behave = after(gate)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(misled.post, "/invoices/I1/pay")
        wait_until(lambda: provider.asked, "the provider is asked")
        query(
            invoice_db,
            "UPDATE invoices SET is_paid = true, payment_id = 'other', claimed_by = NULL, claimed_until = NULL "
            "WHERE invoice_id = 'I1'",
        )
        gate.set()
        assert late.result().status_code == 502
        assert "is not the payment that is recorded" in late.result().json()["error"]
    assert query(invoice_db, "SELECT payment_id FROM invoices WHERE invoice_id = 'I1'")[0][0] == "other"
