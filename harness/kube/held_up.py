"""Why a StatefulSet that was corrected stays as it was: a pod of the broken version holds up the one that would work.

Its controller waits until each pod is running and ready before it replaces any, also one that never will be: then
somebody has to delete that pod (kubernetes.io/docs/concepts/workloads/controllers/statefulset, "Forced rollback";
kubernetes/kubernetes issue 67250).
"""

from collections.abc import Iterator

from harness.kube.containers import container_diagnoses
from harness.kube.diagnosis import Diagnosis, Snapshot, workload_of
from harness.kube.kubectl import JsonObject
from harness.kube.progress import of_current_version

RULE = "held up by a pod of an earlier version"


def held_up_diagnoses(snapshot: Snapshot) -> Iterator[Diagnosis]:
    """The pods that keep StatefulSets of a snapshot from being updated; final where such a pod cannot become ready."""
    for pod in snapshot.pods:
        owner = _owner(snapshot, pod)
        if owner is None or "deletionTimestamp" in pod["metadata"] or of_current_version(pod, snapshot.owners):
            continue
        if owner["spec"].get("podManagementPolicy") == "Parallel" or _ready(pod):
            continue
        found = list(container_diagnoses(snapshot, pod))
        name, namespace = pod["metadata"]["name"], pod["metadata"].get("namespace", "default")
        unready = f"not ready ({found[0].cause})" if found else "not ready"
        yield Diagnosis(
            workload_of({"kind": "Pod", **pod}, snapshot.owners),
            name,
            "",
            f"it is of an earlier version and {unready}, and the StatefulSet waits for it before it replaces it",
            f"delete it: kubectl delete pod {name} --namespace {namespace}",
            any(one.final for one in found),
            RULE,
        )


def _owner(snapshot: Snapshot, pod: JsonObject) -> JsonObject | None:
    uids = {one.get("uid") for one in pod["metadata"].get("ownerReferences", ()) if one.get("kind") == "StatefulSet"}
    return next((one for one in snapshot.owners if one["metadata"].get("uid") in uids), None)


def _ready(pod: JsonObject) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
