"""Shrinking: the smallest plan that still fails, within a budget."""

from harness.chaos.plan import Load, Plan, PlannedFault
from harness.chaos.shrink import CONFIRMATIONS, SETTLING, shrink


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
