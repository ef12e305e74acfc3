"""Stopping the processes of a cgroup where they are, and letting them go on.

By v1's freezer hierarchy or v2's ``cgroup.freeze``, of which the processes see nothing. A v1 machine may lack the
freezer, and there is no other way to stop processes unseen: there each is sent SIGSTOP, which its parent can see.

What is frozen in v1 does not die of SIGKILL before it is thawed; in v2, and when it was stopped by a signal, it does.
"""

import contextlib
import os
import signal
from pathlib import Path

from harness.kube.wait import wait_until

SECONDS = 10.0
"""Deadline for processes to stop: one that waits for a disk stops when it has been answered."""

V1, V2 = "freezer.state", "cgroup.freeze"


def freeze(folder: Path) -> None:
    """Freeze a cgroup, and return when all of it has stopped, or is gone. Raises WaitTimeout."""

    def frozen() -> bool:
        try:
            if (folder / V1).exists():
                (folder / V1).write_text("FROZEN")
                return (folder / V1).read_text().strip() == "FROZEN"
            if (folder / V2).exists():
                (folder / V2).write_text("1")
                return "frozen 1" in (folder / "cgroup.events").read_text().splitlines()
        except OSError:
            if folder.is_dir():
                raise
            return True
        _signal(folder, signal.SIGSTOP)  # each time: one that was just being forked got none
        return all(map(_stopped, members(folder)))

    wait_until(f"cgroup {folder} to be frozen", frozen, seconds=SECONDS, interval=0.01)


def thaw(top: Path) -> None:
    """Let a cgroup and all below it go on. Safe to repeat, and where it is gone."""
    for name, _, _ in os.walk(top):
        folder = Path(name)
        with contextlib.suppress(OSError):  # each may be gone at any moment
            if (folder / V1).exists():
                (folder / V1).write_text("THAWED")
            elif (folder / V2).exists():
                (folder / V2).write_text("0")
            else:
                _signal(folder, signal.SIGCONT)


def members(folder: Path) -> list[int]:
    """The processes of a cgroup, without those below it; none where it is gone."""
    try:
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _signal(folder: Path, number: signal.Signals) -> None:
    for pid in members(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _stopped(pid: int) -> bool:
    return state_of(pid) in ("", *"TtZX")


def state_of(pid: int) -> str:
    """The letter of a process's state, as proc_pid_stat(5) has them; empty where it is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return after_name.split()[0]
