"""A node image for kind that is made from packages alone: what ``kindest/node`` is, of our own programs.

It is Debian's systemd and tools, kind's own files, the embedded node's programs, and the images of the control plane,
which are those programs again. It has no network plugin and no storage: a cluster gets the harness's.
"""

import functools
import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BuildError
from harness.images import controlplane, machine
from harness.images.archive import ARCHIVE_VERSION, extract_layers, write_archive
from harness.images.build import Builder
from harness.images.catalogue import NETFILTER
from harness.images.controlplane import ControlPlane
from harness.images.layer import Layer, layer
from harness.images.recipe import DebianBase, tag_of
from harness.images.store import Image
from harness.timeline import Timeline

VERSION: Final = 3
"""To be raised when what is written changes, here or in a module that this one calls: a part of the tag."""

REPOSITORY: Final = "harness.dev/kind-node"
BASE: Final = DebianBase("kind-node-base", "bookworm", machine.PACKAGES)
PROGRAMS: Final = (*machine.PLACES, *controlplane.PROGRAMS[1:], "kubeadm")
"""What it is built of."""

CALLS: Final = ("kubeadm", "kubelet", "kubectl")
"""The names by which ``kubenode`` is called on the node."""

SERVICES: Final = ("kubelet", "containerd", "undo-mount-hacks")
KUBELET: Final = "KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false\n"
"""As kind has it; and the kubelet refuses cgroup v1 by itself since Kubernetes 1.35."""


@dataclass(frozen=True)
class Ingredients:
    """What a node image is made of: a control plane with its programs, and the folder of kind's ``files``."""

    control_plane: ControlPlane
    files: Path

    def sandbox(self) -> str:
        """The image that containerd has sandboxes of, as kind configures it."""
        text = (self.files / "etc/containerd/config.toml").read_text()
        found = re.search(r'sandbox_image = "(.+)"', text)
        if found is None:
            raise BuildError(f"kind's configuration of containerd names no sandbox_image: {self.files}")
        return found[1]


def node_image(made_of: Ingredients, builder: Builder, timeline: Timeline) -> Image:
    """The node image, built if it is not there yet.

    Raises BuildError, and PrerequisiteError without root or mmdebstrap.
    """
    image = builder.store.image(REPOSITORY, _tag(made_of, builder))
    if builder.store.has(image):
        return image
    bases = [builder.debian(base, timeline) for base in (BASE, NETFILTER)]
    with timeline.phase("node image") as say:
        say(image.reference)
        return builder.store.keep(image, functools.partial(_write, made_of, bases, image.reference))


def _tag(made_of: Ingredients, builder: Builder) -> str:
    plane = made_of.control_plane
    parts = [
        [VERSION, ARCHIVE_VERSION, plane.version, plane.dns],
        [builder.debian_tag(base) for base in (BASE, NETFILTER)],
        {name: builder.store.digest(plane.programs[name].resolve()) for name in PROGRAMS},
        {str(one.relative_to(made_of.files)): one.read_text() for one in _files(made_of.files)},
        [machine.procedure(), controlplane.CALLS, controlplane.ETCD, CALLS, SERVICES, KUBELET],
    ]
    return tag_of(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def _write(made_of: Ingredients, bases: list[Image], reference: str, archive: Path) -> None:
    node_base, netfilter = bases
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".node-") as name:
        folder = Path(name)
        (base,) = extract_layers(node_base.archive, folder)
        files, images = folder / "files.tar", folder / "images.tar"
        with layer(files) as writing:
            _node(writing, made_of, machine.listed(base))
        plane = made_of.control_plane
        with plane.preloaded(netfilter, [made_of.sandbox()]) as store, layer(images) as writing:
            writing.tree("var/lib/containerd", store)
        write_archive(
            archive,
            reference,
            [base, files, images],
            entrypoint=["/usr/local/bin/entrypoint", "/sbin/init"],
            environment={"container": "docker"},
        )


def _node(node: Layer, made_of: Ingredients, base: list[str]) -> None:
    """What is on a node beside Debian's packages: the steps of kind's Dockerfile."""
    programs = made_of.control_plane.programs
    machine.furnish(node, programs, base)
    for file in _files(made_of.files):
        path = str(file.relative_to(made_of.files))
        if path == "etc/containerd/config.toml":
            # Lowering oom_score_adj needs CAP_SYS_RESOURCE, which root may lack: runc then dies without a word.
            node.text(path, machine.replaced(file, "restrict_oom_score_adj = false", "restrict_oom_score_adj = true"))
        elif path == "etc/default/kubelet":
            node.text(path, KUBELET)
        else:
            is_program = path.startswith(("usr/local/bin/", "kind/bin/"))
            node.file(path, file, 0o755 if is_program else 0o644)
    for service in SERVICES:
        node.link(f"{machine.WANTS}/{service}.service", f"/etc/systemd/system/{service}.service")
    node.folder("kind/manifests")
    node.text("kind/version", made_of.control_plane.version)
    node.text("etc/containerd/cri-base.json", json.dumps(machine.container(programs["ctr"])))
    for name in CALLS:
        node.link(f"usr/bin/{name}", "kubenode")
