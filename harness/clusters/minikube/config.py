"""What Minikube is told of a cluster: data, no I/O. See https://minikube.sigs.k8s.io/docs/commands/start."""

from collections.abc import Sequence
from typing import Final

from harness.clusters.container.node import INGRESS_PORT, OWN_CNI, POD_NETWORK, Networks, NodeImage, Ports

STOCK_IMAGE: Final = (
    "gcr.io/k8s-minikube/kicbase:v0.0.47@sha256:6ed579c9292b4370177b7ef3c42cc4b4a6dcd0735a1814916cbc22c8bf38412b"
)
"""The base image that the pinned Minikube was released with (its pkg/drivers/kic/types.go)."""

API_PORT: Final = 8443
"""Where the API server of Minikube's nodes listens."""

NETWORKS: Final = Networks("minikube", own="bridge", default=OWN_CNI)
"""``bridge`` enforces no policies, so nobody gets it who does not ask."""

WAIT: Final = "5m"
"""How long Minikube itself waits for the API server: it bounds a hang, and says more of it than our own deadline."""


def start_options(driver: str, image: NodeImage, cni: str, ports: Ports, *, root: bool) -> Sequence[str]:
    """The options of ``minikube start`` for a cluster of one node, reached from the loopback of its engine's machine.

    Nothing is left to Minikube's choice that depends on what else is on the machine.
    """
    own = image.release
    return [
        "--output=json",
        f"--driver={driver}",
        "--container-runtime=containerd",
        f"--base-image={image.reference}",
        f"--cni={'false' if cni == OWN_CNI else cni}",
        f"--extra-config=kubeadm.pod-network-cidr={POD_NETWORK}",
        "--listen-address=127.0.0.1",
        # Both are published by Minikube itself, too, on ports that are free.
        *([f"--ports=127.0.0.1:{ports.api}:{API_PORT}"] if ports.api else []),
        *([f"--ports=127.0.0.1:{ports.ingress}:{INGRESS_PORT}"] if ports.ingress else []),
        "--embed-certs=true",
        "--install-addons=false",
        "--memory=no-limit",
        "--cpus=no-limit",
        "--wait=apiserver,default_sa",
        f"--wait-timeout={WAIT}",
        # An image of our own has everything in it; its Kubernetes is newer than those that Minikube knows.
        *([f"--kubernetes-version={own.version}", "--preload=false", "--cache-images=false"] if own else []),
        # It refuses a version that it does not know, and root.
        *(["--force"] if own or root else []),
    ]
