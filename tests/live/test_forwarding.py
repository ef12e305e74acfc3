"""The node's forwarder: a client waits for what is not there yet, and nothing is kept for one that went away."""

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.clusters.embedded.layout import Layout
from harness.clusters.embedded.provider import EmbeddedCluster
from harness.kube.wait import wait_until
from harness.settings import Settings

SECONDS = 60.0
"""Bounds a hang; no test depends on how soon something happens."""


@pytest.fixture
def forward(settings: Settings, embedded: EmbeddedCluster) -> Path:
    """The program, as the shared cluster's node runs it."""
    return Layout(settings.paths.cluster(embedded.name)).binaries / "forward"


@contextmanager
def forwarding(program: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, int]]]:
    """The running program, and the address at which it forwards to a port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [str(program), f"{listener.fileno()}=127.0.0.1:{port}"]
        address: tuple[str, int] = listener.getsockname()
        with subprocess.Popen(command, pass_fds=[listener.fileno()]) as process:
            try:
                yield process, address
            finally:
                process.kill()


@contextmanager
def later() -> Iterator[socket.socket]:
    """A socket with a port of its own that refuses until its ``listen`` is called."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(SECONDS)
        yield server


def test_a_client_is_kept_waiting_until_the_address_answers(forward: Path) -> None:
    with (
        later() as server,
        forwarding(forward, server.getsockname()[1]) as (_, address),
        socket.create_connection(address, timeout=SECONDS) as client,
    ):
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        server.listen()
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(SECONDS)
            assert accepted.makefile("rb").read() == b"question"
            accepted.sendall(b"answer")
        assert client.makefile("rb").read() == b"answer"


@pytest.mark.parametrize("linger", [0, 1], ids=["closes", "resets"])
def test_a_client_that_goes_while_it_waits_leaves_nothing(forward: Path, linger: int) -> None:
    with later() as server, forwarding(forward, server.getsockname()[1]) as (process, address):

        def sockets() -> int:
            links = [link.readlink() for link in Path(f"/proc/{process.pid}/fd").iterdir()]
            return sum(str(link).startswith("socket:") for link in links)

        assert sockets() == 1, "the listener"
        client = socket.create_connection(address, timeout=SECONDS)
        wait_until("the connection to be taken", lambda: sockets() > 1, seconds=SECONDS, tolerate=(OSError,))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", linger, 0))
        client.close()
        wait_until("the connection to be dropped", lambda: sockets() == 1, seconds=SECONDS, tolerate=(OSError,))


def test_a_client_of_what_never_answers_is_reset_in_the_end(forward: Path) -> None:
    with (
        later() as server,
        forwarding(forward, server.getsockname()[1]) as (_, address),
        socket.create_connection(address, timeout=SECONDS) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.recv(1)
