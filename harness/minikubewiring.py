"""Puts the provider of Minikube together: which engine, which Minikube and which base image."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from harness import containerwiring as wiring
from harness.clusters.container.contained import Parts
from harness.clusters.container.made import Made
from harness.clusters.container.node import NodeImage
from harness.clusters.container.provider import ContainerProvider, Means
from harness.clusters.embedded.build import build, kind_files, minikube_files
from harness.clusters.minikube.command import Minikube
from harness.clusters.minikube.config import NETWORKS, STOCK_IMAGE
from harness.clusters.provider import Cluster
from harness.engine import Engine
from harness.images.assembly import Assembly
from harness.images.controlplane import ControlPlane
from harness.images.kicbase import Ingredients, assembly
from harness.paths import MINIKUBE_MADE, require_fit
from harness.settings import Settings
from harness.timeline import Timeline

PINNED: Final = "v1.36.0"
"""The Minikube that the harness is written for: a program of the user's that is of this version is taken as it is."""


def minikube_provider(
    settings: Settings, kubectl: Callable[[Timeline], Path], make_ready: Callable[[Cluster, Timeline], None]
) -> ContainerProvider:
    """The provider of Minikube for these settings. Raises UsageError for a network plugin that it does not have."""

    def minikube(timeline: Timeline) -> Path:
        return wiring.on_path("minikube", PINNED) or build(timeline, ["minikube"]).path("minikube")

    def image(chosen: Engine | None, timeline: Timeline) -> NodeImage:
        return wiring.stock_or_own(chosen, STOCK_IMAGE, own_image, timeline)

    def parts(timeline: Timeline) -> Parts:
        require_fit(settings.paths, settings.name)
        return wiring.engine_parts(settings.paths.cache, timeline)

    def maker(folder: Path, made: Made) -> Minikube:
        own = made.own_engine(folder)

        def enter() -> Sequence[str]:
            return own.enter if own else ()

        downloads = settings.paths.cache / "minikube"
        return Minikube(folder, made.engine, Path(made.program), Path(made.kubectl), downloads, enter)

    means = Means(
        lambda: wiring.users_engine("minikube"), parts, minikube, kubectl, image, maker, wiring.furniture, make_ready
    )
    return ContainerProvider(settings.paths.clusters, MINIKUBE_MADE, NETWORKS, means, settings.cluster_cni)


def own_image(timeline: Timeline) -> NodeImage:
    """The base image of our own."""

    def made_of(plane: ControlPlane) -> Assembly:
        return assembly(Ingredients(plane, minikube_files(timeline), kind_files(timeline)))

    return wiring.own_image(made_of, timeline)
