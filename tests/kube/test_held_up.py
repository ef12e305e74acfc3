"""A pod of an earlier version that holds up a StatefulSet which was corrected."""

import pytest

from harness.kube.diagnosis import Snapshot
from harness.kube.held_up import held_up_diagnoses
from harness.kube.kubectl import JsonObject

from .objects import pod, waiting

BROKEN = waiting("ErrImagePull", "manifest unknown")
HASH = "controller-revision-hash"


def replica(status: JsonObject, *, version: str = "old", ready: bool = False) -> JsonObject:
    """Pod 0 of the StatefulSet ``db``."""
    body = pod(status=status)
    owner = {"kind": "StatefulSet", "name": "db", "uid": "db-1", "controller": True}
    body["metadata"] |= {"name": "db-0", "labels": {HASH: version}, "ownerReferences": [owner]}
    body["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
    return body


def held_up(body: JsonObject, **spec: str) -> list[str]:
    """What is told, with the new version ``new``; final ones end with an exclamation mark."""
    meta = {"name": "db", "namespace": "invoice", "uid": "db-1"}
    owner = {"kind": "StatefulSet", "metadata": meta, "spec": spec, "status": {"updateRevision": "new"}}
    found = held_up_diagnoses(Snapshot(pods=[body], owners=[owner]))
    return [f"{one}{'!' if one.final else ''}" for one in found]


def test_a_broken_pod_of_an_earlier_version_is_named_with_its_cause_and_must_be_deleted() -> None:
    [told] = held_up(replica(BROKEN))

    assert told.startswith("statefulset/db, pod db-0: it is of an earlier version and not ready (its image ")
    assert "the registry has no such image or tag" in told
    assert told.endswith("Fix: delete it: kubectl delete pod db-0 --namespace invoice!")


def test_one_that_may_yet_become_ready_is_a_hint() -> None:
    [told] = held_up(replica(waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}})))

    assert not told.endswith("!")


@pytest.mark.parametrize(
    "well",
    [
        replica(BROKEN, version="new"),
        replica({}, ready=True),
        {**replica(BROKEN), "metadata": {**replica(BROKEN)["metadata"], "deletionTimestamp": "2026-11-24T00:00:00Z"}},
    ],
    ids=["of the new version", "ready", "going"],
)
def test_what_holds_nothing_up_is_not_told(well: JsonObject) -> None:
    assert held_up(well) == []


def test_a_stateful_set_that_replaces_its_pods_at_once_waits_for_none() -> None:
    assert held_up(replica(BROKEN), podManagementPolicy="Parallel") == []
