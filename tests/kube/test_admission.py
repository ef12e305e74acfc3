"""Why pods are not even created."""

import pytest

from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Snapshot
from harness.kube.kubectl import JsonObject

from .objects import NAMESPACE, event, only

SECURITY = (
    'pods "shop-7d9c-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
    '(container "app" must set securityContext.allowPrivilegeEscalation=false)'
)


def replica_set(message: str, have: int = 0) -> JsonObject:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": "shop-7d9c",
            "namespace": NAMESPACE,
            "uid": "rs-1",
            "ownerReferences": [{"kind": "Deployment", "name": "shop", "uid": "d-1", "controller": True}],
        },
        "spec": {"replicas": 3},
        "status": {"replicas": have, "conditions": [condition] if message else []},
    }


@pytest.mark.parametrize(
    ("message", "cause", "final"),
    [
        (SECURITY, "Pod Security `restricted:latest` forbids them: allowPrivilegeEscalation != false", True),
        (
            'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2',
            "ResourceQuota small: requested: pods=1",
            False,
        ),
        ('pods "x" is forbidden: failed quota: small: must specify cpu for: app', "must specify cpu", True),
        (
            'pods "x" is forbidden: error looking up service account invoice/bot: serviceaccount "bot" not found',
            "their ServiceAccount bot does not exist",
            False,
        ),
        ('admission webhook "guard.example" denied the request: no', "guard.example denied them: no", True),
        ('Internal error: failed calling webhook "guard.example": timeout', "does not answer: timeout", False),
        (
            'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
            "LimitRange forbids them: maximum cpu usage per Container is 1",
            True,
        ),
        ("computer says no", "cannot be created: computer says no", False),
    ],
)
def test_each_refusal_is_told_in_words(message: str, cause: str, final: bool) -> None:  # noqa: FBT001
    found = only(diagnose(Snapshot(owners=[replica_set(message)])))

    assert found.workload == "deployment/shop"
    assert cause in found.cause
    assert found.final is final


def test_the_container_that_pod_security_complains_of_is_named() -> None:
    assert only(diagnose(Snapshot(owners=[replica_set(SECURITY)]))).container == "app"


def test_a_replica_set_with_all_its_pods_is_well() -> None:
    assert diagnose(Snapshot(owners=[replica_set("no", have=3)])) == []


def test_an_old_event_says_nothing_about_a_replica_set_whose_condition_is_gone() -> None:
    old = event("FailedCreate", "Error creating: " + SECURITY, kind="ReplicaSet", name="shop-7d9c")

    assert diagnose(Snapshot(owners=[replica_set("")], events=[old])) == []


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"lastTimestamp": "2026-11-24T11:59:59Z"}, False),
        ({"lastTimestamp": "2026-11-24T12:00:00Z"}, True),
        ({"lastTimestamp": None, "eventTime": "2026-11-24T12:00:00.250000Z"}, True),
    ],
)
def test_an_event_from_before_a_stateful_set_was_changed_says_nothing_about_it(
    seen: JsonObject,
    told: bool,  # noqa: FBT001
) -> None:
    fields = [
        {"manager": "harness", "operation": "Apply", "time": "2026-11-24T12:00:00Z"},
        {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-11-24T13:00:00Z"},
    ]
    meta = {"name": "db", "namespace": NAMESPACE, "managedFields": fields}
    stateful = {"kind": "StatefulSet", "metadata": meta, "spec": {"replicas": 1}}
    said = event("FailedCreate", f"create Pod db-0 failed: {SECURITY}", kind="StatefulSet", name="db", **seen)

    assert bool(diagnose(Snapshot(owners=[stateful], events=[said]))) is told


def test_a_stateful_set_has_only_events_to_tell() -> None:
    stateful = {"kind": "StatefulSet", "metadata": {"name": "db", "namespace": NAMESPACE}, "spec": {"replicas": 1}}
    said = event(
        "FailedCreate", f"create Pod db-0 in StatefulSet db failed error: {SECURITY}", kind="StatefulSet", name="db"
    )
    found = only(diagnose(Snapshot(owners=[stateful], events=[said])))

    assert found.workload == "statefulset/db"
    assert "Pod Security" in found.cause
