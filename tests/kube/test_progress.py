"""When a rollout is over, by the workload's own status."""

from datetime import UTC, datetime

import pytest

from harness.kube.kubectl import JsonObject
from harness.kube.progress import is_current, missing, of_current_version, unsettled

from .objects import pod


def workload(kind: str, spec: JsonObject | None = None, **status: object) -> JsonObject:
    meta = {"name": "shop", "namespace": "invoice", "generation": 2}
    return {"kind": kind, "metadata": meta, "spec": spec or {}, "status": {"observedGeneration": 2, **status}}


def autoscaler(least: int, name: str = "shop", kind: str = "Deployment") -> JsonObject:
    return {"spec": {"minReplicas": least, "scaleTargetRef": {"kind": kind, "name": name}}}


def done(count: int) -> JsonObject:
    return {"replicas": count, "updatedReplicas": count, "availableReplicas": count, "readyReplicas": count}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_change_that_the_controller_has_not_seen_is_not_rolled_out(kind: str) -> None:
    assert "has not seen" in missing(workload(kind, observedGeneration=1))


@pytest.mark.parametrize(
    ("spec", "status", "lacks"),
    [
        ({"replicas": 3}, done(3), ""),
        ({}, done(1), ""),
        ({"replicas": 0}, {}, ""),
        ({"replicas": 3}, {}, "0 of 3 pods are of the current version"),
        ({"replicas": 3}, {**done(3), "replicas": 4}, "1 pods of the previous version remain"),
        ({"replicas": 3}, {**done(3), "availableReplicas": 2}, "2 of 3 pods are available"),
        ({"replicas": 3, "paused": True}, done(3), "it is paused"),
    ],
)
def test_a_deployment_is_rolled_out_when_all_pods_are_new_and_available(
    spec: JsonObject, status: JsonObject, lacks: str
) -> None:
    assert missing(workload("Deployment", spec, **status)).startswith(lacks)
    assert bool(missing(workload("Deployment", spec, **status))) == bool(lacks)


def test_an_autoscaler_s_minimum_is_waited_for() -> None:
    body = workload("Deployment", {"replicas": 1}, **done(1))

    assert missing(body, [autoscaler(3)]) == "1 of 3 pods are of the current version"
    assert missing(body, [autoscaler(3, name="other"), autoscaler(3, kind="StatefulSet")]) == ""


def test_an_autoscaler_leaves_alone_what_was_scaled_to_zero() -> None:
    assert missing(workload("Deployment", {"replicas": 0}), [autoscaler(3)]) == ""


@pytest.mark.parametrize(
    ("spec", "status", "complete"),
    [
        ({"replicas": 1}, {**done(1), "currentRevision": "a", "updateRevision": "a"}, True),
        ({"replicas": 1}, {**done(1), "currentRevision": "a", "updateRevision": "b"}, False),
        ({"replicas": 2}, {**done(1), "currentRevision": "a", "updateRevision": "a"}, False),
        ({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}, {**done(2), "updateRevision": "b"}, True),
        (
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {**done(3), "updatedReplicas": 1},
            True,
        ),
        (
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {**done(3), "updatedReplicas": 0},
            False,
        ),
    ],
)
def test_a_stateful_set_is_rolled_out_when_its_revision_is_current_and_ready(
    spec: JsonObject,
    status: JsonObject,
    complete: bool,  # noqa: FBT001
) -> None:
    assert (missing(workload("StatefulSet", spec, **status)) == "") is complete


@pytest.mark.parametrize(("updated", "available", "complete"), [(2, 2, True), (1, 2, False), (2, 1, False)])
def test_a_daemon_set_is_rolled_out_when_every_node_has_its_new_pod(
    updated: int,
    available: int,
    complete: bool,  # noqa: FBT001
) -> None:
    status = {"desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": available}

    assert (missing(workload("DaemonSet", None, **status)) == "") is complete


def replica_set(name: str, revision: int) -> JsonObject:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": "invoice",
            "uid": name,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"kind": "Deployment", "name": "shop", "uid": "d", "controller": True}],
        },
    }


def owned(by: str, **labels: str) -> JsonObject:
    return {
        "metadata": {"name": "p", "uid": "p", "labels": labels, "ownerReferences": [{"uid": by, "controller": True}]}
    }


def test_pods_of_an_earlier_replica_set_do_not_count() -> None:
    # As numbers: as text, 9 would be newer than 10.
    owners = [replica_set("old", 9), replica_set("new", 10)]

    assert [is_current(one, owners) for one in owners] == [False, True]
    assert of_current_version(owned("new"), owners)
    assert not of_current_version(owned("old"), owners)


def test_pods_of_an_earlier_stateful_set_revision_do_not_count() -> None:
    owner = {"kind": "StatefulSet", "metadata": {"name": "db", "uid": "s"}, "status": {"updateRevision": "db-2"}}

    assert of_current_version(owned("s", **{"controller-revision-hash": "db-2"}), [owner])
    assert not of_current_version(owned("s", **{"controller-revision-hash": "db-1"}), [owner])


@pytest.mark.parametrize(
    ("spec", "status", "lacks"),
    [
        ({}, {"conditions": [{"type": "Complete", "status": "True"}]}, ""),
        ({"suspend": True}, {}, ""),
        ({"completions": 3}, {"succeeded": 1}, "1 of 3 completions"),
        ({}, {"conditions": [{"type": "Failed", "status": "True"}]}, "it has failed"),
    ],
)
def test_a_job_is_rolled_out_when_it_is_complete(spec: JsonObject, status: JsonObject, lacks: str) -> None:
    body = {"kind": "Job", "metadata": {"name": "migrate", "generation": 1}, "spec": spec, "status": status}

    assert missing(body) == lacks


@pytest.mark.parametrize(
    ("status", "lacks"),
    [
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False"}]}, ""),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}, "it is Running, and not ready"),
        ({"phase": "Failed"}, "it is Failed"),
        ({}, "it is Pending"),
    ],
)
def test_a_bare_pod_is_rolled_out_when_it_is_ready_or_has_succeeded(status: JsonObject, lacks: str) -> None:
    assert missing({"kind": "Pod", "metadata": {"name": "p", "generation": 1}, "spec": {}, "status": status}) == lacks


def test_a_pod_that_nothing_owns_is_its_own_version() -> None:
    assert of_current_version({"metadata": {"name": "p"}}, [])


def test_a_container_that_restarted_lately_is_named_and_one_that_has_run_since_is_not() -> None:
    running = {"state": {"running": {"startedAt": "2026-11-24T00:00:30Z"}}, "restartCount": 2}
    since = datetime(2026, 11, 24, 0, 0, 0, tzinfo=UTC)

    assert list(unsettled([pod(status=running)], since)) == [("pod-1", "app", 2)]
    assert unsettled([pod(status=running)], since.replace(minute=1)) == {}


def test_a_container_that_began_lately_is_named_where_no_readiness_probe_tells_that_it_works() -> None:
    running = {"state": {"running": {"startedAt": "2026-11-24T00:00:30Z"}}}
    since = datetime(2026, 11, 24, 0, 0, 0, tzinfo=UTC)

    assert list(unsettled([pod(status=running)], since)) == [("pod-1", "app", 0)]
    assert unsettled([pod(status=running)], since.replace(minute=1)) == {}
    assert unsettled([pod(status=running, container={"readinessProbe": {}})], since) == {}
