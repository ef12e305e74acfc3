"""Shrinking: the smallest plan that still fails, within a budget."""

from pathlib import Path

from harness.chaos.plan import Load, Plan, PlannedFault
from harness.chaos.proving import SMALLEST, smaller
from harness.chaos.runner import Run
from harness.chaos.shrink import CONFIRMATIONS, SETTLING, shrink
from harness.chaos.workload import Finding, Judgement
from harness.errors import WaitTimeout


def plan(number: int) -> Plan:
    faults = [PlannedFault(kind="pod-kill", target=f"n/Deployment/{i}", at=float(i)) for i in range(number)]
    return Plan(seed=1, duration=60, load=Load(clients=8), faults=tuple(faults))


def targets(of: Plan) -> set[str]:
    return {fault.target.rpartition("/")[2] for fault in of.faults}


def never() -> bool:
    return False


def test_only_the_faults_that_matter_are_left() -> None:
    found = shrink(plan(16), lambda one: {"3", "11"} <= targets(one), never)

    assert targets(found.plan) == {"3", "11"}
    assert (found.failed, found.replayed) == (CONFIRMATIONS, CONFIRMATIONS)


def test_the_run_ends_soon_after_its_last_fault_and_with_fewer_clients() -> None:
    found = shrink(plan(8), lambda one: "5" in targets(one), never)

    assert found.plan.duration == 5 + SETTLING
    assert found.plan.load.clients == 4


def test_what_needs_many_clients_keeps_them() -> None:
    found = shrink(plan(4), lambda one: "0" in targets(one) and one.load.clients == 8, never)

    assert found.plan.load.clients == 8


def test_what_needs_its_time_still_loses_clients() -> None:
    found = shrink(plan(8), lambda one: "5" in targets(one) and one.duration == 60, never)

    assert (found.plan.duration, found.plan.load.clients) == (60, 4)


def test_a_replay_that_cannot_be_carried_out_does_not_hide_what_was_found(tmp_path: Path) -> None:
    judged = [Judgement("a promise", 1, (Finding("a promise", "it", "broken"),))]
    failed = Run(tmp_path, plan(2), [], [], {}, judged)

    def replay(_plan: Plan, _name: str) -> Run:
        raise WaitTimeout("the cluster to be whole", 120)

    found = smaller(failed, replay, seconds=60)

    assert (found.plan.faults, found.failed) == (failed.plan.faults, 0)
    assert (tmp_path / SMALLEST).is_file()


def test_a_plan_that_fails_only_sometimes_is_told_with_its_rate() -> None:
    runs = iter([True, False, True, True] + [False, True] * 20)

    found = shrink(plan(1), lambda _one: next(runs), never)

    assert 0 < found.failed < found.replayed


def test_without_a_budget_the_plan_is_replayed_once_and_stays() -> None:
    found = shrink(plan(4), lambda _one: False, lambda: True)

    assert found.plan == plan(4)
    assert (found.failed, found.replayed) == (0, 1)


def test_a_failure_that_needs_no_fault_keeps_one() -> None:
    assert len(shrink(plan(8), lambda _one: True, never).plan.faults) == 1
