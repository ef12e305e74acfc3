"""What clusters of kind and of Minikube have in common: an engine, its parts, the programs, and what a cluster gets."""

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
from harness.clusters.container.contained import PACKAGES, Parts
from harness.clusters.container.node import INGRESS_PORT, OWN_CNI, POD_NETWORK, NodeImage, Release
from harness.clusters.embedded.build import build, calico_crds
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.clusters.embedded.programs import required
from harness.clusters.furnishing import Furniture
from harness.debs import unpacked
from harness.engine import Engine
from harness.errors import PrerequisiteError
from harness.images.assembly import PROGRAMS, Assembly
from harness.images.build import Builder
from harness.images.catalogue import addon_images, policy_image, prober_image
from harness.images.controlplane import ControlPlane
from harness.images.store import cache_folder
from harness.kube.kubectl import child_environment
from harness.packages import ensure
from harness.timeline import Timeline

PULL_SECONDS: Final = 900.0
VERSION_SECONDS: Final = 60.0


def users_engine(provider: str) -> Engine | None:
    """The engine of this machine; None where each cluster gets its own. Raises PrerequisiteError without both."""
    there = engine.found()
    if there is None and (sys.platform != "linux" or os.geteuid() != 0):
        raise PrerequisiteError(
            f"neither Docker nor Podman answers, and --cluster={provider} needs one: start it (`docker info` must"
            " answer). As root on Linux the harness starts a Docker of its own"
        )
    return there


def engine_parts(cache: Path, timeline: Timeline) -> Parts:
    """What a Docker of our own is made of, built or found in the cache."""
    ensure(timeline, ("cluster",))
    components = build(timeline, ["capped", "forward"])
    packages = unpacked(PACKAGES, cache, timeline)
    return Parts(str(packages), str(components.path("capped")), str(components.path("forward")))


def furniture(cni: str, timeline: Timeline) -> Furniture:
    """Build Calico, where it is asked for, the add-ons, and the image by which a cluster is seen to be ready."""
    own = cni == OWN_CNI
    components = build(timeline, [*addons.ON_OTHERS_IMAGES, *(["policynode"] if own else [])])
    images = addon_images(timeline, {name: components.path(name) for name in addons.ON_OTHERS_IMAGES})
    documents = addons.render_for_others({name: one.reference for name, one in images.items()}, INGRESS_PORT)
    policy = policy_image(timeline, components.path("policynode")) if own else None
    calico = Calico(policy, calico_crds(timeline), POD_NETWORK) if policy else None
    return Furniture(documents, [*(one.archive for one in images.values()), prober_image(timeline).archive], calico)


def on_path(program: str, version: str) -> Path | None:
    """The user's own program of that name, where `PROGRAM version` says that it is of that version."""
    there = shutil.which(program)
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
    return Path(there) if re.search(rf"\b{re.escape(version)}(?![\w.])", said) else None


def stock(chosen: Engine, image: str, timeline: Timeline) -> NodeImage | None:
    """A node image that others release, pulled if need be; None where it cannot be."""
    if not chosen.has(image):
        with timeline.phase("stock node image") as say:
            pulled = chosen.pulls(image, PULL_SECONDS)
            say(f"{image.partition('@')[0]} {'pulled' if pulled else 'cannot be pulled'}")
            return NodeImage(image) if pulled else None
    return NodeImage(image)


def stock_or_own(
    chosen: Engine | None, image: str, own: Callable[[Timeline], NodeImage], timeline: Timeline, way_out: str = ""
) -> NodeImage:
    """The stock image of an engine that has or can pull it, else one of our own.

    Raises PrerequisiteError, with the ``way_out``, where neither is possible.
    """
    if chosen is None:
        return own(timeline)
    if found := stock(chosen, image, timeline):
        return found
    try:
        return own(timeline)
    except PrerequisiteError as error:
        raise PrerequisiteError(
            f"{chosen.program} can neither find nor pull the node image {image}, and none can be built here:"
            f" {error}{way_out}"
        ) from error


def own_image(made_of: Callable[[ControlPlane], Assembly], timeline: Timeline, *, dns: bool = False) -> NodeImage:
    """A node image that is made from packages alone, built or found in the cache.

    ``dns`` says whether what makes the cluster is to be told of the version of its CoreDNS.
    """
    ensure(timeline, ("build",))
    components = build(timeline, PROGRAMS)
    go_mod = (COMPONENTS / "node" / "go.mod").read_text()
    version, coredns = required(go_mod, "k8s.io/kubernetes"), required(go_mod, "github.com/coredns/coredns")
    plane = ControlPlane(components.paths, version, coredns)
    image = made_of(plane).image(Builder(cache_folder()), timeline)
    release = Release(version, components.path("kubenode"))
    return NodeImage(image.reference, dns=coredns if dns else "", archive=image.archive, release=release)
