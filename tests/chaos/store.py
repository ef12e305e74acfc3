"""An API of objects by their paths, that can be struck, a node, and undos: what undoing needs of a cluster."""

from pathlib import Path
from typing import Any, NamedTuple, cast

from harness.chaos.resident import ClusterJournal, objects
from harness.chaos.undo import Request, Undo
from harness.clusters.provider import Cluster
from harness.kube.client import Api, ApiConflict, ApiError, ApiNotFound, ApiUnreachable
from harness.kube.deploy import OWNER
from harness.kube.kubectl import JsonObject, Kubectl
from harness.kube.leftovers import HEALER, RUN

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
SCALE = Undo(fault="scale-to-zero of web", requests=(Request(verb="patch", path=f"{WEB}/scale", body={"spec": 3}),))
KILL = Undo(fault="component-kill of etcd", components=("etcd",))
LABELS = {RUN: "r1", OWNER: HEALER}

PLAIN = "/api/v1/configmaps"
"""A list of all namespaces."""


class Store:
    """``objects`` are by path. While ``struck`` is not empty, each request is answered by one of it instead."""

    def __init__(self) -> None:
        self.objects: dict[str, JsonObject] = {}
        self.asked: list[str] = []
        self.struck: list[ApiError] = []

    def _at(self, method: str, path: str) -> JsonObject:
        self.asked.append(f"{method} {path}")
        if self.struck:
            raise self.struck.pop(0)
        if method != "POST" and path not in self.objects:
            raise ApiNotFound(method, path, 404, f"{path} not found")
        return self.objects.get(path, {})

    def find(self, path: str) -> JsonObject | None:
        try:
            return self._at("GET", path)
        except ApiNotFound:
            return None

    def items(self, path: str, labelSelector: str) -> list[JsonObject]:  # noqa: N803 -- as the API has it
        self.asked.append(f"LIST {path}")
        if self.struck:
            raise self.struck.pop(0)
        plural, (key, value) = path.rpartition("/")[2], labelSelector.split("=")
        inside = {one: body for one, body in self.objects.items() if one.rsplit("/", 2)[1] == plural}
        within = [body for one, body in inside.items() if path == PLAIN or one.startswith(path)]
        return [one for one in within if one["metadata"].get("labels", {}).get(key) == value]

    def post(self, path: str, body: JsonObject) -> JsonObject:
        place = f"{path}/{body['metadata']['name']}"
        if self._at("POST", place):
            raise ApiConflict("POST", place, 409, "it is there")
        self.objects[place] = body
        return body

    def patch(self, path: str, body: Any, content_type: str) -> JsonObject:  # noqa: ANN401 -- JSON
        there = self._at("PATCH", path)
        there.update(body, content_type=content_type)
        return there

    def delete(self, path: str) -> JsonObject:
        there = self._at("DELETE", path)
        inside = path.removeprefix("/api/v1") + "/"  # a namespace goes with all that is in it, of whatever group
        for one in [one for one in self.objects if one == path or inside in one]:
            del self.objects[one]
        return there

    @property
    def api(self) -> Api:
        """The same, as what takes an Api wants it."""
        return cast("Api", self)


class Node:
    """A cluster with a node; what was done to it is in ``done``."""

    name, provider = "one", "embedded"
    kubectl = Kubectl(Path("/bin/false"), Path("/dev/null"))

    def __init__(self, *running: str) -> None:
        self.running = dict.fromkeys(running, 1)
        self.done: list[str] = []

    def components(self) -> dict[str, int]:
        return self.running

    def start_component(self, name: str) -> None:
        self.done.append(f"start {name}")

    def thaw_pod(self, uid: str) -> None:
        self.done.append(f"thaw {uid}")

    def _other(self, *_: object) -> None:
        raise AssertionError("nothing of this undoes anything")

    stop_component = signal_container = freeze_pod = forget_connections = restart = _other

    @property
    def cluster(self) -> Cluster:
        """The same, as what takes a Cluster wants it."""
        return cast("Cluster", self)


class Plain:
    """A cluster whose node is out of reach."""

    name, provider = "plain", "kind"
    kubectl = Node.kubectl

    @property
    def cluster(self) -> Cluster:
        """The same, as what takes a Cluster wants it."""
        return cast("Cluster", self)


def unreachable() -> ApiUnreachable:
    """What an API server that is down answers."""
    return ApiUnreachable("GET", "/", 0, "connection refused")


class Reached(NamedTuple):
    """A cluster as far as its API server goes."""

    kubectl: Kubectl
    api: Api


def on_cluster(store: Store) -> ClusterJournal:
    """The journal of the run ``r1`` on the cluster itself."""
    return ClusterJournal(Reached(Plain.kubectl, store.api), LABELS, "prober:1")


def standing(store: Store) -> ClusterJournal:
    """The same, with everything of its healer on the cluster."""
    journal = on_cluster(store)
    for path, body in objects(journal.home, LABELS, "prober:1"):
        store.post(path, body)
    return journal


def scaled_down() -> Store:
    """A cluster that is broken as ``SCALE`` undoes it."""
    store = Store()
    store.objects[f"{WEB}/scale"] = {"metadata": {"name": "web"}, "spec": 0}
    return store
