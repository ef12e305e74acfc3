"""Litmus' rules for the verdict, one by one, and the ChaosResult that tells it."""

import pytest

from harness.chaos.litmus.contract import Probe
from harness.chaos.litmus.failures import Code, ExperimentError
from harness.chaos.litmus.probes import State
from harness.chaos.litmus.verdict import (
    UNRUN,
    Conclusion,
    Ending,
    Struck,
    conclude,
    concluded,
    result_body,
    with_history,
)
from harness.kube.kubectl import JsonObject

PROBE: JsonObject = {"type": "cmdProbe", "mode": "EOT", "runProperties": {"probeTimeout": "1s", "interval": "1s"}}


def states(*verdicts: str, stop: bool = False) -> list[State]:
    found = []
    for number, verdict in enumerate(verdicts):
        state = State(Probe.model_validate({**PROBE, "name": f"p{number}"}))
        if verdict == "Passed":
            state.passed("seen")
        elif verdict == "Failed":
            state.failed(ExperimentError(Code.CMD_PROBE_FAILED, "not seen"))
            state.stopped = stop
        found.append(state)
    return found


ERROR = Ending(ExperimentError(Code.TARGET_SELECTION, "no target pods found", "KIND:web:[]"))


@pytest.mark.parametrize(
    ("verdicts", "stop", "ending", "phase", "verdict", "percentage"),
    [
        ((), False, Ending(), "Completed", "Pass", "100"),
        (("Passed", "Passed"), False, Ending(), "Completed", "Pass", "100"),
        (("Passed", "Awaited"), False, Ending(), "Completed", "Pass", "100"),
        (("Passed", "Passed", "Failed"), False, Ending(), "Completed_With_Probe_Failure", "Fail", "66"),
        (("Passed", "Failed", "Awaited"), True, Ending(), "Stopped", "Stopped", "33"),
        (("Passed", "Awaited"), False, Ending(aborted=True), "Stopped", "Stopped", "50"),
        ((), False, Ending(aborted=True), "Stopped", "Stopped", "0"),
        (("Passed",), False, ERROR, "Error", "Error", "0"),
        (("Failed", "Passed"), False, ERROR, "Completed_With_Probe_Failure", "Fail", "50"),
    ],
)
def test_the_verdict_follows_litmus_rules(
    verdicts: tuple[str, ...], *, stop: bool, ending: Ending, phase: str, verdict: str, percentage: str
) -> None:
    found = conclude(states(*verdicts, stop=stop), ending)
    assert found == Conclusion(phase, verdict, percentage)  # type: ignore[arg-type]


def begun(earlier: JsonObject | None = None, *verdicts: str) -> JsonObject:
    spec = {"engine": "shop", "experiment": "pod-delete", "instance": ""}
    body = result_body("shop-pod-delete", "web", spec, {"chaosUID": "u"}, states(*verdicts))
    return with_history(body, earlier)


def test_a_run_begins_running_and_awaited() -> None:
    status = begun(None, "Awaited")["status"]
    assert status["experimentStatus"] == {
        "phase": "Running",
        "verdict": "Awaited",
        "probeSuccessPercentage": "Awaited",
    }
    assert status["probeStatuses"] == [
        {"name": "p0", "type": "cmdProbe", "mode": "EOT", "status": {"verdict": "Awaited"}}
    ]
    assert begun()["spec"] == {"engine": "shop", "experiment": "pod-delete"}


@pytest.mark.parametrize(
    ("ending", "verdicts", "counts"),
    [
        (Ending(), (), (6, 1, 0)),
        (Ending(), ("Failed",), (5, 2, 0)),
        (Ending(aborted=True), (), (5, 1, 1)),
        (ERROR, (), (5, 1, 0)),
    ],
)
def test_counters_go_on_from_the_earlier_run(
    ending: Ending, verdicts: tuple[str, ...], counts: tuple[int, int, int]
) -> None:
    earlier = {"status": {"history": {"passedRuns": 5, "failedRuns": 1, "stoppedRuns": 0}}}
    history = concluded(begun(earlier), states(*verdicts), ending, [])["status"]["history"]
    assert (history["passedRuns"], history["failedRuns"], history["stoppedRuns"]) == counts


def test_an_error_is_told_by_its_code_and_probes_that_were_not_run_say_so() -> None:
    status = concluded(begun(), states("Passed", "Awaited"), ERROR, [Struck("a", "pod", "reverted")])["status"]
    output = {"errorCode": "TARGET_SELECTION_ERROR", "reason": "no target pods found, target: KIND:web:[]"}
    assert status["experimentStatus"]["errorOutput"] == output
    assert [one["status"]["verdict"] for one in status["probeStatuses"]] == ["Passed", "N/A"]
    assert status["probeStatuses"][1]["status"]["description"] == UNRUN
    assert status["history"]["targets"] == [{"name": "a", "kind": "pod", "chaosStatus": "reverted"}]


def test_on_a_pass_probes_that_were_not_run_stay_awaited() -> None:
    status = concluded(begun(), states("Awaited"), Ending(), [])["status"]
    assert status["probeStatuses"][0]["status"]["verdict"] == "Awaited"


def test_an_aborted_run_has_no_error_output() -> None:
    ending = Ending(ExperimentError(Code.ABORTED, "stopped"), aborted=True)
    assert "errorOutput" not in concluded(begun(), [], ending, [])["status"]["experimentStatus"]
