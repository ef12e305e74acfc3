"""A run from end to end, of a service and a fault that are nothing but objects here."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import cast

import pytest

from harness.chaos.aim import Reached
from harness.chaos.arsenal import Arsenal
from harness.chaos.fault import Evidence, Target
from harness.chaos.history import Call, Json, Outcome, Result
from harness.chaos.plan import Load, Plan, PlannedFault
from harness.chaos.runner import run
from harness.chaos.scene import Scene
from harness.chaos.strikes import Strike
from harness.chaos.undo import Undo
from harness.chaos.workload import Checker
from harness.clusters.provider import Cluster
from harness.errors import UsageError

from .store import Plain, Store
from .test_undo import Remembered


class Service:
    """Says yes to everything, and promises nothing."""

    def checkers(self, strikes: Sequence[Strike]) -> Sequence[Checker]:  # noqa: ARG002 -- as a workload has it
        return []

    def operations(self, random: Random, process: int) -> Iterator[Call]:  # noqa: ARG002 -- as above
        while True:
            yield Call("ask")

    def invoke(self, call: Call) -> Result:  # noqa: ARG002 -- as above
        return Result(Outcome.OK)

    def settle(self) -> None:
        """Nothing is under way."""

    def final_rows(self) -> Json:
        return {}


class Ends(Service):
    """Its clients have one thing to ask."""

    def operations(self, random: Random, process: int) -> Iterator[Call]:  # noqa: ARG002 -- as above
        yield Call("ask")


class Here(Plain):
    """A cluster that is there."""

    def check(self) -> None:
        """It is."""


class Ready(Store):
    """An API server that is ready."""

    def text(self, _path: str, seconds: float) -> str:  # noqa: ARG002 -- as an Api has it
        return "ok"


@dataclass(frozen=True)
class Stop:
    """Something stands still until it is undone."""

    kind: str = "stop"
    seconds: tuple[float, float] = (1.0, 2.0)

    def targets(self, scene: Scene) -> Sequence[Target]:  # noqa: ARG002 -- as a fault has it
        return [Target("it")]

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- as above
        with scene.undoing(Undo(fault="stop of it"), self.seconds[1]):
            evidence = Evidence("it")
            evidence.proven("it stands still")
            yield evidence


class Kept(Remembered):
    """A journal that keeps what was cancelled."""

    def cancel(self, entry: str) -> None:
        """It stays, to be looked at."""


def test_a_workload_whose_clients_come_to_an_end_is_told_so(tmp_path: Path) -> None:
    cluster = cast("Cluster", Here())
    scene = Scene(cluster, Ready().api, [], Remembered(), prober_image="", allow_ephemeral=False, labels={})
    plan = Plan(seed=1, duration=60, load=Load(clients=1, think_seconds=0))

    with pytest.raises(UsageError, match="client 0 has nothing left to ask"):
        run(plan, scene, Ends(), Arsenal({}), tmp_path / "run", say=lambda _: None)


@dataclass(frozen=True)
class Doorway:
    """A point of a protocol that is at one place."""

    name: str = "doorway"
    undisturbed: frozenset[str] = frozenset()

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:  # noqa: ARG002 -- as an aim has it
        return [("stop", Target("door"))]

    def reach(self, scene: Scene, target: Target) -> AbstractContextManager[Reached]:
        raise NotImplementedError


def test_a_plan_that_names_what_is_not_here_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    cluster = cast("Cluster", Here())
    scene = Scene(cluster, Ready().api, [], Remembered(), prober_image="", allow_ephemeral=False, labels={})
    faults = (
        PlannedFault(kind="stop", target="it", at=0, seconds=1),
        PlannedFault(kind="stop", target="", at=0, seconds=1),
        PlannedFault(kind="flood", target="it", at=0),
        PlannedFault(kind="stop", target="it", at=0, aim="heart"),
        PlannedFault(kind="stop", target="it", at=0, aim="doorway"),
        PlannedFault(kind="stop", target="it", at=0),
    )
    plan = Plan(seed=1, duration=0.1, load=Load(clients=1), faults=faults)
    arsenal = Arsenal({"stop": Stop()}, {"doorway": Doorway()})

    with pytest.raises(UsageError) as raised:
        run(plan, scene, Service(), arsenal, tmp_path / "run", say=lambda _: None)

    assert str(raised.value).splitlines() == [
        "the plan cannot be carried out on cluster plain:",
        "  faults[1]: stop has no target '' here, but it",
        "  faults[2]: no fault is named 'flood': stop",
        "  faults[3]: no aim is named 'heart': doorway",
        "  faults[4]: doorway has no target 'it' here, but door",
        "  faults[5]: stop is to last, and has no seconds, for how long",
    ]
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_interrupted_heals_and_says_what(tmp_path: Path) -> None:
    cluster = cast("Cluster", Here())
    scene = Scene(cluster, Ready().api, [], Remembered(), prober_image="", allow_ephemeral=False, labels={})
    plan = Plan(
        seed=1, duration=600, load=Load(clients=1), faults=(PlannedFault(kind="stop", target="it", at=0, seconds=600),)
    )
    said: list[str] = []
    hit = threading.Event()

    class Interrupted(Stop):
        @contextmanager
        def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:
            with super().strike(scene, target, index) as evidence:
                hit.set()
                yield evidence

    def check() -> None:
        if hit.is_set():
            raise KeyboardInterrupt

    cluster.check = check  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(plan, scene, Service(), Arsenal({"stop": Interrupted()}), tmp_path / "run", say=said.append)

    assert said[0] == "interrupted: what is broken is healed before the run ends; now: stop of it"
    assert said[1].startswith("stop of it [0] at 0.00 s for 600 s: it: it stands still")
    assert said[2] == f"healed; replay: pytest -m chaos --chaos-plan={tmp_path / 'run' / 'plan.json'}"


def test_others_heal_a_fault_only_after_it_has_lasted_as_long_as_its_plan_says(tmp_path: Path) -> None:
    journal = Kept()
    cluster = cast("Cluster", Here())
    scene = Scene(cluster, Ready().api, [], journal, prober_image="", allow_ephemeral=False, labels={})
    fault = PlannedFault(kind="stop", target="it", at=0, seconds=100)
    plan = Plan(seed=1, duration=0.1, load=Load(clients=1), faults=(fault,))

    done = run(plan, scene, Service(), Arsenal({"stop": Stop()}), tmp_path / "run", say=lambda _: None)

    assert not done.failed, done.strikes
    [(_, deadline)] = journal.entries.values()
    assert deadline > fault.seconds
