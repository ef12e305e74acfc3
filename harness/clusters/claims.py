"""Namespaces of a cluster that one process has to itself, since two runs that stage the same manifests share nothing.

What one makes in place of what is missing, the other would take for what is there, and lose it in the middle.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from harness.locking import exclusively
from harness.timeline import Timeline


class Claims:
    """The claims of one process of the run ``run`` on the cluster whose state lies in ``folder``.

    Making one touches nothing. The kernel lets go of them when the process ends, however it ends.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._folder = folder / "namespaces"
        self._cluster = folder.name
        self._run = run
        self._mine: set[str] = set()
        self._holding = ExitStack()

    def claim(self, namespaces: Iterable[str], timeline: Timeline) -> None:
        """Wait until no other process has one of these, and keep others out until this is closed. Safe to repeat.

        Whom it waits for is said on the timeline.

        Whoever claims again later may wait for somebody who waits for him: so claim all at once.
        """
        for name in sorted(set(namespaces) - self._mine):  # in one order, lest two wait for each other
            file = self._folder / f"{name}.lock"
            note = self._folder / f"{name}.run"
            holder = note.read_text(encoding="utf-8") if note.exists() else "another run"
            waiting_for = f"{holder}, which has made something in namespace {name} of cluster {self._cluster}"
            self._holding.enter_context(exclusively(file, timeline, waiting_for))
            note.write_text(f"run {self._run}", encoding="utf-8")
            self._mine.add(name)

    def close(self) -> None:
        """Let go of all of them. Safe to repeat."""
        self._holding.close()
        self._mine.clear()
