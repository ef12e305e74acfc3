"""YAML of what every cluster gets beside Kubernetes itself: DNS, Ingress, metrics, storage, and Calico's settings.

Image references are ``harness.dev/NAME`` without a tag: ``render`` puts in what was built.
"""

from collections.abc import Mapping
from importlib import resources

NAMES = ("dns", "ingress", "metrics", "storage")


def render(name: str, images: Mapping[str, str]) -> str:
    """The YAML of one add-on, with ``images`` (name to full reference, such as ``coredns``) in place."""
    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text()
    for image, reference in images.items():
        text = text.replace(f"image: harness.dev/{image}\n", f"image: {reference}\n")
    return text


ON_OTHERS = ("ingress", "metrics", "storage")
"""What clusters get that are not of the harness's own making: DNS they have."""

ON_OTHERS_IMAGES = ("traefik", "metrics-server", "storage")
"""What these run."""

_AS_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "ingress": {
        "  type: LoadBalancer\n  allocateLoadBalancerNodePorts: false\n  clusterIP: 10.96.0.80\n": "  type: NodePort\n",
        "targetPort: web}": "targetPort: web, nodePort: {port}}",
        "ingressendpoint.ip=203.0.113.1": "ingressendpoint.hostname=localhost",
    },
    # kubeadm's kubelets sign their own serving certificates.
    "metrics": {
        "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt": (
            "--kubelet-insecure-tls"
        ),
        "            # The kubelet's certificate is signed by the cluster's own authority.\n": "",
    },
}


def render_for_others(images: Mapping[str, str], ingress_port: int) -> list[str]:
    """The YAML of the add-ons for a cluster of kubeadm's making, its Ingress controller at a node port."""
    documents = []
    for name in ON_OTHERS:
        text = render(name, images)
        for own, theirs in _AS_ELSEWHERE.get(name, {}).items():
            assert own in text, f"{name}.yaml has no {own!r} any more"  # noqa: S101 -- both are files of this package
            text = text.replace(own, theirs.replace("{port}", str(ingress_port)))
        documents.append(text)
    return documents
