"""What a run of chaos says at its end: tables for people, and what is wrong for a failing test."""

from dataclasses import replace
from pathlib import Path

from harness.chaos.history import Call, Operation, Outcome, Recorder, Result
from harness.chaos.plan import Plan, PlannedFault
from harness.chaos.recording import summary, told
from harness.chaos.runner import Run
from harness.chaos.strikes import Strike
from harness.chaos.workload import Finding, Judgement

KILL = PlannedFault(kind="pod-kill", target="invoice/Deployment/app", at=2.5, aim="before-marked")
GONE = PlannedFault(kind="evict", target="payments/StatefulSet/payments-db", at=4)
STRUCK = Strike(KILL, 3.0, hit=3.5, healed=5.0, struck="pod web-1", said="another UID", vacuous=False)
VACUOUS = Strike(GONE, 4.0, error="the run was over")


def operation(index: int, f: str, began: float, ended: float, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(index, 0, f, None, began, ended, outcome)


def run(*strikes: Strike, findings: tuple[Finding, ...] = ()) -> Run:
    operations = [
        operation(0, "pay", 1.0, 1.010),
        operation(1, "list", 3.2, 3.300, Outcome.INFO),
        operation(2, "list", 4.0, 4.500),
        operation(3, "pay", 6.0, 6.020, Outcome.FAIL),
    ]
    judgements = [Judgement("every invoice is paid once", 7, findings)]
    return Run(Path("run"), Plan(seed=4, faults=(KILL, GONE)), strikes, operations, {"invoices": []}, judgements)


def test_the_end_is_told_in_tables() -> None:
    assert summary(run(STRUCK, VACUOUS)) == [
        "seed 4: 4 operations, 0 invoices paid, 1 faults hit of 2",
        "  operation  ok  fail  info",
        "  list        1     0     1",
        "  pay         1     1     0",
        "  stretch  asked    ok %  p50 ms  p95 ms  p99 ms",
        "  before       1  100.00      10      10      10",
        "  during       2   50.00     500     500     500",
        "  after        1    0.00",
        "  fault that hit                                    planned s  fired s  healed s  longest without an ok s",
        "  pod-kill before-marked of invoice/Deployment/app        2.5      3.0       5.0                     1.50",
        "  promise                     looked at  broken",
        "  every invoice is paid once          7       0",
        "  evict of payments/StatefulSet/payments-db [0] at 4.00 s: nothing struck: the run was over",
        "replay: pytest -m chaos --chaos-plan=run/plan.json",
    ]


def test_a_promise_of_which_nothing_was_looked_at_is_no_promise_kept() -> None:
    nothing = replace(run(STRUCK), judgements=[Judgement("a frozen pod holds up no payment", 0)])

    assert "  a frozen pod holds up no payment          0  untested" in summary(nothing)


def test_a_run_that_hit_nothing_has_no_table_of_faults() -> None:
    assert not [line for line in summary(run(VACUOUS)) if "fault that hit" in line]


def test_a_run_of_more_than_a_plan_is_replayed_by_its_own_options() -> None:
    assert (
        summary(replace(run(STRUCK), again="--chaos-engine=e.yaml"))[-1]
        == "replay: pytest -m chaos --chaos-engine=e.yaml"
    )


def test_what_is_wrong_is_told_with_what_the_fault_itself_saw() -> None:
    strike = Strike(KILL, 3.0, hit=3.5, healed=5.0, vacuous=False, failed="shop/pod-delete: Fail")
    finding = Finding("every invoice is paid once", "I1", "paid twice")

    assert told(run(strike, findings=(finding,))).splitlines() == [
        "every invoice is paid once: I1: paid twice",
        "shop/pod-delete: Fail",
        "replay: pytest -m chaos --chaos-plan=run/plan.json",
    ]
    assert run(strike).failed
    assert not run(STRUCK).failed


def test_how_far_a_run_is_is_told_by_operations_that_have_ended(tmp_path: Path) -> None:
    with Recorder(tmp_path / "history.jsonl") as recorder:
        first = recorder.invoke(0, Call("pay"), 0.0)
        recorder.invoke(1, Call("pay"), 0.1)
        recorder.end(first, Result(Outcome.FAIL), 0.2)

        assert recorder.so_far == "2 operations (0 ok, 1 fail, 0 info)"
