"""Add-ons: how those of a cluster that kubeadm has made come onto it, and whether any cluster's are there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.clusters.provider import Cluster
from harness.kube.client import Api
from harness.kube.wait import wait_until
from harness.timeline import Timeline

SECONDS: Final = 180.0
"""Bounds a hang: how long the add-ons may take to be available."""

_DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/kube-system/deployments"
_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"


def install_addons(cluster: Cluster, documents: Sequence[str], archives: Sequence[Path], timeline: Timeline) -> None:
    """Load the add-ons' images, apply their YAML, and wait until all are available. Raises WaitTimeout."""
    with timeline.phase("add-ons"):
        cluster.load_images(archives)
        for name in _foreign_classes(cluster.api):  # its provisioner cannot be changed, and two defaults are none
            cluster.api.delete(f"{_CLASSES}/{name}")
        for document in documents:
            cluster.kubectl.run("apply", "--server-side", "--field-manager=harness", "-f", "-", stdin=document)

        def available() -> bool:
            cluster.check()
            return not unavailable(cluster.api)

        wait_until(
            "the add-ons to be available",
            available,
            seconds=SECONDS,
            describe=lambda: f"unavailable: {', '.join(unavailable(cluster.api))}",
        )


def unavailable(api: Api) -> list[str]:
    """The add-ons of a cluster, its DNS among them, of which no pod is available."""
    deployments = api.items(_DEPLOYMENTS)
    return [one["metadata"]["name"] for one in deployments if not one.get("status", {}).get("availableReplicas")]


def _foreign_classes(api: Api) -> list[str]:
    classes = api.items(_CLASSES)
    return [one["metadata"]["name"] for one in classes if one["provisioner"] != "harness.dev/hostpath"]
