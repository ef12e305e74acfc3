"""Callers: many requests in flight, each answer at its own, and a reason where there is none."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from harness.access.answers import Answer
from harness.access.asking import Call
from harness.access.callers import AHEAD, WHO_AM_I, Caller, at_once, identified, prove, read_answer
from harness.access.credentials import Credential, How
from harness.access.matrix import Who
from harness.access.request import Identity
from harness.errors import ProbeError
from harness.kube.client import Api, ApiUnreachable

CALLS = [Call("GET", f"/{number}") for number in range(100)]


class Wire:
    """What a caller needs of an Api: a server at a port of this machine, below a path."""

    def __init__(self, port: int, prefix: str = "") -> None:
        self._port, self._prefix = port, prefix

    def url(self, path: str) -> str:
        return f"http://cluster:6443{self._prefix}{path}"

    def credentials(self) -> dict[str, str]:
        return {"Authorization": "Bearer admin"}

    def open_socket(self, seconds: float, _tls: object = None) -> socket.socket:
        try:
            return socket.create_connection(("127.0.0.1", self._port), timeout=seconds)
        except OSError as error:
            raise ApiUnreachable("CONNECT", "x", 0, str(error)) from error

    @property
    def api(self) -> Api:
        return cast("Api", self)


Script = Callable[[int, int, socket.socket], bool]
"""Answers the n-th request of a connection, for a path's number; False ends the connection."""


@contextmanager
def serving(script: Script) -> Iterator[Wire]:
    """A server that reads request after request of each connection, one connection at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed: the test is over
                    return
                with connection, connection.makefile("rb") as reader:
                    for number in range(10_000):
                        path = reader.readline().split()
                        while reader.readline() not in (b"\r\n", b""):
                            pass
                        if not path or not script(number, int(path[1][1:]), connection):
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield Wire(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def answer(connection: socket.socket, text: str, about: str = "") -> None:
    connection.sendall(f"HTTP/1.1 200 OK\r\n{about}Content-Length: {len(text)}\r\n\r\n{text}".encode())


def test_each_call_gets_its_own_answer_and_one_connection_is_enough() -> None:
    connections = set()

    def script(number: int, path: int, connection: socket.socket) -> bool:
        connections.add(connection)
        answer(connection, f"answer {path}")
        return True

    with serving(script) as wire:
        found = Caller(wire.api).ask(CALLS)

    assert found == [Answer(200, f"answer {number}".encode()) for number in range(100)]
    assert len(connections) == 1


def test_requests_are_sent_ahead_of_the_answers() -> None:
    waiting: list[int] = []

    def script(number: int, path: int, connection: socket.socket) -> bool:
        waiting.append(path)
        if len(waiting) == AHEAD:  # not one of them was answered before
            for one in waiting:
                answer(connection, str(one))
        return True

    with serving(script) as wire:
        found = Caller(wire.api).ask(CALLS[:AHEAD])

    assert [one.body for one in found] == [str(number).encode() for number in range(AHEAD)]


def test_what_an_orderly_close_left_is_sent_again() -> None:
    def script(number: int, path: int, connection: socket.socket) -> bool:
        last = number == 9
        answer(connection, str(path), "Connection: close\r\n" if last else "")
        return not last

    with serving(script) as wire:
        found = Caller(wire.api).ask(CALLS)

    assert [one.body for one in found] == [str(number).encode() for number in range(100)]


def test_what_was_in_work_when_the_connection_broke_has_no_answer_and_the_rest_has() -> None:
    def script(number: int, path: int, connection: socket.socket) -> bool:
        if path == 7:
            return False
        answer(connection, str(path))
        return True

    with serving(script) as wire:
        found = Caller(wire.api).ask(CALLS[:20])

    assert [number for number, one in enumerate(found) if one.status == 0] == [7]
    assert found[7].why
    assert found[19] == Answer(200, b"19")


def test_nonsense_is_no_answer() -> None:
    def script(number: int, path: int, connection: socket.socket) -> bool:
        connection.sendall(b"SSH-2.0-x\r\n")
        return False

    with serving(script) as wire:
        [found] = Caller(wire.api).ask(CALLS[:1])

    assert found.status == 0


def test_where_nobody_listens_no_call_has_an_answer_and_each_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    found = Caller(Wire(port).api).ask(CALLS)

    assert {(one.status, one.why) for one in found} == {(0, "[Errno 111] Connection refused")}
    assert len(found) == 100


def test_when_the_time_is_over_what_is_left_has_no_answer() -> None:
    def script(number: int, path: int, connection: socket.socket) -> bool:
        answer(connection, str(path))
        return True

    with serving(script) as wire:
        found = Caller(wire.api).ask(CALLS[:3], seconds=-1)

    assert [one.why for one in found] == ["not answered within -1 s"] * 3


def written(call: Call, credential: Credential | None = None, prefix: str = "") -> str:
    return Caller(Wire(0, prefix).api, credential).written(call).decode()


def test_a_call_is_written_below_the_path_of_the_kubeconfig_with_the_credential() -> None:
    wanted = Call("PATCH", "/x?dryRun=All", b"{}", "application/merge-patch+json", "application/yaml")

    assert written(wanted, Credential(How.TOKEN, headers=(("Authorization", "Bearer t"),)), "/k8s/clusters/c1") == (
        "PATCH /k8s/clusters/c1/x?dryRun=All HTTP/1.1\r\nHost: cluster:6443\r\nAuthorization: Bearer t\r\n"
        "Accept: application/yaml\r\nContent-Type: application/merge-patch+json\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_a_method_that_could_have_a_body_says_that_it_has_none() -> None:
    assert "Content-Length: 0\r\n" in written(Call("POST", "/x"))
    assert "Content-Length" not in written(Call("GET", "/x"))


def test_without_a_credential_it_is_the_kubeconfigs_own_and_the_anonymous_show_none() -> None:
    assert "Authorization: Bearer admin\r\n" in written(Call("GET", "/x"))
    assert "Authorization" not in written(Call("GET", "/x"), Credential(How.ANONYMOUS))


def test_a_name_cannot_add_a_header() -> None:
    with pytest.raises(ProbeError, match="no HTTP header"):
        written(Call("GET", "/x"), Credential(How.IMPERSONATED, headers=(("Impersonate-User", "a\r\nX: y"),)))


# ------------------------------------------------------------------------------------------------------------- the wire


def read(text: bytes) -> tuple[Answer, bool]:
    return read_answer(io.BytesIO(text))


def test_an_answer_ends_where_its_length_says() -> None:
    assert read(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nabHTTP/1.1") == (Answer(404, b"ab"), True)
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n") == (Answer(204), True)


def test_an_answer_in_chunks_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: z\r\n\r\n"
    assert read(chunked) == (Answer(200, b"abcde"), True)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    assert read(b"HTTP/1.1 200 OK\r\n\r\nuntil the end") == (Answer(200, b"until the end"), False)


def test_a_connection_does_not_go_on_where_the_server_says_so() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")[1] is False
    assert read(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")[1] is False


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    ],
)
def test_half_an_answer_is_none(text: bytes) -> None:
    with pytest.raises(EOFError):
        read(text)


@pytest.mark.parametrize("text", [b"\r\n", b"what\r\n\r\n", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"])
def test_what_is_no_http_is_none_either(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read(text)


def test_jobs_are_done_side_by_side_and_answered_in_order() -> None:
    both = threading.Barrier(2, timeout=60)

    assert at_once([lambda: both.wait() >= 0, lambda: both.wait() >= 0]) == [True, True]
    assert at_once([]) == []


# ------------------------------------------------------------------------------------------------- the positive control


class Voice:
    """A caller that is answered this."""

    def __init__(self, answered: Answer) -> None:
        self._answered = answered

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        assert list(calls) == [WHO_AM_I]
        return [self._answered]


def is_(name: str, *groups: str) -> Answer:
    user = {"username": name, "groups": list(groups)}
    return Answer(201, json.dumps({"status": {"userInfo": user}}).encode())


def refused(name: str) -> Answer:
    words = f'User "{name}" cannot create resource "selfsubjectreviews" in API group "authentication.k8s.io"'
    message = f"selfsubjectreviews.authentication.k8s.io is forbidden: {words} at the cluster scope"
    return Answer(403, json.dumps({"kind": "Status", "message": message}).encode())


ANNA = Who("anna", Identity.user("anna", ["team-invoice"]))
NOBODY = Who("anonymous", Identity.anonymous())


def proved(**voices: Answer) -> None:
    known = {"anna": ANNA, "anonymous": NOBODY}
    prove({known[name]: cast("Any", Voice(one)) for name, one in voices.items()})


def test_who_is_himself_in_his_groups_may_go_on() -> None:
    proved(anna=is_("anna", "system:authenticated", "team-invoice"), anonymous=refused("system:anonymous"))


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        (is_("ana", "system:authenticated", "team-invoice"), "is user ana in system:authenticated, team-invoice"),
        (is_("anna", "system:authenticated"), "is user anna in system:authenticated"),
        (is_("anna", "system:authenticated", "team-invoice", "more"), "more"),
        (refused("anna"), "the server said 403"),
        (refused("system:anonymous"), "is user system:anonymous in system:unauthenticated"),
        (Answer(401, b"Unauthorized"), "the server said 401: Unauthorized"),
        (Answer(0, why="reset"), "reset"),
    ],
)
def test_who_is_somebody_else_or_unknown_is_an_error_that_says_what_came_back(answered: Answer, told: str) -> None:
    with pytest.raises(ProbeError) as raised:
        proved(anna=answered)

    assert "anna should be user anna in system:authenticated, team-invoice" in str(raised.value)
    assert told in str(raised.value)


def test_all_who_are_wrong_are_named() -> None:
    with pytest.raises(ProbeError, match=r"anna should be .*; anonymous should be "):
        proved(anna=Answer(401), anonymous=Answer(401))


def test_the_anonymous_are_known_by_what_they_are_refused_as() -> None:
    assert identified(refused("system:anonymous")) == Identity.anonymous()
    assert identified(refused("anna")) is None
