"""What probes say of a container that runs."""

import pytest

from harness.kube.diagnose import diagnose
from harness.kube.kubectl import JsonObject

from .objects import event, only, pod, snapshot


def running(*, started: bool = True, ready: bool = False, **container: JsonObject) -> JsonObject:
    status = {"state": {"running": {"startedAt": "2026-11-24T00:00:00Z"}}, "ready": ready, "started": started}
    return pod(status=status, container=container)


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("HTTP probe failed with statuscode: 503", "see what GET :http/readyz checks"),
        ("HTTP probe failed with statuscode: 404", "correct the path"),
        ('Get "http://10.0.0.9:8080/readyz": dial tcp 10.0.0.9:8080: connect: connection refused', "probe's port"),
        ('Get "http://10.0.0.9:8080/readyz": context deadline exceeded', "timeoutSeconds"),
        ("weird", "fix what its readinessProbe checks"),
    ],
)
def test_a_failing_readiness_probe_is_told_with_what_it_does_and_says(said: str, fix: str) -> None:
    body = running(readinessProbe={"httpGet": {"path": "/readyz", "port": "http"}})
    found = only(diagnose(snapshot(body, event("Unhealthy", f"Readiness probe failed: {said}", count=4))))

    assert "its readiness probe (GET :http/readyz) fails" in found.cause
    assert said[:20] in found.cause
    assert fix in found.fix
    assert not found.final


@pytest.mark.parametrize(
    ("probe", "target"),
    [
        ({"tcpSocket": {"port": 5432}}, "connect to :5432"),
        ({"grpc": {"port": 9000}}, "gRPC health on :9000"),
        ({"exec": {"command": ["pg_isready", "-q"]}}, "run `pg_isready -q`"),
    ],
)
def test_every_kind_of_probe_is_described(probe: JsonObject, target: str) -> None:
    found = only(diagnose(snapshot(running(readinessProbe=probe), event("Unhealthy", "Readiness probe failed: no"))))

    assert f"({target})" in found.cause


def test_a_startup_probe_that_fails_is_told_and_may_yet_pass() -> None:
    body = running(started=False, startupProbe={"tcpSocket": {"port": 1}})
    found = only(diagnose(snapshot(body, event("Unhealthy", "Startup probe failed: dial tcp: connection refused"))))

    assert "connection refused" in found.cause
    assert not found.final


def test_a_ready_container_is_well_whatever_happened_before() -> None:
    assert diagnose(snapshot(running(ready=True), event("Unhealthy", "Readiness probe failed: early"))) == []


def test_a_container_that_no_probe_complains_of_is_only_slow() -> None:
    assert diagnose(snapshot(running())) == []


def test_another_container_s_probe_is_not_its_own() -> None:
    other = event("Unhealthy", "Readiness probe failed: no")
    other["involvedObject"]["fieldPath"] = "spec.containers{sidecar}"

    assert diagnose(snapshot(running(), other)) == []


def test_the_events_of_an_earlier_pod_of_that_name_are_not_its_own() -> None:
    old = event("Unhealthy", "Readiness probe failed: no")
    old["involvedObject"]["uid"] = "pod-0"

    assert diagnose(snapshot(running(), old)) == []
