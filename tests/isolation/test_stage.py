"""A stage changes what differs between two worlds, nothing else, and says why its pods do not run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from harness.errors import ClusterError, WaitTimeout
from harness.isolation import stage
from harness.isolation.policy import Policy
from harness.isolation.stage import bare_stage
from harness.isolation.world import Namespace, Pod, World
from harness.kube.client import Api, ApiConflict, ApiError, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import RUN
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector

UNPLACED = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/1 nodes are available"}],
}
CRASHING = {
    "phase": "Running",
    "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
}


class Cluster:
    """An API server that takes every object, and whose pods stay as ``status`` says."""

    def __init__(self, status: JsonObject) -> None:
        self._status = status

    def find(self, _path: str) -> None:
        """Nothing is there yet."""

    def post(self, _path: str, body: JsonObject) -> JsonObject:
        """Take it."""
        return body

    def items(self, _path: str) -> list[JsonObject]:
        """The one pod."""
        return [{"metadata": {"name": "web"}, "status": self._status}]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (UNPLACED, "shop/web is Pending (0/1 nodes are available)"),
        (CRASHING, "shop/web is Running (CrashLoopBackOff)"),
        ({"phase": "Pending"}, "shop/web is Pending"),
    ],
)
def test_a_pod_that_does_not_run_is_told_with_what_keeps_it(
    status: JsonObject, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_START_SECONDS", 0.0)
    world = World((Namespace("shop"),), (Pod("shop", "web", "", {}),))

    with pytest.raises(WaitTimeout) as failed:
        stage.Stage(cast("Api", cast("Any", Cluster(status))), "image:1", {}).bring(World(), world)

    assert str(failed.value).endswith(f"last seen: {told}")


NOW = replace(
    bare_stage("w", ("a", "b"), ("p0", "p1"), "10.1.0.1"), policies=(Policy("w-a", "one"), Policy("w-a", "two"))
)
NOW = replace(NOW, services=tuple(replace(one, address="10.96.0.1") for one in NOW.services))
PODS = "/api/v1/namespaces/{}/pods"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
NO_ACCOUNT = (
    'pods "web" is forbidden: error looking up service account shop/default: serviceaccount "default" not found'
)


class Told:
    """An API server that writes down what it is told. ``refusals`` are its answers to the first pods that come."""

    def __init__(self, refusals: Sequence[ApiError] = ()) -> None:
        self.told: list[tuple[str, str]] = []
        self.bodies: dict[str, JsonObject] = {}
        self.broken = ""
        self._refusals = list(refusals)

    def find(self, _path: str) -> None:
        """Nothing is in the way."""

    def post(self, path: str, body: JsonObject) -> JsonObject:
        """Take it, unless it is to be refused."""
        if body.get("kind") == "Pod" and self._refusals:
            raise self._refusals.pop(0)
        return self._take("POST", path, body)

    def put(self, path: str, body: JsonObject) -> JsonObject:
        """Take it."""
        return self._take("PUT", path, body)

    def patch(self, path: str, body: JsonObject) -> JsonObject:
        """Take it."""
        return self._take("PATCH", path, body)

    def delete(self, path: str, **_options: int) -> None:
        """It is gone already, or it cannot be deleted."""
        self.told.append(("DELETE", path))
        if path == self.broken:
            raise ApiError("DELETE", path, 500, "the server has no room left")
        raise ApiNotFound("DELETE", path, 404, "not found")

    def items(self, path: str) -> list[JsonObject]:
        """The pods of NOW run, and those that were made."""
        addresses = {pod.name: pod.address for pod in NOW.pods if path == PODS.format(pod.namespace)}
        addresses |= {body["metadata"]["name"]: "10.1.0.77" for at, body in self.bodies.items() if at == path}
        ready = [{"type": "Ready", "status": "True"}]
        return [
            {"metadata": {"name": name}, "spec": {"nodeName": "n"}, "status": {"podIP": address, "conditions": ready}}
            for name, address in addresses.items()
        ]

    def _take(self, verb: str, path: str, body: JsonObject) -> JsonObject:
        self.told.append((verb, path))
        self.bodies[path] = body
        return body


def brought(told: Told, wanted: World, now: World = NOW) -> World:
    return stage.Stage(cast("Api", cast("Any", told)), "image:1", {"run": "1"}).bring(now, wanted)


def test_between_equal_worlds_nothing_is_changed() -> None:
    told = Told()

    assert brought(told, NOW) == NOW
    assert not told.told


def test_a_pod_is_relabelled_and_loses_the_labels_that_it_has_no_more_but_not_the_runs() -> None:
    told = Told()
    first, *others = NOW.pods
    marked = brought(told, replace(NOW, pods=(replace(first, labels={**first.labels, "app": "web"}), *others)))
    assert told.told == [("PATCH", "/api/v1/namespaces/w-a/pods/p0")]
    assert told.bodies["/api/v1/namespaces/w-a/pods/p0"]["metadata"]["labels"] == {**first.labels, "app": "web"}

    brought(told, NOW, marked)

    assert told.bodies["/api/v1/namespaces/w-a/pods/p0"]["metadata"]["labels"] == {**first.labels, "app": None}


def test_a_namespace_is_relabelled() -> None:
    told = Told()
    first, *others = NOW.namespaces

    brought(told, replace(NOW, namespaces=(replace(first, labels={"team": "web"}), *others)))

    assert told.told == [("PATCH", "/api/v1/namespaces/w-a")]
    labels = told.bodies["/api/v1/namespaces/w-a"]["metadata"]["labels"]
    assert labels == {**dict.fromkeys(first.labels), "team": "web"}


def test_a_policy_is_made_replaced_or_deleted_and_one_that_says_the_same_is_left_alone() -> None:
    told = Told()
    changed = Policy("w-a", "two", Selector((("app", "web"),)))

    brought(told, replace(NOW, policies=(changed, Policy("w-b", "three"))))

    home = POLICIES.format("w-a")
    assert sorted(told.told) == [
        ("DELETE", f"{home}/one"),
        ("POST", POLICIES.format("w-b")),
        ("PUT", f"{home}/two"),
    ]
    assert told.bodies[f"{home}/two"]["spec"]["podSelector"] == {"matchLabels": {"app": "web"}}
    assert told.bodies[f"{home}/two"]["metadata"]["labels"] == {"run": "1"}


def test_pods_and_services_that_are_not_wanted_go_and_new_pods_get_their_address() -> None:
    told = Told()
    new = Pod("w-b", "new", "", {"app": "web"})

    made = brought(told, replace(NOW, pods=(*NOW.pods[1:], new), services=NOW.services[1:]))

    assert sorted(told.told) == [
        ("DELETE", "/api/v1/namespaces/w-a/pods/p0"),
        ("DELETE", "/api/v1/namespaces/w-a/services/p0"),
        ("POST", PODS.format("w-b")),
    ]
    assert [(pod.name, pod.address, pod.node) for pod in made.pods if pod.id == new.id] == [("new", "10.1.0.77", "n")]
    assert [pod.address for pod in made.pods if pod.id != new.id] == ["10.1.0.1"] * 3


def test_a_namespace_that_is_not_wanted_takes_all_that_is_in_it_along() -> None:
    told = Told()
    left = World(NOW.namespaces[1:], NOW.pods[2:], (), NOW.services[2:])

    assert brought(told, left) == left
    assert told.told == [("DELETE", PODS.format("w-a")), ("DELETE", "/api/v1/namespaces/w-a")]


def test_a_namespace_is_deleted_also_if_the_pods_of_another_cannot_be() -> None:
    told = Told()
    told.broken = PODS.format("w-a")

    made = stage.Stage(cast("Api", cast("Any", told)), "image:1", {})
    made._made.update({f"/api/v1/namespaces/{one.name}": "" for one in NOW.namespaces})

    with pytest.raises(ApiError, match="no room"):
        made.remove(NOW)

    assert ("DELETE", "/api/v1/namespaces/w-a") in told.told
    assert ("DELETE", "/api/v1/namespaces/w-b") in told.told


def test_a_pod_waits_for_its_service_account_and_for_a_namespace_of_its_name_to_be_forgotten() -> None:
    going = 'pods "web" is forbidden: unable to create new content in namespace shop because it is being terminated'
    told = Told([ApiError("POST", "pods", 403, words) for words in (NO_ACCOUNT, NO_ACCOUNT, going)])
    world = World((Namespace("shop"),), (Pod("shop", "web", "", {}),))

    made = brought(told, world, World())

    assert [pod.address for pod in made.pods] == ["10.1.0.77"]


@pytest.mark.parametrize(
    "refusal",
    [
        ApiError("POST", "pods", 422, "Pod is invalid: spec.containers[0].ports[0].name: must be no more than 15"),
        ApiError("POST", "pods", 403, 'pods "web" is forbidden: exceeded quota: small'),
    ],
)
def test_a_pod_that_is_refused_for_good_fails_at_once(refusal: ApiError) -> None:
    world = World((Namespace("shop"),), (Pod("shop", "web", "", {}),))

    with pytest.raises(ClusterError) as failed:
        brought(Told([refusal]), world, World())

    assert str(failed.value).endswith(f"pod shop/web, which the proof needs: {refusal.output}")


def test_a_namespace_or_a_pod_that_is_gone_while_it_is_brought_fails_at_once() -> None:
    world = World((Namespace("shop"),), (Pod("shop", "web", "", {}),))
    gone = ApiNotFound("POST", "pods", 404, 'namespaces "shop" not found')

    with pytest.raises(ApiNotFound, match='namespaces "shop" not found'):
        brought(Told([gone]), world, World((Namespace("shop"),)))

    class Forgetful(Told):
        """Somebody deletes the pods at once."""

        def items(self, path: str) -> list[JsonObject]:
            assert path
            return []

    with pytest.raises(ClusterError, match="shop/web was made, and somebody else has deleted it since"):
        brought(Forgetful(), world, World((Namespace("shop"),)))


def test_an_account_that_never_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_GONE_SECONDS", 0.0)
    world = World((Namespace("shop"),), (Pod("shop", "web", "", {}),))
    refusals = [ApiError("POST", "pods", 403, NO_ACCOUNT) for _ in range(2)]

    with pytest.raises(WaitTimeout, match="error looking up service account shop/default"):
        brought(Told(refusals), world, World())


def test_a_stage_listens_on_sctp_where_the_kernel_has_it_and_its_names_stay_the_same() -> None:
    with_it, without = (bare_stage("w", ("a",), ("p0",), protocols=some) for some in (tuple(Protocol), (Protocol.TCP,)))

    assert with_it.pods[0].ports[:4] == without.pods[0].ports
    assert [(one.number, one.name) for one in with_it.pods[0].ports if one.protocol is Protocol.SCTP] == [
        (8080, ""),
        (8081, ""),
    ]


# ------------------------------------------------------------------------------------ what is somebody else's stays his


class Server:
    """An API server that has objects, and gives each that is made a UID."""

    def __init__(self, *there: str) -> None:
        self.there = {path: f"theirs-{number}" for number, path in enumerate(there)}
        self.strangers: list[JsonObject] = []

    def find(self, path: str) -> JsonObject | None:
        """The object."""
        return {"metadata": {"uid": self.there[path]}} if path in self.there else None

    def post(self, path: str, body: JsonObject) -> JsonObject:
        """Make it, unless its name is taken."""
        whole = f"{path}/{body['metadata']['name']}"
        if whole in self.there:
            raise ApiConflict("POST", path, 409, "already exists")
        self.there[whole] = f"ours-{len(self.there)}"
        return {"metadata": {"uid": self.there[whole]}}

    def delete(self, path: str, *, preconditions: JsonObject | None = None, **_: Any) -> None:  # noqa: ANN401 -- JSON
        """Delete it, if it is the one that is meant, and what is in a namespace with it."""
        if path.endswith("/pods"):
            return
        if path not in self.there:
            raise ApiNotFound("DELETE", path, 404, "not found")
        if preconditions and preconditions["uid"] != self.there[path]:
            raise ApiConflict("DELETE", path, 409, "the UID is another one")
        self.there = {one: uid for one, uid in self.there.items() if one != path and not one.startswith(f"{path}/")}

    def items(self, path: str, **_: str) -> list[JsonObject]:
        """Running pods, or what somebody else has put into a namespace."""
        if path.startswith("/apis/apps/v1/"):
            return self.strangers
        ready = [{"type": "Ready", "status": "True"}]
        pods = [one for one in self.there if one.startswith(f"{path}/")]
        return [
            {
                "metadata": {"name": one.rpartition("/")[2], "labels": {RUN: "r1"}},
                "spec": {"nodeName": "n", "clusterIP": "10.96.0.1"},
                "status": {"podIP": "10.1.0.7", "conditions": ready},
            }
            for one in pods
        ]


GUEST = Pod("shop", "db", "", {})
SHOP = World((Namespace("shop"),), (GUEST,))


def stage_on(server: Server) -> stage.Stage:
    return stage.Stage(cast("Api", cast("Any", server)), "image:1", {RUN: "r1"})


def test_a_pod_of_the_same_name_that_is_somebody_elses_is_an_error_and_stays() -> None:
    server = Server("/api/v1/namespaces/shop", "/api/v1/namespaces/shop/pods/db")
    ours = stage_on(server)

    with pytest.raises(ClusterError, match="pod shop/db is on the cluster already, and this run has not made it"):
        ours.bring(World(SHOP.namespaces), SHOP)
    ours.remove_guests({"shop"})

    assert "/api/v1/namespaces/shop/pods/db" in server.there


def test_a_namespace_that_somebody_else_has_made_meanwhile_is_an_error_and_stays() -> None:
    server = Server("/api/v1/namespaces/shop")
    ours = stage_on(server)

    with pytest.raises(ClusterError, match="namespace shop is on the cluster already, and this run has not made it"):
        ours.bring(World(), SHOP)
    ours.remove(SHOP)

    assert list(server.there) == ["/api/v1/namespaces/shop"]


def test_guests_go_and_whoever_has_their_name_afterwards_stays() -> None:
    server = Server("/api/v1/namespaces/shop")
    ours = stage_on(server)
    ours.bring(World(SHOP.namespaces), SHOP)
    assert "/api/v1/namespaces/shop/pods/db" in server.there

    server.there["/api/v1/namespaces/shop/pods/db"] = "another"
    ours.remove_guests({"shop"})
    assert server.there["/api/v1/namespaces/shop/pods/db"] == "another"

    server = Server("/api/v1/namespaces/shop")
    ours = stage_on(server)
    ours.bring(World(SHOP.namespaces), SHOP)
    ours.remove_guests({"shop"})
    assert list(server.there) == ["/api/v1/namespaces/shop"]


def test_a_namespace_of_ours_goes_unless_somebody_else_lives_in_it_by_now() -> None:
    server = Server()
    ours = stage_on(server)
    ours.bring(World(), SHOP)
    server.strangers = [{"metadata": {"name": "theirs", "namespace": "shop"}}]

    ours.remove(SHOP)
    assert list(server.there) == ["/api/v1/namespaces/shop"]

    server.strangers = []
    ours.remove(SHOP)
    assert not server.there
