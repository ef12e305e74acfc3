"""Leaving a cluster that others use: all that was made from here goes, and nothing else."""

import re
from typing import Any, cast

import pytest

from harness.errors import WaitTimeout
from harness.kube import leftovers
from harness.kube.client import Api, ApiNotFound
from harness.kube.deploy import OWNER
from harness.kube.discovery import KIND
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import PLACE, RUN, remove_place

NAMESPACES = "/api/v1/namespaces"


class Store:
    """An API server that keeps objects by path, and takes what is in a namespace with it."""

    def __init__(self) -> None:
        self.objects: dict[str, JsonObject] = {}
        self.held: set[str] = set()
        """What does not go."""

    @property
    def api(self) -> Api:
        return cast("Api", self)

    def put(self, path: str, labels: dict[str, str] | None = None, **meta: object) -> str:
        """Make an object; without labels it is somebody else's."""
        inside = re.search(r"/namespaces/([^/]+)/", path)
        home = {"namespace": inside[1]} if inside else {}
        applied = [{"manager": "harness", "operation": "Apply"}] if labels else []
        kind = path.rsplit("/", 2)[1].removesuffix("s").title()
        body = {"kind": kind, "metadata": {"name": path.rpartition("/")[2], "uid": path, "managedFields": applied}}
        body["metadata"] |= {"labels": labels or {}, **home, **meta}  # type: ignore[operator]
        self.objects[path] = body
        return path

    def get(self, path: str, **_: object) -> JsonObject:
        assert path in ("/api", "/apis"), path
        core = [_kind("namespaces", "Cluster"), _kind("configmaps"), _kind("pods"), _kind("persistentvolumeclaims")]
        groups = [{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": core}]}]
        return {"kind": KIND, "items": groups if path == "/api" else []}

    def find(self, path: str) -> JsonObject | None:
        return self.objects.get(path)

    def items(self, path: str, labelSelector: str = "") -> list[JsonObject]:  # noqa: N803 -- the API's name
        root, _, plural = path.rpartition("/")
        inside = re.fullmatch(r"(.*)/namespaces/([^/]+)", root)
        home = inside[2] if inside else ""
        found = []
        for where, body in self.objects.items():
            meta = body["metadata"]
            if where.rsplit("/", 2)[1] == plural and home in ("", meta.get("namespace")):
                found += [body] if _selected(meta["labels"], labelSelector) else []
        return found

    def delete(self, path: str, **_: object) -> JsonObject:
        everything = [one for one in self.objects if one == path or one.startswith(f"{path}/")]
        if not everything and path not in self._collections(path):
            raise ApiNotFound("DELETE", path, 404, "not found")
        for one in everything:
            if one not in self.held:
                self.objects.pop(one)
        return {}

    @staticmethod
    def _collections(path: str) -> list[str]:
        """The path, if it is that of all objects of a kind in a namespace."""
        return re.findall(r"^.*/namespaces/[^/]+/[^/]+$", path)

    def patch(self, path: str, body: Any) -> JsonObject:  # noqa: ANN401 -- JSON
        if path not in self.objects:
            raise ApiNotFound("PATCH", path, 404, "not found")
        labels = self.objects[path]["metadata"]["labels"]
        for name, value in body["metadata"].get("labels", {}).items():
            assert value is None
            labels.pop(name, None)
        return self.objects[path]


def _kind(plural: str, scope: str = "Namespaced") -> JsonObject:
    return {"resource": plural, "scope": scope, "verbs": ["delete", "list"]}


def _selected(labels: dict[str, str], selector: str) -> bool:
    for part in re.split(r",(?![^(]*\))", selector):
        if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", part):
            if (labels.get(found[1]) in found[3].split(",")) != (found[2] == "in"):
                return False
        elif part:
            name, _, value = part.partition("=")
            if labels.get(name) != value:
                return False
    return True


@pytest.fixture
def store() -> Store:
    return Store()


def made(owner: str, run: str = "r1", place: str = "here") -> dict[str, str]:
    return {OWNER: owner, RUN: run, PLACE: place}


def test_all_that_was_made_from_here_goes_and_nothing_else(store: Store) -> None:
    for path in (f"{NAMESPACES}/invoice", f"{NAMESPACES}/invoice/pods/app"):
        store.put(path, made("harness"))
    store.put(f"{NAMESPACES}/test-1", made("pytest", "r2"))
    store.put("/apis/rbac.authorization.k8s.io/v1/clusterroles/x", made("access", "r2"))
    store.put(f"{NAMESPACES}/shop/pods/stand-in", made("isolation", "r2"))
    store.put("/apis/coordination.k8s.io/v1/namespaces/default/leases/harness-1", made("visit", "r2"))
    stays = {
        store.put(f"{NAMESPACES}/shop"),
        store.put(f"{NAMESPACES}/shop/pods/theirs"),
        store.put(f"{NAMESPACES}/payments", made("harness", "r3", "there")),
        store.put(f"{NAMESPACES}/payments/pods/app", made("harness", "r3", "there")),
        store.put("/apis/coordination.k8s.io/v1/namespaces/default/leases/harness-2", made("visit", "r3", "there")),
    }

    told = remove_place(store.api, "here")

    assert set(store.objects) == stays
    assert told == ["namespace test-1", "clusterrole x", "pod shop/stand-in", "namespace invoice"]
    assert remove_place(store.api, "here") == []


def test_of_a_namespace_in_which_somebody_else_lives_only_what_is_ours_goes(store: Store) -> None:
    home = store.put(f"{NAMESPACES}/invoice", {**made("harness"), "team": "a"})
    store.put(f"{home}/pods/app", made("harness"))
    store.put(f"{home}/configmaps/app", made("harness"))
    store.put(f"{home}/persistentvolumeclaims/data", made("harness"))
    theirs = {store.put(f"{home}/pods/theirs"), store.put(f"{home}/configmaps/theirs")}

    told = remove_place(store.api, "here")

    assert set(store.objects) == {home, f"{home}/persistentvolumeclaims/data", *theirs}
    assert store.objects[home]["metadata"]["labels"] == {"team": "a"}
    assert told[-1] == "namespace invoice stays, since pod invoice/theirs is in it"


def test_what_is_going_already_keeps_no_namespace(store: Store) -> None:
    home = store.put(f"{NAMESPACES}/invoice", made("harness"))
    store.put(f"{home}/pods/copy", deletionTimestamp="2026-12-01T00:00:00Z")

    assert remove_place(store.api, "here") == ["namespace invoice"]
    assert store.objects == {}


def test_a_healer_stays_until_it_has_healed(store: Store) -> None:
    healer = store.put(f"{NAMESPACES}/healing/pods/healer", made("healer"))

    assert remove_place(store.api, "here") == []
    assert set(store.objects) == {healer}


def test_what_does_not_go_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "GONE_SECONDS", 0.2)
    path = store.put("/apis/coordination.k8s.io/v1/namespaces/default/leases/harness-1", made("visit"))
    store.held.add(path)

    with pytest.raises(WaitTimeout, match=r"what was made here to be gone.*lease default/harness-1"):
        remove_place(store.api, "here")
