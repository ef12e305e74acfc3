"""Builds the embedded node's programs from their Go modules, into a cache that is addressed by content.

A program's key is a hash of go.mod, go.sum, its own sources, its flags and the version of Go: what is there under its key
is never built again. All programs of a module that are missing are built by one ``go build``, so that what they share
compiles once, and Go's own build cache lets an interrupted build go on where it stopped.
"""

import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.clusters.embedded.gotoolchain import go_binary
from harness.errors import BuildError
from harness.paths import Paths
from harness.timeline import Timeline

SOURCES = Path(str(resources.files(__package__) / "components"))
TAGS = "no_btrfs,no_devmapper,no_zfs,no_aufs"
LEGO = "github.com/go-acme/lego/v4"
LEGO_SUM = "h1:2KrRKieG+VczT4zvVXKAY7Tp/S3XLvh/QImofBALRAM="
"""What go.sum would say of it, were it not replaced by a copy."""
LEGO_LEFT_OUT = ("providers/dns", "cmd", "e2e")
CALICO = "github.com/projectcalico/calico"
ERROR_LINES = 25
PLAIN_STEPS = 10
"""How many lines tell of a build's progress where there is no terminal."""


@dataclass(frozen=True)
class Program:
    """A program: its ``package`` in ``module`` (a folder of ``components``), and what is set at link time.

    ``versions`` are variables that get the version of a Go module, ``constants`` ones that get a value as it is.
    """

    module: str
    package: str
    versions: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    cgo: bool = False
    tags: str = TAGS

    @property
    def own_sources(self) -> str | None:
        """The folder of its own sources, None for a program that is built as its module has it."""
        return self.package.removeprefix("./") if self.package.startswith(".") else None


KUBERNETES = "k8s.io/component-base/version"
PROGRAMS: dict[str, Program] = {
    "kubenode": Program(
        "node",
        "./kubenode",
        {f"{KUBERNETES}.gitVersion": "k8s.io/kubernetes"},
        {f"{KUBERNETES}.gitMajor": "1", f"{KUBERNETES}.gitMinor": "36", f"{KUBERNETES}.gitTreeState": "clean"},
    ),
    "containerd": Program(
        "node",
        "github.com/containerd/containerd/v2/cmd/containerd",
        {"github.com/containerd/containerd/v2/version.Version": "github.com/containerd/containerd/v2"},
    ),
    "containerd-shim-runc-v2": Program(
        "node",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        {"github.com/containerd/containerd/v2/version.Version": "github.com/containerd/containerd/v2"},
    ),
    "ctr": Program(
        "node",
        "github.com/containerd/containerd/v2/cmd/ctr",
        {"github.com/containerd/containerd/v2/version.Version": "github.com/containerd/containerd/v2"},
    ),
    "host-local": Program("node", "github.com/containernetworking/plugins/plugins/ipam/host-local"),
    "loopback": Program("node", "github.com/containernetworking/plugins/plugins/main/loopback"),
    "portmap": Program("node", "github.com/containernetworking/plugins/plugins/meta/portmap"),
    "coredns": Program("node", "./coredns"),
    "storage": Program("node", "./storage"),
    "pause": Program("node", "./pause"),
    "metrics-server": Program(
        "node",
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        {"sigs.k8s.io/metrics-server/pkg/version.gitVersion": "sigs.k8s.io/metrics-server"},
    ),
    "traefik": Program(
        "node",
        "github.com/traefik/traefik/v3/cmd/traefik",
        {"github.com/traefik/traefik/v3/pkg/version.Version": "github.com/traefik/traefik/v3"},
    ),
    # runc enters namespaces in C, before Go's runtime starts; seccomp filters come from libseccomp.
    "runc": Program(
        "node",
        "github.com/opencontainers/runc",
        {"main.version": "github.com/opencontainers/runc"},
        cgo=True,
        tags="seccomp",
    ),
    "policynode": Program("policy", "."),
}


@dataclass(frozen=True)
class Components:
    """Where each built program lies."""

    folders: Mapping[str, Path]

    def path(self, name: str) -> Path:
        """The binary of that name. Raises KeyError for a name that is no program."""
        return self.folders[name] / name


def build(timeline: Timeline, names: Collection[str] | None = None, cache: Path | None = None) -> Components:
    """Build what is missing of ``names`` (default: all), and return where everything is.

    Raises BuildError with the last lines that Go said. Another process that builds is waited for.
    """
    cache = cache or Paths.from_environment(os.environ).cache
    wanted = {name: PROGRAMS[name] for name in (names or PROGRAMS)}
    go = go_binary(cache, (SOURCES / "node/go.mod").read_text(), timeline)
    version = _run_go(go, ["version"], SOURCES).strip()
    found = Components({name: cache / "components" / name / key(program, version) for name, program in wanted.items()})
    if all(is_whole(found.folders[name], name) for name in wanted):
        return found
    with _alone(cache / "build", timeline):
        for group in _groups(wanted):
            stale = {name: wanted[name] for name in group if not is_whole(found.folders[name], name)}
            if stale:
                _build_group(go, cache, stale, found, timeline)
    return found


def calico_crds(timeline: Timeline, cache: Path | None = None) -> Path:
    """The folder of Calico's CustomResourceDefinitions, from its Go module."""
    cache = cache or Paths.from_environment(os.environ).cache
    go = go_binary(cache, (SOURCES / "node/go.mod").read_text(), timeline)
    version = required((SOURCES / "policy/go.mod").read_text(), CALICO)
    folder = cache / "components" / "calico-crds" / version
    if not folder.is_dir():
        module = json.loads(_run_go(go, ["mod", "download", "-json", f"{CALICO}@{version}"], SOURCES / "policy"))
        fresh = Path(tempfile.mkdtemp(dir=_made(folder.parent)))
        shutil.copytree(Path(module["Dir"]) / "libcalico-go/config/crd", fresh, dirs_exist_ok=True)
        fresh.rename(folder)
    return folder


def key(program: Program, go_version: str, sources: Path = SOURCES) -> str:
    """The hash of everything that goes into a program."""
    folder = sources / program.module
    files = [folder / "go.mod", folder / "go.sum", *sorted(folder.glob("lego-dns/*"))]
    if program.own_sources is not None:
        files += sorted((folder / program.own_sources).glob("*.go"))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)} {len(content)}\n".encode() + content)
    flags = [*flags_of(program, (folder / "go.mod").read_text()), f"cgo={program.cgo}", program.package, go_version]
    digest.update(json.dumps(flags).encode())
    return digest.hexdigest()[:20]


def flags_of(program: Program, go_mod: str) -> list[str]:
    """The flags of ``go build``: no path of this machine is in the binary, and its version is the module's."""
    return [
        "-trimpath",
        "-buildvcs=false",
        f"-tags={program.tags}",
        f"-ldflags={' '.join(link_flags([program], go_mod))}",
    ]


def link_flags(programs: Sequence[Program], go_mod: str) -> list[str]:
    """The linker's flags of programs that are linked by one command: a variable that a program lacks is ignored."""
    variables: dict[str, str] = {}
    for program in programs:
        for variable, module in program.versions.items():
            version = required(go_mod, module)
            # These two print a v of their own, or none.
            plain = variable.startswith(("main.", "github.com/traefik/"))
            variables[variable] = version.removeprefix("v") if plain else version
        variables.update(program.constants)
    return ["-s", "-w", *(f"-X={variable}={value}" for variable, value in sorted(variables.items()))]


def required(go_mod: str, module: str) -> str:
    """The version that a go.mod requires of ``module``. Raises BuildError if it does not."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError(f"go.mod does not require {module}")
    return found[1]


def is_whole(folder: Path, name: str) -> bool:
    """Whether the binary is there as it was built: its size is kept beside it."""
    try:
        return (folder / name).stat().st_size == int((folder / "size").read_text())
    except (FileNotFoundError, ValueError):
        return False


def _groups(wanted: Mapping[str, Program]) -> list[list[str]]:
    """Programs that one ``go build`` can make: of one module, with one set of flags."""
    groups: dict[tuple[str, bool, str], list[str]] = {}
    for name, program in wanted.items():
        groups.setdefault((program.module, program.cgo, program.tags), []).append(name)
    return list(groups.values())


def _build_group(go: Path, cache: Path, stale: Mapping[str, Program], found: Components, timeline: Timeline) -> None:
    programs = list(stale.values())
    source = stage(go, cache, programs[0].module)
    environment = {"CGO_ENABLED": str(int(programs[0].cgo))}
    link = " ".join(link_flags(programs, (source / "go.mod").read_text()))
    flags = ["-trimpath", "-buildvcs=false", f"-tags={programs[0].tags}", f"-ldflags={link}"]
    packages = [program.package for program in programs]
    output = Path(tempfile.mkdtemp(prefix="out-", dir=cache / "build"))
    try:
        with timeline.phase(f"build {programs[0].module}{' (runc)' if programs[0].cgo else ''}") as say:
            timeline.say(f"  modules and packages of {', '.join(stale)}")
            listing = ["list", "-deps", *flags[:3], "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", *packages]
            needed = len(_run_go(go, listing, source, environment).split())
            _compile(go, ["build", "-v", *flags, "-o", f"{output}{os.sep}", *packages], source, environment, needed)
            say(f"{needed} packages")
        for name, program in stale.items():
            made = output / (name if len(packages) > 1 or program.own_sources != "." else source.name)
            _keep(made if made.exists() else next(output.iterdir()), found.folders[name], name)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def _keep(made: Path, folder: Path, name: str) -> None:
    fresh = Path(tempfile.mkdtemp(dir=_made(folder.parent)))
    made.rename(fresh / name)
    (fresh / "size").write_text(str((fresh / name).stat().st_size))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def stage(go: Path, cache: Path, module: str) -> Path:
    """Copy a module's sources to where Go may write beside them, with the trimmed copy of lego where it is replaced."""
    folder = _made(cache / "build") / module
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES / module, folder, ignore=shutil.ignore_patterns("lego"))
    go_mod = (folder / "go.mod").read_text()
    if f"{LEGO} => ./lego" in go_mod:
        copy_lego(go, required(go_mod, LEGO), folder / "lego", folder / "lego-dns/dns.go.txt")
    return folder


def copy_lego(go: Path, version: str, target: Path, table: Path) -> None:
    """Copy the module, its table of DNS providers replaced by an empty one: they alone take four minutes to compile."""
    with tempfile.TemporaryDirectory() as outside:
        module = json.loads(_run_go(go, ["mod", "download", "-json", f"{LEGO}@{version}"], Path(outside)))
    if module["Sum"] != LEGO_SUM:
        raise BuildError(f"{LEGO} {version} has the sum {module['Sum']}, not {LEGO_SUM}: go.mod and build.py disagree")
    shutil.copytree(module["Dir"], target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for left_out in LEGO_LEFT_OUT:
        shutil.rmtree(target / left_out)
    dns = _made(target / "providers/dns")
    shutil.copy(table, dns / "dns.go")


def _compile(go: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], needed: int) -> None:
    """Run ``go build -v`` and show each package that it names; end it at once, with all it started, when we are ended."""
    last: deque[str] = deque(maxlen=ERROR_LINES)
    process = subprocess.Popen(
        [str(go), *arguments],
        cwd=folder,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one call into libc, and no thread of ours holds a lock it needs
    )
    try:
        assert process.stderr is not None  # noqa: S101 -- a pipe was asked for
        with _shown(needed) as advance:
            for line in process.stderr:
                last.append(line)
                if not line.startswith(("go: ", "#", "\t", "/")):
                    advance()
        if process.wait():
            raise BuildError(f"`go {arguments[0]}` ended with status {process.returncode}:\n{''.join(last).strip()}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _shown(needed: int) -> Iterator["_Advance"]:
    """A progress bar on a terminal, a line for every tenth elsewhere."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("    "), BarColumn(), MofNCompleteColumn(), TextColumn("packages"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield _Advance(bar, console, needed)


class _Advance:
    """Counts packages."""

    def __init__(self, bar: Progress, console: Console, needed: int) -> None:
        self._bar, self._console, self._needed = bar, console, needed
        self._task = bar.add_task("", total=needed)
        self._done = 0
        self._began = time.monotonic()

    def __call__(self) -> None:
        self._done += 1
        self._bar.advance(self._task)
        step = max(1, self._needed // PLAIN_STEPS)
        if self._bar.disable and self._done % step == 0:
            self._console.print(
                f"    {self._done} of {self._needed} packages, {time.monotonic() - self._began:.0f} s", markup=False
            )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextmanager
def _alone(folder: Path, timeline: Timeline) -> Iterator[None]:
    lock = FileLock(_made(folder) / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        timeline.say("  waiting for another build of the components")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _run_go(go: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(go), *arguments],
        cwd=folder,
        env=_environment(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stderr + done.stdout).strip().splitlines()[-ERROR_LINES:])
        raise BuildError(f"`go {' '.join(arguments[:3])}` ended with status {done.returncode}:\n{said}")
    return done.stdout


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, but for what would change what is built."""
    return {**os.environ, "GOWORK": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local", **more}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
