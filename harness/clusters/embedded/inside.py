"""The processes of a node as this machine sees them, and programs of this machine that run in the node."""

import ipaddress
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.clusters.embedded.layout import Layout
from harness.errors import ClusterGone, CommandError
from harness.kube.wait import patient


def node_process(where: Layout) -> int:
    """The id that the node's process 1 has on this machine. Raises ClusterGone."""
    parent = json.loads(where.state.read_text())["unshare"] if where.state.exists() else None
    for pid, parents, _ in processes():
        if parents == parent:
            return pid
    raise ClusterGone(f"cluster {where.name} has no running node")


def outer_ids(where: Layout, inner: Mapping[str, int]) -> dict[str, int]:
    """Translate process ids of the node's PID namespace to this machine's."""
    namespace = Path(f"/proc/{node_process(where)}/ns/pid").readlink()
    found = {}
    for pid, _, nested in processes():
        try:
            if len(nested) > 1 and Path(f"/proc/{pid}/ns/pid").readlink() == namespace:
                found[nested[-1]] = pid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return {name: found[pid] for name, pid in inner.items() if pid in found}


def nested_ids(pid: int) -> list[int]:
    """The ids of a process from this process's PID namespace inwards; none where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(i) for line in status.splitlines() if line.startswith("NSpid:") for i in line.split()[1:]]


def processes() -> list[tuple[int, int, list[int]]]:
    """Every process as (id, parent's id, ids in nested namespaces), from proc_pid_status(5)."""
    every = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = dict(
                line.split(":\t", 1)
                for line in (entry / "status").read_text(errors="replace").splitlines()
                if ":\t" in line
            )
        except (FileNotFoundError, ProcessLookupError):
            continue
        every.append((int(entry.name), int(fields["PPid"]), [int(i) for i in fields["NSpid"].split()]))
    return every


def in_node(where: Layout, *command: str, stdin: Path | None = None, seconds: float = 120) -> str:
    """Run a program inside the node, as root there. ``stdin`` is a file of this machine. Raises CommandError."""
    enter = ["nsenter", "-t", str(node_process(where)), "--mount", "--net", "--pid", "--uts", "--ipc", "--"]
    with (stdin or Path(os.devnull)).open("rb") as source:
        done = subprocess.run(
            [*enter, *command],
            stdin=source,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patient(seconds),
            check=False,
            cwd="/",
        )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stderr + done.stdout)
    return done.stdout


def forget_connections(where: Layout, address: str) -> int:
    """Drop the entries of an IPv4 address from the node's connection tracking, from whichever side; how many."""
    sides = ("--orig-src", "--orig-dst", "--reply-src", "--reply-dst")
    # It says how many on its standard error, and fails where there were none.
    script = 'for side; do conntrack -D "$side" "$0" 2>&1 >/dev/null || true; done'
    said = in_node(where, "sh", "-c", script, str(ipaddress.IPv4Address(address)), *sides)
    return sum(int(number) for number in re.findall(r"(\d+) flow entries have been deleted", said))
