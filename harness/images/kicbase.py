"""A base image for Minikube that is made from packages alone: what ``kicbase`` is, of our own programs.

It is the machine that kind's node image is, with what Minikube wants of one: a user ``docker`` who may do everything
and comes by SSH, and the programs and images of a control plane where Minikube would copy them to.
"""

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BuildError
from harness.images import machine
from harness.images.assembly import Assembly
from harness.images.controlplane import ControlPlane
from harness.images.layer import Layer
from harness.images.recipe import DebianBase

VERSION: Final = 2
"""To be raised when what is written changes, here or in a module that this one calls: a part of the tag."""

REPOSITORY: Final = "harness.dev/kicbase"
BASE: Final = DebianBase(
    "kicbase-base",
    "bookworm",
    (
        *machine.PACKAGES,
        *("openssh-server", "sudo", "lz4", "rsync", "netcat-openbsd", "udev", "ebtables", "iputils-ping"),
    ),
)
USER: Final = 1000
GROUP: Final = 999
ACCOUNTS: Final = {
    "etc/passwd": (0o644, f"docker:x:{USER}:{GROUP}::/home/docker:/bin/bash\n"),
    "etc/group": (0o644, f"docker:x:{GROUP}:\n"),
    # No password, and not locked: sshd lets no locked account in.
    "etc/shadow": (0o640, "docker:*:19000:0:99999:7:::\n"),
}
"""What is added for the user that Minikube comes as."""

SSHD: Final = """\
UsePAM no
# Debian's own PATH has no sbin, where kubeadm looks for losetup.
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
KUBELET: Final = """\
#!/bin/sh
# The kubelet refuses cgroup v1 by itself since Kubernetes 1.35.
exec /usr/bin/kubenode kubelet "$@" --fail-cgroupv1=false
"""
PLACED: Final = {
    "entrypoint": ("usr/local/bin/entrypoint", 0o755),
    "10-network-security.conf": ("etc/sysctl.d/10-network-security.conf", 0o644),
    "11-tcp-mtu-probing.conf": ("etc/sysctl.d/11-tcp-mtu-probing.conf", 0o644),
    "containerd_docker_io_hosts.toml": ("etc/containerd/certs.d/docker.io/hosts.toml", 0o644),
    "automount/minikube-automount": ("usr/sbin/minikube-automount", 0o755),
    "automount/minikube-automount.service": ("usr/lib/systemd/system/minikube-automount.service", 0o644),
}
"""Where Minikube's Dockerfile puts its files."""

SERVICES: Final = ("ssh", "minikube-automount")


@dataclass(frozen=True)
class Ingredients:
    """What it is made of: a control plane with its programs, and the folders of Minikube's and of kind's files."""

    control_plane: ControlPlane
    files: Path
    kinds: Path

    @property
    def unit(self) -> Path:
        """How systemd starts containerd: Minikube's own image has Docker's package for that, kind's has a file."""
        return self.kinds / "etc/systemd/system/containerd.service"


def assembly(made_of: Ingredients) -> Assembly:
    """How the base image is put together."""
    files = {name: (made_of.files / name).read_text() for name in (*PLACED, "containerd.toml")}
    return Assembly(
        "base image for Minikube",
        REPOSITORY,
        BASE,
        made_of.control_plane,
        [VERSION, files, made_of.unit.read_text(), ACCOUNTS, SSHD, KUBELET, PLACED, SERVICES],
        lambda node, base: _machine(node, made_of, base),
        made_of.control_plane.sandbox,
    )


def _machine(node: Layer, made_of: Ingredients, base: Path) -> None:
    """What is on it beside Debian's packages: the steps of Minikube's Dockerfile."""
    plane = made_of.control_plane
    machine.furnish(node, plane.programs, machine.listed(base))
    for name, (path, mode) in PLACED.items():
        node.file(path, made_of.files / name, mode)
    # Minikube sets what is written with blanks around the sign, to what runc cannot do without CAP_SYS_RESOURCE.
    configuration = made_of.files / "containerd.toml"
    text = machine.replaced(configuration, "restrict_oom_score_adj = false", "restrict_oom_score_adj=true")
    node.text("etc/containerd/config.toml", text)
    node.file("etc/systemd/system/containerd.service", made_of.unit, 0o644)  # Minikube itself starts it
    for service in SERVICES:
        node.link(f"{machine.WANTS}/{service}.service", f"/usr/lib/systemd/system/{service}.service")
    with tarfile.open(base) as tar:
        for path, (mode, line) in ACCOUNTS.items():
            node.text(path, _content(tar, path) + line, mode)
        # By it Minikube chooses how to install a runtime: on Debian by apt-get, on Ubuntu it takes what is there.
        node.text("usr/lib/os-release", re.sub("(?m)^ID=.*$", "ID=ubuntu", _content(tar, "usr/lib/os-release")))
    node.text("etc/sudoers.d/docker", "docker ALL=(ALL) NOPASSWD:ALL\n", 0o440)
    node.text("etc/ssh/sshd_config.d/minikube.conf", SSHD)
    node.folder("home/docker", USER, GROUP)
    node.folder("home/docker/.ssh", USER, GROUP)
    node.folder("kind")
    programs = f"var/lib/minikube/binaries/{plane.version}"
    node.link(f"{programs}/kubeadm", "/usr/bin/kubenode")
    node.link(f"{programs}/kubectl", "/usr/bin/kubenode")
    node.text(f"{programs}/kubelet", KUBELET, 0o755)


def _content(tar: tarfile.TarFile, path: str) -> str:
    file = tar.extractfile(f"./{path}")
    if file is None:
        raise BuildError(f"Debian's packages have no file {path}")
    return file.read().decode()
