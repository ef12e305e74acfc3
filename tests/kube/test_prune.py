"""What left a folder's manifests is deleted: only what that folder made, and nothing that may hold data."""

import json
from functools import partial
from pathlib import Path

import pytest

from harness.errors import WaitTimeout, WorkloadNotReady
from harness.kube import deploy as deploying
from harness.kube.client import ApiError
from harness.kube.deploy import OWNER, apply
from harness.kube.kubectl import JsonObject
from harness.kube.prune import SOURCE, source_of

from .conftest import FakeApi, Reached

SPACE = "/api/v1/namespaces/shop"
POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
KEPT = f"{SPACE}/configmaps/kept"
KINDS = {
    "": ["ConfigMap", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod"],
    "networking.k8s.io": ["NetworkPolicy"],
}
PLURALS = {"NetworkPolicy": "networkpolicies"}
APPLIED = {"manager": "harness", "operation": "Apply"}
CLUSTER_WIDE = {"Namespace", "PersistentVolume"}


def plural(kind: str) -> str:
    return PLURALS.get(kind, f"{kind.lower()}s")


def root_of(group: str) -> str:
    return f"/apis/{group}/v1" if group else "/api/v1"


def body(kind: str, name: str, **meta: object) -> JsonObject:
    group = next(group for group, kinds in KINDS.items() if kind in kinds)
    home = {} if kind in CLUSTER_WIDE else {"namespace": "shop"}
    ours = {
        "labels": {OWNER: "harness", SOURCE: "shop"},
        "managedFields": [{"manager": "kube-controller-manager", "operation": "Update"}, APPLIED],
    }
    whole = {"name": name, "uid": f"{kind}-{name}", **ours, **home, **meta}
    return {"apiVersion": f"{group}/v1".lstrip("/"), "kind": kind, "metadata": whole}


def holds(fake: FakeApi, kind: str, *bodies: JsonObject) -> None:
    """Have a kind be listed, and each object be there until it is deleted."""
    group = next(group for group, kinds in KINDS.items() if kind in kinds)
    fake.holds(f"{root_of(group)}/{plural(kind)}", kind, *bodies)

    def look(path: str, one: JsonObject) -> JsonObject | None:
        return None if path in fake.asked("DELETE") else one

    for one in bodies:
        scope = "" if kind in CLUSTER_WIDE else "/namespaces/shop"
        path = f"{root_of(group)}{scope}/{plural(kind)}/{one['metadata']['name']}"
        fake.answers[path] = partial(look, path, one)
        fake.answers[f"DELETE {path}"] = {"kind": "Status", "code": 200}


@pytest.fixture
def folder(tmp_path: Path, fake: FakeApi) -> Path:
    """A folder with one ConfigMap, on a cluster that has it, and of every other kind nothing."""
    groups = []
    for group, kinds in KINDS.items():
        resources = [
            {
                "resource": plural(kind),
                "responseKind": {"kind": kind},
                "scope": "Cluster" if kind in CLUSTER_WIDE else "Namespaced",
                "verbs": ["delete", "get", "list"],
            }
            for kind in kinds
        ]
        groups.append({"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]})
    fake.answers["/api"] = {"kind": "APIGroupDiscoveryList", "items": groups[:1]}
    fake.answers["/apis"] = {"kind": "APIGroupDiscoveryList", "items": groups[1:]}
    fake.answers["/api/v1"] = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
    for kind in (kind for kinds in KINDS.values() for kind in kinds):
        holds(fake, kind)
    holds(fake, "ConfigMap", body("ConfigMap", "kept"))
    manifests = tmp_path / "shop"
    manifests.mkdir()
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "shop"}}
    (manifests / "kept.json").write_text(json.dumps(written))
    return manifests


def pruned(reached: Reached, folder: Path, *, seconds: float = 60) -> list[str]:
    done = apply(reached, [folder], {}, {}, seconds=seconds, pruned=True)
    return [str(one) for one in done.changes if one.verb == "pruned"]


def test_what_left_the_manifests_is_deleted_and_said(fake: FakeApi, reached: Reached, folder: Path) -> None:
    holds(fake, "NetworkPolicy", body("NetworkPolicy", "allow"), body("NetworkPolicy", "deny"))

    assert pruned(reached, folder) == ["networkpolicy/allow pruned in shop", "networkpolicy/deny pruned in shop"]
    gone = [f"/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/{name}" for name in ("allow", "deny")]
    assert fake.asked("DELETE") == gone


def test_what_pods_of_the_version_before_need_goes_when_the_new_one_is_rolled_out(
    fake: FakeApi, reached: Reached, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(fake, "NetworkPolicy", body("NetworkPolicy", "deny"))
    holds(fake, "ConfigMap", body("ConfigMap", "kept"), body("ConfigMap", "settings-4f2a"))
    deleted: list[list[str]] = []
    monkeypatch.setattr(deploying, "wait_for_rollouts", lambda *_, **__: deleted.append(fake.asked("DELETE")))

    changes = deploying.deploy(reached, [folder], {}, {}, seconds=60, pruned=True)

    policy = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny"
    assert deleted == [[policy]], "it may be what holds the rollout up"
    assert fake.asked("DELETE") == [policy, f"{SPACE}/configmaps/settings-4f2a"]
    assert changes[-1] == "configmap/settings-4f2a pruned in shop"


def test_a_rollout_that_fails_leaves_what_its_old_pods_need(
    fake: FakeApi, reached: Reached, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(fake, "ConfigMap", body("ConfigMap", "kept"), body("ConfigMap", "settings-4f2a"))

    def fail(*_: object, **__: object) -> None:
        raise WorkloadNotReady("it crashes")

    monkeypatch.setattr(deploying, "wait_for_rollouts", fail)
    with pytest.raises(WorkloadNotReady):
        deploying.deploy(reached, [folder], {}, {}, seconds=60, pruned=True)

    assert fake.asked("DELETE") == []


def test_what_was_made_anew_under_the_same_name_stays(fake: FakeApi, reached: Reached, folder: Path) -> None:
    holds(fake, "NetworkPolicy", body("NetworkPolicy", "deny"))
    pruned(reached, folder)

    [options] = [sent for method, _, _, sent in fake.requests if method == "DELETE"]
    assert options["preconditions"] == {"uid": "NetworkPolicy-deny"}


def test_only_what_the_same_folder_made_is_asked_for(fake: FakeApi, reached: Reached, folder: Path) -> None:
    pruned(reached, folder)

    asked = [query.get("labelSelector") for _, path, query, _ in fake.requests if path == POLICIES]
    assert asked == [[f"{OWNER}=harness,{SOURCE} in (shop)"]]


def test_every_object_carries_the_folder_that_it_came_from(fake: FakeApi, reached: Reached, folder: Path) -> None:
    kubectl = reached.kubectl.binary
    kept = f'  kustomize)\n    cat "$2"/kustomization.yaml >> "{folder.parent}/overlays"'
    kubectl.write_text(kubectl.read_text().replace("  kustomize)", kept))

    apply(reached, [folder], {}, {}, seconds=60)

    assert f'"{SOURCE}": "shop"' in (folder.parent / "overlays").read_text()


def test_nothing_is_pruned_unless_it_is_asked_for(fake: FakeApi, reached: Reached, folder: Path) -> None:
    holds(fake, "NetworkPolicy", body("NetworkPolicy", "deny"))

    apply(reached, [folder], {}, {}, seconds=60)

    assert fake.asked("DELETE") == []


@pytest.mark.parametrize(
    "stays",
    [
        body("Namespace", "shop"),
        body("PersistentVolumeClaim", "data"),
        body("PersistentVolume", "data"),
        body("Pod", "made", ownerReferences=[{"kind": "ReplicaSet", "name": "made"}]),
        body("Pod", "copied", managedFields=[{"manager": "kube-controller-manager", "operation": "Update"}]),
        body("Pod", "others", managedFields=[{"manager": "kubectl", "operation": "Apply"}]),
        body("Pod", "changed", managedFields=[{"manager": "harness", "operation": "Update"}]),
        body("Pod", "bare", managedFields=None),
        body("Pod", "going", deletionTimestamp="2026-12-01T00:00:00Z"),
    ],
    ids=lambda one: f"{one['kind']}-{one['metadata']['name']}",
)
def test_data_and_what_others_see_to_stays(fake: FakeApi, reached: Reached, folder: Path, stays: JsonObject) -> None:
    holds(fake, stays["kind"], stays)

    assert pruned(reached, folder) == []
    assert fake.asked("DELETE") == []


def test_a_kind_that_may_not_be_listed_is_left_out(fake: FakeApi, reached: Reached, folder: Path) -> None:
    holds(fake, "NetworkPolicy", body("NetworkPolicy", "deny"))
    fake.answers["/api/v1/pods"] = {
        "kind": "Status",
        "code": 403,
        "message": "pods is forbidden",
        "reason": "Forbidden",
    }

    assert pruned(reached, folder) == ["networkpolicy/deny pruned in shop"]


def test_an_api_server_in_trouble_is_an_error(fake: FakeApi, reached: Reached, folder: Path) -> None:
    fake.answers["/api/v1/pods"] = {"kind": "Status", "code": 500, "message": "etcd is gone", "reason": "InternalError"}

    with pytest.raises(ApiError, match="etcd is gone"):
        pruned(reached, folder)


def test_what_does_not_go_is_named_with_what_holds_it(fake: FakeApi, reached: Reached, folder: Path) -> None:
    held = body("NetworkPolicy", "deny", finalizers=["example.com/never"])
    holds(fake, "NetworkPolicy", held)
    fake.answers["/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny"] = held

    with pytest.raises(WaitTimeout, match="networkpolicy/deny is held by finalizer"):
        pruned(reached, folder, seconds=0.2)


@pytest.mark.parametrize("name", ["invoice-app", "v1.2_x", "A"])
def test_a_folder_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    assert source_of(tmp_path / name) == name


@pytest.mark.parametrize("name", ["my app", "überweisung", "-x-", "a" * 80, "東京"])
def test_a_name_that_no_label_may_have_gets_a_digest(tmp_path: Path, name: str) -> None:
    value = source_of(tmp_path / name)

    assert len(value) <= 63
    assert all(one.isascii() and (one.isalnum() or one == "-") for one in value)
    assert value[0].isalnum()
    assert value != source_of(tmp_path / f"{name}2")
