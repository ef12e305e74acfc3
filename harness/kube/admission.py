"""Why a workload's pods are not even created: Pod Security, quota, a webhook, a missing ServiceAccount.

The API server refuses the pod to its controller, so there is no pod to look at: only the controller's condition
(ReplicaSets) or event (the others) tells.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from harness.kube.diagnosis import Diagnosis, Snapshot, event_time, events_of, workload_of
from harness.kube.kubectl import JsonObject

_SECONDS: Final = len("2026-12-01T00:00:00")
"""As much of a time as every writer of one writes."""


@dataclass(frozen=True)
class _Refusal:
    pattern: str
    cause: str
    fix: str
    final: bool = False  # quota is given back as old pods end, a ServiceAccount may be created after its Deployment


_REFUSALS = (
    _Refusal(
        r"violates PodSecurity \"(?P<what>[^\"]+)\": (?P<told>.*)",
        "Pod Security `{what}` forbids them: {told}",
        "set what it lists in the pod's or container's securityContext, or label the namespace for a wider level",
        final=True,
    ),
    _Refusal(
        r"exceeded quota: (?P<what>[^,]+), (?P<told>.*)",
        "they exceed the ResourceQuota {what}: {told}",
        "lower requests or replicas, or raise the quota",
    ),
    _Refusal(
        r"failed quota: (?P<what>[^:]+): (?P<told>.*)",
        "the ResourceQuota {what} wants figures that they do not give: {told}",
        "set resources.requests and limits on every container",
        final=True,
    ),
    _Refusal(
        r"serviceaccount \"(?P<what>[^\"]+)\" not found(?P<told>)",
        "their ServiceAccount {what} does not exist",
        "create it, or correct serviceAccountName",
    ),
    _Refusal(
        r"admission webhook \"(?P<what>[^\"]+)\" denied the request:? ?(?P<told>.*)",
        "the admission webhook {what} denied them: {told}",
        "do what it asks, or exempt the namespace from it",
        final=True,
    ),
    _Refusal(
        r"failed calling webhook \"(?P<what>[^\"]+)\": (?P<told>.*)",
        "the admission webhook {what} does not answer: {told}",
        "fix the webhook's own workload",
    ),
    _Refusal(
        r"(?P<told>(?P<what>maximum|minimum) \S+ usage per .*)",
        "the namespace's LimitRange forbids them: {told}",
        "keep the container's resources within the LimitRange",
        final=True,
    ),
)


def creation_diagnoses(snapshot: Snapshot, owner: JsonObject) -> Iterator[Diagnosis]:
    """Why a ReplicaSet, StatefulSet, DaemonSet or Job lacks pods; nothing where it has as many as it wants."""
    status, spec = owner.get("status", {}), owner.get("spec", {})
    have = status.get("currentNumberScheduled", status.get("replicas", status.get("active", 0)))
    wanted = status.get("desiredNumberScheduled", spec.get("replicas", spec.get("parallelism", 1)))
    message = _refused(snapshot, owner)
    if have >= wanted or not message:
        return
    told = message.removeprefix("Error creating: ")
    container = re.search(r"container \"(?P<name>[^\"]+)\"", told)
    workload = workload_of(owner, snapshot.owners)
    name = container["name"] if container else ""
    for refusal in _REFUSALS:
        if match := re.search(refusal.pattern, told, re.DOTALL):
            cause = "its pods are refused: " + refusal.cause.format(
                what=match["what"], told=match["told"].strip()
            ).rstrip(": ")
            yield Diagnosis(workload, "", name, cause, refusal.fix, refusal.final, refusal.pattern)
            return
    cause = f"its pods cannot be created: {told}"
    yield Diagnosis(workload, "", name, cause, "fix what the API server names", rule="not created")


def _changed(owner: JsonObject) -> str:
    """When somebody changed an object last, to the second, but for its status; empty where it does not say."""
    written = [one for one in owner["metadata"].get("managedFields") or () if not one.get("subresource")]
    return max((str(one.get("time", ""))[:_SECONDS] for one in written), default="")


def _refused(snapshot: Snapshot, owner: JsonObject) -> str:
    """What the API server said. A condition is of now; a StatefulSet only has events, some from before its change."""
    for condition in owner.get("status", {}).get("conditions", ()):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message", ""))
    changed = _changed(owner)
    failures = [
        event
        for event in events_of(snapshot, owner)
        if event.get("reason") == "FailedCreate" and event_time(event)[:_SECONDS] >= changed
    ]
    if owner.get("kind") == "ReplicaSet" or not failures:
        return ""
    return str(failures[-1].get("message", ""))
