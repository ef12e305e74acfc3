"""Puts the provider of kind together: which engine, which kind, which node image, and what a new cluster is given."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness import addons, engine
from harness.clusters.calico import Calico
from harness.clusters.embedded.build import build, calico_crds, kind_files
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.clusters.embedded.programs import required
from harness.clusters.furnishing import Furniture
from harness.clusters.kind.config import INGRESS_PORT, OWN_CNI, POD_NETWORK, STOCK_IMAGE, NodeImage
from harness.clusters.kind.contained import PACKAGES, Parts
from harness.clusters.kind.provider import KindProvider, Means
from harness.clusters.provider import Cluster
from harness.debs import unpacked
from harness.engine import Engine
from harness.errors import PrerequisiteError, UsageError
from harness.images.assembly import PROGRAMS
from harness.images.build import Builder
from harness.images.catalogue import addon_images, policy_image, prober_image
from harness.images.controlplane import ControlPlane
from harness.images.nodeimage import Ingredients, assembly
from harness.images.store import cache_folder
from harness.kube.kubectl import child_environment
from harness.packages import ensure
from harness.paths import require_fit
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

    def image(chosen: Engine | None, timeline: Timeline) -> NodeImage:
        if chosen is None:
            return own_image(timeline)
        if settings.kind_image:
            return NodeImage(settings.kind_image)
        return stock(chosen, timeline) or _instead(chosen, timeline)

    def parts(timeline: Timeline) -> Parts:
        if settings.kind_image:
            raise UsageError(
                f"--kind-image={settings.kind_image}: neither Docker nor Podman answers, which would have it. Start it"
                " or leave this option out: the harness then builds a node image of its own"
            )
        require_fit(settings.paths, settings.name)
        return engine_parts(settings.paths.cache, timeline)

    means = Means(_engine, parts, kind, kubectl, image, furniture, make_ready)
    return KindProvider(settings.paths.clusters, means, settings.cluster_cni)


def furniture(cni: str, timeline: Timeline) -> Furniture:
    """Build Calico, where it is asked for, the add-ons, and the image by which a cluster is seen to be ready."""
    own = cni == OWN_CNI
    components = build(timeline, [*addons.ON_OTHERS_IMAGES, *(["policynode"] if own else [])])
    images = addon_images(timeline, {name: components.path(name) for name in addons.ON_OTHERS_IMAGES})
    documents = addons.render_for_others({name: one.reference for name, one in images.items()}, INGRESS_PORT)
    policy = policy_image(timeline, components.path("policynode")) if own else None
    calico = Calico(policy, calico_crds(timeline), POD_NETWORK) if policy else None
    return Furniture(documents, [*(one.archive for one in images.values()), prober_image(timeline).archive], calico)


def _engine() -> Engine | None:
    there = engine.found()
    if there is None and (sys.platform != "linux" or os.geteuid() != 0):
        raise PrerequisiteError(
            "neither Docker nor Podman answers, and --cluster=kind needs one: start it (`docker info` must answer). As"
            " root on Linux the harness starts a Docker of its own"
        )
    return there


def engine_parts(cache: Path, timeline: Timeline) -> Parts:
    """What a Docker of our own is made of, built or found in the cache."""
    ensure(timeline, ("cluster",))
    components = build(timeline, ["capped", "forward"])
    packages = unpacked(PACKAGES, cache, timeline)
    return Parts(str(packages), str(components.path("capped")), str(components.path("forward")))


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


def stock(chosen: Engine, timeline: Timeline) -> NodeImage | None:
    """The node image that the pinned kind was released with, pulled if need be; None where it cannot be."""
    if not chosen.has(STOCK_IMAGE):
        with timeline.phase("stock node image") as say:
            pulled = chosen.pulls(STOCK_IMAGE, PULL_SECONDS)
            say(f"{STOCK_IMAGE.partition('@')[0]} {'pulled' if pulled else 'cannot be pulled'}")
            return NodeImage(STOCK_IMAGE) if pulled else None
    return NodeImage(STOCK_IMAGE)


def _instead(chosen: Engine, timeline: Timeline) -> NodeImage:
    """The node image of our own, for an engine that cannot have the stock one."""
    try:
        return own_image(timeline)
    except PrerequisiteError as error:
        raise PrerequisiteError(
            f"{chosen.program} can neither find nor pull the node image {STOCK_IMAGE}, and none can be built here:"
            f" {error}. Give one that it has with --kind-image"
        ) from error


def own_image(timeline: Timeline) -> NodeImage:
    """The node image that is made from packages alone, built or found in the cache."""
    ensure(timeline, ("build",))
    components = build(timeline, PROGRAMS)
    go_mod = (COMPONENTS / "node" / "go.mod").read_text()
    dns = required(go_mod, "github.com/coredns/coredns")
    plane = ControlPlane(components.paths, required(go_mod, "k8s.io/kubernetes"), dns)
    image = assembly(Ingredients(plane, kind_files(timeline))).image(Builder(cache_folder()), timeline)
    return NodeImage(image.reference, dns=dns, bare=True, archive=image.archive)
