"""Runners that are not ours: when the run is over, what they do is ended, too."""

import sys
from pathlib import Path
from typing import Any, cast

import pytest

from harness.chaos.litmus import operator, python
from harness.chaos.litmus.outcome import EngineOutcome
from harness.chaos.litmus.result import GROUP_PATH
from harness.chaos.litmus.run import EngineFile
from harness.chaos.scene import Scene
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject

from .litmus.files import ENGINE, read, written
from .store import Plain
from .test_undo import Remembered


class Litmus:
    """An API server with Litmus' kinds. An engine runs until it is told to stop; the run is over once one has begun."""

    def __init__(self) -> None:
        self.engine: JsonObject | None = None
        self.status: JsonObject = {"engineStatus": "initialized"}
        self.scene = Scene(
            Plain().cluster, cast("Api", self), [], Remembered(), prober_image="", allow_ephemeral=False, labels={}
        )

    def find(self, path: str) -> JsonObject | None:
        if path == GROUP_PATH:
            return {"resources": [{"kind": kind, "name": kind} for kind in operator.KINDS]}
        return self.engine if "/chaosengines/" in path else None

    def get(self, _path: str) -> JsonObject:
        assert self.engine is not None
        return {**self.engine, "status": self.status}

    def post(self, _path: str, body: JsonObject) -> JsonObject:
        self.engine = body
        self.scene.stop.set()
        return body

    def patch(self, _path: str, body: JsonObject) -> JsonObject:
        assert body == {"spec": {"engineState": "stop"}}
        self.status = {
            "engineStatus": "stopped",
            "experiments": [{"name": "pod-delete", "status": "Forcefully Aborted"}],
        }
        return body

    def delete(self, _path: str) -> JsonObject:
        self.engine = None
        return {}


def test_an_engine_of_the_operator_is_stopped_when_the_run_is_over(tmp_path: Path) -> None:
    litmus, outcomes = Litmus(), list[EngineOutcome]()
    both = read(tmp_path, ENGINE, ENGINE.replace("name: shop", "name: other"))

    operator.run(both, litmus.scene, say=lambda _: None, done=outcomes.append)

    assert [(one.engine, one.verdict) for one in outcomes] == [("shop", "Stopped")]
    assert litmus.engine is None


def test_litmus_python_is_ended_when_the_run_is_over(tmp_path: Path) -> None:
    litmus = Litmus()
    litmus.scene.stop.set()
    [engine] = read(tmp_path, ENGINE)
    [planned] = engine.experiments
    what = python.Command((sys.executable, "-c", "import signal; signal.pause()"), {}, tmp_path)

    found = python._run(planned, litmus.scene, what)

    assert found.verdict == "Error"
    assert found.error.startswith("the run was over before it had ended")


@pytest.mark.parametrize("runner", ["operator", "litmus-python"])
def test_clients_go_on_for_as_long_as_another_runner_may_take(tmp_path: Path, runner: Any) -> None:  # noqa: ANN401
    file = written(tmp_path, ENGINE)

    assert EngineFile(file, runner).longest > EngineFile(file).longest + 60
