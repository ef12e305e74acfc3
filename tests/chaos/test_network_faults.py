"""Faults of the network, as far as they change policies: what several workloads share is given back as it was."""

import copy
import threading
from typing import Any, cast

import pytest

from harness.chaos.fault import Target
from harness.chaos.faults import network
from harness.chaos.faults.network import Partition
from harness.chaos.scene import Scene, Workload
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

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


def test_others_do_not_undo_it_while_it_waits_to_be_seen_and_lasts(scene: Scene) -> None:
    with Partition().strike(scene.lasting(100), Target("shop/Deployment/web"), 0):
        [(_, deadline)] = cast("Many", scene.journal).entries.values()

    assert deadline > network.DENIED_SECONDS + 100
