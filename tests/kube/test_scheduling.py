"""Why a pod is not on a node, or not begun there."""

from decimal import Decimal

import pytest

from harness.kube.diagnose import diagnose
from harness.kube.kubectl import JsonObject
from harness.kube.scheduling import quantity, requested

from .objects import NAMESPACE, event, only, pod, snapshot, waiting

NODES = [{"status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}}]
CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}


def unschedulable(message: str, container: JsonObject | None = None, *volumes: JsonObject) -> JsonObject:
    body = pod(container=container, volumes=volumes)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    body["status"] = {"phase": "Pending", "conditions": [condition]}
    return body


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        (3, "3"),
        ("1Gi", str(2**30)),
        ("1k", "1000"),
        ("100M", "100000000"),
        ("1e3", "1000"),
        ("2.5", "2.5"),
        ("7n", "7e-9"),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str | int, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "lots", "1Kb", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        quantity(text)


def test_a_pod_asks_for_the_sum_of_its_containers_or_its_largest_init_container() -> None:
    def asks(cpu: str, **more: str) -> JsonObject:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    sidecar = asks("100m", restartPolicy="Always")
    spec = {"containers": [asks("1"), asks("500m")], "initContainers": [asks("1200m"), sidecar]}

    assert requested({"spec": spec}, "cpu") == Decimal("1.6")
    assert requested({"spec": {**spec, "initContainers": [asks("3")]}}, "cpu") == 3
    assert requested({"spec": {**spec, "initContainers": [sidecar, asks("3")]}}, "cpu") == Decimal("3.1")


@pytest.mark.parametrize(
    ("resource", "whole", "asked"),
    [
        ("cpu", {"requests": {"cpu": "64"}}, "64"),
        ("cpu", {"requests": {"cpu": "500m"}}, "0.5"),
        ("cpu", {"requests": {"cpu": "0"}}, "0"),
        ("cpu", {"requests": {"memory": "1Gi"}}, "2"),
        ("cpu", {"limits": {"cpu": "64"}}, "2"),
        ("cpu", None, "2"),
        ("memory", {"limits": {"memory": "1Gi"}}, str(2**30)),
        ("memory", {"requests": {"memory": "2Gi"}, "limits": {"memory": "4Gi"}}, str(2**31)),
        ("hugepages-2Mi", {"requests": {"hugepages-2Mi": "4Mi"}}, str(2**22)),
        ("nvidia.com/gpu", {"requests": {"nvidia.com/gpu": "8"}}, "1"),
    ],
)
def test_what_a_pod_asks_as_a_whole_takes_the_place_of_what_its_containers_ask(
    resource: str, whole: JsonObject | None, asked: str
) -> None:
    containers = [{"resources": {"requests": {"cpu": "2", "nvidia.com/gpu": "1"}}}, {}]

    assert requested({"spec": {"containers": containers, "resources": whole}}, resource) == Decimal(asked)


def test_the_overhead_of_a_runtime_class_comes_on_top() -> None:
    spec = {"containers": [{}], "resources": {"requests": {"cpu": "2"}}, "overhead": {"cpu": "250m"}}

    assert requested({"spec": spec}, "cpu") == Decimal("2.25")


def test_what_no_node_could_ever_hold_is_final() -> None:
    body = unschedulable(
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available:"
        " 1 No preemption victims found for incoming pod.",
        {"resources": {"requests": {"cpu": "1000"}}},
    )
    found = only(diagnose(snapshot(body, nodes=NODES)))

    assert "it asks for 1000 of cpu, and the largest node has 2 in all" in found.cause
    assert "requests.cpu" in found.fix
    assert found.final


def test_what_a_pod_as_a_whole_asks_in_vain_is_final_too() -> None:
    body = unschedulable("0/1 nodes are available: 1 Insufficient cpu.")
    body["spec"]["resources"] = {"requests": {"cpu": 64}}
    found = only(diagnose(snapshot(body, nodes=NODES)))

    assert "it asks for 64 of cpu, and the largest node has 2 in all" in found.cause
    assert found.final


def test_room_may_appear_when_the_node_is_large_enough() -> None:
    body = unschedulable(
        "0/1 nodes are available: 1 Insufficient memory.", {"resources": {"limits": {"memory": "1Gi"}}}
    )
    found = only(diagnose(snapshot(body, nodes=NODES)))

    assert "it asks for 1024Mi of memory, and no node has that much left" in found.cause
    assert not found.final


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("1 node(s) didn't match Pod's node affinity/selector", "nodeSelector or node affinity"),
        ("1 node(s) had untolerated taint(s)", "a taint that the pod does not tolerate"),
        ("1 node(s) had untolerated taint {team: db}", "a taint that the pod does not tolerate (team: db)"),
        ("1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }", "the node is not fit yet"),
        ("1 node(s) didn't match pod anti-affinity rules", "its pod affinity or anti-affinity leaves no node"),
        ("1 node(s) didn't match pod topology spread constraints", "its topology spread constraints"),
        ("1 node(s) didn't have free ports for the requested pod ports", "its hostPort is taken"),
        ("1 node(s) were unschedulable", "the node is cordoned"),
        ("1 Too many pods", "the node holds as many pods as it may"),
        ("something new", "it fits on no node: 0/1 nodes are available: something new."),
    ],
)
def test_each_of_the_scheduler_s_reasons_is_told_in_words(reason: str, cause: str) -> None:
    assert cause in only(diagnose(snapshot(unschedulable(f"0/1 nodes are available: {reason}.")))).cause


def test_several_reasons_are_all_told() -> None:
    body = unschedulable("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.")

    assert len(diagnose(snapshot(body))) == 2


def test_a_claim_that_does_not_exist_is_named() -> None:
    body = unschedulable('0/1 nodes are available: persistentvolumeclaim "data" not found.')

    assert "its PersistentVolumeClaim data does not exist" in only(diagnose(snapshot(body))).cause


@pytest.mark.parametrize(
    ("wanted", "classes", "cause"),
    [
        ("fast", ["standard"], "there is no StorageClass fast (there are: standard)"),
        (None, [], "it names no StorageClass, and the cluster has no default one"),
        ("standard", ["standard"], "no space left"),
    ],
)
def test_a_claim_without_a_volume_is_told_with_what_it_lacks(wanted: str, classes: list[str], cause: str) -> None:
    body = unschedulable("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", None, CLAIM)
    claim = {"metadata": {"name": "data", "namespace": NAMESPACE}, "spec": {"storageClassName": wanted}, "status": {}}
    said = event("ProvisioningFailed", "no space left", kind="PersistentVolumeClaim", name="data")
    storage = [{"metadata": {"name": name}} for name in classes]

    assert cause in only(diagnose(snapshot(body, said, claims=[claim], storage_classes=storage))).cause


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            'MountVolume.SetUp failed for volume "v" : secret "s" not found',
            "its volume v cannot be mounted: the Secret s",
        ),
        ('MountVolume.SetUp failed for volume "v" : configmap "c" not found', "the ConfigMap c does not exist"),
        ('MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: k', "no key k"),
        (
            'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /x is not a directory',
            "/x is not a dir",
        ),
        ("Unable to attach or mount volumes: timed out", "a volume cannot be mounted: Unable to attach"),
    ],
)
def test_a_volume_that_cannot_be_mounted_is_named(message: str, cause: str) -> None:
    failed = event("FailedMount", message)
    del failed["involvedObject"]["fieldPath"]

    assert cause in only(diagnose(snapshot(pod(status=waiting("ContainerCreating")), failed))).cause


def test_a_mount_that_failed_before_the_container_ran_is_past() -> None:
    failed = event("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "s" not found')

    assert diagnose(snapshot(pod(status={"state": {"running": {}}, "ready": True}), failed)) == []


def test_a_sandbox_that_cannot_be_made_points_to_the_network() -> None:
    failed = event("FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = Unknown desc = no CNI")

    assert "desc = no CNI" in only(diagnose(snapshot(pod(status=waiting("ContainerCreating")), failed))).cause


def test_an_evicted_pod_is_told_why() -> None:
    body = pod()
    body["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}

    assert "(Evicted): The node was low on resource: memory" in only(diagnose(snapshot(body))).cause
