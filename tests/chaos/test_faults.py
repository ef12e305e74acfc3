"""Faults of pods and rollouts: what is no evidence that one hit."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import pytest

from harness.chaos.fault import FaultError, Target
from harness.chaos.faults import pods
from harness.chaos.faults.pods import Eviction, ProcessKill
from harness.chaos.faults.rollouts import RolloutRestart, await_rollout
from harness.chaos.scene import Scene, Workload
from harness.kube.client import Api, ApiError, ApiNotFound, ApiServerFailed, ApiUnreachable
from harness.kube.exec import Ending
from harness.kube.kubectl import JsonObject

from .store import Plain
from .test_undo import Remembered

WEB = Target("shop/Deployment/web")
POD: JsonObject = {
    "metadata": {"namespace": "shop", "name": "web-1", "uid": "uid-web-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"containers": [{"name": "main"}]},
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {"name": "main", "restartCount": 0, "containerID": "containerd://c1", "state": {"running": {}}}
        ],
    },
}


class Shop:
    """An API server with a workload of one pod, which something else deletes as soon as it has been listed."""

    def __init__(self) -> None:
        self.patches: list[Any] = []

    def items(self, _path: str, **_query: str) -> Sequence[JsonObject]:
        return [] if self.patches else [POD]

    def get(self, path: str) -> JsonObject:
        if "/pods/" in path:
            raise ApiNotFound("GET", path, 404, "not found")
        status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        return {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": status}

    def find(self, path: str) -> JsonObject | None:
        return None if "/pods/" in path else self.get(path)

    def post(self, path: str, _body: JsonObject) -> JsonObject:
        raise ApiNotFound("POST", path, 404, "not found")

    def patch(self, _path: str, body: JsonObject) -> JsonObject:
        self.patches.append(body)
        return body


class Shell:
    """A stream to a shell that says nothing and ends so."""

    def __init__(self, ending: Ending, errors: str = "") -> None:
        self.ending, self._errors = ending, errors

    def __call__(self, *_: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def read(self, _seconds: float) -> bytes:
        return b""

    def last_words(self) -> str:
        return self._errors


def scene(shop: Shop) -> Scene:
    body = {"kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"}, "spec": {"selector": {}}}
    return Scene(
        Plain().cluster,
        cast("Api", shop),
        [Workload(body)],
        Remembered(),
        prober_image="",
        allow_ephemeral=False,
        labels={},
    )


@pytest.mark.parametrize(
    ("shell", "why"),
    [
        (Shell(Ending(0, "")), "process 1 has no child, and cannot be killed from inside"),
        (Shell(Ending(1, "exit status 1"), "kill: not permitted"), "kill: not permitted"),
        (Shell(Ending(None, "no such file or directory"), "sh: no such file or directory"), "no such file"),
    ],
)
def test_a_pod_that_goes_by_itself_is_no_evidence_for_a_process_kill_that_killed_nothing(
    monkeypatch: pytest.MonkeyPatch, shell: Shell, why: str
) -> None:
    monkeypatch.setattr(pods, "ExecStream", shell)

    told = f"nothing was killed in container main .*{why}"
    with pytest.raises(FaultError, match=told), ProcessKill().strike(scene(Shop()), WEB, 0):
        pass


def test_a_shell_that_died_with_its_container_has_killed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "ExecStream", Shell(Ending(137, "killed")))

    with ProcessKill().strike(scene(Shop()), WEB, 0) as evidence:
        pass

    assert evidence.hit


def test_a_pod_that_was_gone_before_was_not_evicted() -> None:
    told = r"web-1 \(uid-web-\) was gone before it was evicted"
    with pytest.raises(FaultError, match=told), Eviction().strike(scene(Shop()), WEB, 0):
        pass


def test_two_restarts_in_one_second_are_two_versions() -> None:
    shop = Shop()
    for _ in range(2):
        with RolloutRestart().strike(scene(shop), WEB, 0):
            pass

    first, second = shop.patches
    assert first != second


@pytest.mark.parametrize(
    "struck", [ApiUnreachable("GET", "/", 0, "refused"), ApiServerFailed("GET", "/", 500, "etcdserver: leader changed")]
)
def test_who_waits_for_a_rollout_outlasts_a_fault_of_the_api_server_and_of_its_store(struck: ApiError) -> None:
    class Struck(Shop):
        answers: ClassVar = [struck]

        def get(self, path: str) -> JsonObject:
            if self.answers:
                raise self.answers.pop()
            return super().get(path)

    stage = scene(Struck())
    assert await_rollout(stage, stage.workloads[0])["spec"]["replicas"] == 1
