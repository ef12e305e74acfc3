"""What a cluster is to everybody who uses one, and what a provider of clusters must do.

The protocols are narrow on purpose. What only some clusters can do is a protocol of its own, asked for with
``isinstance`` by whoever needs it: a test that does skips with the reason where it is missing.
"""

from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol, runtime_checkable

from harness.kube.kubectl import Kubectl
from harness.timeline import Timeline


class Cluster(Protocol):
    """A running cluster."""

    @property
    def name(self) -> str:
        """The name it was created with."""

    @property
    def provider(self) -> str:
        """``embedded``, ``kind``, ``minikube`` or ``existing``."""

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file of its own, whose current context is this cluster as an administrator."""

    @property
    def kubectl(self) -> Kubectl:
        """The project's kubectl, bound to this cluster."""

    @property
    def ingress_url(self) -> str:
        """Base URL at which the Ingress controller answers from outside, ``http://127.0.0.1:PORT``."""

    def check(self) -> None:
        """Raise ClusterError where the cluster is known to have broken; return where it may well live."""

    def load_images(self, archives: Sequence[Path]) -> None:
        """Put the images of docker-archive tars on the node; those it has already are skipped."""

    def export_logs(self, folder: Path) -> None:
        """Write the logs of the cluster's own components into ``folder``."""


class Provider(Protocol):
    """A way to have clusters."""

    @property
    def name(self) -> str:
        """As given to ``--cluster``."""

    def create(self, cluster: str, timeline: Timeline) -> Cluster:
        """Make the cluster and wait until it is ready, each phase on the timeline. On failure nothing is left.

        The caller holds the cluster's lease. Raises PrerequisiteError, BuildError or ClusterError.
        """

    def attach(self, cluster: str) -> Cluster | None:
        """Find the running cluster of that name; None where there is none."""

    def delete(self, cluster: str) -> None:
        """End the cluster and remove everything of it. Safe to repeat, and for a name that does not exist."""

    def sweep(self) -> list[str]:
        """Remove what crashed runs left: clusters that are neither held nor kept. Returns their names."""


@runtime_checkable
class ExternalPeer(Protocol):
    """A cluster with an address outside of it from which it can be probed."""

    @property
    def external_address(self) -> str:
        """The address of the external peer, as pods see it."""

    def run_outside(self, command: Sequence[str], seconds: float = 30) -> CompletedProcess[str]:
        """Run a program of this machine from the external peer's network: only what is routed there is in reach."""


@runtime_checkable
class Node(Protocol):
    """A cluster whose node can be hurt."""

    def components(self) -> dict[str, int]:
        """Names of the running components (``etcd``, ``kubelet``, ``felix``, …) with their process ids here."""

    def stop_component(self, name: str) -> None:
        """End one component and do not start it again; its death is then no failure of the cluster."""

    def start_component(self, name: str) -> None:
        """Start a component that was stopped."""
