"""What dead runs left is removed, and nothing else."""

from collections.abc import Callable

import pytest

from harness.errors import WaitTimeout
from harness.kube import leftovers
from harness.kube.client import Api
from harness.kube.deploy import OWNER
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import RUN, remove, until_none_is_going

from .conftest import FakeApi

LISTS = {
    **{f"/api/v1/{kind}": kind for kind in ("namespaces", "pods", "services", "serviceaccounts")},
    "/apis/apps/v1/deployments": "deployments",
    "/apis/networking.k8s.io/v1/networkpolicies": "networkpolicies",
    **{
        f"/apis/rbac.authorization.k8s.io/v1/{kind}": kind
        for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    },
}
OTHERS = ("statefulsets", "daemonsets")
Left = Callable[..., str]


@pytest.fixture
def left(fake: FakeApi) -> Left:
    """Puts an object on the server, and gives its path; deleted, it is gone. In lists it stands for dead runs only."""
    for path in LISTS:
        fake.holds(path, "Thing")

    def put(path: str, *, owner: str = "isolation", run: str = "dead", **meta: object) -> str:
        *scope, name = path.rsplit("/", 1)
        collection = scope[0]
        inside = collection.split("/namespaces/")
        namespace = {"namespace": inside[1].split("/")[0]} if len(inside) > 1 else {}
        labels = {RUN: run, OWNER: owner} if run else {}
        body: JsonObject = {"metadata": {"name": name, "uid": path, "labels": labels, **namespace, **meta}}
        gone = []

        def delete() -> JsonObject:
            gone.append(path)
            return {}

        kind = collection.rsplit("/", 1)[1]
        if run:
            everywhere = next(one for one, plural in LISTS.items() if plural == kind)
            fake.answers[everywhere]["items"] = (*fake.answers[everywhere]["items"], body)  # type: ignore[index]
        here = fake.answers.get(collection)
        if namespace:
            known = here["items"] if isinstance(here, dict) else ()
            fake.holds(collection, "Thing", *known, body)
        fake.answers[f"DELETE {path}"] = delete
        fake.answers[f"DELETE {path}/pods"] = {}
        fake.answers[f"PATCH {path}"] = {}
        fake.answers[f"GET {path}"] = lambda: (
            {"kind": "Status", "code": 404, "message": "gone", "reason": "NotFound"} if gone else body
        )
        return path

    return put


def empty(fake: FakeApi, namespace: str) -> None:
    """A namespace as the cluster makes it."""
    for path, kind in LISTS.items():
        if kind != "namespaces" and not kind.startswith("cluster"):
            fake.answers.setdefault(
                f"{path.removesuffix('/' + kind)}/namespaces/{namespace}/{kind}", {"kind": "ThingList", "items": []}
            )
    for kind in OTHERS:
        fake.holds(f"/apis/apps/v1/namespaces/{namespace}/{kind}", "Thing")
    account: JsonObject = {"metadata": {"name": "default", "namespace": namespace, "uid": "default"}}
    fake.holds(f"/api/v1/namespaces/{namespace}/serviceaccounts", "ServiceAccount", account)


def test_where_no_run_has_ended_nothing_is_asked(fake: FakeApi, api: Api) -> None:
    assert remove(api, []) == []
    assert fake.requests == []


def test_all_that_dead_runs_left_is_asked_for_by_their_labels_but_not_the_deployed_case(
    fake: FakeApi, api: Api, left: Left
) -> None:
    assert callable(left)
    assert remove(api, ["dead", "b"]) == []

    assert sorted(fake.asked("GET")) == sorted(LISTS)
    assert {tuple(query["labelSelector"]) for _, _, query, _ in fake.requests} == {
        (f"{RUN} in (b,dead),{OWNER} notin (harness,healer)",)
    }


def test_what_lies_in_others_namespaces_and_in_none_is_deleted_and_told(fake: FakeApi, api: Api, left: Left) -> None:
    pod = left("/api/v1/namespaces/theirs/pods/guest")
    policy = left("/apis/networking.k8s.io/v1/namespaces/theirs/networkpolicies/db")
    role = left("/apis/rbac.authorization.k8s.io/v1/clusterroles/reader", owner="access")

    told = remove(api, ["dead"])

    assert sorted(told) == ["clusterrole reader", "networkpolicy theirs/db", "pod theirs/guest"]
    assert sorted(fake.asked("DELETE")) == sorted([pod, policy, role])
    [grace] = [sent for method, path, _, sent in fake.requests if method == "DELETE" and path == pod]
    assert grace == {"gracePeriodSeconds": 0}


def test_a_namespace_goes_with_the_pods_in_it_at_once(fake: FakeApi, api: Api, left: Left) -> None:
    home = left("/api/v1/namespaces/shop")
    left("/api/v1/namespaces/shop/pods/web")
    empty(fake, "shop")

    assert remove(api, ["dead"]) == ["namespace shop"]

    assert home in fake.asked("DELETE")
    assert f"{home}/pods" in fake.asked("DELETE")


def test_a_namespace_in_which_somebody_else_lives_by_now_stays_and_is_theirs(
    fake: FakeApi, api: Api, left: Left
) -> None:
    home = left("/api/v1/namespaces/shop")
    mine = left("/api/v1/namespaces/shop/pods/web")
    left("/apis/apps/v1/namespaces/shop/deployments/web", run="")
    empty(fake, "shop")

    told = remove(api, ["dead"])

    assert told == ["pod shop/web", "namespace shop stays, since deployment shop/web is in it"]
    assert fake.asked("DELETE") == [mine]
    [patch] = [sent for method, path, _, sent in fake.requests if (method, path) == ("PATCH", home)]
    assert patch["metadata"]["labels"] == dict.fromkeys((RUN, OWNER, "harness.dev/deadline", "harness.dev/place"))


def test_what_the_cluster_or_another_dead_run_made_in_it_keeps_no_namespace(
    fake: FakeApi, api: Api, left: Left
) -> None:
    left("/api/v1/namespaces/shop")
    left("/api/v1/namespaces/shop/services/web", run="other")
    left("/api/v1/namespaces/shop/pods/web-1", run="", ownerReferences=[{"kind": "ReplicaSet"}])
    empty(fake, "shop")

    assert remove(api, ["dead", "other"]) == ["namespace shop"]


@pytest.mark.parametrize("owner", leftovers.WHOLE)
def test_a_namespace_that_was_made_for_a_test_goes_with_whatever_is_in_it(
    fake: FakeApi, api: Api, left: Left, owner: str
) -> None:
    home = left("/api/v1/namespaces/test-1", owner=owner)
    left("/apis/apps/v1/namespaces/test-1/deployments/web", run="")

    assert remove(api, ["dead"]) == ["namespace test-1"]
    assert home in fake.asked("DELETE")


def test_what_is_being_deleted_already_is_left_to_go(fake: FakeApi, api: Api, left: Left) -> None:
    left("/api/v1/namespaces/shop", deletionTimestamp="2024-01-01T00:00:00Z")

    assert remove(api, ["dead"]) == []
    assert fake.asked("DELETE") == []


def test_what_does_not_go_is_told(fake: FakeApi, api: Api, left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "GONE_SECONDS", 0.0)
    pod = left("/api/v1/namespaces/theirs/pods/guest")
    fake.answers[f"DELETE {pod}"] = {}

    with pytest.raises(WaitTimeout, match="what dead runs left on the cluster to be gone; last seen: pod theirs/guest"):
        remove(api, ["dead"])


def test_namespaces_that_are_being_deleted_are_waited_for_and_told(
    fake: FakeApi, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    going: JsonObject = {"metadata": {"name": "shop", "deletionTimestamp": "2024-01-01T00:00:00Z"}}
    answers = iter([[going], [going], []])
    fake.answers["/api/v1/namespaces"] = lambda: {"kind": "NamespaceList", "items": next(answers)}
    until_none_is_going(api, {"shop"})
    assert next(answers, None) is None

    monkeypatch.setattr(leftovers, "GONE_SECONDS", 0.0)
    fake.holds("/api/v1/namespaces", "Namespace", going)
    until_none_is_going(api, {"bank"})
    with pytest.raises(WaitTimeout, match="last seen: shop"):
        until_none_is_going(api, {"shop", "bank"})
