"""Waiting for a rollout ends with it, or with the cause in words as soon as that is known."""

import pytest

from harness.errors import UsageError, WaitTimeout, WorkloadNotReady
from harness.kube import rollout
from harness.kube.diagnosis import Diagnosis
from harness.kube.kubectl import JsonObject
from harness.kube.rollout import wait_for_rollout, wait_for_rollouts
from harness.kube.workload import Workload

from .conftest import FakeApi, Reached
from .objects import pod, waiting

APPS = "/apis/apps/v1/namespaces/invoice"
SHOP = f"{APPS}/deployments/shop"
READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def deployment(**status: int) -> JsonObject:
    return {
        "kind": "Deployment",
        "metadata": {"name": "shop", "generation": 1},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, **status},
    }


def namespace(fake: FakeApi, *pods: JsonObject) -> None:
    """A namespace with these pods of the Deployment ``shop``, and nothing else."""
    owner = {"kind": "Deployment", "name": "shop", "uid": "d", "controller": True}
    meta = {"name": "shop-7d9c", "namespace": "invoice", "uid": "rs-1", "ownerReferences": [owner]}
    core = "/api/v1/namespaces/invoice"
    fake.holds(f"{core}/pods", "Pod", *pods)
    fake.holds(
        f"{APPS}/replicasets", "ReplicaSet", {"metadata": meta, "spec": {"replicas": 1}, "status": {"replicas": 1}}
    )
    fake.holds("/apis/autoscaling/v2/namespaces/invoice/horizontalpodautoscalers", "HorizontalPodAutoscaler")
    for kind in ("statefulsets", "daemonsets"):
        fake.holds(f"{APPS}/{kind}", kind)


def wait(reached: Reached, seconds: float = 30) -> None:
    wait_for_rollout(reached, "deployment/shop", "invoice", seconds=seconds)


def test_a_rollout_that_is_over_is_not_waited_for(fake: FakeApi, reached: Reached) -> None:
    namespace(fake)
    fake.answers[SHOP] = deployment(**READY)

    wait(reached)


def test_a_rollout_is_waited_for_until_it_is_over(fake: FakeApi, reached: Reached) -> None:
    namespace(fake)
    looks = iter([deployment(), deployment(), deployment(), deployment(**READY)])
    fake.answers[SHOP] = lambda: next(looks)

    wait(reached)

    assert list(looks) == []


def test_a_cause_that_no_waiting_fixes_ends_the_wait(fake: FakeApi, reached: Reached) -> None:
    message = "container has runAsNonRoot and image will run as root"
    namespace(fake, pod(status=waiting("CreateContainerConfigError", message)))
    fake.answers[SHOP] = deployment()

    with pytest.raises(
        WorkloadNotReady, match=r"deployment/shop, pod shop-7d9c-abcde, container app: .* runs as root"
    ) as e:
        wait(reached)

    assert "cannot become ready" in str(e.value)  # at the deadline it says: not ready after


def test_pods_from_before_a_change_that_its_controller_has_not_seen_do_not_speak_for_it(
    fake: FakeApi, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_LOOK_SECONDS", 0.0)
    namespace(fake, pod(status=waiting("InvalidImageName", "bad")))
    looks = iter([deployment(observedGeneration=0)] * 2)

    def look() -> JsonObject:
        if one := next(looks, None):
            return one
        namespace(fake)
        return deployment(**READY)

    fake.answers[SHOP] = look

    wait(reached)


def test_a_cause_that_may_pass_is_a_hint_once_for_all_looks_and_the_wait_goes_on(
    fake: FakeApi, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(rollout, "HINT_SECONDS", 0.0)
    probed: JsonObject = {"readinessProbe": {}}
    namespace(fake, pod(status=waiting("CreateContainerError", "the moon is full"), container=probed))
    looks = iter([deployment()] * 3 + [deployment(**READY)])
    fake.answers[SHOP] = lambda: next(looks)
    hints: list[Diagnosis] = []

    def heed(hint: Diagnosis) -> None:
        hints.append(hint)
        namespace(fake, pod(status=waiting("CreateContainerError", "it is still full"), container=probed))

    wait_for_rollout(reached, "deployment/shop", "invoice", seconds=60, on_hint=heed)

    assert ["the moon is full" in one.cause for one in hints] == [True]


def test_what_a_hint_s_taker_raises_ends_the_wait(
    fake: FakeApi, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "HINT_SECONDS", 0.0)
    namespace(fake, pod(status=waiting("CreateContainerError", "the moon is full")))
    fake.answers[SHOP] = deployment()

    def enough(hint: Diagnosis) -> None:
        raise InterruptedError(hint.cause)

    with pytest.raises(InterruptedError, match="the moon is full"):
        wait_for_rollout(reached, "deployment/shop", "invoice", seconds=60, on_hint=enough)


def test_a_crash_loop_is_told_with_the_end_of_its_log(fake: FakeApi, reached: Reached) -> None:
    last = {"terminated": {"exitCode": 2, "reason": "Error"}}
    namespace(fake, pod(status=waiting("CrashLoopBackOff", restartCount=2, lastState=last)))
    fake.answers[SHOP] = deployment()
    fake.answers["/api/v1/namespaces/invoice/pods/shop-7d9c-abcde/log"] = "starting\nDATABASE_HOST is not set\n"

    with pytest.raises(
        WorkloadNotReady, match=r"exit code 2; its log ends with\n\s+starting\n\s+DATABASE_HOST is not set"
    ):
        wait(reached, seconds=0.2)


def test_a_deadline_tells_what_is_known_to_be_wrong(fake: FakeApi, reached: Reached) -> None:
    namespace(fake, pod(status=waiting("CreateContainerConfigError", 'secret "login" not found')))
    fake.answers[SHOP] = deployment(observedGeneration=1)

    with pytest.raises(WorkloadNotReady, match=r"not ready after 0 s \(.*0 of 1.*\):\n.*the Secret login"):
        wait(reached, seconds=0.2)


def test_a_deadline_tells_how_far_it_came_when_nothing_is_known(fake: FakeApi, reached: Reached) -> None:
    namespace(fake)
    fake.answers[SHOP] = deployment(observedGeneration=1)

    with pytest.raises(WaitTimeout, match=r"the rollout of deployment/shop; last seen: .* 0 of 1 pods"):
        wait(reached, seconds=0.2)


def test_pods_of_another_workload_do_not_speak_for_it(fake: FakeApi, reached: Reached) -> None:
    stranger = pod(status=waiting("InvalidImageName", "bad"))
    stranger["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "other", "uid": "j", "controller": True}]
    namespace(fake, stranger)
    fake.answers[SHOP] = deployment(observedGeneration=1)

    with pytest.raises(WaitTimeout):
        wait(reached, seconds=0.2)


def test_a_container_that_has_only_just_restarted_is_not_rolled_out(
    fake: FakeApi, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = {"state": {"running": {"startedAt": "2999-01-01T00:00:00Z"}}, "ready": True, "restartCount": 1}
    namespace(fake, pod(status=running))
    fake.answers[SHOP] = deployment(**READY)

    with pytest.raises(WaitTimeout, match="has restarted, and may do so again"):
        wait(reached, seconds=0.2)
    monkeypatch.setattr(rollout, "SETTLE_SECONDS", 0.2)
    wait(reached)


def test_a_container_without_a_readiness_probe_that_has_only_just_begun_is_not_rolled_out(
    fake: FakeApi, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace(fake, pod(status={"state": {"running": {"startedAt": "2999-01-01T00:00:00Z"}}, "ready": True}))
    fake.answers[SHOP] = deployment(**READY)

    with pytest.raises(WaitTimeout, match="has only just begun, and has no readiness probe"):
        wait(reached, seconds=0.2)
    monkeypatch.setattr(rollout, "SETTLE_SECONDS", 0.2)
    wait(reached)


def test_a_workload_that_does_not_exist_is_not_waited_for(fake: FakeApi, reached: Reached) -> None:
    with pytest.raises(WorkloadNotReady, match="deployment/shop does not exist in the namespace invoice"):
        wait(reached)


@pytest.mark.parametrize("text", ["service/shop", "deploy", "deploy/", "/shop", "deploy/shop/x", "deploy.core/shop"])
def test_what_cannot_be_waited_for_is_refused(reached: Reached, text: str) -> None:
    with pytest.raises(UsageError, match=r"give kind/name, where kind is daemonset \(ds\), deployment \(deploy\), "):
        wait_for_rollout(reached, text, "invoice", seconds=1)


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        *((text, "Deployment") for text in ("deploy", "deployment", "Deployment", "deployments", "deployments.apps")),
        *((text, "Deployment") for text in ("deploy.apps", "deployment.v1.apps", "Deployment.apps")),
        *((text, "StatefulSet") for text in ("sts", "statefulset", "statefulsets", "statefulsets.apps", "sts.v1.apps")),
        *((text, "DaemonSet") for text in ("ds", "daemonset", "daemonsets", "daemonset.apps")),
        *((text, "Ingress") for text in ("ing", "ingress", "ingresses", "ingresses.networking.k8s.io")),
        ("ing.v1.networking.k8s.io", "Ingress"),
    ],
)
def test_a_kind_has_every_name_by_which_kubectl_knows_it(spelled: str, kind: str) -> None:
    assert Workload.named(f"{spelled}/shop", "invoice") == Workload(kind, "invoice", "shop")


def test_a_job_that_was_seen_and_has_been_cleared_away_was_complete(fake: FakeApi, reached: Reached) -> None:
    namespace(fake)
    meta = {"name": "migrate", "namespace": "invoice"}
    looks = iter([{"kind": "Job", "metadata": meta, "spec": {}, "status": {"active": 1}}])
    path = "/apis/batch/v1/namespaces/invoice/jobs/migrate"

    def once() -> JsonObject:
        del fake.answers[path]
        return next(looks)

    fake.answers[path] = once
    wait_for_rollout(reached, "job/migrate", "invoice", seconds=60)

    with pytest.raises(WorkloadNotReady, match="job/migrate does not exist"):
        wait_for_rollout(reached, "jobs.batch/migrate", "invoice", seconds=60)


def test_an_ingress_is_rolled_out_when_its_backends_have_endpoints(fake: FakeApi, reached: Reached) -> None:
    namespace(fake)
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    meta = {"name": "shop", "namespace": "invoice"}
    body: JsonObject = {"metadata": meta, "spec": {"defaultBackend": backend}}
    fake.answers["/apis/networking.k8s.io/v1/namespaces/invoice/ingresses/shop"] = body
    fake.holds("/api/v1/namespaces/invoice/services", "Service")
    with pytest.raises(WaitTimeout, match="leads to the Service shop, which does not exist"):
        wait_for_rollouts(reached, [Workload("Ingress", "invoice", "shop")], seconds=0.2)

    spec = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    fake.holds("/api/v1/namespaces/invoice/services", "Service", {"metadata": meta, "spec": spec})
    labels = {"kubernetes.io/service-name": "shop"}
    ends = {"metadata": {"name": "s", "namespace": "invoice", "labels": labels}, "endpoints": [{}], "ports": [{}]}
    fake.holds("/apis/discovery.k8s.io/v1/namespaces/invoice/endpointslices", "EndpointSlice", ends)
    wait_for_rollouts(reached, [Workload("Ingress", "invoice", "shop")], seconds=60)
