"""What functions need that work on a cluster through its API server."""

from typing import Protocol

from harness.kube.client import Api
from harness.kube.kubectl import Kubectl


class Reachable(Protocol):
    """A cluster as far as its API server goes; every ``Cluster`` is one."""

    @property
    def kubectl(self) -> Kubectl:
        """The project's kubectl, bound to it."""

    @property
    def api(self) -> Api:
        """A client that its owner closes, shared by all who work on it."""
