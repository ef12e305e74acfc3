"""Commands that are run at a deadline unless they are cancelled before: how others repair what was broken.

Whoever breaks something registers a command in the cluster's folder first, and cancels it when it has done so itself.
Whoever keeps the cluster alive runs what is overdue; what a command is about is no business of this module.
Deadlines are in Unix seconds of the wall clock, which processes share.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from harness.errors import ClusterError, ClusterGone

TRIES: Final = 5
"""How often a command that fails is run; after each failure it rests, twice as long as after the one before."""
REST_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 180.0
"""How long a command may run; then it is killed, which is a failure."""


@dataclass(frozen=True)
class Entry:
    """A command to be run from ``deadline`` on, in exactly this environment. ``about`` is for the command to read."""

    deadline: float
    command: tuple[str, ...]
    environment: Mapping[str, str]
    about: str = ""


class Undos:
    """What is registered for the cluster whose state lies in ``folder``. Making one touches nothing."""

    def __init__(self, folder: Path) -> None:
        self._cluster = folder
        self._folder = folder / "undo"

    @staticmethod
    def new_id() -> str:
        """A name for an entry that no other has."""
        return f"u{secrets.token_hex(6)}"

    def register(self, name: str, entry: Entry) -> None:
        """Write it down, all of it or nothing. Raises ClusterGone where the cluster has no folder."""
        try:
            self._folder.mkdir(exist_ok=True, mode=0o700)
        except FileNotFoundError:  # writing an undo down must not bring a cluster's folder back
            raise ClusterGone(f"cluster {self._cluster.name} is gone: {self._cluster} is not there") from None
        new = self._folder / f"{name}.new"
        new.write_text(json.dumps(asdict(entry)), encoding="utf-8")
        new.rename(self._file(name))

    def cancel(self, name: str) -> None:
        """It is not to be run any more. Safe to repeat; a command that runs already runs on."""
        self._file(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Of all that are registered."""
        try:
            return sorted(file.stem for file in self._folder.glob("*.json"))
        except FileNotFoundError:
            return []

    def find(self, name: str) -> Entry | None:
        """The entry of this name; None where there is none. Raises ClusterError for a file that is no entry."""
        if name not in self.names():
            return None
        try:
            said = json.loads(self._file(name).read_text(encoding="utf-8"))
            command = tuple(map(str, said["command"]))
            return Entry(float(said["deadline"]), command, dict(said["environment"]), str(said["about"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ClusterError(f"{self._file(name)} is no registered undo: {error!r}") from error

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


@dataclass
class _Attempt:
    """What is known of one entry; None of an ``entry`` that cannot be read."""

    entry: Entry | None
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    again: float = 0.0
    """Not before this."""
    until: float = 0.0
    """Not longer than this."""


class Overdue:
    """Runs the commands whose deadline has passed, side by side, each until it succeeds once or has failed often.

    Their output goes where this process's goes; they die with this process.
    """

    def __init__(self, undos: Undos, say: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._undos, self._say, self._clock = undos, say, clock
        self._attempts: dict[str, _Attempt] = {}
        self._lock = Lock()
        self._closed = False

    def look(self) -> None:
        """Start what is due, and see what has ended. Returns at once."""
        with self._lock:
            if self._closed:
                return
            names = self._undos.names()
            for name in names:
                if name not in self._attempts:
                    self._attempts[name] = _Attempt(self._read(name))
            for name, attempt in list(self._attempts.items()):
                if attempt.process is not None:
                    self._see(name, attempt, attempt.process)
                elif name not in names:
                    del self._attempts[name]
                else:
                    self._start_if_due(name, attempt)

    def close(self) -> None:
        """Kill what still runs, and start nothing more. Safe to repeat."""
        with self._lock:
            self._closed = True
            for attempt in self._attempts.values():
                if attempt.process is not None:
                    _kill(attempt.process)
                    attempt.process.wait()

    def _read(self, name: str) -> Entry | None:
        try:
            return self._undos.find(name)
        except ClusterError as error:
            self._say(f"undo {name}: {error}")
            return None

    def _start_if_due(self, name: str, attempt: _Attempt) -> None:
        entry = attempt.entry
        if entry is None or attempt.failures == TRIES or self._clock() < max(entry.deadline, attempt.again):
            return
        self._say(f"undo {name}: its deadline has passed: {' '.join(entry.command)}")
        try:
            attempt.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *entry.command],
                stdin=subprocess.DEVNULL,
                env=dict(entry.environment),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self._failed(name, attempt, str(error))
        attempt.until = self._clock() + LONGEST_SECONDS

    def _see(self, name: str, attempt: _Attempt, process: "subprocess.Popen[bytes]") -> None:
        status = process.poll()
        if status is None:
            if self._clock() >= attempt.until:
                _kill(process)
            return
        attempt.process = None
        if status:
            self._failed(name, attempt, f"it ended with status {status}")
        else:
            self._say(f"undo {name}: done")
            self._undos.cancel(name)

    def _failed(self, name: str, attempt: _Attempt, why: str) -> None:
        rest = REST_SECONDS * 2**attempt.failures
        attempt.failures += 1
        attempt.again = self._clock() + rest
        then = f"again in {rest:g} s" if attempt.failures < TRIES else "given up"
        self._say(f"undo {name}: {why}; {then}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a command and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
