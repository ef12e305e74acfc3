"""Puts a provider together from parts that must not know each other: builds, images, the canary's prober."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.clusters.contexts import entrance_of
from harness.clusters.embedded.assets import BINARIES, IMAGES, Assets, NodeImage
from harness.clusters.embedded.build import build, calico_crds
from harness.clusters.embedded.provider import EmbeddedProvider
from harness.clusters.existing import ExistingProvider, Means, Told
from harness.clusters.provider import Cluster, Provider
from harness.clusters.readiness import wait_until_ready
from harness.images.catalogue import addon_images, prober_image
from harness.images.registry import Registry
from harness.packages import ensure
from harness.paths import require_fit
from harness.probing import canary
from harness.settings import Settings
from harness.timeline import Timeline

ADDON_BINARIES = tuple(image for image in IMAGES if image != "prober")


def provider_of(settings: Settings) -> Provider:
    """The provider of the settings' cluster. Raises UsageError for options that it does not have."""
    match settings.provider:
        case "embedded":
            paths = settings.paths

            def assets(timeline: Timeline) -> Assets:
                require_fit(paths, settings.name)
                return embedded_assets(timeline)

            return EmbeddedProvider(paths.cache, paths.state, assets, make_ready)
        case "existing":
            return _existing(settings)
        case "kind":
            from harness.kindwiring import kind_provider  # noqa: PLC0415 -- builds and images that others do not need

            return kind_provider(settings, _kubectl(settings), make_ready)
        case "minikube":
            from harness.minikubewiring import minikube_provider  # noqa: PLC0415 -- the same

            return minikube_provider(settings, _kubectl(settings), make_ready)


@contextmanager
def looked_at(settings: Settings, timeline: Timeline) -> Iterator[Cluster | None]:
    """The settings' cluster, for who only looks: neither created nor joined. None where it does not run."""
    match settings.provider:
        case "embedded" | "kind" | "minikube":
            running = provider_of(settings).attach(settings.name)
            try:
                yield running
            finally:
                if running is not None:
                    running.close()
        case "existing":
            with _existing(settings).look(settings.name, timeline) as found:
                yield found


def _existing(settings: Settings) -> ExistingProvider:
    def registry(prefix: str) -> Registry:
        return Registry(prefix, lambda timeline: build(timeline, ["crane"]).path("crane"))

    def leave(cluster: Cluster) -> None:
        from harness.kube.leftovers import remove_place  # noqa: PLC0415 -- the Kubernetes client, for those who need it

        for line in remove_place(cluster.api, settings.place):
            if " stays, " in line:
                Timeline().say(f"  {line}")

    told = Told(settings.ingress_url or "", settings.image_prefix or "")
    return ExistingProvider(
        settings.paths.clusters, Means(_kubectl(settings), registry, leave), entrance_of(settings), told
    )


def _kubectl(settings: Settings) -> Callable[[Timeline], Path]:
    """What gives the kubectl for clusters that are not the embedded node's."""
    return lambda timeline: settings.kind_kubectl_bin or build(timeline, ["kubectl"]).path("kubectl")


def embedded_assets(timeline: Timeline) -> Assets:
    """Build what an embedded cluster is made of, or find it in the cache."""
    ensure(timeline)
    components = build(timeline)
    images = addon_images(timeline, {name: components.path(name) for name in ADDON_BINARIES})
    images["prober"] = prober_image(timeline)
    return Assets(
        binaries={name: components.path(name) for name in BINARIES},
        images={name: NodeImage(image.reference, image.archive) for name, image in images.items()},
        crds=calico_crds(timeline),
    )


def make_ready(cluster: Cluster, timeline: Timeline) -> None:
    """Wait until a new cluster is ready, the prober's image on its node."""
    image = prober_image(timeline)
    cluster.load_images([image.archive])
    wait_until_ready(cluster, timeline, canary(image.reference))
