"""The cluster's own cgroups on this machine: one parent in each hierarchy, made before the node and removed after it.

Works on cgroup v1, hybrid and v2. The node sees its parent as the root, by a cgroup namespace.
"""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.clusters.embedded import freezer
from harness.errors import WaitTimeout


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy. ``controllers`` are v1's mount options (``name=systemd`` too); empty for v2."""

    mount: Path
    controllers: tuple[str, ...]


NOT_CONTROLLERS = frozenset(
    {
        "rw",
        "ro",
        "xattr",
        "clone_children",
        "cpuset_v2_mode",
        "favordynmods",
        "noprefix",
        "none",
        "relatime",
        "seclabel",
    }
)


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """Parse ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)): every cgroup mount, each hierarchy once."""
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind not in {"cgroup", "cgroup2"}:
            continue
        given = [] if kind == "cgroup2" else options.split(",")
        controllers = tuple(o for o in given if o not in NOT_CONTROLLERS and not o.startswith("release_agent="))
        found.setdefault(controllers, Hierarchy(Path(before.split(" ")[4]), controllers))
    return list(found.values())


def of_this_machine() -> list[Hierarchy]:
    """The hierarchies that this process sees."""
    return hierarchies(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def join(name: str, mounted: Sequence[Hierarchy]) -> None:
    """Make ``name`` below this process's own cgroup's root in every hierarchy, and put this process into it."""
    for hierarchy in mounted:
        folder = hierarchy.mount / name
        folder.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            # A v1 cpuset begins empty, and takes no process until it has processors and memory.
            if hierarchy.controllers and (folder / inherited).exists():
                (folder / inherited).write_text((hierarchy.mount / inherited).read_text())
        (folder / "cgroup.procs").write_text(str(os.getpid()))


def remove(name: str, mounted: Sequence[Hierarchy], seconds: float = 60) -> None:
    """Remove ``name`` and what is below it. Its processes were killed before; one that got away is killed now.

    In v1 what is frozen does not die before it is thawed, whatever hierarchy one looks at: so it is thawed first.

    Raises WaitTimeout if a cgroup stays busy for ``seconds``.
    """
    deadline = time.monotonic() + seconds
    for hierarchy in mounted:
        freezer.thaw(hierarchy.mount / name)
    for hierarchy in mounted:
        top = hierarchy.mount / name
        while top.is_dir():
            try:
                for folder, _, _ in os.walk(top, topdown=False):
                    Path(folder).rmdir()
            except OSError as error:
                _kill_members(top)
                if time.monotonic() > deadline:
                    raise WaitTimeout(f"cgroup {top} to be empty", seconds, str(error)) from error
                time.sleep(0.01)


def _kill_members(top: Path) -> None:
    for members in top.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # each may be gone at any moment
            for pid in members.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
