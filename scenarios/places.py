"""Where scenarios probe from, and what they run there."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.clusters.provider import ExternalPeer
from harness.errors import ProbeError
from harness.kube.kubectl import Kubectl

HANG_SECONDS = 120.0
"""Bounds a hang of a program there; each of them ends by itself before."""
_CONNECT = (Path(__file__).parent / "connect.py").read_text()
_FETCH = (Path(__file__).parent / "fetch.py").read_text()


class Place(Protocol):
    """Somewhere a Python program can run."""

    def python(self, source: str, *arguments: str) -> str:
        """Run the program, and return what it printed. Raises HarnessError if it cannot run."""


@dataclass(frozen=True)
class InPod:
    """A container of the cluster: ``pod`` is a pod's name, or ``deployment/name`` for any of its pods."""

    kubectl: Kubectl
    namespace: str
    pod: str
    container: str

    def python(self, source: str, *arguments: str) -> str:
        """Run the program in the container."""
        where = ("--namespace", self.namespace, "--container", self.container)
        return self.kubectl.run(
            "exec", *where, self.pod, "--", "python3", "-c", source, *arguments, seconds=HANG_SECONDS
        )


@dataclass(frozen=True)
class Outside:
    """The external peer: an address outside the cluster, to which everything in it is routed."""

    peer: ExternalPeer

    def python(self, source: str, *arguments: str) -> str:
        """Run the program in the peer's network."""
        done = self.peer.run_outside([sys.executable, "-c", source, *arguments], seconds=HANG_SECONDS)
        if done.returncode:
            raise ProbeError(f"the probe on the external peer ended with status {done.returncode}:\n{done.stderr}")
        return done.stdout


def connect(place: Place, targets: Sequence[str]) -> dict[str, str]:
    """Try to connect from a place to each ``address:port``; what came of each, in the words of connect.py."""
    verdicts: dict[str, str] = json.loads(place.python(_CONNECT, *targets))
    return verdicts


def fetch(place: Place, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send HTTP requests from a place; the answers, as fetch.py describes them."""
    answers: list[dict[str, Any]] = json.loads(place.python(_FETCH, json.dumps(requests)))
    return answers
