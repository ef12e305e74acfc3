"""What a node that is a container is told and has, whoever makes it: data, no I/O."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import UsageError

INGRESS_PORT: Final = 32443
"""The node port of the Ingress controller's Service, published on a free port of this machine's loopback.

It is this one as Minikube publishes it of its own accord, for a proxy that no cluster of ours has: of another one it
wants to be told where.
"""

POD_NETWORK: Final = "10.244.0.0/16"
"""What pods get their addresses from: the default of kind and of Minikube, said to whoever needs it."""

OWN_CNI: Final = "calico"
"""The network plugin that is the harness's own."""


@dataclass(frozen=True)
class Release:
    """The Kubernetes of an image of our own: its version, and the one program that is kubeadm, kubelet and kubectl."""

    version: str
    program: Path


@dataclass(frozen=True)
class NodeImage:
    """A node image by its reference; ``dns`` is the tag of the CoreDNS in it, empty where it is what kubeadm expects.

    ``archive`` is the docker-archive that holds it, for an engine that does not have it. ``release`` is what is known
    of one of our own, which has no network plugin.
    """

    reference: str
    dns: str = ""
    archive: Path | None = None
    release: Release | None = None

    @property
    def bare(self) -> bool:
        """Whether it has no network plugin."""
        return self.release is not None


@dataclass(frozen=True)
class Ports:
    """The ports of the loopback that the API server and the Ingress controller get: 0 is one that is free."""

    api: int = 0
    ingress: int = 0


@dataclass(frozen=True)
class Networks:
    """The network plugins that a provider's clusters can have: ``own`` is its, the other one Calico.

    ``default`` is the one of the two that a cluster gets where nobody asks.
    """

    provider: str
    own: str
    default: str

    def check(self, cni: str | None) -> None:
        """Raise UsageError for a plugin that is none of them."""
        if cni not in (None, self.own, OWN_CNI):
            raise UsageError(f"--cluster-cni: {self.provider} has {self.own}, its own, and {OWN_CNI}, and not {cni!r}")

    def choose(self, cni: str | None, image: NodeImage) -> str:
        """The plugin of a new cluster. Raises UsageError for one that its image does not have."""
        chosen = cni or (OWN_CNI if image.bare else self.default)
        if image.bare and chosen == self.own:
            raise UsageError(f"--cluster-cni: the node image {image.reference} does not have {self.own}")
        return chosen
