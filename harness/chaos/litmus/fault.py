"""A user's ChaosEngine as a fault like any other: clients ask and checkers judge while its experiments run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.chaos.arsenal import Arsenal
from harness.chaos.fault import Evidence, Target
from harness.chaos.litmus.outcome import EngineOutcome
from harness.chaos.litmus.run import EngineFile
from harness.chaos.plan import QUIET, Plan, PlannedFault
from harness.chaos.proving import SEED
from harness.chaos.scene import Scene

KIND: Final = "litmus"


@dataclass(frozen=True)
class EngineFault:
    """All experiments of a file, one after the other: they last as long as they say.

    ``folder``, which must be new, gets their results. Whatever has no verdict Pass fails the run.
    """

    wanted: EngineFile
    folder: Path
    cache: Path
    say: Callable[[str], None]
    kind: str = KIND
    seconds: tuple[float, float] = (0.0, 0.0)
    outcomes: list[EngineOutcome] = field(default_factory=list, compare=False)
    """What its experiments came to."""

    def plan(self, duration: float | None = None) -> Plan:
        """A run of this fault alone: clients ask for ``duration`` seconds, and until the experiments have ended.

        Without a seed the clients have the default one; what an experiment leaves to chance has its own, and tells it.
        """
        seed = SEED if self.wanted.seed is None else self.wanted.seed
        one = PlannedFault(kind=self.kind, target=str(self.wanted.file), at=QUIET)
        return Plan(seed=seed, duration=max(duration or 0.0, 2 * QUIET), faults=(one,))

    @property
    def arsenal(self) -> Arsenal:
        """What that plan needs."""
        return Arsenal({self.kind: self}, late=self.wanted.longest, again=self.wanted.options)

    def targets(self, _scene: Scene) -> Sequence[Target]:
        """The file says what it is aimed at."""
        return [Target(str(self.wanted.file))]

    @contextmanager
    def strike(self, scene: Scene, _target: Target, _index: int) -> Iterator[Evidence]:
        """Run the experiments; they have healed what they broke when they end. Raises as ``run_engine`` does."""
        outcomes = self.wanted.run(scene, self.folder, self.cache, self.say)
        self.outcomes.extend(outcomes)
        evidence = Evidence(struck="; ".join(hit for one in outcomes for hit in one.hits))
        if any(one.passed or one.hits for one in outcomes):
            evidence.proven("; ".join(f"{one.engine}/{one.experiment}: {one.verdict}" for one in outcomes))
        evidence.failed = "\n".join(str(one) for one in outcomes if not one.passed)
        yield evidence
