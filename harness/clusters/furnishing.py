"""What a cluster that kubeadm has made is given: a network plugin, where it has none, and the add-ons."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.clusters.calico import Calico
from harness.clusters.provider import Cluster
from harness.kube.client import Api
from harness.kube.wait import wait_until
from harness.timeline import Timeline

SECONDS: Final = 180.0
"""Bounds a hang: how long all of it may take to be available."""

LATER: Final = frozenset({"metrics-server"})
"""What nobody waits for: it is available when it has looked twice, 10 s apart, and who needs it waits himself."""

_DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/kube-system/deployments"
_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"


@dataclass(frozen=True)
class Furniture:
    """What it is made of: the add-ons' YAML, the archives of ``images``, and Calico for one without a network."""

    documents: Sequence[str]
    images: Sequence[Path]
    calico: Calico | None = None

    @property
    def archives(self) -> list[Path]:
        """The archives of all images, in the order in which they are needed."""
        return [*([self.calico.image.archive] if self.calico else []), *self.images]

    def give(self, cluster: Cluster, timeline: Timeline) -> None:
        """Load the images, apply everything, and wait until it is there. Raises WaitTimeout."""
        with timeline.phase("Calico and add-ons" if self.calico else "add-ons"):
            cluster.load_images(self.archives)
            if self.calico:
                self.calico.start(cluster)
            for name in _foreign_classes(cluster.api):  # its provisioner cannot be changed, and two defaults are none
                cluster.api.delete(f"{_CLASSES}/{name}")
            document = "\n---\n".join(self.documents)
            cluster.kubectl.run("apply", "--server-side", "--field-manager=harness", "-f", "-", stdin=document)

            def missing() -> list[str]:
                network = ["calico-node"] if self.calico and not self.calico.ready(cluster.api) else []
                return [*network, *(name for name in unavailable(cluster.api) if name not in LATER)]

            def there() -> bool:
                cluster.check()
                return not missing()

            what = "the add-ons to be available"
            wait_until(what, there, seconds=SECONDS, describe=lambda: f"unavailable: {', '.join(missing())}")


def unavailable(api: Api) -> list[str]:
    """The add-ons of a cluster, its DNS among them, of which no pod is available."""
    deployments = api.items(_DEPLOYMENTS)
    return [one["metadata"]["name"] for one in deployments if not one.get("status", {}).get("availableReplicas")]


def _foreign_classes(api: Api) -> list[str]:
    classes = api.items(_CLASSES)
    return [one["metadata"]["name"] for one in classes if one["provisioner"] != "harness.dev/hostpath"]
