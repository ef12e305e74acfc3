import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from .fake_provider import FakeProvider
from .processes import HANG_SECONDS, Service


def test_the_request_id_crosses_services_and_comes_back(misled: httpx.Client, provider: FakeProvider) -> None:
    answer = misled.post("/invoices/pay", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["X-Request-Id"] == "abc-1"
    assert provider.request_ids == ["abc-1"] * 3


@pytest.mark.parametrize("offered", ["", "a b", "x" * 129, '"'])
def test_an_id_that_is_not_safe_to_log_is_replaced(invoices: httpx.Client, offered: str) -> None:
    given = invoices.get("/invoices", headers={"X-Request-Id": offered}).headers["X-Request-Id"]
    assert given != offered
    assert len(given) == 32


def test_each_log_line_is_json_and_names_its_request(
    invoices: httpx.Client, running_invoice_app: Service, payment_provider: Service
) -> None:
    invoices.post("/invoices/pay", headers={"X-Request-Id": "find-me"})
    for service in (running_invoice_app, payment_provider):
        service.process.wait_for("find-me")
        lines = [json.loads(line) for line in service.process.said().splitlines()]
        assert any(line.get("request_id") == "find-me" and line["message"] == "request" for line in lines)


def test_unknown_paths_and_wrong_methods_are_answered_in_json(invoices: httpx.Client) -> None:
    for method, path, status in [
        ("GET", "/nope", 404),
        ("GET", "/", 404),
        ("DELETE", "/invoices", 405),
        ("GET", "/invoices/pay", 405),
        ("BREW", "/invoices", 405),
        ("POST", "/healthz", 405),
    ]:
        answer = invoices.request(method, path)
        assert answer.status_code == status, path
        assert answer.json()["error"]


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /invoices HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /invoices HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /invoices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /invoices/%zz HTTP/1.1\r\nHost: x\r\nX-Request-Id: \xff\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_even_http_is_no_server_error(running_invoice_app: Service, raw: bytes) -> None:
    parts = urlsplit(running_invoice_app.url)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=HANG_SECONDS) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        head = sock.recv(65536)
    assert head == b"" or head.startswith(b"HTTP/1.1 4"), head
    assert running_invoice_app.ready()


def test_metrics_count_requests_and_payments(invoices: httpx.Client) -> None:
    invoices.post("/invoices/pay")
    text = invoices.get("/metrics").text
    assert 'http_requests_total{method="POST",route="/invoices/pay",status="200"}' in text
    assert 'payments_total{outcome="paid"}' in text


def test_probes_answer(invoices: httpx.Client, payments: httpx.Client) -> None:
    for client in (invoices, payments):
        for path in ("/healthz", "/readyz"):
            assert client.get(path).json() == {"status": "ok"}
