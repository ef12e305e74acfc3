"""Faults of the network, as far as they change policies: what several workloads share is given back as it was."""

import copy
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast
from unittest.mock import Mock

import pytest

from harness.chaos.fault import FaultError, Target
from harness.chaos.faults import network
from harness.chaos.faults.network import Flip, Partition
from harness.chaos.scene import Scene, Workload
from harness.kube.client import Api
from harness.kube.exec import ExecRefused
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.prober.client import Target as Address

from .store import Plain
from .test_undo import Remembered

POLICY = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
SHARED: JsonObject = {
    "metadata": {"namespace": "shop", "name": "shared"},
    "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]},
}


class Shop:
    """An API server with one policy that selects every pod of the namespace."""

    def __init__(self) -> None:
        self.policy = copy.deepcopy(SHARED)
        self.listed = 0

    def items(self, path: str, **_query: str) -> list[JsonObject]:
        if path == POLICY:
            self.listed += 1
            return [copy.deepcopy(self.policy)]
        return [{"spec": {"clusterIP": "10.0.0.10", "containers": []}, "metadata": {}, "status": {}}][
            : "services" in path
        ]

    def find(self, path: str) -> JsonObject | None:
        """Of two pods, one is there."""
        return pod("web-1") if path.endswith("/web-1") else None

    def patch(self, _path: str, body: Any, _content_type: str = "") -> JsonObject:  # noqa: ANN401 -- JSON
        self.policy["spec"] |= {key: value for key, value in body["spec"].items() if value is not None}
        return self.policy

    def post(self, _path: str, body: JsonObject) -> JsonObject:
        return body

    def delete(self, _path: str) -> JsonObject:
        return {}


class Seen:
    """Connections that come up before, and are denied while the fault lasts."""

    def __init__(self, *_: object) -> None:
        self.denied = lambda: True

    def add(self, *_: object) -> None:
        """Whoever asks."""

    def begin(self) -> int:
        return 1


class Many(Remembered):
    """A journal of several undos at once."""

    def register(self, undo: Any, seconds: float) -> str:  # noqa: ANN401 -- as in a journal
        self.entries[undo.fault] = undo, seconds
        return str(undo.fault)


def workload(name: str) -> Workload:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return Workload({"kind": "Deployment", "metadata": {"namespace": "shop", "name": name}, "spec": spec})


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(network, "Flip", Seen)
    return Shop()


@pytest.fixture
def scene(shop: Shop) -> Scene:
    workloads = [workload("web"), workload("db")]
    return Scene(
        Plain().cluster, cast("Api", shop), workloads, Many(), prober_image="", allow_ephemeral=False, labels={}
    )


def test_a_policy_that_two_workloads_share_is_given_back_as_it_was(shop: Shop, scene: Scene) -> None:
    over = threading.Event()

    def another() -> None:
        with Partition().strike(scene, Target("shop/Deployment/db"), 0):
            over.wait(60)

    thread = threading.Thread(target=another, daemon=True)
    with Partition().strike(scene, Target("shop/Deployment/web"), 0):
        assert shop.policy["spec"]["ingress"] == []
        listed = shop.listed
        thread.start()
        wait_until("the other to have looked at the policies", lambda: shop.listed > listed, seconds=60)
    over.set()
    thread.join(60)

    assert not thread.is_alive()
    assert shop.policy == SHARED


def pod(name: str) -> JsonObject:
    return {"metadata": {"namespace": "shop", "name": name, "uid": f"uid-{name}"}}


def flip_with(
    monkeypatch: pytest.MonkeyPatch, scene: Scene, *answers: object, name: str = "web-1"
) -> Callable[[], object]:
    """Adds a pod to a flip, of which ``answers`` come one after the other where it is to be probed from."""
    given = iter(answers)

    def opened(*_: object, **__: object) -> object:
        answer = next(given)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(network, "open_prober", opened)

    def add() -> object:
        with ExitStack() as closing:
            Flip(scene, closing).add(pod(name), [Address("10.0.0.1", 80)])
        return next(given, None)

    return add


def refused(status: int) -> ExecRefused:
    return ExecRefused("pod shop/web-1", status, "error dialing backend: connection refused")


def test_a_kubelet_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    prober = Mock()

    add = flip_with(monkeypatch, scene, refused(500), refused(502), refused(404), prober)

    assert add() is None, "it asked until it had one"


def test_a_pod_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    with pytest.raises(ExecRefused, match="404"):
        flip_with(monkeypatch, scene, refused(404), name="web-2")()


def test_who_may_not_probe_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    with pytest.raises(ExecRefused, match="403"):
        flip_with(monkeypatch, scene, refused(403))()


def test_no_kubelet_is_waited_for_when_the_run_is_over(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    scene.stop.set()

    with pytest.raises(FaultError, match="the run was over"):
        flip_with(monkeypatch, scene)()


def test_others_do_not_undo_it_while_it_waits_to_be_seen_and_lasts(scene: Scene) -> None:
    with Partition().strike(scene.lasting(100), Target("shop/Deployment/web"), 0):
        [(_, deadline)] = cast("Many", scene.journal).entries.values()

    assert deadline > network.DENIED_SECONDS + 100
