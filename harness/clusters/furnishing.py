"""The add-ons come onto a cluster that kubeadm has made: an Ingress controller, storage and metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.clusters.provider import Cluster
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.timeline import Timeline

SECONDS: Final = 180.0
"""Bounds a hang: how long the add-ons may take to be available."""

_NAMESPACE: Final = "kube-system"
_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"


def install_addons(cluster: Cluster, documents: Sequence[str], archives: Sequence[Path], timeline: Timeline) -> None:
    """Load the add-ons' images, apply their YAML, and wait until all are available. Raises WaitTimeout."""
    with timeline.phase("add-ons"):
        cluster.load_images(archives)
        for name in _default_classes(cluster):  # its provisioner cannot be changed, and two defaults are none
            cluster.api.delete(f"{_CLASSES}/{name}")
        for document in documents:
            cluster.kubectl.run("apply", "--server-side", "--field-manager=harness", "-f", "-", stdin=document)

        def unavailable() -> list[str]:
            cluster.check()
            deployments = cluster.api.items(f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments")
            return [one["metadata"]["name"] for one in deployments if not _is_available(one)]

        wait_until(
            "the add-ons to be available",
            lambda: not unavailable(),
            seconds=SECONDS,
            describe=lambda: f"unavailable: {', '.join(unavailable())}",
        )


def _default_classes(cluster: Cluster) -> list[str]:
    classes = cluster.api.items(_CLASSES)
    return [one["metadata"]["name"] for one in classes if one["provisioner"] != "harness.dev/hostpath"]


def _is_available(deployment: JsonObject) -> bool:
    status = deployment.get("status", {})
    return bool(status.get("availableReplicas"))
