"""What is refused early, cut short, or no HTTP: an answer where there can be one, and no trace of a fault of ours."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from .processes import HANG_SECONDS, Service, Volume, a_service

TRIES = 30


@pytest.fixture(scope="module")
def service(payments_db: Volume, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own, whose whole log belongs to these tests."""
    output = tmp_path_factory.mktemp("connections") / "log"
    with a_service("payment_provider", output, payments_db.service_environment()) as running:
        yield running


@contextmanager
def connected(service: Service) -> Iterator[socket.socket]:
    parts = urlsplit(service.url)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=HANG_SECONDS) as sock:
        yield sock


def everything(sock: socket.socket) -> bytes:
    """What comes until the other side ends."""
    answer = b""
    while piece := sock.recv(65536):
        answer += piece
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def head(length: int, path: str = "/payments/pay") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def chunked(body: bytes, size: int = 65_536) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def logged(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.process.said().splitlines()]


def counts(service: Service, metric: str) -> dict[str, float]:
    """The series of a counter."""
    lines = httpx.get(f"{service.url}/metrics", timeout=HANG_SECONDS).text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric + "{")}


@pytest.mark.parametrize("size", [100_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("path", ["/payments/pay", "/no/such/path", "/healthz"])
def test_who_writes_all_of_a_large_body_before_reading_gets_the_answer(service: Service, size: int, path: str) -> None:
    seen: Counter[int] = Counter()
    for _ in range(TRIES if path == "/payments/pay" else 3):
        with connected(service) as sock:
            sock.sendall(head(size, path) + b"x" * size)
            seen[status(everything(sock))] += 1
    assert set(seen) == {{"/payments/pay": 400, "/no/such/path": 404, "/healthz": 405}[path]}, seen


@pytest.mark.parametrize("size", [1_000_000, 10_000_000])
def test_who_reads_while_it_writes_gets_the_answer_before_it_has_written_all(service: Service, size: int) -> None:
    for _ in range(TRIES):
        with connected(service) as sock:
            sock.sendall(head(size))
            answer = sock.recv(65536)  # with nothing of the body sent: it is refused by its length
            assert status(answer) == 400
            sock.sendall(b"x" * size)  # and it may be sent all the same
            sock.shutdown(socket.SHUT_WR)
            everything(sock)


@pytest.mark.parametrize("size", [1_000_000, 10_000_000])
def test_a_large_body_in_chunks_is_answered_too(service: Service, size: int) -> None:
    with connected(service) as sock:
        sock.sendall(b"POST /payments/pay HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall(chunked(b"x" * size))
        assert status(everything(sock)) == 400


def test_who_sends_without_end_is_cut(service: Service) -> None:
    with connected(service) as sock:
        sock.sendall(head(1 << 40))
        with pytest.raises(OSError, match=r"[Rr]eset|[Pp]ipe"):
            sock.sendall(bytes(1 << 29))
    assert service.ready()


MALFORMED = {
    "a zero byte": b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a zero byte in the query": b"GET /?a=\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a zero byte in the method": b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a control character": b"GET /a\x01\x7fb HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab": b"GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "no UTF-8": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "no slash": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a host alone": b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    "an open bracket": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a port that is none": b"GET http://x:99999999/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an authority": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": b"GARBAGE\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "a header without colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a header of other bytes": b"GET / HTTP/1.1\r\nHost: \xff\r\nX-Request-Id: \xff\0\r\nCookie: \xff=\0;;\r\n\r\n",
    "a host that is none": b"GET / HTTP/1.1\r\nHost: [::1\r\nX-Forwarded-Host: \0\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a length that is none": b"POST /payments/pay HTTP/1.1\r\nContent-Length: abc\r\n\r\n" + b"x" * 100_000,
    "a length below zero": b"POST /payments/pay HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /payments/pay HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a coding that is none": b"POST /payments/pay HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "a chunk without size": b"POST /payments/pay HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a chunk below zero": b"POST /payments/pay HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n\r\n",
    "an expectation": b"POST /payments/pay HTTP/1.1\r\nExpect: more\r\nContent-Length: 2\r\n\r\n{}",
    "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=[*MALFORMED])
def test_what_is_malformed_is_answered_and_leaves_no_traceback(service: Service, raw: bytes) -> None:
    with connected(service) as sock:
        sock.sendall(raw)
        sock.settimeout(HANG_SECONDS)
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 4"), answer
    if b"\0b" in raw:
        assert status(answer) == 400
    assert service.ready()
    said = service.process.said()
    assert "Traceback" not in said
    assert "answered 500" not in said


def test_a_url_that_cannot_be_parsed_has_a_request_id_too(service: Service) -> None:
    with connected(service) as sock:
        sock.sendall(b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n")
        headers = everything(sock).lower()
    assert b"\r\nx-request-id: " in headers
    assert b"\r\nconnection: close\r\n" in headers


def test_what_callers_make_up_is_one_series(service: Service) -> None:
    def ask() -> None:
        for number in range(5):
            httpx.request(f"ANYTHING{number}", f"{service.url}/healthz", timeout=HANG_SECONDS)
            httpx.request(f"ANYTHING{number}", f"{service.url}/path/{number}", timeout=HANG_SECONDS)
            httpx.get(f"{service.url}/made/up/{number}?{number}", timeout=HANG_SECONDS)

    ask()
    before = counts(service, "http_requests_total")
    ask()
    after = counts(service, "http_requests_total")

    assert set(after) == set(before) | {'http_requests_total{method="GET",route="/metrics",status="200"}'}
    for labels in ('method="other",route="other",status="405"', 'method="GET",route="other",status="404"'):
        assert f"http_requests_total{{{labels}}}" in after
    assert not [series for series in after if "ANYTHING" in series or "made" in series]


@pytest.mark.parametrize(
    "sent",
    [
        head(1000) + b'{"id": ',
        b"POST /payments/pay HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        head(1_000_000) + b"x" * 100_000,
        b"GET /payments HTTP/1.1\r\nHo",
    ],
    ids=["in a body", "in a chunk", "in a body that is refused", "in the head"],
)
def test_a_caller_that_hangs_up_is_no_error_of_ours(payments_db: Volume, output: Path, sent: bytes) -> None:
    refused = b"x" * 1000 in sent
    with a_service("payment_provider", output, payments_db.service_environment()) as service:
        with connected(service) as sock:
            sock.sendall(sent.replace(b"Host: x\r\n", b"Host: x\r\nX-Request-Id: gone-1\r\n"))
            if refused:
                assert status(sock.recv(65536)) == 400
            else:
                # The answer to another caller: what was sent before it has been read.
                httpx.get(f"{service.url}/payments", timeout=HANG_SECONDS)
        if not refused:
            service.process.wait_for("the caller hung up")
        assert not [series for series in counts(service, "http_requests_total") if 'status="500"' in series]
        assert sum(counts(service, "http_requests_abandoned_total").values()) == (0 if refused else 1)
        assert "Traceback" not in service.process.said()
        for line in logged(service):
            if line["message"] == "the caller hung up":
                assert line["request_id"] == ("gone-1" if b"\r\n\r\n" in sent else line["request_id"]) != ""


def test_a_connection_that_lingers_ends_with_its_caller_and_does_not_hold_up_a_stop(
    payments_db: Volume, output: Path
) -> None:
    with a_service("payment_provider", output, payments_db.service_environment()) as service:
        with connected(service) as sock:
            sock.sendall(head(1_000_000))
            assert status(sock.recv(65536)) == 400
            assert sock.recv(65536) == b""  # our side has ended
            sock.sendall(b"x" * 1_000_000)  # and still takes what comes
        assert service.process.stop() == 0
    assert "cut" not in service.process.said()
