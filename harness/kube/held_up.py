"""Why a StatefulSet that was corrected stays as it was: a pod of the broken version holds up the one that would work.

Its controller waits until each pod is running and ready before it replaces any, also one that never will be: then
somebody has to delete that pod (kubernetes.io/docs/concepts/workloads/controllers/statefulset, "Forced rollback";
kubernetes/kubernetes issue 67250).
"""

from collections.abc import Iterator

from harness.kube.conditions import is_ready
from harness.kube.containers import container_diagnoses
from harness.kube.diagnosis import Diagnosis, Snapshot, owner_of, workload_of
from harness.kube.progress import of_current_version

RULE = "held up by a pod of an earlier version"


def held_up_diagnoses(snapshot: Snapshot) -> Iterator[Diagnosis]:
    """The pods that keep StatefulSets of a snapshot from being updated; final where such a pod cannot become ready."""
    for pod in snapshot.pods:
        owner = owner_of(pod, snapshot.owners)
        if owner is None or owner.get("kind") != "StatefulSet" or "deletionTimestamp" in pod["metadata"]:
            continue
        if of_current_version(pod, snapshot.owners):
            continue
        if owner["spec"].get("podManagementPolicy") == "Parallel" or is_ready(pod):
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
