"""Probes of all modes run when they are to, each with a state of its own."""

import threading
from collections.abc import Callable

import pytest

from harness.chaos.litmus.contract import Probe
from harness.chaos.litmus.failures import Code, ExperimentError
from harness.chaos.litmus.probes import Probes
from harness.kube.wait import wait_until

FAILED = ExperimentError(Code.HTTP_PROBE_FAILED, "status 500")
BROKEN = ExperimentError(Code.CMD_PROBE, "no shell")


def probe(name: str, mode: str, **properties: str | int) -> Probe:
    said = {"probeTimeout": "1s", "interval": "1ms", "probePollingInterval": "1ms", **properties}
    return Probe.model_validate({"name": name, "type": "httpProbe", "mode": mode, "runProperties": said})


class Asked:
    """Answers by a rule, and remembers who was asked."""

    def __init__(self, rule: Callable[[str, int], ExperimentError | None] = lambda *_: None) -> None:
        self.rule = rule
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, probe: Probe) -> str:
        with self._lock:
            self.asked.append(probe.name)
            error = self.rule(probe.name, self.asked.count(probe.name))
        if error:
            raise error
        return "seen"


def probes(asked: Asked, *given: Probe, halt: Callable[[], None] = lambda: None, seconds: float = 60) -> Probes:
    return Probes(given, asked, wait=lambda _: None, halt=halt, seconds=seconds)


def test_each_mode_runs_when_it_is_to() -> None:
    asked = Asked()
    modes = ("SOT", "EOT", "Edge", "Continuous", "OnChaos")
    run = probes(asked, *(probe(mode, mode) for mode in modes))
    run.before()
    wait_until("the continuous one", lambda: "Continuous" in asked.asked, seconds=60)
    assert set(asked.asked) == {"SOT", "Edge", "Continuous"}
    assert [state.verdict for state in run.states[:3]] == ["Passed", "Awaited", "Awaited"]
    run.during()
    wait_until("the other one", lambda: "OnChaos" in asked.asked, seconds=60)
    wait_until("a second look", lambda: asked.asked.count("Continuous") >= 2, seconds=60)
    run.after()
    assert [state.verdict for state in run.states] == ["Passed"] * 5
    assert (asked.asked.count("Edge"), asked.asked.count("EOT")) == (2, 1)


def test_a_failure_does_not_end_the_run_unless_the_probe_says_so() -> None:
    run = probes(Asked(lambda *_: FAILED), probe("a", "SOT"), probe("b", "SOT"))
    run.before()
    assert [state.verdict for state in run.states] == ["Failed", "Failed"]
    run = probes(Asked(lambda *_: FAILED), probe("a", "SOT", stopOnFailure=True), probe("b", "SOT"))
    with pytest.raises(ExperimentError, match="status 500"):
        run.before()
    assert [(state.verdict, state.stopped) for state in run.states] == [("Failed", True), ("Awaited", False)]


def test_what_cannot_be_asked_ends_the_run_and_is_no_failure_of_the_probe() -> None:
    run = probes(Asked(lambda *_: BROKEN), probe("a", "EOT"))
    with pytest.raises(ExperimentError, match="CMD_PROBE_ERROR"):
        run.after()
    assert run.states[0].verdict == "Awaited"


@pytest.mark.parametrize("failing", [1, 2])
def test_a_probe_at_both_edges_passes_only_if_both_looks_do(failing: int) -> None:
    run = probes(Asked(lambda _, time: FAILED if time == failing else None), probe("a", "Edge"))
    run.before()
    run.after()
    assert run.states[0].verdict == "Failed"


def test_a_probe_is_tried_as_often_as_it_says() -> None:
    asked = Asked(lambda _, time: FAILED if time < 3 else None)
    run = probes(asked, probe("a", "SOT", attempt=3), probe("b", "SOT", retry=2))
    run.before()
    assert [state.verdict for state in run.states] == ["Passed", "Failed"]
    assert asked.asked == ["a", "a", "a", "b", "b"]


def test_one_that_looks_all_the_time_stops_at_its_first_failure_and_halts_the_run_if_it_says_so() -> None:
    halted = threading.Event()
    asked = Asked(lambda name, time: FAILED if name == "bad" and time == 2 else None)
    run = probes(asked, probe("good", "Continuous"), probe("bad", "OnChaos", stopOnFailure=True), halt=halted.set)
    run.before()
    run.during()
    assert halted.wait(60)
    assert asked.asked.count("bad") == 2
    with pytest.raises(ExperimentError):
        run.after()
    assert [state.verdict for state in run.states] == ["Passed", "Failed"]
    assert [state.error for state in run.states] == [None, FAILED]


def test_one_during_the_chaos_ends_with_its_time() -> None:
    asked = Asked()
    run = probes(asked, probe("a", "OnChaos"), seconds=0)
    run.during()
    run.after()
    assert (run.states[0].verdict, asked.asked) == ("Passed", ["a"])


def test_one_that_is_ended_before_it_began_looks_once() -> None:
    asked = Asked()
    run = probes(asked, probe("a", "Continuous", initialDelay="1h"))
    run.before()
    run.after()
    assert asked.asked == ["a"]


def test_one_that_breaks_in_the_middle_of_the_chaos_has_not_passed_by_what_it_saw_before() -> None:
    def rule(_: str, time: int) -> None:
        if time == 2:
            raise KeyError("value")

    asked = Asked(rule)
    run = probes(asked, probe("a", "Continuous"))
    run.before()
    wait_until("the second look", lambda: asked.asked.count("a") >= 2, seconds=60)
    with pytest.raises(ExperimentError, match=r"GENERIC_ERROR: it could not be run: KeyError\('value'\)"):
        run.after()


def test_one_whose_last_look_does_not_end_has_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.chaos.litmus.probes.JOIN_SECONDS", 0.0)
    begun, over = threading.Event(), threading.Event()

    def rule(_: str, time: int) -> None:
        if time == 2:
            begun.set()
            over.wait(60)

    run = probes(Asked(rule), probe("a", "Continuous", probeTimeout="1ms"))
    run.before()
    assert begun.wait(60)
    try:
        with pytest.raises(ExperimentError, match="its last look did not end"):
            run.after()
    finally:
        over.set()
