"""A payment provider that misbehaves as it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx

from .processes import HANG_SECONDS


class FakeProvider:
    """Answers what `behave` says; keeps what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.bodies: dict[str, bytes] = {}
        self.request_ids: list[str | None] = []
        self.behave: Callable[[BaseHTTPRequestHandler, str], None] = pay


def pay(handler: BaseHTTPRequestHandler, invoice_id: str) -> None:
    say(200, json.dumps({"id": f"payment-of-{invoice_id}"}).encode())(handler, invoice_id)


def say(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler, str], None]:
    def behave(handler: BaseHTTPRequestHandler, _invoice_id: str) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def cut(handler: BaseHTTPRequestHandler, _invoice_id: str) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def not_http(handler: BaseHTTPRequestHandler, _invoice_id: str) -> None:
    handler.wfile.write(b"\x00\x01 nonsense\r\n\r\n")
    handler.close_connection = True


def half(handler: BaseHTTPRequestHandler, _invoice_id: str) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id": ')
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler, _invoice_id: str) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b" " * 10_000)
    except OSError:
        pass  # the caller has heard enough
    handler.close_connection = True


def after(gate: threading.Event) -> Callable[[BaseHTTPRequestHandler, str], None]:
    """Pay once the gate is open."""

    def behave(handler: BaseHTTPRequestHandler, invoice_id: str) -> None:
        gate.wait(HANG_SECONDS)
        try:
            pay(handler, invoice_id)
        except OSError:
            handler.close_connection = True  # the caller did not wait

    return behave


def paid_but_answered_after(
    gate: threading.Event, fake: FakeProvider, real: str
) -> Callable[[BaseHTTPRequestHandler, str], None]:
    """Have the real provider make the payment at once, and tell of it once the gate is open."""

    def behave(handler: BaseHTTPRequestHandler, invoice_id: str) -> None:
        answer = httpx.post(f"{real}/payments/pay", content=fake.bodies[invoice_id], timeout=HANG_SECONDS)
        gate.wait(HANG_SECONDS)
        try:
            say(answer.status_code, answer.content)(handler, invoice_id)
        except OSError:
            handler.close_connection = True  # the caller did not wait

    return behave


@contextmanager
def a_fake_provider() -> Iterator[FakeProvider]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        lock: ClassVar = threading.Lock()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body, parse_float=str)
            with self.lock:
                fake.asked.append(asked)
                fake.bodies[asked["id"]] = body
                fake.request_ids.append(self.headers["X-Request-Id"])
            fake.behave(self, asked["id"])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakeProvider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.daemon_threads = True
        server.block_on_close = False
        server.server_close()
