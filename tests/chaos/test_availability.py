"""Availability: what was answered before, while and after things broke."""

from harness.chaos.availability import percentile, recoveries, stretches
from harness.chaos.history import Operation, Outcome
from harness.chaos.plan import PlannedFault
from harness.chaos.strikes import Strike


def operation(began: float, took: float = 0.1, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(0, 0, "get", "a", began, began + took, outcome)


def strike(fired: float, healed: float | None, *, vacuous: bool = False) -> Strike:
    fault = PlannedFault(kind="pod-kill", target="n/Deployment/d", at=fired)
    return Strike(fault, fired, fired, healed, vacuous=vacuous)


def test_a_run_has_a_before_a_during_and_an_after() -> None:
    operations = [operation(1), operation(5), operation(6, outcome=Outcome.INFO), operation(11)]

    before, during, after = stretches(operations, [strike(4, 10), strike(5, 7)])

    assert [(one.asked, one.ok) for one in (before, during, after)] == [(1, 1), (2, 1), (1, 1)]
    assert during.success_pct == 50
    assert str(during) == "during: 1 of 2 ok (50.00 %), p50 100 ms, p95 100 ms, p99 100 ms"


def test_what_never_healed_has_no_after() -> None:
    assert [one.asked for one in stretches([operation(1), operation(50)], [strike(4, None)])] == [1, 1, 0]


def test_without_a_fault_there_is_only_a_before() -> None:
    assert [one.name for one in stretches([operation(1)], [])] == ["before"]


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(i) for i in range(1, 101)]

    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 99) == 7


def test_a_recovery_is_the_longest_time_without_an_answer() -> None:
    operations = [operation(3.9), operation(6.4), operation(6.6), operation(9)]

    [found] = recoveries(operations, [strike(4, 7), strike(4, 7, vacuous=True), strike(4, None)])

    assert round(found.seconds, 3) == 2.5  # from the answer at 4.0, which was no later than the fault, to that at 6.5


def test_without_any_answer_the_whole_fault_is_the_outage() -> None:
    [found] = recoveries([], [strike(4, 7)])

    assert found.seconds == 3
