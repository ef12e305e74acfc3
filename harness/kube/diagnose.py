"""Why workloads are not ready, in words: container, cause, fix. Pure: objects in, diagnoses out."""

from collections.abc import Iterator

from harness.kube.admission import creation_diagnoses
from harness.kube.containers import container_diagnoses
from harness.kube.diagnosis import Diagnosis, Snapshot, owner_uids
from harness.kube.ingress import ingress_diagnoses
from harness.kube.jobs import ended, job_diagnoses
from harness.kube.scheduling import pod_diagnoses


def diagnose(snapshot: Snapshot) -> list[Diagnosis]:
    """Every cause that the snapshot shows, the surest first; replicas that fail alike are told once.

    Pods that are being deleted or have succeeded are left out. An empty list says that nothing is known to be wrong,
    not that all is ready.
    """
    told: dict[tuple[str, str, str], Diagnosis] = {}
    for diagnosis in sorted(_all(snapshot), key=lambda one: not one.final):
        told.setdefault(diagnosis.key, diagnosis)
    return list(told.values())


def _all(snapshot: Snapshot) -> Iterator[Diagnosis]:
    for owner in snapshot.owners:
        yield from job_diagnoses(snapshot, owner) if ended(owner) else creation_diagnoses(snapshot, owner)
    told = {owner["metadata"].get("uid") for owner in snapshot.owners if ended(owner)}
    for pod in snapshot.pods:
        if "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") == "Succeeded":
            continue
        if told & owner_uids(pod):
            continue
        yield from pod_diagnoses(snapshot, pod)
        yield from container_diagnoses(snapshot, pod)
    for ingress in snapshot.ingresses:
        yield from ingress_diagnoses(snapshot, ingress)
