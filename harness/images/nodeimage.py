"""A node image for kind that is made from packages alone: what ``kindest/node`` is, of our own programs.

It is Debian's systemd and tools, kind's own files, the embedded node's programs, and the images of the control plane,
which are those programs again. It has no network plugin and no storage: a cluster gets the harness's.
"""

import functools
import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import BuildError
from harness.images.archive import ARCHIVE_VERSION, extract_layers, write_archive
from harness.images.build import Builder
from harness.images.catalogue import NETFILTER
from harness.images.content import Containerd
from harness.images.layer import Layer, layer
from harness.images.recipe import DebianBase, tag_of
from harness.images.store import Image
from harness.kube import sysctls
from harness.kube.wait import patient
from harness.timeline import Timeline

VERSION: Final = 2
"""To be raised when what is written changes, here, in ``content`` or in ``layer``: a part of the tag."""

REPOSITORY: Final = "harness.dev/kind-node"

BASE: Final = DebianBase(
    "kind-node-base",
    "bookworm",
    (
        *("systemd", "systemd-sysv", "dbus", "bash", "ca-certificates", "curl", "jq", "procps", "hostname", "openssl"),
        *("conntrack", "iptables", "nftables", "ipset", "iproute2", "ethtool", "socat", "util-linux", "mount", "kmod"),
        *("e2fsprogs", "libseccomp2", "pigz", "tar"),
    ),
)
"""What kind's Dockerfile installs, but for the tools of network storage, which nothing here uses."""

PLACES: Final = {
    "kubenode": "usr/bin/kubenode",
    "containerd": "usr/local/bin/containerd",
    "containerd-shim-runc-v2": "usr/local/bin/containerd-shim-runc-v2",
    "ctr": "usr/local/bin/ctr",
    "runc": "usr/local/sbin/runc",
    "host-local": "opt/cni/bin/host-local",
    "loopback": "opt/cni/bin/loopback",
    "portmap": "opt/cni/bin/portmap",
    "ptp": "opt/cni/bin/ptp",
}
"""Where each program lies on the node."""

NODE_CALLS: Final = ("kubeadm", "kubelet", "kubectl")
IMAGE_CALLS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "kubectl")
"""The names by which ``kubenode`` is called on the node, and in the image of the control plane."""

UNWANTED: Final = re.compile(
    r"usr/lib/systemd/system/(multi-user|local-fs|basic)\.target\.wants/."
    r"|usr/lib/systemd/system/sockets\.target\.wants/.*(udev|initctl)"
    r"|usr/lib/systemd/system/sysinit\.target\.wants/systemd-tmpfiles-setup\.service$"
    r"|etc/systemd/system/[^/]*\.wants/."
    r"|usr/lib/sysctl\.d/."
)
"""What belongs to a machine, and not to a container: units, as kind's Dockerfile has it, and settings of the kernel."""

PRIVATE: Final = "kind/bin/private-sysctls.sh"
PRIVATE_SYSCTLS: Final = """\
#!/bin/sh
# The kubelet makes settings of the kernel that are the whole machine's. It gets files of its own in their places.
set -eu
mkdir -p /run/private-sysctls
for setting in {settings}; do
    key="${{setting%=*}}" file="/run/private-sysctls/$(echo "${{setting%=*}}" | tr / .)"
    if [ -e "/proc/sys/$key" ] && [ ! -e "$file" ]; then
        echo "${{setting#*=}}" > "$file"
        mount --bind "$file" "/proc/sys/$key"
    fi
done
"""
BEFORE_KUBELET: Final = f"[Service]\nExecStartPre=/{PRIVATE}\n"

SERVICES: Final = ("kubelet", "containerd", "undo-mount-hacks")
CRICTL: Final = """\
#!/bin/sh
# crictl is not in this image. What `kind export logs` asks it for, containerd's own client knows, too.
[ "$*" = images ] && exec ctr --namespace=k8s.io images ls
echo "crictl is not in this node image: ctr --namespace=k8s.io is" >&2
exit 1
"""

KUBELET: Final = "KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false\n"
"""As kind has it; and the kubelet refuses cgroup v1 by itself since Kubernetes 1.35."""

SECONDS: Final = 60.0


@dataclass(frozen=True)
class Ingredients:
    """What a node image is made of: programs by name, the folder of kind's ``files``, the version of Kubernetes."""

    programs: Mapping[str, Path]
    files: Path
    version: str

    def control_plane(self) -> list[str]:
        """The images that kubeadm asks for, by their names, but for CoreDNS and pause."""
        return [name for name in self._asked() if not re.search(r"/(coredns|pause):", name)]

    def sandbox(self) -> str:
        """The image that containerd has sandboxes of, as kind configures it."""
        text = (self.files / "etc/containerd/config.toml").read_text()
        found = re.search(r'sandbox_image = "(.+)"', text)
        if found is None:
            raise BuildError(f"kind's configuration of containerd names no sandbox_image: {self.files}")
        return found[1]

    def _asked(self) -> list[str]:
        command = [str(self.programs["kubeadm"]), "config", "images", "list", f"--kubernetes-version={self.version}"]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=patient(SECONDS),
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise BuildError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
        return done.stdout.split()


def node_image(made_of: Ingredients, dns: str, builder: Builder, timeline: Timeline) -> Image:
    """The node image, built if it is not there yet. ``dns`` is the version of the program ``coredns``.

    Raises BuildError, and PrerequisiteError without root or mmdebstrap.
    """
    image = builder.store.image(REPOSITORY, _tag(made_of, dns, builder))
    if builder.store.has(image):
        return image
    bases = [builder.debian(base, timeline) for base in (BASE, NETFILTER)]
    with timeline.phase("node image") as say:
        say(image.reference)
        return builder.store.keep(image, functools.partial(_write, made_of, dns, bases, image.reference))


def _tag(made_of: Ingredients, dns: str, builder: Builder) -> str:
    programs = (*PLACES, "coredns", "pause")
    parts = [
        [VERSION, ARCHIVE_VERSION, made_of.version, dns],
        [builder.debian_tag(base) for base in (BASE, NETFILTER)],
        {name: builder.store.digest(made_of.programs[name].resolve()) for name in programs},
        {str(one.relative_to(made_of.files)): one.read_text() for one in _files(made_of.files)},
        [PLACES, NODE_CALLS, IMAGE_CALLS, UNWANTED.pattern, SERVICES, CRICTL, KUBELET],
        [PRIVATE_SYSCTLS, BEFORE_KUBELET, dict(sysctls.KUBELET)],
    ]
    return tag_of(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def _write(made_of: Ingredients, dns: str, bases: list[Image], reference: str, archive: Path) -> None:
    node_base, proxy_base = bases
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".node-") as name:
        folder = Path(name)
        (base,) = extract_layers(node_base.archive, folder)
        files, images = folder / "files.tar", folder / "images.tar"
        with layer(files) as writing:
            _node(writing, made_of, _listed(base))
        with _preloaded(made_of, dns, proxy_base, folder) as store, layer(images) as writing:
            writing.tree("var/lib/containerd", store)
        write_archive(
            archive,
            reference,
            [base, files, images],
            entrypoint=["/usr/local/bin/entrypoint", "/sbin/init"],
            environment={"container": "docker"},
        )


def _listed(base: Path) -> Iterator[str]:
    """The paths in a tar, as a layer names them."""
    listed = subprocess.run(
        ["tar", "--list", "--file", str(base)], capture_output=True, encoding="utf-8", errors="replace", check=True
    ).stdout
    return (line.removeprefix("./").rstrip("/") for line in listed.splitlines())


def _node(node: Layer, made_of: Ingredients, base: Iterator[str]) -> None:
    """What is on a node beside Debian's packages: the steps of kind's Dockerfile."""
    for unwanted in sorted(path for path in base if UNWANTED.match(path)):
        node.remove(unwanted)
    for file in _files(made_of.files):
        path = str(file.relative_to(made_of.files))
        if path == "etc/containerd/config.toml":
            # Lowering oom_score_adj needs CAP_SYS_RESOURCE, which root may lack: runc then dies without a word.
            node.text(path, _replaced(file, "restrict_oom_score_adj = false", "restrict_oom_score_adj = true"))
        elif path == "etc/default/kubelet":
            node.text(path, KUBELET)
        else:
            is_program = path.startswith(("usr/local/bin/", "kind/bin/"))
            node.file(path, file, 0o755 if is_program else 0o644)
    node.text("etc/systemd/journald.conf.d/kind.conf", "[Journal]\nReadKMsg=no\n")
    for service in SERVICES:
        unit = f"{service}.service"
        node.link(f"etc/systemd/system/multi-user.target.wants/{unit}", f"/etc/systemd/system/{unit}")
    node.link("etc/systemd/system/systemd-binfmt.service", "/dev/null")  # what it sets is the whole machine's
    node.folder("etc/kubernetes/manifests")
    node.folder("kind/manifests")
    node.text("kind/version", made_of.version)
    node.text("etc/containerd/cri-base.json", json.dumps(_container(made_of.programs["ctr"])))
    for name, path in PLACES.items():
        node.file(path, made_of.programs[name].resolve())
    for name in NODE_CALLS:
        node.link(f"usr/bin/{name}", "kubenode")
    node.text("usr/local/bin/crictl", CRICTL, 0o755)
    settings = " ".join(f"{key}={value}" for key, value in sysctls.KUBELET.items())
    node.text(PRIVATE, PRIVATE_SYSCTLS.format(settings=settings), 0o755)
    node.text("etc/systemd/system/kubelet.service.d/20-private-sysctls.conf", BEFORE_KUBELET)


def _replaced(file: Path, old: str, new: str) -> str:
    text = file.read_text()
    if old not in text:
        raise BuildError(f"{file} has no {old!r}")
    return text.replace(old, new)


def _container(ctr: Path) -> dict[str, Any]:
    """What containers are by default: containerd's own, with kind's hook, and without limits of its processes."""
    printed = subprocess.run([str(ctr), "oci", "spec"], capture_output=True, encoding="utf-8", check=True).stdout
    spec: dict[str, Any] = json.loads(printed)
    spec["hooks"] = {"createContainer": [{"path": "/kind/bin/mount-product-files.sh"}]}
    spec["process"].pop("rlimits", None)
    return spec


@contextmanager
def _preloaded(made_of: Ingredients, dns: str, proxy_base: Image, folder: Path) -> Iterator[Path]:
    """What containerd keeps, with the images of the control plane, in a folder for the block."""
    (base,) = extract_layers(proxy_base.archive, folder)
    programs = made_of.programs
    calls, coredns, pause = folder / "calls.tar", folder / "coredns.tar", folder / "pause.tar"
    with layer(calls) as writing:
        writing.file("usr/local/bin/kubenode", programs["kubenode"].resolve())
        for name in IMAGE_CALLS:
            writing.link(f"usr/local/bin/{name}", "kubenode")
    for file, name in ((coredns, "coredns"), (pause, "pause")):
        with layer(file) as writing:
            writing.file(name, programs[name].resolve())
    archives = {}
    for name, layers, entrypoint, user, names in (
        ("control-plane", [base, calls], (), "", made_of.control_plane()),
        ("coredns", [coredns], ("/coredns",), "", [f"registry.k8s.io/coredns/coredns:{dns}"]),
        ("pause", [pause], ("/pause",), "65535:65535", [made_of.sandbox()]),
    ):
        archive = folder / f"{name}-image.tar"
        write_archive(archive, f"localhost/{name}:1", layers, entrypoint=entrypoint, user=user)
        archives[archive] = (f"localhost/{name}:1", names)
    with tempfile.TemporaryDirectory(prefix="hcd-") as short:  # sockets lie in it
        containerd = Containerd(programs["containerd"], programs["ctr"], Path(short))
        containerd.fill(archives)
        yield containerd.root
