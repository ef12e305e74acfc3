"""Processes: the memory of a cluster, of all in its PID namespace and those nested in it, and programs to be run."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CommandError
from harness.kube.kubectl import child_environment

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process: its parent, and how many PID namespaces deep it lies."""

    pid: int
    parent: int
    depth: int


def processes(proc: Path = PROC) -> dict[int, Process]:
    """All processes that can be seen; one that ends meanwhile is left out."""
    found = {}
    for folder in proc.glob("[0-9]*"):
        try:
            lines = dict(
                line.split(":", 1)
                for line in (folder / "status").read_text(errors="replace").splitlines()
                if ":" in line
            )
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(folder.name)
        found[pid] = Process(pid, int(lines["PPid"]), len(lines["NSpid"].split()))
    return found


def cluster_of(member: int, all_processes: Mapping[int, Process]) -> set[int]:
    """The processes of the outermost PID namespace that ``member`` shares with its forebears below this one's."""
    here = min(one.depth for one in all_processes.values())
    root = all_processes[member]
    while root.parent in all_processes and all_processes[root.parent].depth > here:
        root = all_processes[root.parent]
    members = {root.pid}
    while True:
        more = {one.pid for one in all_processes.values() if one.parent in members} - members
        if not more:
            return members
        members |= more


def resident_mb(pids: Iterable[int], proc: Path = PROC) -> float:
    """The memory that the processes hold together, in MB (10^6 bytes): a page that several share counts once (PSS)."""
    total = 0
    for pid in pids:
        try:
            text = (proc / str(pid) / "smaps_rollup").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total * 1024 / 1e6


def run_program(
    command: Sequence[str], seconds: float, environment: Mapping[str, str], cwd: Path = Path(os.curdir)
) -> None:
    """Run a program to its end, without input. Raises CommandError with its last words where it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
        env={**child_environment(), **environment},
        cwd=cwd,
    )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stdout[-4000:])
