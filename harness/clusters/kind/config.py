"""What kind is told of a cluster: data, no I/O. See https://kind.sigs.k8s.io/docs/user/configuration."""

import json
from typing import Any, Final

from harness.clusters.container.node import INGRESS_PORT, POD_NETWORK, Networks, NodeImage, Ports

STOCK_IMAGE: Final = (
    "docker.io/kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
)
"""The node image that the pinned kind was released with (kind's pkg/apis/config/defaults/image.go)."""

KINDS_CNI: Final = "kindnet"
NETWORKS: Final = Networks("kind", own=KINDS_CNI, default=KINDS_CNI)


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
