"""A room on this machine: PID and mount namespaces in which everything is the test's own doing.

Nothing that is started in a PID namespace gets out of it, however often it forks or changes its session. So whoever
compares the room's processes before and after sees all that was left, and nothing of what else the machine is doing.
Network, cgroups, firewall and sysctls are the machine's own.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.errors import WaitTimeout
from harness.kube.wait import patient, wait_until

from . import machine

TESTS = Path(__file__).parents[1]
GONE_SECONDS = 60.0
"""Within this all processes, mounts and network namespaces of a cluster whose time has come must be gone."""


def until_gone(what: str, gone: Callable[[], bool], left: Callable[[], str]) -> None:
    """Wait until nothing is left of a cluster whose time has come; what ``left`` says breaks a promise."""
    try:
        wait_until(what, gone, seconds=GONE_SECONDS, describe=left)
    except WaitTimeout as error:
        raise AssertionError(f"something was left behind: {error}") from error


class Room:
    """Use as a context: leaving it kills whatever is still inside."""

    def __enter__(self) -> Self:
        self.init = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", sys.executable, "-m", "live.inside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TESTS,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.init.kill()
        self.init.communicate()

    def ask(self, **request: Any) -> Any:  # noqa: ANN401 -- JSON
        """Send one request to process 1, and return its answer."""
        assert self.init.stdin is not None
        assert self.init.stdout is not None
        self.init.stdin.write(json.dumps(request) + "\n")
        self.init.stdin.flush()
        answer = self.init.stdout.readline()
        assert answer, "process 1 of the room ended"
        return json.loads(answer)

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "Inmate":
        """Start a program in a session of its own."""
        output = folder / "output.txt"
        output.touch()
        ask = {"run": list(command), "environment": dict(environment), "output": str(output), "folder": str(folder)}
        return Inmate(self, int(self.ask(**ask)), output)

    def snapshot(self, ours: Sequence[str]) -> machine.Snapshot:
        """What is in the room and on the machine now; ``ours`` are the names of our clusters' cgroups."""
        found: machine.Snapshot = self.ask(snapshot=list(ours))
        return found

    def wait_until_as(self, before: machine.Snapshot, ours: Sequence[str], sections: Sequence[str]) -> None:
        """Wait until these sections are as they were. Raises WaitTimeout with what is left."""
        left: list[str] = []

        def as_before() -> bool:
            left[:] = machine.difference(before, self.snapshot(ours), sections)
            return not left

        until_gone(f"{', '.join(sections)} to be as before", as_before, lambda: "\n".join(left[:40]))


@dataclass(frozen=True)
class Inmate:
    """A program that was started in a room. ``pid`` is its id in there."""

    room: Room
    pid: int
    output: Path

    def wait(self, seconds: float = 60) -> int:
        """Its exit status, negative for a signal. Raises WaitTimeout where it does not end in time."""
        status = self.room.ask(wait=self.pid, seconds=patient(seconds))
        if status is None:
            raise WaitTimeout(f"{self.output.name} to end", patient(seconds), self.output.read_text())
        return int(status)

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to the terminal's foreground processes."""
        self.room.ask(signal=int(signal.SIGINT), group=self.pid)

    def kill(self) -> None:
        """SIGKILL to this one process."""
        self.room.ask(signal=int(signal.SIGKILL), process=self.pid)

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition, but not once the program has ended."""

        def checked() -> bool:
            status = self.room.ask(wait=self.pid, seconds=0)
            assert status is None, f"it ended with status {status}:\n{self.output.read_text()}"
            return condition()

        wait_until(what, checked, seconds=seconds, describe=lambda: self.output.read_text()[-2000:])


def environment(**more: str) -> dict[str, str]:
    """The environment of this process for a program that is to know nothing of this test run."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HARNESS_"))}
    return {**ours, "PYTHONPATH": str(TESTS.parent), **more}
