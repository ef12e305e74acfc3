"""A Job that has failed says so, with what its last pod ended with."""

from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Snapshot
from harness.kube.kubectl import JsonObject

from .objects import event, only, pod

FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it has reached its limit"}


def job(*conditions: JsonObject) -> JsonObject:
    """The Job ``migrate``."""
    meta = {"name": "migrate", "namespace": "invoice", "uid": "job-1"}
    return {"kind": "Job", "metadata": meta, "spec": {}, "status": {"conditions": [*conditions]}}


def attempt(name: str, code: int, at: str) -> JsonObject:
    """A pod of it whose container has ended."""
    terminated = {"exitCode": code, "reason": "Error"}
    body = pod(status={"state": {"terminated": terminated}}, restartPolicy="Never")
    owner = {"kind": "Job", "name": "migrate", "uid": "job-1", "controller": True}
    body["metadata"] |= {"name": name, "labels": {}, "ownerReferences": [owner], "creationTimestamp": at}
    return body


def test_a_failed_job_is_final_and_told_once_with_the_end_of_its_last_pod() -> None:
    pods = [attempt("migrate-b", 3, "2026-11-24T00:00:09Z"), attempt("migrate-a", 2, "2026-11-24T00:00:01Z")]
    logs = {("invoice", "migrate-b", "app"): "no database"}
    found = only(diagnose(Snapshot(pods=pods, owners=[job(FAILED)], logs=logs)))

    assert (found.workload, found.pod, found.container) == ("job/migrate", "migrate-b", "app")
    assert "the Job has failed (BackoffLimitExceeded): it ended once, last with exit code 3" in found.cause
    assert "no database" in found.cause
    assert "delete the Job" in found.fix
    assert found.final


def test_a_failed_job_without_pods_says_what_its_controller_says() -> None:
    assert "it has reached its limit" in only(diagnose(Snapshot(owners=[job(FAILED)]))).cause


def test_a_pod_of_a_job_that_goes_on_may_be_followed_by_one_that_works() -> None:
    found = only(diagnose(Snapshot(pods=[attempt("migrate-a", 2, "2026-11-24T00:00:01Z")], owners=[job()])))

    assert found.workload == "job/migrate"
    assert not found.final


def test_a_completed_job_is_well_whatever_happened_before() -> None:
    refused = event("FailedCreate", "Error creating: no", kind="Job", name="migrate")
    done = job({"type": "Complete", "status": "True"})

    assert diagnose(Snapshot(owners=[done], events=[refused])) == []
