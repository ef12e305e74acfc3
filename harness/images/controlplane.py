"""The images of a control plane, of our own programs, as a node has them from its start: in containerd's store.

One image serves all of Kubernetes' own programs, by all the names that kubeadm asks for: pods name their program.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BuildError
from harness.images.archive import extract_layers, write_archive
from harness.images.content import Containerd
from harness.images.layer import layer
from harness.images.store import Image
from harness.kube.wait import patient

CALLS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl")
"""The names by which ``kubenode`` is called in the image, beside ``etcd``."""

PROGRAMS: Final = ("coredns", "pause")
"""What the images hold, beside ``kubenode`` and what kube-proxy calls."""

ETCD: Final = """\
#!/bin/sh
# etcd as a pod's manifest starts it, without options that etcd 3.6 does not have any more.
for argument; do
    shift
    case $argument in --proxy-refresh-interval=*) ;; *) set -- "$@" "$argument" ;; esac
done
exec /usr/local/bin/kubenode etcd "$@"
"""
"""Minikube v1.36 knows no etcd that is newer than 3.5."""

SECONDS: Final = 60.0


@dataclass(frozen=True)
class ControlPlane:
    """Which images there are: of ``programs`` by name, for a version of Kubernetes; ``dns`` is CoreDNS's version."""

    programs: Mapping[str, Path]
    version: str
    dns: str

    def names(self) -> list[str]:
        """What kubeadm asks for, but for CoreDNS and pause."""
        return [name for name in self._asked() if not re.search(r"/(coredns|pause):", name)]

    def dns_names(self) -> list[str]:
        """CoreDNS by its true version, and as kubeadm asks for it: Minikube can be told of no other."""
        asked = [name for name in self._asked() if "/coredns:" in name]
        return sorted({f"registry.k8s.io/coredns/coredns:{self.dns}", *asked})

    def sandbox(self) -> str:
        """The image of sandboxes that kubeadm names."""
        (found,) = [name for name in self._asked() if "/pause:" in name]
        return found

    @contextmanager
    def preloaded(self, base: Image, sandbox: str) -> Iterator[Path]:
        """What containerd keeps in ``/var/lib/containerd``, in a folder for the block.

        ``base`` has what kube-proxy calls, ``sandbox`` is the name that the image of sandboxes gets. Raises BuildError.
        """
        with tempfile.TemporaryDirectory(dir=base.archive.parent, prefix=".preload-") as name:
            archives = self._archives(base, sandbox, Path(name))
            with tempfile.TemporaryDirectory(prefix="hcd-") as short:  # sockets lie in it
                containerd = Containerd(self.programs["containerd"], self.programs["ctr"], Path(short))
                containerd.fill(archives)
                yield containerd.root

    def _archives(self, base: Image, sandbox: str, folder: Path) -> dict[Path, tuple[str, list[str]]]:
        calls, coredns, pause = folder / "calls.tar", folder / "coredns.tar", folder / "pause.tar"
        with layer(calls) as writing:
            writing.file("usr/local/bin/kubenode", self.programs["kubenode"].resolve())
            for name in CALLS:
                writing.link(f"usr/local/bin/{name}", "kubenode")
            writing.text("usr/local/bin/etcd", ETCD, 0o755)
        for file, name in ((coredns, "coredns"), (pause, "pause")):
            with layer(file) as writing:
                writing.file(name, self.programs[name].resolve())
        lowest = extract_layers(base.archive, folder)
        archives = {}
        for name, layers, entrypoint, user, names in (
            ("control-plane", [*lowest, calls], (), "", self.names()),
            ("coredns", [coredns], ("/coredns",), "", self.dns_names()),
            ("pause", [pause], ("/pause",), "65535:65535", [sandbox]),
        ):
            archive = folder / f"{name}-image.tar"
            write_archive(archive, f"localhost/{name}:1", layers, entrypoint=entrypoint, user=user)
            archives[archive] = (f"localhost/{name}:1", names)
        return archives

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
