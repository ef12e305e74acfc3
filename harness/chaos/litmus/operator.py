"""``--chaos-runner=operator``: the cluster has Litmus, which runs the engines; here they are created and followed.

What was created is deleted afterwards, the ChaosResults apart: they are what Litmus leaves to be read.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from harness.chaos.litmus.contract import API_VERSION
from harness.chaos.litmus.failures import Halted, RunnerAbsent
from harness.chaos.litmus.outcome import EngineOutcome, of_result
from harness.chaos.litmus.parse import Engine, Planned
from harness.chaos.litmus.result import GROUP_PATH, served
from harness.chaos.scene import Scene
from harness.chaos.undo import Request, Undo
from harness.errors import UsageError, WaitTimeout
from harness.kube.client import ApiUnreachable
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

NAME: Final = "operator"
KINDS: Final = ("ChaosEngine", "ChaosExperiment", "ChaosResult")
BEGIN_SECONDS: Final = 300.0
"""Within this an operator must have begun, and images must have been pulled."""

STOP_SECONDS: Final = 120.0
_POLL: Final = 0.5
_ENDED: Final = frozenset({"completed", "stopped"})
_LOST: Final = {
    "ChaosExperiment Not Found": ("Error", "Error"),
    "Skipped": ("Error", "Error"),
    "Forcefully Aborted": ("Stopped", "Stopped"),
}
"""Statuses of an experiment without a result: phase and verdict that they come to."""

Say = Callable[[str], None]


def run(engines: Sequence[Engine], scene: Scene, *, say: Say, done: Callable[[EngineOutcome], None]) -> None:
    """Have the cluster's operator run every engine, one after another; ``done`` is given each outcome.

    Raises RunnerAbsent where the cluster has no Litmus, UsageError where an object of a file is there already, and
    WaitTimeout where nobody moves an engine. Ctrl-C stops the engine, and KeyboardInterrupt goes on; where the run is
    over, the engine is stopped, too, and no other one begins.
    """
    check(scene)
    for engine in engines:
        if scene.stop.is_set():
            return
        _Followed(engine, scene, say, done).run()


def longest(engine: Engine) -> float:
    """Seconds after which an engine must have ended, the pulling of images included."""
    return BEGIN_SECONDS + sum(BEGIN_SECONDS + one.longest for one in engine.experiments)


def check(scene: Scene) -> None:
    """Raise RunnerAbsent where the cluster has no Litmus."""
    missing = [kind for kind in KINDS if kind not in served(scene.api)]
    if missing:
        raise RunnerAbsent(
            f"--chaos-runner=operator: cluster {scene.cluster.name} has no Litmus: "
            f"it serves no {', '.join(missing)} of {API_VERSION}"
        )


class _Followed:
    def __init__(self, engine: Engine, scene: Scene, say: Say, done: Callable[[EngineOutcome], None]) -> None:
        self._engine, self._scene, self._say, self._done = engine, scene, say, done
        self._api = scene.api
        self._home = f"{GROUP_PATH}/namespaces/{engine.namespace}"
        self._path = f"{self._home}/chaosengines/{engine.name}"
        self._told: dict[str, str] = {}

    def run(self) -> None:
        made = self._new_objects()
        requests = tuple(Request(verb="delete", path=f"{path}/{body['metadata']['name']}") for path, body in made)
        seconds = longest(self._engine)
        with self._scene.undoing(Undo(fault=f"ChaosEngine {self._engine.name}", requests=requests), seconds):
            for path, body in made:
                self._api.post(path, body)
            began = time.time()
            try:
                self._follow(seconds)
            except Halted:
                self._stop()
            except BaseException:  # Ctrl-C too: whatever it was, the chaos is to end
                self._stop()
                self._tell(began)
                raise
            self._tell(began)

    def _new_objects(self) -> list[tuple[str, JsonObject]]:
        """(collection, body) of what is to be created, experiments first. Raises UsageError."""
        made = []
        for body in self._engine.definitions:
            path = f"{self._home}/chaosexperiments"
            there = self._api.find(f"{path}/{body['metadata']['name']}")
            if there is None:
                made.append((path, self._labelled(body)))
            elif there["spec"] != body["spec"]:
                name = f"{self._engine.namespace}/{body['metadata']['name']}"
                raise UsageError(
                    f"ChaosExperiment {name} is on the cluster already, and says something else: "
                    "take it out of the file, or off the cluster"
                )
        if self._api.find(self._path):
            name = f"{self._engine.namespace}/{self._engine.name}"
            raise UsageError(f"ChaosEngine {name} is on the cluster already: delete it first, or name yours otherwise")
        made.append((f"{self._home}/chaosengines", self._labelled(self._engine.body)))
        return made

    def _labelled(self, body: JsonObject) -> JsonObject:
        meta = body["metadata"]
        labels = {**(meta.get("labels") or {}), **self._scene.labels}
        return {**body, "metadata": {**meta, "namespace": self._engine.namespace, "labels": labels}}

    def _follow(self, seconds: float) -> None:
        def look() -> JsonObject:
            if self._scene.stop.is_set():
                raise Halted
            status: JsonObject = self._api.get(self._path).get("status") or {}
            for one in status.get("experiments") or ():
                said = f"{one.get('status', '')} {one.get('verdict', '')}".strip()
                if self._told.get(one["name"]) != said:
                    self._told[one["name"]] = said
                    self._say(f"{self._engine.name}/{one['name']}: {said}")
            return status

        begun = wait_until(
            f"an operator to take ChaosEngine {self._engine.namespace}/{self._engine.name}",
            lambda: look().get("engineStatus"),
            seconds=BEGIN_SECONDS,
            interval=_POLL,
            tolerate=(ApiUnreachable,),
        )
        self._say(f"ChaosEngine {self._engine.name}: {begun}")
        wait_until(
            f"ChaosEngine {self._engine.namespace}/{self._engine.name} to end",
            lambda: look().get("engineStatus") in _ENDED,
            seconds=seconds,
            interval=_POLL,
            tolerate=(ApiUnreachable,),
            describe=lambda: str(self._told),
        )

    def _stop(self) -> None:
        """As Litmus' users do it: the operator ends the experiment, which undoes what it did."""
        self._api.patch(self._path, {"spec": {"engineState": "stop"}})
        with suppress(WaitTimeout):
            wait_until(
                f"ChaosEngine {self._engine.name} to stop",
                lambda: (self._api.get(self._path).get("status") or {}).get("engineStatus") in _ENDED,
                seconds=STOP_SECONDS,
                interval=_POLL,
                tolerate=(ApiUnreachable,),
            )

    def _tell(self, began: float) -> None:
        status = self._api.get(self._path).get("status") or {}
        states = {one["name"]: one for one in status.get("experiments") or ()}
        for planned in self._engine.experiments:
            result = self._api.find(f"{self._home}/chaosresults/{planned.result_name}")
            self._done(_outcome(planned, result, states.get(planned.name) or {}, began))


def _outcome(planned: Planned, result: JsonObject | None, state: JsonObject, began: float) -> EngineOutcome:
    status = str(state.get("status", ""))
    found: dict[str, Any]
    if result is not None and status not in _LOST:
        found = of_result(result)
        if found["verdict"] == "Awaited":
            found["error"] = f"the experiment ended without a verdict; the engine says: {status or 'nothing'}"
    else:
        phase, verdict = _LOST.get(status, ("Error", "Error"))
        said = status or "it was never begun"
        found = {"phase": phase, "verdict": verdict, "error": said, "result": result or {}}
    return EngineOutcome(
        engine=planned.engine,
        experiment=planned.name,
        runner=NAME,
        notes=(f"run by the operator of the cluster in {time.time() - began:.0f} s",),
        at=planned.at,
        **found,
    )
