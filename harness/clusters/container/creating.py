"""The process that creates a cluster: known by a file, so that a later run finds and ends what a killed one left."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import WaitTimeout
from harness.kube.wait import wait_until

SETTLE_SECONDS: Final = 60.0
"""How long what a killed creator has asked the engine for may take."""


@dataclass(frozen=True)
class Creating:
    """What creates a cluster and leads a process group of its own. ``file`` holds its id.

    ``name`` is the cluster's, which stands on the command lines of what belongs to it.
    """

    file: Path
    name: str

    def stop(self) -> None:
        """End it where it still runs, and wait for what it has begun.

        A container that the engine is asked for when nobody waits any more is made nevertheless, a moment later.
        """
        group = self._group()
        if group is None or not self._creates(group):
            return
        self.kill()
        try:
            wait_until("what was begun to end", lambda: not _has_members(group), seconds=SETTLE_SECONDS)
        except WaitTimeout:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.forget()

    def kill(self) -> None:
        """Kill it alone, and nothing that it has started."""
        if (leader := self._group()) is not None:
            with contextlib.suppress(OSError):
                os.kill(leader, signal.SIGKILL)

    def forget(self) -> None:
        """It has ended."""
        self.file.unlink(missing_ok=True)

    def _group(self) -> int | None:
        """The process group of the one that was started last, whose id is its own."""
        try:
            return int(self.file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _creates(self, group: int) -> bool:
        """Whether there is something that creates the cluster in a process group.

        The id may be another process's by now: what leads its group tells, or, where that has ended, its members do.
        """
        listed = subprocess.run(
            ["ps", "-A", "-o", "pgid=,args="], capture_output=True, encoding="utf-8", errors="replace", check=False
        ).stdout
        members = [line.strip().partition(" ") for line in listed.splitlines()]
        return any(found == str(group) and self.name in arguments for found, _, arguments in members)


def _has_members(group: int) -> bool:
    """Whether a process group has members that have not ended."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
