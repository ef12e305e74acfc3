"""What the images of kind's and Minikube's nodes have in common: a Debian with systemd that is a container."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from harness.errors import BuildError
from harness.images.layer import Layer
from harness.kube import sysctls

PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "bash", "ca-certificates", "curl", "jq", "procps", "hostname", "openssl"),
    *("conntrack", "iptables", "nftables", "ipset", "iproute2", "ethtool", "socat", "util-linux", "mount", "kmod"),
    *("e2fsprogs", "libseccomp2", "pigz", "tar"),
)
"""What both images' Dockerfiles install, but for the tools of network storage, which nothing here uses."""

PLACES: Final = {
    "containerd": "usr/local/bin/containerd",
    "containerd-shim-runc-v2": "usr/local/bin/containerd-shim-runc-v2",
    "ctr": "usr/local/bin/ctr",
    "crictl": "usr/local/bin/crictl",
    "runc": "usr/local/sbin/runc",
    "host-local": "opt/cni/bin/host-local",
    "loopback": "opt/cni/bin/loopback",
    "portmap": "opt/cni/bin/portmap",
    "ptp": "opt/cni/bin/ptp",
    "kubenode": "usr/bin/kubenode",
}
"""Where each program lies."""

UNWANTED: Final = re.compile(
    r"usr/lib/systemd/system/(multi-user|local-fs|basic)\.target\.wants/."
    r"|usr/lib/systemd/system/sockets\.target\.wants/.*(udev|initctl)"
    r"|usr/lib/systemd/system/sysinit\.target\.wants/systemd-tmpfiles-setup\.service$"
    r"|etc/systemd/system/[^/]*\.wants/."
    r"|usr/lib/sysctl\.d/."
)
"""What belongs to a machine: units, as the Dockerfiles have it, and settings of the kernel."""

PRIVATE: Final = "usr/local/bin/private-sysctls"
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

WANTS: Final = "etc/systemd/system/multi-user.target.wants"


def furnish(node: Layer, programs: Mapping[str, Path], base: Iterable[str]) -> None:
    """Put onto a Debian that has the paths ``base`` what every node has beside it. Raises BuildError."""
    for unwanted in sorted(path for path in base if UNWANTED.match(path)):
        node.remove(unwanted)
    node.text("etc/systemd/journald.conf.d/node.conf", "[Journal]\nReadKMsg=no\n")
    node.link("etc/systemd/system/systemd-binfmt.service", "/dev/null")  # what it sets is the whole machine's
    node.folder("etc/kubernetes/manifests")
    for name, path in PLACES.items():
        node.file(path, programs[name].resolve())
    settings = " ".join(f"{key}={value}" for key, value in sysctls.KUBELET.items())
    node.text(PRIVATE, PRIVATE_SYSCTLS.format(settings=settings), 0o755)
    node.text("etc/systemd/system/kubelet.service.d/20-private-sysctls.conf", BEFORE_KUBELET)


def procedure() -> list[object]:
    """What decides what ``furnish`` does, beside what it is given: a part of a tag."""
    return [PLACES, UNWANTED.pattern, PRIVATE_SYSCTLS, BEFORE_KUBELET, dict(sysctls.KUBELET)]


def listed(layer: Path) -> list[str]:
    """The paths in a tar, as layers name them."""
    printed = subprocess.run(
        ["tar", "--list", "--file", str(layer)], capture_output=True, encoding="utf-8", errors="replace", check=True
    ).stdout
    return [line.removeprefix("./").rstrip("/") for line in printed.splitlines()]


def replaced(file: Path, old: str, new: str) -> str:
    """A file's text with something else in place of ``old``. Raises BuildError where it does not have that."""
    text = file.read_text()
    if old not in text:
        raise BuildError(f"{file} has no {old!r}")
    return text.replace(old, new)
