"""When probes run, and what becomes of each: before, during and after the chaos (``pkg/probe/probe.go``).

Each probe has a state of its own, which only it changes while it runs: no other one's failure can become its.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from harness.chaos.litmus import values
from harness.chaos.litmus.contract import Probe
from harness.chaos.litmus.failures import Code, ExperimentError
from harness.kube.wait import patient

Verdict = Literal["Awaited", "Passed", "Failed", "N/A"]
JOIN_SECONDS: Final = 60.0
"""How much longer than its own time a probe that is under way may take to end: then it cannot be told what it saw."""


class Ask(Protocol):
    """Runs a probe once."""

    def __call__(self, probe: Probe) -> str:
        """What it saw, in words. Raises ExperimentError: a code of failure where that was wrong, else of error."""


@dataclass
class State:
    """What became of a probe so far. ``stopped``: it failed, and the experiment is to end for it."""

    probe: Probe
    verdict: Verdict = "Awaited"
    description: str = ""
    stopped: bool = False
    runs: int = 0
    error: ExperimentError | None = field(default=None, repr=False)

    def passed(self, said: str) -> None:
        """It saw what it should."""
        self.verdict, self.description = "Passed", said

    def failed(self, error: ExperimentError) -> None:
        """It did not."""
        self.verdict, self.description = "Failed", error.reason
        self.stopped = self.probe.run_properties.stop_on_failure


class Probes:
    """The probes of one run of an experiment, from before to after.

    ``wait`` lets so many seconds pass, and raises Halted where the run is to end; ``halt`` has it end. ``seconds`` is
    how long the chaos is to last.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        ask: Ask,
        *,
        wait: Callable[[float], None],
        halt: Callable[[], None],
        seconds: float,
    ) -> None:
        self.states = [State(probe) for probe in probes]
        self.ask, self._wait, self._halt, self._seconds = ask, wait, halt, seconds
        self._over = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def before(self) -> None:
        """Those that look before the chaos; those that look all the time begin.

        Raises ExperimentError for one that could not be run, and for one that failed and stops the experiment.
        """
        for state in self.states:
            match state.probe.mode:
                case "SOT" | "Edge":
                    self._now(state, last=state.probe.mode == "SOT")
                case "Continuous":
                    self._begin(state, None)

    def during(self) -> None:
        """Those that look during the chaos begin."""
        for state in self._in("OnChaos"):
            self._begin(state, self._seconds)

    def after(self) -> None:
        """Collect those that ran meanwhile; then those that look after the chaos. Raises as ``before`` does."""
        self.end()
        for state in self._in("OnChaos", "Continuous"):
            if state.error is None:
                continue
            if not state.error.code.failed or state.stopped:
                raise state.error
        for state in self._in("EOT", "Edge"):
            self._now(state, last=True)

    def end(self) -> None:
        """No probe runs any longer; one that does not end has an error. Safe to repeat."""
        self._over.set()
        for state in self.states:
            thread = self._threads.pop(state.probe.name, None)
            if thread is None:
                continue
            thread.join(patient(seconds_of(state.probe) + JOIN_SECONDS))
            if thread.is_alive() and state.error is None:
                said = f"its last look did not end, {JOIN_SECONDS:g} s after its time"
                state.error = ExperimentError(Code.GENERIC, said, state.probe.name)

    def _in(self, *modes: str) -> Iterable[State]:
        return (state for state in self.states if state.probe.mode in modes)

    def _now(self, state: State, *, last: bool) -> None:
        self._wait(values.duration(state.probe.run_properties.initial_delay))
        try:
            said = self._tries(state, self._wait)
        except ExperimentError as error:
            if not error.code.failed:
                raise
            state.failed(error)
            if state.stopped:
                raise
        else:
            # One at both edges has passed only after the second look, and not where the first one failed.
            if last and state.verdict != "Failed":
                state.passed(said)

    def _begin(self, state: State, seconds: float | None) -> None:
        thread = threading.Thread(target=self._repeat, args=(state, seconds), name=state.probe.name, daemon=True)
        self._threads[state.probe.name] = thread
        thread.start()

    def _repeat(self, state: State, seconds: float | None) -> None:
        """Look again and again until the chaos is over, up to the first failure; once at least."""
        properties = state.probe.run_properties
        until = math.inf if seconds is None else time.monotonic() + seconds
        self._over.wait(values.duration(properties.initial_delay))
        pause = max(values.duration(properties.probe_polling_interval), 0.01)
        while True:
            try:
                said = self._tries(state, self._over.wait)
            except ExperimentError as error:
                state.error = error
                if error.code.failed:
                    state.failed(error)
                if state.stopped:
                    self._halt()
                return
            except Exception as error:  # noqa: BLE001 -- nobody else would hear of it, and what it saw before would count
                state.error = ExperimentError(Code.GENERIC, f"it could not be run: {error!r}", state.probe.name)
                return
            state.passed(f"{said}; {state.runs} times")
            if self._over.wait(pause) or time.monotonic() >= until:
                return

    def _tries(self, state: State, wait: Callable[[float], object]) -> str:
        """Ask until it is as it should be, as often as the probe says. Raises the last ExperimentError."""
        properties = state.probe.run_properties
        left = attempts(state.probe)
        while True:
            state.runs += 1
            try:
                return self.ask(state.probe)
            except ExperimentError:
                left -= 1
                if not left:
                    raise
            wait(values.duration(properties.interval))


def attempts(probe: Probe) -> int:
    """How often a probe is tried: ``attempt``, where that is not written the older ``retry``, once without both."""
    return probe.run_properties.attempt or probe.run_properties.retry or 1


def seconds_of(probe: Probe) -> float:
    """The longest that one look of a probe may take, all its tries together."""
    properties = probe.run_properties
    once = values.duration(properties.probe_timeout) + values.duration(properties.interval)
    return values.duration(properties.initial_delay) + attempts(probe) * once
