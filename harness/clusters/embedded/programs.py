"""The programs that an embedded node is made of, and the key of each: data and hashes, nothing is run.

A program's key is a hash of all that goes into it: go.mod, go.sum, its own sources, its flags and the version of Go.
Its version is read from go.mod and set at link time, so what it says of itself is true.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BuildError, UsageError

TRIMMED_TAGS = "no_btrfs,no_devmapper,no_zfs,no_aufs"
"""containerd without the snapshotters that an embedded node never uses."""


@dataclass(frozen=True)
class Program:
    """A program. ``module`` is a folder of ``components``, ``package`` a Go package in it or of a module it requires.

    ``stamps`` maps the variables that are set at link time to texts, in which ``{version}`` (``v1.2.3``), ``{number}``
    (``1.2.3``), ``{major}`` and ``{minor}`` are those of the Go module ``released_as``. ``calls`` are the names by
    which a binary that is several programs is called.
    """

    module: str
    package: str
    released_as: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    cgo: bool = False
    tags: str = TRIMMED_TAGS

    @property
    def own_sources(self) -> str | None:
        """The folder of its sources within the module; None for a program that is built as its authors have it."""
        return self.package if self.package.startswith(".") else None

    @property
    def batch(self) -> tuple[str, bool, str]:
        """What programs have in common that one ``go build`` can make."""
        return self.module, self.cgo, self.tags

    @property
    def built_as(self) -> str:
        """The file name that ``go build`` gives it: the last part of its import path, the module's for its root."""
        return self.module if self.package == "." else self.package.rsplit("/", 1)[-1]

    def flags(self) -> list[str]:
        """The flags that decide how packages are compiled; no path of this machine gets into a binary."""
        return ["-trimpath", "-buildvcs=false", f"-tags={self.tags}"]

    def link_option(self, go_mod: str) -> str:
        """The linker's flags, for this program only: no debug tables, and the version of the module in this go.mod."""
        texts = {variable: text.format(**_version_parts(self, go_mod)) for variable, text in self.stamps.items()}
        stamps = "".join(f" -X={variable}={text}" for variable, text in sorted(texts.items()))
        return f"-ldflags={self.package}=-s -w{stamps}"


def _kubernetes_stamps(package: str) -> dict[str, str]:
    return {
        f"{package}.gitVersion": "{version}",
        f"{package}.gitMajor": "{major}",
        f"{package}.gitMinor": "{minor}",
        f"{package}.gitTreeState": "clean",
        f"{package}.gitCommit": "",
    }


def _containerd(program: str) -> Program:
    module = "github.com/containerd/containerd/v2"
    return Program("node", f"{module}/cmd/{program}", module, {f"{module}/version.Version": "{version}"})


def _cni_plugin(path: str) -> Program:
    module = "github.com/containernetworking/plugins"
    stamp = f"{module}/pkg/utils/buildversion.BuildVersion"
    return Program("node", f"{module}/plugins/{path}", module, {stamp: "{version}"})


PROGRAMS: Mapping[str, Program] = {
    "kubenode": Program(
        "node",
        "./kubenode",
        "k8s.io/kubernetes",
        _kubernetes_stamps("k8s.io/component-base/version") | _kubernetes_stamps("k8s.io/client-go/pkg/version"),
        calls=(
            "etcd",
            "etcdctl",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
            "kubeadm",
            "forward",
        ),
    ),
    "containerd": _containerd("containerd"),
    "containerd-shim-runc-v2": _containerd("containerd-shim-runc-v2"),
    "ctr": _containerd("ctr"),
    # runc enters namespaces in C, before Go's runtime starts; seccomp filters come from libseccomp.
    "runc": Program(
        "node",
        "github.com/opencontainers/runc",
        "github.com/opencontainers/runc",
        {"main.version": "{number}"},
        cgo=True,
        tags="seccomp",
    ),
    "host-local": _cni_plugin("ipam/host-local"),
    "loopback": _cni_plugin("main/loopback"),
    "portmap": _cni_plugin("meta/portmap"),
    "policynode": Program("policy", ".", calls=("calico", "felix"), tags=""),
    "pause": Program("node", "./pause"),
    "coredns": Program("node", "./coredns"),
    "storage": Program("node", "./storage"),
    "metrics-server": Program(
        "node",
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        "sigs.k8s.io/metrics-server",
        {"k8s.io/client-go/pkg/version.gitVersion": "{version}"},
    ),
    "traefik": Program(
        "node",
        "github.com/traefik/traefik/v3/cmd/traefik",
        "github.com/traefik/traefik/v3",
        {"github.com/traefik/traefik/v3/pkg/version.Version": "{number}"},
    ),
}
"""Every program of an embedded node, by the name of its binary."""

TOOLS: Mapping[str, Program] = {
    "capped": Program("node", "./capped"),
    "ptp": _cni_plugin("main/ptp"),
    "crane": Program("registry", "github.com/google/go-containerregistry/cmd/crane", tags=""),
    "crictl": Program(
        "cri",
        "sigs.k8s.io/cri-tools/cmd/crictl",
        "sigs.k8s.io/cri-tools",
        {"sigs.k8s.io/cri-tools/pkg/version.Version": "{version}"},
        tags="",
    ),
    "kind": Program("kind", "sigs.k8s.io/kind", tags=""),
    "minikube": Program(
        "minikube",
        "k8s.io/minikube/cmd/minikube",
        "k8s.io/minikube",
        {"k8s.io/minikube/pkg/version.version": "{version}"},
        tags="",
    ),
}
"""Programs for other clusters: built only where they are asked for."""


def choose(names: Collection[str] | None) -> dict[str, Program]:
    """The programs of these names (default: all of a node), or of names that they are called by. Raises UsageError."""
    if names is None:
        return dict(PROGRAMS)
    known = {**PROGRAMS, **TOOLS}
    owners = {call: name for name, program in known.items() for call in (name, *program.calls)}
    if unknown := sorted(set(names) - set(owners)):
        raise UsageError(f"no component is named {', '.join(unknown)}; there are {', '.join(sorted(owners))}")
    chosen = {owners[name] for name in names}
    return {name: program for name, program in known.items() if name in chosen}


def key(program: Program, sources: Path, go_version: str) -> str:
    """The hash of all that goes into a program: 32 hex digits.

    ``sources`` is the folder of modules, ``go_version`` what ``go version`` prints. Sources of the module's other
    programs do not count; those that every program may be linked with do: go.mod, go.sum and what is in ``lego-dns``.
    """
    folder = sources / program.module
    files = [
        folder / "go.mod",
        folder / "go.sum",
        *sorted(folder.glob("tools.go")),
        *sorted(folder.glob("lego-dns/*.go*")),
    ]
    if program.own_sources is not None:
        files += sorted((folder / program.own_sources).glob("*.go"))
    files = [file for file in files if not file.name.startswith(".")]  # an editor's: Go passes over them too
    contents = {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    flags = [program.package, program.cgo, program.flags(), program.link_option((folder / "go.mod").read_text())]
    return hashlib.sha256(json.dumps([contents, flags, go_version], sort_keys=True).encode()).hexdigest()[:32]


def required(go_mod: str, module: str) -> str:
    """The version that a go.mod requires of ``module``, as ``v1.2.3``. Raises BuildError if it requires none."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError(f"go.mod does not require {module}")
    return found[1]


def batches(chosen: Mapping[str, Program]) -> list[dict[str, Program]]:
    """The programs, sorted into what one ``go build`` can make, so that what they share is compiled once."""
    sorted_by: dict[tuple[str, bool, str], dict[str, Program]] = {}
    for name, program in chosen.items():
        sorted_by.setdefault(program.batch, {})[name] = program
    return list(sorted_by.values())


def _version_parts(program: Program, go_mod: str) -> dict[str, str]:
    if not program.released_as:
        return {}
    version = required(go_mod, program.released_as)
    number = version.removeprefix("v")
    major, minor, *_ = number.split(".")
    return {"version": version, "number": number, "major": major, "minor": minor}
