"""Where everything of one embedded cluster lies, outside its namespaces and inside."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.kube.kubectl import Kubectl
from harness.paths import NODE_SPECIFIED

INSIDE = Path("/run/node")
"""Where the cluster's folder is mounted in the node: short, so that socket paths stay below 108 bytes."""

NODE_NAME = "node1"
NODE_ADDRESS = "192.168.127.1"
POD_NETWORK = "10.244.0.0/24"
CLUSTER_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
INGRESS_SERVICE_ADDRESS = "10.96.0.80"
EXTERNAL_GATEWAY = "203.0.113.1"
EXTERNAL_PEER = "203.0.113.10"
"""TEST-NET-3 (RFC 5737): no address of a real network can be meant."""


@dataclass(frozen=True)
class Layout:
    """Paths of the cluster whose state is in ``folder``."""

    folder: Path

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.folder.name

    @property
    def cgroup(self) -> str:
        """The name of its cgroup in each hierarchy: short, of safe characters, unique by the folder's path."""
        return f"harness-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}"

    @property
    def data(self) -> Path:
        """What is cloned from the template: ``etcd`` and ``containerd``."""
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        """One file for each component."""
        return self.folder / "logs"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.folder / "pki"

    @property
    def configuration(self) -> Path:
        """Configuration files of the components."""
        return self.folder / "etc"

    @property
    def binaries(self) -> Path:
        """Hard links to the components, so that the node sees them wherever the cache lies."""
        return self.folder / "bin"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for use from outside the namespaces."""
        return self.folder / "kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        """The project's kubectl as the administrator; what it keeps of the cluster goes with the cluster."""
        return Kubectl(self.binaries / "kubectl", self.kubeconfig, cache=self.folder / "kubectl-cache")

    @property
    def spec(self) -> Path:
        """What ``node`` is to do, as JSON."""
        return self.folder / NODE_SPECIFIED

    @property
    def state(self) -> Path:
        """What the supervisor says of itself, as JSON; there once the node runs."""
        return self.folder / "state.json"

    @property
    def death(self) -> Path:
        """Why the node ended by itself, as JSON; there only then."""
        return self.folder / "death.json"

    @property
    def control(self) -> Path:
        """The node's control socket."""
        return self.folder / "control.sock"
