"""Why a Job has failed: its controller gives up after as many pods, or as long a time, as it was told."""

from collections.abc import Iterator

from harness.kube.conditions import met
from harness.kube.containers import container_diagnoses
from harness.kube.diagnosis import Diagnosis, Snapshot, owner_uids, workload_of
from harness.kube.kubectl import JsonObject


def ended(owner: JsonObject) -> bool:
    """Whether it is a Job that has completed or failed: it makes no pod any more."""
    return owner.get("kind") == "Job" and bool(met(owner).keys() & {"Complete", "Failed"})


def job_diagnoses(snapshot: Snapshot, job: JsonObject) -> Iterator[Diagnosis]:
    """A Job that has failed, with what its last pod that is known ended with; nothing for one that has completed."""
    failed = met(job).get("Failed")
    if failed is None:
        return
    pods = [one for one in snapshot.pods if job["metadata"].get("uid") in owner_uids(one)]
    pods.sort(key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    found = [told for pod in pods[-1:] for told in container_diagnoses(snapshot, pod)]
    why = found[0].cause if found else str(failed.get("message", "")).strip() or "no more was said"
    yield Diagnosis(
        workload_of(job, snapshot.owners),
        found[0].pod if found else "",
        found[0].container if found else "",
        f"the Job has failed ({failed.get('reason', 'it does not say why')}): {why}",
        "correct what failed, and delete the Job: one that has ended is not run again, and its pods cannot be changed",
        final=True,
        rule="job failed",
    )
