"""A node image for kind that is made from packages alone: what ``kindest/node`` is, of our own programs.

It is Debian's systemd and tools, kind's own files, the embedded node's programs, and the images of the control plane,
which are those programs again. It has no network plugin and no storage: a cluster gets the harness's.
"""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import BuildError
from harness.images import machine
from harness.images.assembly import Assembly
from harness.images.controlplane import ControlPlane
from harness.images.layer import Layer
from harness.images.recipe import DebianBase

VERSION: Final = 3
"""To be raised when what is written changes, here or in a module that this one calls: a part of the tag."""

REPOSITORY: Final = "harness.dev/kind-node"
BASE: Final = DebianBase("kind-node-base", "bookworm", machine.PACKAGES)
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


def assembly(made_of: Ingredients) -> Assembly:
    """How the node image is put together."""
    files = {str(one.relative_to(made_of.files)): one.read_text() for one in _files(made_of.files)}
    return Assembly(
        "node image",
        REPOSITORY,
        BASE,
        made_of.control_plane,
        [VERSION, files, CALLS, SERVICES, KUBELET],
        lambda node, base: _node(node, made_of, machine.listed(base)),
        made_of.sandbox,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


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
    node.text("etc/containerd/cri-base.json", json.dumps(_container(programs["ctr"])))
    for name in CALLS:
        node.link(f"usr/bin/{name}", "kubenode")


def _container(ctr: Path) -> dict[str, Any]:
    """What containers are by default: containerd's own, with kind's hook, and without limits of its processes."""
    printed = subprocess.run([str(ctr), "oci", "spec"], capture_output=True, encoding="utf-8", check=True).stdout
    spec: dict[str, Any] = json.loads(printed)
    spec["hooks"] = {"createContainer": [{"path": "/kind/bin/mount-product-files.sh"}]}
    spec["process"].pop("rlimits", None)
    return spec
