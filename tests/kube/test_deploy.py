"""Deploying touches only what the harness made, and destroying waits until it is gone."""

import json
from pathlib import Path

import pytest

from harness.errors import CommandError, ManifestError, ObjectsRefused, UsageError, WaitTimeout
from harness.kube.client import Api
from harness.kube.deploy import OWNER, apply, destroy
from harness.kube.kubectl import JsonObject

from .conftest import FakeApi, Reached

SPACE = "/api/v1/namespaces/shop"
SERVICE = f"{SPACE}/services/shop"
MINE = {OWNER: "harness"}
MANIFESTS = """\
apiVersion: v1
kind: Service
metadata:
  name: shop
  namespace: shop
spec:
  ports:
    - port: 80
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
"""


@pytest.fixture
def folder(tmp_path: Path, fake: FakeApi) -> Path:
    fake.answers["/api/v1"] = {
        "resources": [
            {"name": "namespaces", "kind": "Namespace", "namespaced": False},
            {"name": "services", "kind": "Service", "namespaced": True},
        ]
    }
    fake.holds("/api/v1/persistentvolumes", "PersistentVolume")
    fake.holds(f"{SPACE}/pods", "Pod")
    fake.holds(f"{SPACE}/persistentvolumeclaims", "PersistentVolumeClaim")
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "shop.yaml").write_text(MANIFESTS)
    return manifests


def body(kind: str, uid: str = "1", *, labels: dict[str, str] | None = None, **more: object) -> JsonObject:
    meta = {"name": "shop", "uid": uid, "labels": MINE if labels is None else labels, **more}
    if kind != "Namespace":
        meta["namespace"] = "shop"
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": {}}


def goes(fake: FakeApi, path: str, *first: JsonObject) -> None:
    """Have an object be there until it is deleted."""
    looks = list(first)

    def look() -> JsonObject | None:
        return looks[0] if path not in fake.asked("DELETE") else None

    fake.answers[path] = look
    fake.answers[f"DELETE {path}"] = {"kind": "Status", "code": 200}


def test_what_is_applied_is_one_list_with_its_namespace_first(fake: FakeApi, reached: Reached, folder: Path) -> None:
    applied = reached.kubectl.binary.parent / "applied.json"
    fake.answers[SPACE] = lambda: body("Namespace") if applied.exists() else None
    fake.answers[SERVICE] = lambda: body("Service") if applied.exists() else None

    done = apply(reached, [folder], {"harness.dev/shop": "harness.dev/shop:4f2a"}, {}, seconds=60)

    assert [one["kind"] for one in json.loads(applied.read_text())["items"]] == ["Namespace", "Service"]
    assert [str(one) for one in done.changes] == ["namespace/shop created", "service/shop created in shop"]
    assert done.workloads == []


@pytest.mark.parametrize("stranger", [SPACE, SERVICE])
def test_what_the_harness_did_not_make_is_neither_changed_nor_deleted(
    fake: FakeApi, reached: Reached, folder: Path, stranger: str
) -> None:
    fake.answers[SPACE] = body("Namespace", labels={} if stranger == SPACE else None)
    fake.answers[SERVICE] = body("Service", labels={})

    with pytest.raises(UsageError, match="is there already, and the harness did not make it"):
        apply(reached, [folder], {}, {}, seconds=60)
    assert not (reached.kubectl.binary.parent / "applied.json").exists()

    if stranger == SPACE:
        with pytest.raises(UsageError, match=r"Namespace/shop is there already.*nothing was changed"):
            destroy(reached, [folder], seconds=60)
        assert fake.asked("DELETE") == []


def test_what_the_server_refuses_is_told_with_its_place_and_nothing_of_what_it_took(
    fake: FakeApi, reached: Reached, folder: Path
) -> None:
    fake.answers[SPACE] = body("Namespace")
    said = 'Error from server (Invalid): Service "shop" is invalid: spec.ports[0].port: Invalid value: 80: not today'
    program = reached.kubectl.binary
    refusing = f"apply)\n    echo 'namespace/shop serverside-applied'\n    echo '{said}' >&2\n    exit 1 ;;\n  never)"
    program.write_text(program.read_text().replace("apply)", refusing))

    with pytest.raises(ObjectsRefused) as raised:
        apply(reached, [folder], {}, {}, seconds=60)

    assert str(raised.value).splitlines() == [
        "the API server refused 1 of 2 objects; 1 was applied:",
        f"{folder}/shop.yaml:8: Service/shop: spec.ports[0].port: Invalid value: 80: not today",
    ]


def test_a_server_that_is_gone_is_told_as_it_is(fake: FakeApi, reached: Reached, folder: Path) -> None:
    program = reached.kubectl.binary
    program.write_text(
        program.read_text().replace("apply)", "apply)\n    echo 'it was refused' >&2\n    exit 1 ;;\n  never)")
    )
    fake.answers[SPACE] = body("Namespace")

    with pytest.raises(CommandError, match="it was refused"):
        apply(reached, [folder], {}, {}, seconds=60)


def serves(fake: FakeApi, *kinds: str) -> None:
    """Have aggregated discovery name these kinds, each as ``group/version/kind``."""
    groups = [
        {
            "metadata": {"name": group},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        {"resource": f"{kind.lower()}s", "responseKind": {"kind": kind}, "scope": "Namespaced"}
                    ],
                }
            ],
        }
        for group, version, kind in (one.split("/") for one in kinds)
    ]
    fake.answers["/api"] = {"kind": "APIGroupDiscoveryList", "items": []}
    fake.answers["/apis"] = {"kind": "APIGroupDiscoveryList", "items": groups}


def test_a_kind_that_the_cluster_does_not_know_is_refused_with_its_place(
    fake: FakeApi, reached: Reached, folder: Path
) -> None:
    (folder / "custom.yaml").write_text("kind: Thing\napiVersion: example.com/v1\nmetadata:\n  name: x\n")
    serves(fake, "example.com/v2/Thing")

    with pytest.raises(ManifestError) as raised:
        apply(reached, [folder], {}, {}, seconds=60)

    assert raised.value.where == f"{folder}/custom.yaml:2"
    assert "does not know example.com/v1 Thing: install its CustomResourceDefinition first" in raised.value.problem
    assert raised.value.problem.endswith("; this cluster serves Thing in example.com/v2")
    assert not (reached.kubectl.binary.parent / "applied.json").exists()


def test_a_kind_of_kubernetes_own_that_the_cluster_lacks_needs_no_definition(
    fake: FakeApi, reached: Reached, folder: Path
) -> None:
    (folder / "x.yaml").write_text(
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: x}\nvalue: 1\n"
    )
    serves(fake)

    with pytest.raises(
        ManifestError, match=r"it is Kubernetes' own, which this cluster is too old for.*has no Priority"
    ):
        apply(reached, [folder], {}, {}, seconds=60)


@pytest.mark.parametrize("served", ["networking.k8s.io/v1", ""])
def test_a_kind_that_has_moved_is_refused_with_where_the_cluster_has_it(
    fake: FakeApi, reached: Reached, folder: Path, served: str
) -> None:
    (folder / "old.yaml").write_text("kind: Ingress\napiVersion: extensions/v1beta1\nmetadata:\n  name: x\n")
    if served:
        serves(fake, f"{served}/Ingress")

    with pytest.raises(ManifestError) as raised:
        apply(reached, [folder], {}, {}, seconds=60)

    assert raised.value.where == f"{folder}/old.yaml:2"
    assert "gone since Kubernetes 1.22: write networking.k8s.io/v1" in raised.value.problem
    told = f"this cluster serves Ingress in {served}" if served else "could not be asked"
    assert told in raised.value.problem
    assert not (reached.kubectl.binary.parent / "applied.json").exists()


@pytest.mark.parametrize("namespace", ["", "null", "~", "''"])
@pytest.mark.parametrize("home", ["default", "mine"])
def test_what_names_no_namespace_is_read_back_where_kubectl_puts_it(
    fake: FakeApi, reached: Reached, folder: Path, namespace: str, home: str
) -> None:
    said = json.loads(fake.kubeconfig.read_text())
    said["contexts"][0]["context"] |= {} if home == "default" else {"namespace": home}
    fake.kubeconfig.write_text(json.dumps(said))
    empty = f"labels: null\n  annotations: null\n  namespace: {namespace}\n"
    ports = "spec: {ports: null, selector: null}\n"
    (folder / "shop.yaml").write_text(f"apiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n  {empty}{ports}")
    applied = reached.kubectl.binary.parent / "applied.json"
    there = {**body("Service"), "metadata": {"name": "shop", "namespace": home, "uid": "1"}}
    fake.answers[f"/api/v1/namespaces/{home}"] = body("Namespace")
    fake.answers[f"/api/v1/namespaces/{home}/services/shop"] = lambda: there if applied.exists() else None

    with Api(fake.kubeconfig) as api:
        done = apply(Reached(reached.kubectl, api), [folder], {}, {}, seconds=60)

    assert [str(one) for one in done.changes] == [f"service/shop created in {home}"]
    assert json.loads(applied.read_text())["items"][0]["metadata"] == {"name": "shop"}


def test_an_image_without_a_tag_is_refused(reached: Reached, folder: Path) -> None:
    with pytest.raises(UsageError, match="has no tag"):
        apply(reached, [folder], {"shop": "localhost:5000/shop"}, {}, seconds=60)


def test_a_namespace_goes_with_everything_in_it(fake: FakeApi, reached: Reached, folder: Path) -> None:
    goes(fake, SPACE, body("Namespace"))
    goes(fake, SERVICE, body("Service"))

    assert destroy(reached, [folder], seconds=60) == ["namespace/shop deleted"]
    *emptied, last = fake.asked("DELETE")
    assert last == SPACE
    assert f"{SPACE}/pods" in emptied
    assert SERVICE not in emptied


def test_what_lies_in_a_namespace_of_others_is_deleted_by_itself(fake: FakeApi, reached: Reached, folder: Path) -> None:
    (folder / "shop.yaml").write_text(MANIFESTS.partition("---")[0])
    goes(fake, SERVICE, body("Service"))

    assert destroy(reached, [folder], seconds=60) == ["service/shop deleted in shop"]
    assert [sent for method, *_, sent in fake.requests if method == "DELETE"] == [
        {"propagationPolicy": "Foreground", "preconditions": {"uid": "1"}}
    ]


def test_nothing_is_deleted_twice(reached: Reached, folder: Path) -> None:
    assert destroy(reached, [folder], seconds=60) == []


def test_a_namespace_that_was_made_again_meanwhile_is_not_waited_for(
    fake: FakeApi, reached: Reached, folder: Path
) -> None:
    fake.answers[SPACE] = lambda: body("Namespace", uid="2" if fake.asked("DELETE") else "1")
    fake.answers[f"DELETE {SPACE}"] = {"kind": "Status", "code": 200}

    assert destroy(reached, [folder], seconds=60) == ["namespace/shop deleted"]


def test_what_will_not_go_is_told_with_what_holds_it(fake: FakeApi, reached: Reached, folder: Path) -> None:
    remains = "example.com/hold in 1 resource instances"
    conditions = [{"type": "NamespaceFinalizersRemaining", "status": "True", "message": remains}]
    fake.answers[SPACE] = {**body("Namespace"), "status": {"phase": "Terminating", "conditions": conditions}}
    fake.answers[f"DELETE {SPACE}"] = {"kind": "Status", "code": 200}

    with pytest.raises(WaitTimeout, match=rf"namespace/shop to be gone.*{remains}"):
        destroy(reached, [folder], seconds=0.2)


def test_the_volumes_of_a_namespace_are_waited_for_and_a_kept_one_is_deleted(
    fake: FakeApi, reached: Reached, folder: Path
) -> None:
    def volume(name: str, namespace: str, policy: str) -> JsonObject:
        spec = {"claimRef": {"namespace": namespace}, "persistentVolumeReclaimPolicy": policy}
        return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "uid": name}, "spec": spec}

    kept = volume("kept", "shop", "Retain")
    goes(fake, SPACE, body("Namespace"))
    goes(fake, "/api/v1/persistentvolumes/kept", kept)
    fake.holds("/api/v1/persistentvolumes", "PersistentVolume", kept, volume("other", "bank", "Retain"))

    destroy(reached, [folder], seconds=60)

    assert fake.asked("DELETE")[-2:] == [SPACE, "/api/v1/persistentvolumes/kept"]


def test_a_pod_that_will_not_end_is_named(fake: FakeApi, reached: Reached, folder: Path) -> None:
    goes(fake, SPACE, body("Namespace"))
    fake.holds(f"{SPACE}/pods", "Pod", {"metadata": {"name": "shop-1"}, "status": {"phase": "Running"}})

    with pytest.raises(WaitTimeout, match=r"the pods and claims of shop to be gone; last seen: pods shop-1"):
        destroy(reached, [folder], seconds=0.2)


@pytest.mark.parametrize(
    ("one", "waited"),
    [
        ("batch/v1 Job", ["job/x"]),
        ("batch.volcano.sh/v1alpha1 Job", []),
        ("apps.kruise.io/v1beta1 StatefulSet", []),
    ],
)
def test_a_custom_kind_with_a_workload_s_name_is_not_waited_for(
    fake: FakeApi, reached: Reached, folder: Path, one: str, waited: list[str]
) -> None:
    version, kind = one.split(" ")
    plural = f"{kind.lower()}s"
    spec = "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n"
    (folder / "shop.yaml").write_text(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n{spec}")
    fake.answers[f"/apis/{version}"] = {"resources": [{"name": plural, "kind": kind, "namespaced": True}]}
    fake.answers[f"/apis/{version}/namespaces/default/{plural}/x"] = body(kind)

    done = apply(reached, [folder], {}, {}, seconds=60)

    assert list(map(str, done.workloads)) == waited
