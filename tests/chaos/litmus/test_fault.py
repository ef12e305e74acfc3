"""A ChaosEngine as a fault: when it hit, what of it fails a run, and for how long clients go on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.chaos.fault import Evidence, Target
from harness.chaos.litmus.fault import EngineFault
from harness.chaos.litmus.outcome import EngineOutcome
from harness.chaos.litmus.run import EngineFile
from harness.chaos.scene import Scene

from .files import ENGINE


def outcome(
    verdict: str = "Pass", *, hits: tuple[str, ...] = ("pod web-1 was deleted",), vacuous: str = ""
) -> EngineOutcome:
    return EngineOutcome("shop", "pod-delete", "native", verdict, "Completed", hits=hits, vacuous=vacuous)


@dataclass(frozen=True)
class Scripted(EngineFile):
    """What its experiments come to is known before."""

    outcomes: tuple[EngineOutcome, ...] = ()

    def run(self, *_: Any, **__: Any) -> list[EngineOutcome]:  # noqa: ANN401 -- as it is called
        return list(self.outcomes)


def struck(*outcomes: EngineOutcome) -> tuple[EngineFault, Evidence]:
    fault = EngineFault(Scripted(Path("engine.yaml"), outcomes=outcomes), Path("folder"), Path("cache"), print)
    with fault.strike(cast("Scene", None), Target("engine.yaml"), 0) as evidence:
        return fault, evidence


def test_an_experiment_that_passed_and_broke_something_is_a_hit() -> None:
    fault, evidence = struck(outcome())

    assert (evidence.hit, evidence.struck, evidence.failed) == (True, "pod web-1 was deleted", "")
    assert evidence.said == "shop/pod-delete: Pass"
    assert fault.outcomes == [outcome()]


def test_a_verdict_that_is_not_pass_fails_the_run_though_it_hit() -> None:
    _, evidence = struck(outcome(), outcome("Fail"))

    assert evidence.hit
    assert evidence.failed == "shop/pod-delete, run by native: Fail (Completed)"


def test_what_broke_nothing_is_vacuous_and_fails_the_run() -> None:
    _, evidence = struck(outcome(hits=(), vacuous="there was no pod"))

    assert not evidence.hit
    assert "vacuous: there was no pod" in evidence.failed


@pytest.fixture
def engine(tmp_path: Path) -> EngineFile:
    (tmp_path / "engine.yaml").write_text(ENGINE)
    return EngineFile(tmp_path / "engine.yaml", seed=7)


def test_clients_ask_before_and_after_and_for_as_long_as_the_experiments_may_take(engine: EngineFile) -> None:
    fault = EngineFault(engine, Path("folder"), Path("cache"), print)
    plan = fault.plan()

    assert plan.seed == 7
    [one] = plan.faults
    assert 0 < one.at < plan.duration
    assert fault.arsenal.late == engine.longest > 0
    assert fault.plan(100).duration == 100


def test_it_is_run_again_by_the_options_that_ran_it(engine: EngineFile) -> None:
    fault = EngineFault(engine, Path("folder"), Path("cache"), print)
    other = replace(engine, runner="litmus-python", litmus_python=Path("litmus"), seed=None)

    assert fault.arsenal.again == f"--chaos-engine={engine.file} --chaos-seed=7"
    assert other.options == f"--chaos-engine={engine.file} --chaos-runner=litmus-python --litmus-python=litmus"


def test_what_it_is_aimed_at_are_the_namespaces_of_the_engine_and_its_targets(engine: EngineFile) -> None:
    assert engine.namespaces == {"web"}
