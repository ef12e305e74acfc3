"""``--chaos-runner=native``: our own runner. It speaks Litmus' contract, and needs nothing of Litmus on the cluster."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from harness.chaos.litmus import verdict
from harness.chaos.litmus.asking import Asker
from harness.chaos.litmus.experiments import RUNS
from harness.chaos.litmus.failures import Code, ExperimentError, Halted
from harness.chaos.litmus.outcome import EngineOutcome, of_result
from harness.chaos.litmus.parse import Engine, Planned
from harness.chaos.litmus.probepod import ProbePod, probe_pod
from harness.chaos.litmus.probes import Probes
from harness.chaos.litmus.result import Result
from harness.chaos.litmus.stage import Stage
from harness.chaos.litmus.targets import aimed_at, ready
from harness.chaos.litmus.tunables import Partition
from harness.chaos.litmus.verdict import Ending
from harness.chaos.scene import Scene
from harness.errors import HarnessError

NAME: Final = "native"
_RESOLVE_SECONDS: Final = 20.0
Say = Callable[[str], None]
Sink = Callable[[EngineOutcome], None]


def run(engines: Sequence[Engine], scene: Scene, folder: Path, *, seed: int, say: Say, done: Sink) -> None:
    """Run every experiment, one after another; ``done`` is given each outcome.

    An experiment that cannot be run is an outcome, and no error. Ctrl-C stops the one that runs: it is undone, its
    outcome is Stopped, and KeyboardInterrupt goes on.
    """
    for engine in engines:
        for planned in engine.experiments:
            say(f"{planned.engine}/{planned.name} ({planned.experiment}) begins")
            _run(planned, scene, folder, seed, done)


def _run(planned: Planned, scene: Scene, folder: Path, seed: int, done: Sink) -> None:
    uid = str(uuid4())
    with contextlib.ExitStack() as closing:
        pod = _Pod(scene, planned, uid, closing)
        # The text, as plans have it: Python promises that Random seeded by one stays as it is.
        random = Random(f"litmus {seed} {planned.engine}/{planned.name}")  # noqa: S311 -- a choice, no secret
        stage = Stage(scene, planned, random, uid, pod.resolve)
        probes = Probes(
            planned.probes,
            Asker(scene.api, None),
            wait=stage.wait,
            halt=stage.halted.set,
            seconds=planned.tunables.total_chaos_duration,
        )
        spec = {"engine": planned.engine, "experiment": planned.name, "instance": planned.tunables.instance_id}
        labels = {**planned.labels, "chaosUID": uid}
        body = verdict.result_body(planned.result_name, planned.namespace, spec, labels, probes.states)
        result = Result(scene.api, folder, body)
        result.write(result.body)
        ending, interrupt = Ending(), None
        try:
            if pod.needed:
                probes.ask = Asker(scene.api, pod.start())
            _experiment(stage, probes)
        except KeyboardInterrupt as error:
            ending, interrupt = Ending(aborted=True), error
        except Halted:
            ending = Ending(aborted=not any(state.stopped for state in probes.states))
        except ExperimentError as error:
            ending = Ending(error)
        except HarnessError as error:
            ending = Ending(ExperimentError(Code.GENERIC, str(error)))
        finally:
            stage.halted.set()
            probes.end()
        result.write(verdict.concluded(result.body, probes.states, ending, stage.struck))
    done(_outcome(stage, result, seed))
    if interrupt:
        raise interrupt


def _experiment(stage: Stage, probes: Probes) -> None:
    """What Litmus' ``experiments/generic/*/experiment`` do, in their order."""
    if stage.planned.tunables.default_health_check:
        _healthy(stage)
    probes.before()
    RUNS[stage.planned.experiment](stage, probes.during)
    if stage.planned.tunables.default_health_check:
        _healthy(stage)
    probes.after()


def _healthy(stage: Stage) -> None:
    """The application runs (``AUTStatusCheck``): every pod of every target is ready."""
    targets = [one for one in stage.planned.targets if one.kind or one.labels]
    if not targets:
        return

    def lacking() -> str:
        try:
            pods = aimed_at(stage.scene.api, targets)
        except ExperimentError as error:
            return error.reason
        return ", ".join(str(pod["metadata"]["name"]) for pod in pods if not ready(pod))

    stage.await_healthy("every target pod to be ready", lacking)


class _Pod:
    """The pod of probes of one run: made when it is first needed, and gone with the run."""

    def __init__(self, scene: Scene, planned: Planned, uid: str, closing: contextlib.ExitStack) -> None:
        self._scene, self._planned, self._uid, self._closing = scene, planned, uid, closing
        self._pod: ProbePod | None = None
        tuned = planned.tunables
        names = isinstance(tuned, Partition) and bool(tuned.destination_hosts)
        self.needed = names or any(probe.type != "k8sProbe" for probe in planned.probes)

    def start(self) -> ProbePod:
        """The pod, which runs. Raises ExperimentError where it cannot."""
        if self._pod is None:
            name = f"{self._planned.name}-probe-{self._uid[:6]}"
            made = probe_pod(self._scene, self._planned, name, self._uid, self._planned.longest)
            self._pod = self._closing.enter_context(made)
        return self._pod

    def resolve(self, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses of names, as the cluster knows them. Raises ExperimentError."""
        if not hosts:
            return ()
        answer = self.start().ask({"do": "resolve", "hosts": hosts}, _RESOLVE_SECONDS)
        if "broken" in answer:
            raise ExperimentError(Code.GENERIC, answer["broken"], "DESTINATION_HOSTS")
        return tuple(answer["value"].split(","))


def _outcome(stage: Stage, result: Result, seed: int) -> EngineOutcome:
    planned = stage.planned
    found = of_result(result.body)
    vacuous = stage.vacuous
    if found["verdict"] == "Pass" and not vacuous and not stage.hits:
        vacuous = "nothing is known to have been broken"
    notes = list(stage.notes)
    if not planned.probes:
        notes.append("no probe looked at the service: the verdict says that the fault was injected, and no more")
    return EngineOutcome(
        engine=planned.engine,
        experiment=planned.name,
        runner=NAME,
        vacuous=vacuous,
        hits=tuple(stage.hits),
        unused=planned.unused,
        notes=tuple(notes),
        seed=seed,
        at=planned.at,
        file=result.file,
        **found,
    )
