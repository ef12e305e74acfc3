"""How far a workload's rollout has come, as its own status tells. Pure.

The conditions are those of ``kubectl rollout status`` (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go), and
one more: a workload that an autoscaler keeps is not there before it has the autoscaler's minimum.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from harness.kube.conditions import is_ready, met
from harness.kube.diagnosis import Snapshot, owner_of, workload_of
from harness.kube.ingress import ingress_diagnoses
from harness.kube.kubectl import JsonObject

_REVISION = "deployment.kubernetes.io/revision"

UNSEEN: Final = "its controller has not seen the change yet"
"""What a workload lacks whose pods, as far as there are any, are still those from before the change."""


def missing(body: JsonObject, autoscalers: Sequence[JsonObject] = ()) -> str:
    """What a Deployment, StatefulSet, DaemonSet, Job or Pod still lacks, in words; empty once it is rolled out.

    ``autoscalers`` are the HorizontalPodAutoscalers of its namespace.
    """
    status = body.get("status", {})
    unseen = status.get("observedGeneration", 0) < body["metadata"].get("generation", 0)
    if unseen and body["kind"] not in ("Job", "Pod"):  # whose status does not say
        return UNSEEN
    return _MISSING[body["kind"]](body, autoscalers)


def _deployment(body: JsonObject, autoscalers: Sequence[JsonObject]) -> str:
    status, wanted = body.get("status", {}), _wanted(body, autoscalers)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    stuck = any(one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions", ()))
    late = f", without progress for {body['spec'].get('progressDeadlineSeconds', 600)} s" if stuck else ""
    if body["spec"].get("paused"):
        return "it is paused (spec.paused)"
    if updated < wanted:
        return f"{updated} of {wanted} pods are of the current version{late}"
    if (old := status.get("replicas", 0) - updated) > 0:
        return f"{old} pods of the previous version remain{late}"
    if available < wanted:
        return f"{available} of {wanted} pods are available{late}"
    return ""


def _stateful_set(body: JsonObject, autoscalers: Sequence[JsonObject]) -> str:
    status, wanted = body.get("status", {}), _wanted(body, autoscalers)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    strategy = body["spec"].get("updateStrategy", {})
    partition = strategy.get("rollingUpdate", {}).get("partition", 0)
    if ready < wanted:
        return f"{ready} of {wanted} pods are ready"
    if strategy.get("type") == "OnDelete":
        return ""
    if partition:
        return (
            ""
            if updated >= wanted - partition
            else f"{updated} of {wanted - partition} pods are of the current version"
        )
    if status.get("updateRevision") != status.get("currentRevision"):
        return f"{updated} of {wanted} pods are of the current version"
    return ""


def _daemon_set(body: JsonObject, _autoscalers: Sequence[JsonObject]) -> str:
    status = body.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted and body["spec"].get("updateStrategy", {}).get("type") != "OnDelete":
        return f"{updated} of {wanted} pods are of the current version"
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _job(body: JsonObject, _autoscalers: Sequence[JsonObject]) -> str:
    status, spec, true = body.get("status", {}), body["spec"], met(body)
    if true.keys() & {"Complete", "SuccessCriteriaMet"} or spec.get("suspend"):
        return ""
    if "Failed" in true:
        return "it has failed"
    return f"{status.get('succeeded', 0)} of {spec.get('completions', 1)} completions"


def _pod(body: JsonObject, _autoscalers: Sequence[JsonObject]) -> str:
    status = body.get("status", {})
    if is_ready(body) or status.get("phase") == "Succeeded":
        return ""
    return f"it is {status.get('phase', 'Pending')}" + (", and not ready" if status.get("phase") == "Running" else "")


_MISSING: Mapping[str, Callable[[JsonObject, Sequence[JsonObject]], str]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Pod": _pod,
}


def _wanted(body: JsonObject, autoscalers: Sequence[JsonObject]) -> int:
    """How many pods it should have: its own figure, or its autoscaler's minimum if that is more.

    An autoscaler leaves a workload alone that has been scaled to zero.
    """
    replicas = int(body["spec"].get("replicas", 1))
    minima = [
        int(one["spec"].get("minReplicas", 1))
        for one in autoscalers
        if one["spec"]["scaleTargetRef"]["kind"] == body["kind"]
        and one["spec"]["scaleTargetRef"]["name"] == body["metadata"]["name"]
    ]
    return max([replicas, *minima]) if replicas else 0


def unsettled(pods: Sequence[JsonObject], since: datetime) -> dict[tuple[str, str, int], str]:
    """The containers that began after ``since`` and may soon end, in words, by (pod's uid, container, restarts).

    Those that were started again, and those without a readiness probe: Kubernetes counts them as ready for the moment
    that they run, in a crash loop each time anew.
    """
    found = {}
    for pod in pods:
        if "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") == "Succeeded":
            continue
        probed = {one["name"] for one in pod["spec"]["containers"] if "readinessProbe" in one}
        for status in pod.get("status", {}).get("containerStatuses", ()):
            count, running = status.get("restartCount", 0), status.get("state", {}).get("running")
            if not count and status["name"] in probed:
                continue
            if running is None or datetime.fromisoformat(running["startedAt"]) > since:
                why = (
                    "has restarted, and may do so again" if count else "has only just begun, and has no readiness probe"
                )
                told = f"container {status['name']} of pod {pod['metadata']['name']} {why}"
                found[pod["metadata"]["uid"], status["name"], count] = told
    return found


def unserved(snapshot: Snapshot, ingress: JsonObject) -> str:
    """What an Ingress still lacks before each of its backends has a ready endpoint; empty if nothing."""
    return "; ".join(diagnosis.cause for diagnosis in ingress_diagnoses(snapshot, ingress))


def of_current_version(pod: JsonObject, owners: Sequence[JsonObject]) -> bool:
    """Whether a pod is of its workload's newest version: pods that a rollout replaces tell nothing about it."""
    labels = pod["metadata"].get("labels", {})
    owner = owner_of(pod, owners)
    if owner is None:
        return True
    if owner["kind"] == "StatefulSet":
        wanted = owner.get("status", {}).get("updateRevision")
        return not wanted or labels.get("controller-revision-hash") == wanted
    if owner["kind"] == "DaemonSet":
        generation = owner["metadata"].get("annotations", {}).get("deprecated.daemonset.template.generation")
        return not generation or labels.get("pod-template-generation", generation) == generation
    return owner["kind"] != "ReplicaSet" or is_current(owner, owners)


def is_current(owner: JsonObject, owners: Sequence[JsonObject]) -> bool:
    """Whether a ReplicaSet is its Deployment's newest; true for everything else."""
    if owner["kind"] != "ReplicaSet":
        return True
    workload = workload_of(owner, owners)
    siblings = [one for one in owners if one["kind"] == "ReplicaSet" and workload_of(one, owners) == workload]
    return _revision(owner) == max(map(_revision, siblings), default=0)


def _revision(replica_set: JsonObject) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(_REVISION, 0))
