"""Calico on clusters that kubeadm has made without a network plugin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import addons
from harness.clusters.provider import Cluster
from harness.images.store import Image
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

SECONDS: Final = 180.0
"""Bounds a hang: how long the API server may take to know what was defined."""

CLUSTER_INFORMATION: Final[JsonObject] = {
    "apiVersion": "crd.projectcalico.org/v1",
    "kind": "ClusterInformation",
    "metadata": {"name": "default"},
    "spec": {"clusterGUID": "00000000000000000000000000000000", "datastoreReady": True},
}
"""Without it Calico's plugin lets no pod start."""

_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_AGENT: Final = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"


@dataclass(frozen=True)
class Calico:
    """What Calico is installed from: the ``image`` of its programs, and the folder of its ``crds``.

    ``pod_network`` (a CIDR) is what the addresses of all pods are from; what pods send out of it leaves with the node's
    own address.
    """

    image: Image
    crds: Path
    pod_network: str

    def start(self, cluster: Cluster) -> None:
        """Apply all of it, the image being on the nodes: with it they become ready."""
        kubectl = cluster.kubectl
        kubectl.run("create", "-f", str(self.crds))
        wait_until("Calico's definitions to be established", lambda: _established(cluster.api), seconds=SECONDS)
        kubectl.apply(CLUSTER_INFORMATION, ip_pool(self.pod_network))
        document = addons.render("calico", {"policy": self.image.reference})
        kubectl.run("apply", "--server-side", "--field-manager=harness", "-f", "-", stdin=document)

    def ready(self, api: Api) -> bool:
        """Whether its agent is ready on every node."""
        status = api.get(_AGENT).get("status", {})
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(wanted) and status.get("numberReady", 0) == wanted


def _established(api: Api) -> bool:
    conditions = [one.get("status", {}).get("conditions", []) for one in api.items(_DEFINITIONS)]
    return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)


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
