"""A journal on the cluster itself: its objects, what its healer may do, and that nothing of it stays."""

import re
import time
from typing import Any

import pytest

from harness.chaos import healer
from harness.chaos.fault import FaultError
from harness.chaos.resident import RIGHTS, objects
from harness.chaos.undo import Request, Undo
from harness.kube.client import ApiConflict, ApiError
from harness.kube.deploy import OWNER
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import RUN

from .store import KILL, LABELS, SCALE, WEB, Store, on_cluster, scaled_down, standing, unreachable

POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"


@pytest.fixture
def store() -> Store:
    return scaled_down()


def test_on_a_cluster_an_undo_is_an_object_of_the_run_with_its_deadline(store: Store) -> None:
    journal = on_cluster(store)
    name = journal.register(SCALE, 30)

    body = store.objects[f"/api/v1/namespaces/{journal.home}/configmaps/{name}"]
    assert body["metadata"]["labels"] == LABELS
    assert float(body["metadata"]["annotations"][healer.DEADLINE]) == pytest.approx(time.time() + 30, abs=5)
    assert Undo.model_validate_json(body["data"][healer.UNDO]) == SCALE


def test_two_workers_of_a_run_have_a_healer_each(store: Store) -> None:
    first, second = standing(store), standing(store)
    first.close()
    assert {one.rpartition("/")[2] for one in store.objects} >= {second.home}
    assert first.home not in str(store.objects)


def test_an_api_server_that_is_struck_is_outlasted_when_an_undo_is_written_down_and_cancelled(store: Store) -> None:
    store.struck = [unreachable()]
    journal = on_cluster(store)
    name = journal.register(SCALE, 30)
    assert len(store.objects) == 2

    store.struck = [unreachable()]
    journal.cancel(name)
    journal.cancel(name)

    assert len(store.objects) == 1


@pytest.mark.parametrize(
    ("undo", "said"),
    [
        (KILL, "component-kill of etcd could not be undone by a pod: it needs the node"),
        (Undo(fault="freeze", thaw=("uid",)), "freeze could not be undone by a pod"),
        (Undo(fault="x", requests=(Request(verb="delete", path=WEB),)), f"the healer may not delete {WEB}"),
        (Undo(fault="x", requests=(Request(verb="patch", path="/api/v1/nodes/a"),)), "may not patch /api/v1/nodes/a"),
    ],
)
def test_what_the_healer_cannot_undo_is_refused_before_it_is_broken(store: Store, undo: Undo, said: str) -> None:
    with pytest.raises(FaultError, match=re.escape(said)):
        on_cluster(store).register(undo, 30)
    assert len(store.objects) == 1


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("patch", WEB),
        ("patch", f"{WEB}/scale"),
        ("post", POLICIES),
        ("delete", f"{POLICIES}/a"),
        ("delete", "/api/v1/namespaces/shop/pods/probes"),
        ("delete", "/apis/litmuschaos.io/v1alpha1/namespaces/shop/chaosengines/a"),
    ],
)
def test_what_the_faults_undo_is_what_the_healer_may(store: Store, verb: Any, path: str) -> None:  # noqa: ANN401
    assert on_cluster(store).register(Undo(fault="x", requests=(Request(verb=verb, path=path),)), 30)


def test_the_healer_has_rights_to_that_and_to_its_own_undos_and_its_pod_is_restricted() -> None:
    made: dict[str, JsonObject] = {body["kind"]: body for _, body in objects("home", LABELS, "prober:1")}

    rules = made["ClusterRole"]["rules"]
    assert {(r["apiGroups"][0], r["resources"][0]): tuple(r["verbs"]) for r in rules} == RIGHTS
    assert made["Role"]["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "delete"]}]
    assert made["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for body in made.values():
        assert f"{OWNER}={body['metadata']['labels'][OWNER]}" == healer.OWNER_LABEL
        assert body["metadata"]["labels"][RUN] == "r1"


def test_closing_takes_everything_away(store: Store) -> None:
    standing(store).close()
    assert list(store.objects) == [f"{WEB}/scale"]


def test_a_namespace_that_is_on_its_way_out_is_waited_for(store: Store) -> None:
    class Ending(Store):
        def delete(self, path: str) -> JsonObject:
            if path.startswith("/api/v1/namespaces/") and not self.asked.count(f"DELETE {path}"):
                self.asked.append(f"DELETE {path}")
                raise ApiConflict("DELETE", path, 409, "The system is ensuring all content is removed")
            return super().delete(path)

    ending = Ending()
    standing(ending).close()
    assert ending.objects == {}


def test_closing_leaves_the_healer_with_what_could_not_be_undone(store: Store) -> None:
    journal = standing(store)
    journal.register(SCALE, 30)
    before = dict(store.objects)

    journal.close()

    assert store.objects == before


def test_a_healer_that_cannot_be_made_is_taken_away(store: Store) -> None:
    class Refusing(Store):
        def post(self, path: str, body: JsonObject) -> JsonObject:
            if body["kind"] == "ClusterRole":
                raise ApiError("POST", path, 403, "not you")
            return super().post(path, body)

    refusing = Refusing()
    with pytest.raises(ApiError, match="not you"):
        on_cluster(refusing).open()
    assert refusing.objects == {}
