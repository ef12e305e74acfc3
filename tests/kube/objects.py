"""Objects as the API server gives them, as far as a diagnosis reads them."""

from dataclasses import replace
from typing import Any

from harness.kube.diagnosis import Diagnosis, Snapshot
from harness.kube.kubectl import JsonObject

NAMESPACE = "invoice"


def pod(*, status: JsonObject | None = None, container: JsonObject | None = None, **spec: object) -> JsonObject:
    """A pod of the Deployment ``shop`` with one container ``app``; ``status`` is its container's status."""
    return {
        "metadata": {
            "name": "shop-7d9c-abcde",
            "namespace": NAMESPACE,
            "uid": "pod-1",
            "labels": {"pod-template-hash": "7d9c"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-7d9c", "uid": "rs-1", "controller": True}],
        },
        "spec": {"containers": [{"name": "app", "image": "registry.example/shop:1", **(container or {})}], **spec},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "app", "restartCount": 0, **(status or {})}]},
    }


def waiting(reason: str, message: str = "", **status: object) -> JsonObject:
    """A container's status that waits."""
    return {"state": {"waiting": {"reason": reason, "message": message}}, **status}


def event(reason: str, message: str, *, kind: str = "Pod", name: str = "shop-7d9c-abcde", **more: object) -> JsonObject:
    """An event about the pod's container ``app``, or about another object."""
    about = {"kind": kind, "name": name, "namespace": NAMESPACE}
    if kind == "Pod":
        about |= {"uid": "pod-1", "fieldPath": "spec.containers{app}"}
    return {
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "lastTimestamp": "2026-11-24T00:00:00Z",
        **more,
    }


def only(found: list[Diagnosis]) -> Diagnosis:
    """The one diagnosis."""
    assert len(found) == 1, found
    return found[0]


def snapshot(body: JsonObject, *events: JsonObject, **more: Any) -> Snapshot:  # noqa: ANN401 -- any of its fields
    """A namespace with one pod."""
    return replace(Snapshot(pods=[body], events=events), **more)
