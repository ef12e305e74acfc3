"""Puts the provider of kind together: which engine, which kind, which node image, and what a new cluster is given."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness import addons, engine
from harness.clusters.calico import Calico
from harness.clusters.embedded.build import build, calico_crds
from harness.clusters.furnishing import install_addons
from harness.clusters.kind.config import INGRESS_PORT, OWN_CNI, POD_NETWORK, STOCK_IMAGE, NodeImage
from harness.clusters.kind.provider import KindProvider, Means
from harness.clusters.provider import Cluster
from harness.engine import Engine
from harness.errors import PrerequisiteError
from harness.images.catalogue import addon_images, policy_image
from harness.kube.kubectl import child_environment
from harness.settings import Settings
from harness.timeline import Timeline

PINNED: Final = "v0.33.0"
"""The kind that the harness is written for: a program of the user's that is of this version is taken as it is."""

PULL_SECONDS: Final = 900.0
VERSION_SECONDS: Final = 60.0


def kind_provider(
    settings: Settings, kubectl: Callable[[Timeline], Path], make_ready: Callable[[Cluster, Timeline], None]
) -> KindProvider:
    """The provider of kind for these settings. Raises UsageError for a network plugin that it does not have."""

    def kind(timeline: Timeline) -> Path:
        return settings.kind_bin or on_path() or build(timeline, ["kind"]).path("kind")

    def image(chosen: Engine, timeline: Timeline) -> NodeImage:
        return NodeImage(settings.kind_image) if settings.kind_image else stock(chosen, timeline)

    means = Means(_engine, kind, kubectl, image, furnishing, make_ready)
    return KindProvider(settings.paths.clusters, means, settings.cluster_cni)


def furnishing(cni: str, timeline: Timeline) -> Callable[[Cluster], None]:
    """Build Calico, where it is asked for, and the add-ons; return what gives them to a cluster of kubeadm's."""
    own = cni == OWN_CNI
    components = build(timeline, [*addons.ON_OTHERS_IMAGES, *(["policynode"] if own else [])])
    images = addon_images(timeline, {name: components.path(name) for name in addons.ON_OTHERS_IMAGES})
    documents = addons.render_for_others({name: one.reference for name, one in images.items()}, INGRESS_PORT)
    calico = Calico(policy_image(timeline, components.path("policynode")), calico_crds(timeline)) if own else None

    def furnish(cluster: Cluster) -> None:
        if calico is not None:
            calico.install(cluster, POD_NETWORK, timeline)
        install_addons(cluster, documents, [one.archive for one in images.values()], timeline)

    return furnish


def _engine() -> Engine:
    there = engine.found()
    if there is None:
        raise PrerequisiteError(
            "neither Docker nor Podman answers, and --cluster=kind needs one: start it (`docker info` must answer), or"
            " choose --cluster=embedded, which needs root on Linux and no engine"
        )
    return there


def on_path() -> Path | None:
    """The user's own kind, where it is of the pinned version."""
    there = shutil.which("kind")
    if there is None:
        return None
    try:
        said = subprocess.run(
            [there, "version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=VERSION_SECONDS,
            env=child_environment(),
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(there) if re.search(rf"\b{re.escape(PINNED)}\b", said) else None


def stock(chosen: Engine, timeline: Timeline) -> NodeImage:
    """The node image that the pinned kind was released with, pulled if need be. Raises PrerequisiteError."""
    with timeline.phase("node image") as say:
        say(STOCK_IMAGE.partition("@")[0])
        if not chosen.can_have(STOCK_IMAGE, PULL_SECONDS):
            raise PrerequisiteError(
                f"{chosen.program} can neither find nor pull the node image {STOCK_IMAGE}: give one that it has with"
                " --kind-image, or choose --cluster=embedded, which needs no registry"
            )
    return NodeImage(STOCK_IMAGE)
