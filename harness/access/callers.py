"""Callers: each sends calls as somebody, thousands in a few seconds, over one connection.

An API server answers the requests of one HTTP/1.1 connection one after the other, in order, and reads the next while it
answers (net/http of Go). So a caller sends ahead, and never waits between two requests. On two cores that are shared
with the server a request costs 0.05 ms here; with http.client on kept connections, which waits for each answer, 0.28,
with urllib3 0.6 ms: half and a third as many requests a second. What is left is the server's own time: 0.3 ms for a
denied request, 0.4 ms more where it has to verify a client certificate, as it does each time. So neither more callers
nor HTTP/2 would gain anything.

No more than one request of a caller is ever in work, which is few enough for priority and fairness to let all in.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, Final, TypeVar
from urllib.parse import urlsplit

from harness.access.answers import Answer, refused
from harness.access.asking import Call
from harness.access.credentials import Credential
from harness.access.matrix import Who
from harness.access.request import Identity
from harness.errors import ProbeError
from harness.kube.client import Api, ApiUnreachable

AHEAD: Final = 32
"""Requests that are sent before the first is answered. Few enough to fit into the socket's buffers: else both ends
could wait for the other to read."""
SILENCE_SECONDS = 15.0
WHO_AM_I: Final = Call(
    "POST",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode(),
)

_CREATED: Final = 201
_FORBIDDEN: Final = 403
_WITHOUT_BODY: Final = frozenset({204, 304})
_T = TypeVar("_T")


class Caller:
    """Sends calls to the API server of ``api`` with a credential; without one as the kubeconfig's own user."""

    def __init__(self, api: Api, credential: Credential | None = None) -> None:
        self._api = api
        self._tls = credential.tls if credential else None
        to = urlsplit(api.url(""))
        headers = credential.headers if credential else tuple(api.credentials().items())
        if any(not value.isprintable() for _, value in headers):
            raise ProbeError("a name holds what no HTTP header can: nobody can be asked for by it")
        self._prefix = to.path
        self._headers = "".join(f"{key}: {value}\r\n" for key, value in (("Host", to.netloc), *headers))

    def ask(self, calls: Sequence[Call], seconds: float = 120.0) -> list[Answer]:
        """The answer to each call, in their order.

        One that a broken connection left without an answer is not sent again, those behind it are. After ``seconds``
        what is left has no answer.
        """
        answers: list[Answer] = []
        deadline = time.monotonic() + seconds
        while len(answers) < len(calls):
            rest = calls[len(answers) :]
            if time.monotonic() > deadline:
                return answers + [Answer(0, why=f"not answered within {seconds:.0f} s")] * len(rest)
            try:
                with (
                    self._api.open_socket(SILENCE_SECONDS, self._tls) as connection,
                    connection.makefile("rb") as reader,
                ):
                    answers += self._talk(rest, connection.sendall, reader, deadline)
            except ApiUnreachable as error:
                return answers + [Answer(0, why=error.output)] * len(rest)
        return answers

    def _talk(
        self, calls: Sequence[Call], send: Callable[[bytes], None], reader: BinaryIO, deadline: float
    ) -> list[Answer]:
        """The answers to the first of some calls, as many as one connection gives, but at least one."""
        answers: list[Answer] = []
        sent = 0
        goes_on = True
        while goes_on and len(answers) < len(calls) and time.monotonic() < deadline:
            try:
                if sent - len(answers) <= AHEAD // 2 and sent < len(calls):
                    more = calls[sent : len(answers) + AHEAD]
                    send(b"".join(map(self.written, more)))
                    sent += len(more)
                answer, goes_on = read_answer(reader)
            except (OSError, ValueError, EOFError) as error:
                answer, goes_on = Answer(0, why=str(error) or type(error).__name__), False
            answers.append(answer)
        return answers

    def written(self, call: Call) -> bytes:
        """A call as it goes over the wire."""
        about = f"Content-Type: {call.content_type}\r\n" if call.body else ""
        length = f"Content-Length: {len(call.body)}\r\n" if call.body or call.method != "GET" else ""
        head = f"{call.method} {self._prefix}{call.path} HTTP/1.1\r\n{self._headers}Accept: {call.accept}\r\n"
        return f"{head}{about}{length}\r\n".encode() + call.body


def read_answer(reader: BinaryIO) -> tuple[Answer, bool]:
    """The next answer, and whether the connection goes on after it (RFC 9112, what of it answers to requests use).

    Raises EOFError where the connection ended, ValueError for what is no HTTP, and OSError.
    """
    version, status = _line(reader).split(None, 2)[:2]
    goes_on = version == b"HTTP/1.1"
    length: int | None = None
    chunked = False
    while line := _line(reader):
        key, _, value = line.partition(b":")
        match key.lower():
            case b"content-length":
                length = int(value)
            case b"transfer-encoding":
                chunked = value.strip().lower() == b"chunked"
            case b"connection":
                goes_on = value.strip().lower() != b"close"
    number = int(status)
    if chunked:
        body = b"".join(iter(lambda: _chunk(reader), b""))
        while _line(reader):
            pass  # trailers
    elif number in _WITHOUT_BODY:
        body = b""
    elif length is None:
        body, goes_on = reader.read(), False
    else:
        body = _exactly(reader, length)
    return Answer(number, body), goes_on


def _line(reader: BinaryIO) -> bytes:
    line = reader.readline(65536)
    if not line.endswith(b"\n"):
        raise EOFError("the server closed the connection")
    return line.rstrip(b"\r\n")


def _chunk(reader: BinaryIO) -> bytes:
    size = int(_line(reader).partition(b";")[0], 16)
    chunk = _exactly(reader, size)
    if size:
        _line(reader)
    return chunk


def _exactly(reader: BinaryIO, size: int) -> bytes:
    body = reader.read(size)
    if len(body) < size:
        raise EOFError("the server closed the connection in the middle of an answer")
    return body


def at_once(jobs: Iterable[Callable[[], _T]]) -> list[_T]:
    """What some jobs give, each in a thread of its own: how several callers ask at the same time."""
    known = list(jobs)
    with ThreadPoolExecutor(max_workers=max(1, len(known))) as pool:
        return [future.result() for future in [pool.submit(job) for job in known]]


def prove(callers: Mapping[Who, Caller]) -> None:
    """The positive control: each caller is who he should be, by the server's own word (KEP-3325).

    Who is somebody else, or may not even ask who he is, would be denied for no reason that tells anything. Raises
    ProbeError, which names all of them.
    """
    wrong = [
        f"{who.name} should be {_spelt(who.identity)}, but {_told(answer)}"
        for who, [answer] in zip(
            callers, at_once(partial(one.ask, [WHO_AM_I]) for one in callers.values()), strict=True
        )
        if identified(answer) != who.identity
    ]
    if wrong:
        raise ProbeError(
            "the credentials are not those of who is to ask: what they meet would tell nothing. " + "; ".join(wrong)
        )


def identified(answer: Answer) -> Identity | None:
    """Who asked, by the server's word; None where it does not say. The anonymous may not ask, and are named so."""
    if answer.status == _CREATED:
        user = json.loads(answer.body)["status"]["userInfo"]
        return Identity(user["username"], frozenset(user.get("groups", ())))
    if refused(answer) == Identity.anonymous().name:
        return Identity.anonymous()
    return None


def _told(answer: Answer) -> str:
    found = identified(answer)
    if found:
        return f"is {_spelt(found)}"
    return (
        f"the server said {answer.status}: {answer.body[:300].decode(errors='replace')}"
        if answer.status
        else answer.why
    )


def _spelt(identity: Identity) -> str:
    return f"{identity} in {', '.join(sorted(identity.groups))}"
