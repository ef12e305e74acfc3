"""Shows how far a build is: a bar on a terminal, a line for every tenth elsewhere."""

import re
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.timeline import Timeline

TENTHS = 10
PACKAGE = re.compile(r"[\w.~/-]+")
"""A line of ``go build -v`` that is an import path, and no warning, error or download."""


class PackageProgress:
    """Counts the packages that ``go build -v`` names, of ``needed`` that have to be compiled. A context manager."""

    def __init__(self, timeline: Timeline, needed: int) -> None:
        self.done = 0
        self._timeline = timeline
        self._needed = needed
        self._finished = 0
        self._tenths = 0
        console = Console(stderr=True, highlight=False)
        self._plain = not console.is_terminal
        self._bar = Progress(
            TextColumn("  compiling"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("packages"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=self._plain,
        )
        self._task = self._bar.add_task("", total=needed)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def heard(self, line: str) -> None:
        """Take a line of ``go build -v``."""
        if PACKAGE.fullmatch(line):
            self._show(self.done + 1)

    def finish(self, count: int) -> None:
        """A batch that had ``count`` packages is done: some of them may have been compiled for an earlier one."""
        self._finished += count
        self._show(self._finished)

    def _show(self, done: int) -> None:
        self.done = min(done, self._needed)
        self._bar.update(self._task, completed=self.done)
        tenths = TENTHS * self.done // max(self._needed, 1)
        if self._plain and tenths > self._tenths:
            self._timeline.say(f"  compiling: {self.done} of {self._needed} packages")
        self._tenths = tenths
