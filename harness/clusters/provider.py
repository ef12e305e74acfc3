"""What a cluster is to everybody who uses one, and what a provider of clusters must do.

The protocols are narrow on purpose. What only some clusters can do is a protocol of its own, asked for with
``isinstance`` by whoever needs it: a test that does skips with the reason where it is missing.
"""

import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CompletedProcess, Popen
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.kube.client import Api
from harness.kube.kubectl import Kubectl
from harness.timeline import Timeline

if TYPE_CHECKING:
    from harness.clusters.visits import Visit


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
    def api(self) -> Api:
        """A client of its API server, as an administrator: one for all who use this cluster, in any thread."""

    @property
    def ingress_url(self) -> str:
        """Base URL at which the Ingress controller answers from outside, ``http://127.0.0.1:PORT``."""

    def close(self) -> None:
        """Close the connections that were kept to it. Safe to repeat; the cluster may be used on."""

    def check(self) -> None:
        """Raise ClusterError where the cluster is known to have broken; return where it may well live."""

    def load_images(self, archives: Sequence[Path]) -> None:
        """Put the images of docker-archive tars on the node; those it has already are skipped."""

    def reference(self, image: str) -> str:
        """How pods name an image that was loaded, by its own full name."""

    def export_logs(self, folder: Path) -> None:
        """Write the logs of the cluster's own components into ``folder``."""


class Provider(Protocol):
    """A way to have clusters."""

    @property
    def name(self) -> str:
        """As given to ``--cluster``."""

    def build(self, timeline: Timeline) -> None:
        """Build or fetch what its clusters are made of, so that ``create`` has only to start one; what is there stays.

        Raises PrerequisiteError or BuildError.
        """

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

    def start_outside(self, command: Sequence[str]) -> Popen[bytes]:
        """Start a program there that stays, its input, output and errors pipes.

        It must end with its input: that is the one thing that happens however this process ends.
        """


@runtime_checkable
class Shared(Protocol):
    """A cluster that others use from places whose locks are not seen here."""

    def visited(self, run: str, place: str, labels: Mapping[str, str]) -> AbstractContextManager["Visit"]:
        """Be seen by others as a process of the run for the block."""

    def claim(self, namespaces: Iterable[str]) -> None:
        """Have namespaces to this place. Raises UsageError where a run that lives has one of them, at another."""


@runtime_checkable
class Node(Protocol):
    """A cluster whose node can be hurt."""

    def components(self) -> dict[str, int]:
        """Names of the running components (``etcd``, ``kubelet``, ``felix``, …) with their process ids here."""

    def stop_component(self, name: str, number: int = signal.SIGTERM) -> None:
        """End one component by a signal and do not start it again; its death is then no failure of the cluster."""

    def start_component(self, name: str) -> None:
        """Start a component that was stopped."""

    def signal_container(self, container: str, number: int) -> int:
        """Send a signal to process 1 of a running container, by its id without the runtime's prefix; the process's id.

        Raises ClusterError where no such container runs.
        """

    def freeze_pod(self, uid: str) -> None:
        """Stop all processes of a pod where they are. Safe to repeat. Raises ClusterError where no such pod runs."""

    def thaw_pod(self, uid: str) -> None:
        """Let a frozen pod go on. Safe to repeat, and for a pod that is gone."""

    def forget_connections(self, address: str) -> int:
        """Drop what connection tracking knows of an address; how many entries. Policies see such packets anew."""

    def restart(self) -> None:
        """Kill everything on the node at once, as a power cut would, and start it again; what is on its disk stays."""
