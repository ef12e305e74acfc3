"""The one way in: a user's file, run by the runner that was asked for."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.chaos.litmus import native, operator, outcome, python
from harness.chaos.litmus.outcome import EngineOutcome
from harness.chaos.litmus.parse import Engine, read_engines
from harness.chaos.scene import Scene

Runner = Literal["native", "operator", "litmus-python"]


@dataclass(frozen=True)
class EngineFile:
    """A user's ``file`` of ChaosEngines, what runs it, where that is, and the seed of what is left to chance."""

    file: Path
    runner: Runner = "native"
    litmus_python: Path | None = None
    seed: int | None = None

    @cached_property
    def engines(self) -> list[Engine]:
        """What it holds. Raises ManifestError."""
        return read_engines(self.file)

    @property
    def options(self) -> str:
        """The options of pytest that run it again."""
        said = [f"--chaos-engine={self.file}"]
        said += [] if self.seed is None else [f"--chaos-seed={self.seed}"]
        said += [] if self.runner == "native" else [f"--chaos-runner={self.runner}"]
        said += [] if self.litmus_python is None else [f"--litmus-python={self.litmus_python}"]
        return " ".join(said)

    @property
    def longest(self) -> float:
        """Seconds after which all its experiments must be over. Raises ManifestError."""
        if self.runner == "operator":
            return sum(map(operator.longest, self.engines))
        spare = python.SPARE_SECONDS if self.runner == "litmus-python" else 0.0
        return sum(spare + one.longest for engine in self.engines for one in engine.experiments)

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces of what it is aimed at. Raises ManifestError."""
        aimed = {target.namespace for one in self.engines for planned in one.experiments for target in planned.targets}
        return frozenset(aimed | {one.namespace for one in self.engines})

    def check(self, scene: Scene, cache: Path) -> None:
        """See that it can be run, before anything is broken.

        Raises ManifestError for the file, UsageError for what the runner cannot do, and RunnerAbsent, with the reason,
        where the runner is not here: a test then skips.
        """
        engines = self.engines
        if self.runner == "operator":
            operator.check(scene)
        elif self.runner == "litmus-python":
            python.prepare(engines, self.litmus_python, scene, cache)

    def run(
        self, scene: Scene, folder: Path, cache: Path, say: Callable[[str], None] = lambda _: None
    ) -> list[EngineOutcome]:
        """Run it: see ``run_engine``."""
        return run_engine(
            self.file,
            scene,
            folder,
            self.runner,
            cache=cache,
            seed=self.seed,
            litmus_python=self.litmus_python,
            say=say,
        )


def run_engine(
    file: Path,
    scene: Scene,
    folder: Path,
    runner: Runner = "native",
    *,
    cache: Path,
    seed: int | None = None,
    litmus_python: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[EngineOutcome]:
    """Run every ChaosEngine of a file; what each experiment came to, in the file's order.

    ``folder``, which must be new, gets every ChaosResult and ``outcomes.json``, also when Ctrl-C ends the run.
    ``cache`` is the harness's cache folder. ``seed`` decides what is left to chance; without one it is drawn, and the
    outcomes tell it. ``say`` is told what happens.

    Raises ManifestError for the file and UsageError for what the runner cannot do, before anything is changed, and
    RunnerAbsent, with the reason, where the runner is not here: a test then skips.
    """
    engines = read_engines(file)
    folder.mkdir(parents=True)
    outcomes: list[EngineOutcome] = []

    def done(one: EngineOutcome) -> None:
        outcomes.append(one)
        say(str(one))

    try:
        match runner:
            case "native":
                drawn = secrets.randbits(32) if seed is None else seed
                native.run(engines, scene, folder, seed=drawn, say=say, done=done)
            case "operator":
                operator.run(engines, scene, say=say, done=done)
            case "litmus-python":
                python.run(engines, scene, folder, checkout=litmus_python, cache=cache, say=say, done=done)
    finally:
        outcome.save(outcomes, folder)
    return outcomes
