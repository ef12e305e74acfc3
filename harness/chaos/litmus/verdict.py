"""From what happened to a ChaosResult, by Litmus' rules (``pkg/result/chaosresult.go``). Pure.

Two of them are stated more plainly than in Litmus' code, with the same outcome but where that would mislead: an error
is known by its code, and not by words in its text; and a run that was aborted is Stopped, whatever a probe had seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.chaos.litmus.contract import API_VERSION
from harness.chaos.litmus.failures import ExperimentError
from harness.chaos.litmus.probes import State
from harness.kube.kubectl import JsonObject

Phase = Literal["Running", "Completed", "Completed_With_Probe_Failure", "Stopped", "Error"]
Verdict = Literal["Awaited", "Pass", "Fail", "Stopped", "Error"]
ChaosStatus = Literal["targeted", "injected", "reverted"]

UNRUN: Final = "it was not run, or not to its end"
_COUNTERS: Final[Mapping[Verdict, str]] = {"Pass": "passedRuns", "Fail": "failedRuns", "Stopped": "stoppedRuns"}


@dataclass
class Struck:
    """A target, and what was done to it."""

    name: str
    kind: str
    status: ChaosStatus = "targeted"


@dataclass(frozen=True)
class Ending:
    """How a run ended: ``error`` is what ended it early; ``aborted``: somebody stopped it."""

    error: ExperimentError | None = None
    aborted: bool = False


@dataclass(frozen=True)
class Conclusion:
    """What a run comes to."""

    phase: Phase
    verdict: Verdict
    percentage: str


def conclude(states: Sequence[State], ending: Ending) -> Conclusion:
    """The verdict of a run that has ended."""
    failed = [state for state in states if state.verdict == "Failed"]
    passed = sum(1 for state in states if state.verdict == "Passed")
    share = str(passed * 100 // len(states)) if states else "0"
    if ending.aborted or any(state.stopped for state in failed):
        return Conclusion("Stopped", "Stopped", share)
    if failed or (ending.error and ending.error.code.failed):
        return Conclusion("Completed_With_Probe_Failure", "Fail", share)
    if ending.error:
        return Conclusion("Error", "Error", "0")
    return Conclusion("Completed", "Pass", "100")


def result_body(
    name: str, namespace: str, spec: Mapping[str, str], labels: Mapping[str, str], states: Sequence[State]
) -> JsonObject:
    """The ChaosResult of a run that begins."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ChaosResult",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {key: value for key, value in spec.items() if value},
        "status": {
            "experimentStatus": {"phase": "Running", "verdict": "Awaited", "probeSuccessPercentage": "Awaited"},
            "probeStatuses": _statuses(states, unrun=False),
            "history": {"passedRuns": 0, "failedRuns": 0, "stoppedRuns": 0, "targets": []},
        },
    }


def with_history(body: JsonObject, earlier: JsonObject | None) -> JsonObject:
    """The same with the counters of the ChaosResult of an earlier run."""
    history = ((earlier or {}).get("status") or {}).get("history") or {}
    counted = {counter: int(history.get(counter, 0)) for counter in _COUNTERS.values()}
    status = body["status"]
    return {**body, "status": {**status, "history": {**status["history"], **counted}}}


def concluded(body: JsonObject, states: Sequence[State], ending: Ending, struck: Sequence[Struck]) -> JsonObject:
    """The ChaosResult of a run that has ended, from that of its beginning."""
    found = conclude(states, ending)
    experiment: JsonObject = {
        "phase": found.phase,
        "verdict": found.verdict,
        "probeSuccessPercentage": found.percentage,
    }
    if ending.error and not ending.aborted and found.verdict in ("Error", "Fail"):
        error = ending.error
        where = f", target: {error.target}" if error.target else ""
        experiment["errorOutput"] = {"errorCode": str(error.code), "reason": f"{error.reason}{where}"}
    history = dict(body["status"]["history"])
    counter = _COUNTERS.get(found.verdict)
    if counter:
        history[counter] += 1
    history["targets"] = [{"name": one.name, "kind": one.kind, "chaosStatus": one.status} for one in struck]
    status = {
        "experimentStatus": experiment,
        # Only a run that did not pass says which of its probes were not run: as Litmus has it.
        "probeStatuses": _statuses(states, unrun=found.verdict != "Pass"),
        "history": history,
    }
    return {**body, "status": status}


def _statuses(states: Sequence[State], *, unrun: bool) -> list[JsonObject]:
    return [
        {
            "name": state.probe.name,
            "type": state.probe.type,
            "mode": state.probe.mode,
            "status": {"verdict": "N/A", "description": UNRUN}
            if unrun and state.verdict == "Awaited"
            else {"verdict": state.verdict, **({"description": state.description} if state.description else {})},
        }
        for state in states
    ]
