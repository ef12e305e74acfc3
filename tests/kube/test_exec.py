"""Exec over a websocket: what is said on the wire, to a server that is made up. Real ones are in tests/live."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from harness.errors import ProbeError
from harness.kube.client import Api, ApiUnreachable
from harness.kube.exec import CLOSE, STATUS, STDERR, STDIN, STDOUT, Ending, ExecRefused, ExecStream

from .conftest import kubeconfig
from .peer import Peer

SUCCESS = json.dumps({"status": "Success"}).encode()
NOT_THERE = (
    "Internal error occurred: error executing command in container: OCI runtime exec failed: unable to start: exec: "
    '"python3": executable file not found in $PATH'
)


def failed(code: int) -> bytes:
    """The Status of a program that ended with ``code``."""
    causes = [{"reason": "ExitCode", "message": str(code)}]
    message = f"command terminated with non-zero exit code: exit status {code}"
    status = {"status": "Failure", "reason": "NonZeroExitCode", "message": message, "details": {"causes": causes}}
    return json.dumps(status).encode()


Script = Callable[[Peer], None]


class Server:
    """Plays a script to the one who connects. ``peer`` is there once they did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.peer: Peer | None = None
        self.thread: threading.Thread | None = None

    def plays(self, script: Script, **user: str) -> ExecStream:
        """A stream to this script, as opened by ``Api``."""

        def serve() -> None:
            connection, _ = self.listening.accept()
            with connection:
                connection.settimeout(60)
                self.peer = Peer(connection)
                script(self.peer)
                connection.shutdown(socket.SHUT_RDWR)

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        file = self._folder / "kubeconfig"
        file.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{self.listening.getsockname()[1]}/base", **user)))
        with Api(file) as api:
            return ExecStream(api, "ns", "app", ["python3", "-c", "a b&c"], "main", seconds=60)

    def close(self) -> None:
        self.listening.close()
        if self.thread:
            self.thread.join(timeout=60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.close()


def after(*messages: tuple[int, bytes], protocol: str = "v5.channel.k8s.io") -> Script:
    """Accepts, says this, and hears the other out."""

    def script(peer: Peer) -> None:
        peer.accept(protocol)
        for channel, content in messages:
            peer.send(channel, content)
        while peer.receive()[0] != 8:
            pass

    return script


def test_the_request_names_command_container_and_both_protocols(server: Server) -> None:
    with server.plays(after(), token="abc") as stream:  # noqa: S106 -- a test's own
        assert stream.protocol == "v5.channel.k8s.io"
    assert server.peer is not None
    url = urlsplit(server.peer.target)
    assert url.path == "/base/api/v1/namespaces/ns/pods/app/exec"
    assert parse_qsl(url.query) == [
        ("command", "python3"),
        ("command", "-c"),
        ("command", "a b&c"),
        ("stdin", "true"),
        ("stdout", "true"),
        ("stderr", "true"),
        ("container", "main"),
    ]
    assert server.peer.headers["sec-websocket-protocol"] == "v5.channel.k8s.io,v4.channel.k8s.io"
    assert server.peer.headers["authorization"] == "Bearer abc"


def test_what_is_written_goes_to_the_input_in_pieces_that_every_server_takes(server: Server) -> None:
    data = bytes(range(256)) * 300
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept("v5.channel.k8s.io")
        while sum(map(len, got)) < len(data):
            kind, content = peer.receive()
            assert (kind, content[0]) == (2, STDIN)
            got.append(content[1:])
        peer.send(STDOUT, b"done")

    with server.plays(script) as stream:
        stream.write(data)
        assert stream.read(10) == b"done"
    assert b"".join(got) == data
    assert max(map(len, got)) == 32 * 1024


def test_output_is_read_until_the_program_has_ended(server: Server) -> None:
    messages = ((STDOUT, b""), (STDOUT, b"one"), (STDERR, b"hm"), (STDOUT, b"two"), (STATUS, SUCCESS))
    with server.plays(after(*messages)) as stream:
        assert [stream.read(10), stream.read(10), stream.read(10), stream.read(10)] == [b"one", b"two", b"", b""]
        assert stream.ending == Ending(0, "")
        assert stream.last_words() == "hm"


def test_nothing_within_the_time_is_not_the_end(server: Server) -> None:
    asked = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept("v5.channel.k8s.io")
        asked.wait(60)
        peer.send(STDOUT, b"late")
        peer.receive()

    with server.plays(script) as stream:
        assert stream.read(0.05) is None
        asked.set()
        assert stream.read(10) == b"late"


@pytest.mark.parametrize(
    ("status", "ending", "never_started"),
    [
        (failed(137), Ending(137, "command terminated with non-zero exit code: exit status 137"), False),
        (failed(127), Ending(127, "command terminated with non-zero exit code: exit status 127"), True),
        (json.dumps({"status": "Failure", "message": NOT_THERE}).encode(), Ending(None, NOT_THERE), True),
        (json.dumps({"status": "Failure", "message": "gone"}).encode(), Ending(None, "gone"), False),
        (b"moo", Ending(None, "moo"), False),
    ],
)
def test_how_a_program_ended_is_told(server: Server, status: bytes, ending: Ending, never_started: object) -> None:
    with server.plays(after((STDERR, b"ouch\n"), (STATUS, status))) as stream:
        assert stream.read(10) == b""
        assert stream.ending == ending
        assert ending.never_started is never_started
        assert stream.last_words() == f"ouch: {ending.message}"


def test_closing_ends_the_input_and_says_farewell(server: Server) -> None:
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.accept("v5.channel.k8s.io")
        got.extend([peer.receive(), peer.receive()])

    stream = server.plays(script)
    stream.close()
    stream.close()
    assert server.thread is not None
    server.thread.join(timeout=60)
    assert [got[0], got[1][0]] == [(2, bytes([CLOSE, STDIN])), 8]


def test_an_older_server_is_spoken_to_in_version_4_which_cannot_end_the_input_alone(server: Server) -> None:
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.accept("v4.channel.k8s.io")
        peer.send(STDOUT, b"x")
        got.append(peer.receive())

    with server.plays(script) as stream:
        assert stream.read(10) == b"x"
        stream.end_input()
    assert server.thread is not None
    server.thread.join(timeout=60)
    assert got[0][0] == 8


def test_a_ping_is_answered_while_reading(server: Server) -> None:
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.accept("v5.channel.k8s.io")
        peer.frame(9, b"are you there")
        got.append(peer.receive())
        peer.send(STATUS, SUCCESS)

    with server.plays(script) as stream:
        assert stream.read(10) == b""
    assert got == [(10, b"are you there")]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, json.dumps({"kind": "Status", "message": 'pods "app" not found'}), 'status 404: pods "app" not found'),
        (403, "no", "status 403: no"),
        (500, "", "status 500: 500"),
    ],
)
def test_a_refusal_is_told_with_its_status_and_its_words(server: Server, status: int, body: str, message: str) -> None:
    with pytest.raises(ExecRefused, match=f"exec into pod ns/app, container main was refused .*{message}") as raised:
        server.plays(lambda peer: peer.refuse(status, body))
    assert raised.value.status == status
    assert isinstance(raised.value, ProbeError)


def test_a_server_that_speaks_neither_protocol_is_an_error(server: Server) -> None:
    with pytest.raises(ProbeError, match="no connection to pod ns/app"):
        server.plays(after(protocol="v1.channel.k8s.io"))


@pytest.mark.parametrize("farewell", [b"", b"\x03\xe8"])
def test_a_connection_that_ends_before_the_program_is_lost(server: Server, farewell: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.accept("v5.channel.k8s.io")
        peer.send(STDOUT, b"half of an")
        if farewell:
            peer.frame(8, farewell)

    with server.plays(script) as stream:
        assert stream.read(10) == b"half of an"
        with pytest.raises(ProbeError, match="connection to pod ns/app, container main was lost"):
            stream.read(10)


def test_writing_to_a_program_that_has_ended_tells_how_it_ended(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.plays(after((STATUS, failed(137)))) as stream:

        def broken(_data: bytes) -> None:
            raise BrokenPipeError

        monkeypatch.setattr(stream._socket, "send_binary", broken)
        with pytest.raises(ProbeError, match=r"has ended: .*exit status 137"):
            stream.write(b"x")


def test_a_server_that_is_not_there_is_unreachable(server: Server, tmp_path: Path) -> None:
    port = server.listening.getsockname()[1]
    server.listening.close()
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{port}")))
    with Api(file) as api, pytest.raises(ApiUnreachable, match=re.escape(f"127.0.0.1:{port}")):
        ExecStream(api, "ns", "app", ["true"])


def test_through_tls_the_server_must_be_who_the_kubeconfig_says(server: Server, tmp_path: Path) -> None:
    seen: list[Any] = []

    def serve() -> None:
        connection, _ = server.listening.accept()
        with connection:
            seen.append(connection.recv(1))  # the first byte of a TLS handshake, and no answer that it could trust

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(f"https://127.0.0.1:{server.listening.getsockname()[1]}")))
    with Api(file) as api:
        assert api._tls.verify_mode is ssl.CERT_REQUIRED
        with pytest.raises(ApiUnreachable):
            api.open_socket(5)
    thread.join(timeout=60)
    assert seen == [b"\x16"]
