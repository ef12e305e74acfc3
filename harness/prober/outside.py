"""A prober at the external peer: an agent in a process of this machine, in the peer's network.

It is not told to end by anybody who could be killed before: it ends with its input, which the kernel ends with us.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from harness.errors import ProbeError
from harness.prober import agent
from harness.prober.client import Prober
from harness.prober.stream import AgentStream, LocalChannel

_LISTEN_SECONDS = 10.0


class Peer(Protocol):
    """What is needed of a ``harness.clusters.provider.ExternalPeer``."""

    @property
    def external_address(self) -> str:
        """The address of the external peer, as pods see it."""

    def start_outside(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program in its network, with pipes."""


@contextmanager
def outside_prober(peer: Peer, ports: Sequence[int] = ()) -> Iterator[Prober]:
    """A prober in the peer's network, which also listens on ``ports``, TCP and UDP; it is named by its address.

    Several runs may listen on the same ports of one peer: any of them answers, in the same words. Raises ProbeError
    where it cannot listen.
    """
    where = f"the external peer {peer.external_address}"

    def start(*arguments: str) -> LocalChannel:
        name = f"POD_NAME={peer.external_address}"
        return LocalChannel(peer.start_outside(["env", name, sys.executable, "-I", "-u", agent.__file__, *arguments]))

    listening = None
    try:
        if ports:
            chosen = [word for port in ports for what in ("--tcp", "--udp") for word in (what, str(port))]
            listening = start("serve", "--shared", "--until-eof", *chosen)
            _wait_for_listeners(listening, where)
        with Prober(lambda: AgentStream(start("drive"), where), "", peer.external_address) as prober:
            yield prober
    finally:
        if listening:
            listening.close()


def _wait_for_listeners(channel: LocalChannel, where: str) -> None:
    said, until = b"", time.monotonic() + _LISTEN_SECONDS
    while not said.endswith(b"\n"):
        piece = channel.read(until - time.monotonic())
        if not piece:
            raise ProbeError(f"{where} does not listen: {channel.last_words() or 'it says nothing'}")
        said += piece
    if "serving" not in json.loads(said):
        raise ProbeError(f"{where} does not listen: {said!r}")
