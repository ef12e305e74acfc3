"""What kind is told of a cluster: data, no I/O. See https://kind.sigs.k8s.io/docs/user/configuration."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

INGRESS_PORT: Final = 30080
"""The node port of the Ingress controller's Service, published on a free port of this machine's loopback."""

POD_NETWORK: Final = "10.244.0.0/16"
"""What pods get their addresses from: kind's default, said to whoever needs it."""

STOCK_IMAGE: Final = (
    "docker.io/kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
)
"""The node image that the pinned kind was released with (kind's pkg/apis/config/defaults/image.go)."""

OWN_CNI: Final = "calico"
KINDS_CNI: Final = "kindnet"


@dataclass(frozen=True)
class NodeImage:
    """A node image by its reference; ``dns`` is the tag of the CoreDNS in it, empty where it is what kubeadm expects.

    ``bare`` is one that has no network plugin of its own. ``archive`` is the docker-archive that holds it, for an
    engine that does not have it.
    """

    reference: str
    dns: str = ""
    bare: bool = False
    archive: Path | None = None


@dataclass(frozen=True)
class Ports:
    """The ports of the loopback that the API server and the Ingress controller get: 0 is one that is free."""

    api: int = 0
    ingress: int = 0


def cluster_config(image: NodeImage, cni: str, ports: Ports) -> dict[str, Any]:
    """The configuration of a cluster of one node, reached from the loopback of its engine's machine only."""
    patches = []
    if image.dns:
        patches.append({"kind": "ClusterConfiguration", "dns": {"imageTag": image.dns}})
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {
            "ipFamily": "ipv4",
            "apiServerAddress": "127.0.0.1",
            "apiServerPort": ports.api,
            "podSubnet": POD_NETWORK,
            "disableDefaultCNI": cni != KINDS_CNI,
        },
        "nodes": [
            {
                "role": "control-plane",
                "extraPortMappings": [
                    {"containerPort": INGRESS_PORT, "hostPort": ports.ingress, "listenAddress": "127.0.0.1"}
                ],
            }
        ],
        "kubeadmConfigPatches": [json.dumps(patch) for patch in patches],
    }


def node_of(cluster: str) -> str:
    """The name of the container that is the node of a cluster."""
    return f"{cluster}-control-plane"
