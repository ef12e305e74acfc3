"""A run of chaos as its options say: drawn from a seed or read from a file, and shrunk if it fails."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.chaos.arsenal import Arsenal
from harness.chaos.faults.node import ENFORCERS
from harness.chaos.plan import DURATION, Plan, read_plan
from harness.chaos.runner import Run
from harness.chaos.scene import Scene
from harness.chaos.shrink import Shrunk, shrink
from harness.errors import HarnessError

SEED: Final = 1
"""The seed of a run where none is given: the same plan each time. `nox -s bench -- soak` goes on to others."""

SHRINK_SECONDS: Final = 300.0
SMALLEST: Final = "smallest.json"

Replay = Callable[[Plan, str], Run]
"""Carries out a plan, in a folder of that name."""


@dataclass(frozen=True)
class Wanted:
    """What the options say: a plan's file, or a seed and a duration."""

    file: Path | None = None
    seed: int | None = None
    duration: float | None = None

    @property
    def chosen_seed(self) -> int:
        """The seed of a plan that is drawn."""
        return SEED if self.seed is None else self.seed

    def plan(self, scene: Scene, arsenal: Arsenal) -> Plan:
        """The plan. Raises UsageError for a file that is none."""
        if self.file is not None:
            return read_plan(self.file, arsenal.faults, arsenal.aims)
        return arsenal.draw(scene, self.chosen_seed, self.duration or DURATION)


def struck_the_enforcer(done: Run) -> bool:
    """Whether what enforces policies was struck: its rules stay when it dies, so that it must be proven anew."""
    return any(one.planned.target in ENFORCERS for one in done.hits)


def smaller(failed: Run, replay: Replay, *, seconds: float) -> Shrunk:
    """Shrink the plan of a run that broke a promise, live, within ``seconds``; the smallest is beside it, in a file.

    A replay fails if one of the same promises is broken. One that cannot be carried out does not.
    """
    broken = {one.checker for one in failed.findings}
    deadline = time.monotonic() + seconds
    numbers = itertools.count(1)

    def fails(plan: Plan) -> bool:
        try:
            done = replay(plan, f"replay-{next(numbers)}")
        except HarnessError:
            return False
        return bool(broken & {one.checker for one in done.findings})

    found = shrink(failed.plan, fails, lambda: time.monotonic() > deadline)
    (failed.folder / SMALLEST).write_text(found.plan.text(), encoding="utf-8")
    return found
