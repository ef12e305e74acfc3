"""Calico on clusters that kubeadm has made without a network plugin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import addons
from harness.clusters.provider import Cluster
from harness.images.store import Image
from harness.kube.kubectl import JsonObject
from harness.kube.wait import patient, wait_until
from harness.timeline import Timeline

SECONDS: Final = 180.0
"""Bounds a hang: how long Calico's agent may take to be ready."""

CLUSTER_INFORMATION: Final[JsonObject] = {
    "apiVersion": "crd.projectcalico.org/v1",
    "kind": "ClusterInformation",
    "metadata": {"name": "default"},
    "spec": {"clusterGUID": "00000000000000000000000000000000", "datastoreReady": True},
}
"""Without it Calico's plugin lets no pod start."""

_AGENT: Final = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"


@dataclass(frozen=True)
class Calico:
    """What Calico is installed from: the ``image`` of its programs, and the folder of its ``crds``."""

    image: Image
    crds: Path

    def install(self, cluster: Cluster, pod_network: str, timeline: Timeline) -> None:
        """Give a cluster its network: with it the nodes become ready. Raises WaitTimeout.

        ``pod_network`` (a CIDR) is what the addresses of all pods are from; what pods send out of it leaves with the
        node's own address.
        """
        with timeline.phase("Calico"):
            cluster.load_images([self.image.archive])
            kubectl = cluster.kubectl
            kubectl.run("create", "-f", str(self.crds))
            limit = f"--timeout={patient(SECONDS):.0f}s"
            kubectl.run("wait", "--for=condition=established", "crd", "--all", limit, seconds=SECONDS)
            kubectl.apply(CLUSTER_INFORMATION, ip_pool(pod_network))
            document = addons.render("calico", {"policy": self.image.reference})
            kubectl.run("apply", "--server-side", "--field-manager=harness", "-f", "-", stdin=document)

            def ready() -> bool:
                cluster.check()
                return agents_ready(cluster)

            wait_until("Calico to be ready on every node", ready, seconds=SECONDS)


def agents_ready(cluster: Cluster) -> bool:
    """Whether Calico's agent is ready on every node."""
    status = cluster.api.get(_AGENT).get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    return bool(wanted) and status.get("numberReady", 0) == wanted


def ip_pool(network: str) -> JsonObject:
    """The pods' addresses, for Calico to know what is outside of them: no tunnels, for a node of its own needs none."""
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "IPPool",
        "metadata": {"name": "pods"},
        "spec": {
            "cidr": network,
            "natOutgoing": True,
            "ipipMode": "Never",
            "vxlanMode": "Never",
            "nodeSelector": "all()",
        },
    }
