"""What a cluster could leave on a machine: read plainly, and compared.

A snapshot is a set of lines for each section. It is of the PID and mount namespaces that it is taken in: ``room`` makes
some, so that all that is in there is the test's own doing. Everything else is the machine's.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

Snapshot = dict[str, list[str]]

AT_ONCE = ("processes", "mounts", "network namespaces", "links", "routes", "firewall", "sysctls")
"""What goes when a cluster's processes do."""
IN_TIME = (*AT_ONCE, "cgroups")
"""What is gone after the next command or run."""

VOLATILE = {
    "fs.aio-nr": "asynchronous requests in flight",
    "fs.dentry-state": "the directory cache of the moment",
    "fs.file-nr": "open files of the moment",
    "fs.inode-nr": "the inode cache of the moment",
    "fs.inode-state": "the inode cache of the moment",
    "fs.quota.": "counters of quota operations",
    "kernel.ns_last_pid": "the process id given last",
    "kernel.pty.nr": "open terminals of the moment",
    "kernel.random.entropy_avail": "the random pool's fill",
    "kernel.random.uuid": "another one at each reading",
    "net.netfilter.nf_conntrack_count": "connections of the moment",
    "vm.stat_refresh": "a button, not a value",
}
"""Counters among the sysctls, and what each counts: they change on a machine on which nothing happens."""

ENDED = "ZXx"
"""States of a process that has ended and that its parent has only to collect: it holds nothing any more."""

KEYS_OF_MODULES = {
    "br_netfilter": ("net.bridge.",),
    "ip_tables": ("net.ipv4.ip_tables_",),
    "nf_conntrack": ("net.netfilter.nf_conntrack_", "net.nf_conntrack_max"),
    "nf_log_syslog": ("net.netfilter.nf_log",),
    "nfnetlink_log": ("net.netfilter.nf_log",),
    "x_tables": ("net.netfilter.nf_hooks_lwtunnel",),
}
"""Sysctls that appear with a kernel module. Modules stay loaded; the harness lists those that it had to load."""

RULES = (
    ["iptables-save"],
    ["ip6tables-save"],
    ["iptables-legacy-save"],
    ["ip6tables-legacy-save"],
    ["nft", "list", "ruleset"],
    ["ipset", "save"],
)
CGROUPS = re.compile("harness|kube|k8s|cri-containerd|containerd|crio|pod[0-9a-f]|[0-9a-f]{64}$")
"""The names that a cluster, its components, pods and containers give to cgroups."""
ROUTES = (["ip", "-o", "-4", "route", "show", "table", "all"], ["ip", "-o", "-6", "route", "show", "table", "all"])


def snapshot(cgroups_of_others: str = "harness-", cgroups_of_ours: Collection[str] = ()) -> Snapshot:
    """Everything of this machine that a cluster might change.

    Cgroups are the machine's, and whoever else starts programs on it makes and removes some: those count that have the
    name of a cluster or of a part of Kubernetes. What begins with ``cgroups_of_others`` counts only where it is one of
    ``cgroups_of_ours``.
    """
    return {
        "processes": sorted(_processes()),
        "mounts": sorted(_mounts()),
        "network namespaces": sorted(_network_namespaces()),
        "cgroups": sorted(_cgroups(cgroups_of_others, cgroups_of_ours)),
        "links": _lines(["ip", "-o", "link"]),
        "routes": sorted(_without_lifetimes(line) for command in ROUTES for line in _lines(command)),
        "firewall": sorted(line for command in RULES if shutil.which(command[0]) for line in _rules(command)),
        "sysctls": sorted(_sysctls()),
        "modules": sorted(_modules()),
    }


def difference(before: Snapshot, after: Snapshot, sections: Collection[str] = IN_TIME) -> list[str]:
    """What came (+) and what went (-), a line each; empty where the machine is as it was."""
    loaded = set(after["modules"]) - set(before["modules"])
    allowed = tuple(prefix for module in loaded for prefix in KEYS_OF_MODULES.get(module, ()))
    changes = []
    for section in sections:
        was, is_now = set(before[section]), set(after[section])
        came = is_now - was
        if section == "sysctls" and allowed:
            came = {line for line in came if not line.startswith(allowed)}
        changes += [f"{section}: - {line}" for line in sorted(was - is_now)]
        changes += [f"{section}: + {line}" for line in sorted(came)]
    return changes


def _processes() -> Iterator[str]:
    for folder in _process_folders():
        try:
            status = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = status[status.index("(") + 1 : status.rindex(")")]
        fields = status[status.rindex(")") + 2 :].split(" ")  # proc_pid_stat(5), from the third on
        state, began = fields[0], fields[19]  # when it began tells a reused id from the first
        if state not in ENDED:
            yield f"{folder.name} began {began}: {command[:200] or f'[{name}]'}"


def _process_folders() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, point, options = before.split(" ")[3:6]
        yield f"{point} {root} {options} {after}"


def _network_namespaces() -> set[str]:
    found = set()
    for folder in _process_folders():
        try:
            found.add(str((folder / "ns/net").readlink()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    held = (line for line in _mounts() if " nsfs " in line)
    return found | {f"mounted: {line}" for line in held}


def _cgroups(others: str, ours: Collection[str]) -> Iterator[str]:
    for line in _mounts():
        point, _, _, kind, *_ = line.split(" ")
        if kind not in {"cgroup", "cgroup2"}:
            continue
        for top in (entry for entry in Path(point).iterdir() if entry.is_dir()):
            if top.name.startswith(others) and top.name not in ours:
                continue
            for folder, _, _ in os.walk(top):  # which passes over what goes meanwhile
                if any(CGROUPS.match(part) for part in Path(folder).relative_to(point).parts):
                    yield folder


def _lines(command: list[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        return [f"`{' '.join(command)}` ended with status {done.returncode}: {done.stderr.strip()}"]
    return done.stdout.splitlines()


def _rules(command: list[str]) -> Iterator[str]:
    """The rules without comments, which hold the time, and without the counters of packets and bytes."""
    for line in _lines(command):
        if not line.startswith("#"):
            plain = re.sub(r"\[\d+:\d+\]|packets \d+ bytes \d+", "", line).rstrip()
            yield f"{command[0]}: {plain}"


def _without_lifetimes(route: str) -> str:
    return re.sub(r" (expires|age) \d+\S*", "", route)


def _sysctls() -> Iterator[str]:
    """As ``sysctl -a`` does it: every value that can be read."""
    root = Path("/proc/sys")
    volatile = tuple(VOLATILE)
    for file in root.rglob("*"):
        key = str(file.relative_to(root)).replace("/", ".")
        if key.startswith(volatile) or not file.is_file():
            continue
        try:
            yield f"{key} = {file.read_text(errors='replace').strip()}"
        except OSError:  # write-only, or without a value at the moment
            continue


def _modules() -> Iterator[str]:
    try:
        text = Path("/proc/modules").read_text()
    except FileNotFoundError:  # a kernel without modules loads none
        return
    yield from (line.split()[0] for line in text.splitlines())
