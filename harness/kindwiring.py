"""Puts the provider of kind together: which engine, which kind and which node image."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness import containerwiring as wiring
from harness.clusters.container.contained import Parts
from harness.clusters.container.made import Made
from harness.clusters.container.node import NodeImage
from harness.clusters.container.provider import ContainerProvider, Means
from harness.clusters.embedded.build import build, kind_files
from harness.clusters.kind.command import Kind
from harness.clusters.kind.config import NETWORKS, STOCK_IMAGE
from harness.clusters.provider import Cluster
from harness.engine import Engine
from harness.errors import UsageError
from harness.images.nodeimage import Ingredients, assembly
from harness.paths import KIND_MADE, require_fit
from harness.settings import Settings
from harness.timeline import Timeline

PINNED: Final = "v0.33.0"
"""The kind that the harness is written for: a program of the user's that is of this version is taken as it is."""

WAY_OUT: Final = ". Give one that it has with --kind-image"


def kind_provider(
    settings: Settings, kubectl: Callable[[Timeline], Path], make_ready: Callable[[Cluster, Timeline], None]
) -> ContainerProvider:
    """The provider of kind for these settings. Raises UsageError for a network plugin that it does not have."""

    def kind(timeline: Timeline) -> Path:
        return settings.kind_bin or wiring.on_path("kind", PINNED) or build(timeline, ["kind"]).path("kind")

    def image(chosen: Engine | None, timeline: Timeline) -> NodeImage:
        if settings.kind_image and chosen is not None:
            return NodeImage(settings.kind_image)
        return wiring.stock_or_own(chosen, STOCK_IMAGE, own_image, timeline, WAY_OUT)

    def parts(timeline: Timeline) -> Parts:
        if settings.kind_image:
            raise UsageError(
                f"--kind-image={settings.kind_image}: neither Docker nor Podman answers, which would have it. Start it"
                " or leave this option out: the harness then builds a node image of its own"
            )
        require_fit(settings.paths, settings.name)
        return wiring.engine_parts(settings.paths.cache, timeline)

    def maker(folder: Path, made: Made) -> Kind:
        return Kind(folder, made.engine, Path(made.program), Path(made.kubectl))

    means = Means(lambda: wiring.users_engine("kind"), parts, kind, kubectl, image, maker, wiring.furniture, make_ready)
    return ContainerProvider(settings.paths.clusters, KIND_MADE, NETWORKS, means, settings.cluster_cni)


def own_image(timeline: Timeline) -> NodeImage:
    """The node image of our own."""
    return wiring.own_image(lambda plane: assembly(Ingredients(plane, kind_files(timeline))), timeline, dns=True)
