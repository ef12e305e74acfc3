"""Phases of long work, timed and shown: a spinner on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console

from harness.kube.wait import MEANWHILE, telling


@dataclass(frozen=True)
class Phase:
    """One finished phase. ``seconds`` is how long it took, ``note`` what it found (may be empty)."""

    name: str
    seconds: float
    note: str = ""


class Timeline:
    """Records phases in order, and shows each as it begins and ends.

    ``stream`` is where it is shown (default stderr); a phase that raises is recorded as failed and the error goes on.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.phases: list[Phase] = []
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time the block as phase ``name``; call what is yielded to say what goes on: the last stays as note.

        Long waits in it are shown.
        """
        said = ""
        status = self._console.status(name) if self._console.is_terminal else None

        def say(note: str) -> None:
            nonlocal said
            said = note
            if status is not None:
                status.update(f"{name}: {note}")

        began = time.monotonic()
        try:
            with status or contextlib.nullcontext(), telling(self.say):
                yield say
        except BaseException:
            self.record(name, time.monotonic() - began, said, mark="✗")
            raise
        self.record(name, time.monotonic() - began, said)

    def record(self, name: str, seconds: float, note: str = "", mark: str = "✓") -> None:
        """Add a phase that was timed elsewhere, and show it."""
        self.phases.append(Phase(name, seconds, note))
        self._console.print(f"  {mark} {name:<26} {seconds:7.2f} s  {note}".rstrip(), markup=False)

    def meanwhile(self, what: object) -> None:
        """Show what is known of a wait that is not over, such as a hint."""
        self.say(f"{MEANWHILE}{what}")

    def say(self, line: str) -> None:
        """Show a line that is no phase."""
        self._console.print(line, markup=False)

    @property
    def total(self) -> float:
        """Seconds of all phases together."""
        return sum(phase.seconds for phase in self.phases)
