"""What an embedded cluster is made of. The provider is given it: builds and images are not its business."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from harness import addons
from harness.clusters.calico import CLUSTER_INFORMATION
from harness.clusters.embedded import commands

FORMAT = "1"
"""Raise it when a template is made in another way, so that old ones are not used."""


@dataclass(frozen=True)
class NodeImage:
    """An image: its reference, and the docker-archive tar that holds it."""

    reference: str
    archive: Path


@dataclass(frozen=True)
class Assets:
    """``binaries`` by the name they are called by, ``images`` by short name, ``crds`` Calico's folder of CRDs."""

    binaries: Mapping[str, Path]
    images: Mapping[str, NodeImage]
    crds: Path

    def addons(self) -> list[str]:
        """The YAML of the add-ons, with these images in place."""
        references = {name: image.reference for name, image in self.images.items()}
        return [addons.render(name, references) for name in addons.NAMES]

    def key(self) -> str:
        """A hash of all that goes into a template. Binaries are named by a cache that is addressed by content."""
        code = [resources.files(__package__).joinpath(f).read_text() for f in ("template.py", "commands.py")]
        files = {n: (str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for n, p in self.binaries.items()}
        images = {name: image.reference for name, image in self.images.items()}
        parts = [FORMAT, files, images, self.addons(), CLUSTER_INFORMATION, commands.configuration(""), code]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


MULTI_CALL = {
    "kubenode": (
        "etcd",
        "etcdctl",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
        "forward",
    ),
    "policynode": ("calico", "felix"),
}
"""Binaries that are several programs, chosen by the name they are called by."""

BINARIES = (*MULTI_CALL, "containerd", "containerd-shim-runc-v2", "ctr", "runc", "host-local", "loopback", "portmap")
"""What ``Assets.binaries`` must have."""

IMAGES = ("pause", "coredns", "traefik", "metrics-server", "storage", "prober")
"""What ``Assets.images`` must have."""
