"""Why a container keeps ending."""

import pytest

from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Snapshot
from harness.kube.kubectl import JsonObject

from .objects import event, only, pod, snapshot, waiting


def crashed(restarts: int = 2, container: JsonObject | None = None, **last: object) -> JsonObject:
    """A pod in a crash loop."""
    terminated = {"exitCode": 1, "reason": "Error", **last}
    status = waiting("CrashLoopBackOff", "back-off 20s", restartCount=restarts, lastState={"terminated": terminated})
    return pod(status=status, container=container)


@pytest.mark.parametrize("restarts", [0, 2, 70])
def test_a_crash_loop_is_never_final_since_it_may_wait_for_its_database(restarts: int) -> None:
    assert not only(diagnose(snapshot(crashed(restarts)))).final


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (1, "exit code 1"),
        (127, "exit code 127 (the command was not found)"),
        (139, "exit code 139 (SIGSEGV)"),
        (137, "exit code 137 (SIGKILL)"),
        (255, "exit code 255 (signal 127)"),
        (0, "exit code 0"),
    ],
)
def test_a_crash_is_told_with_its_exit_code_and_signal(code: int, how: str) -> None:
    assert f"it ended 3 times, last with {how}" in only(diagnose(snapshot(crashed(exitCode=code)))).cause


def test_a_program_that_ends_well_again_and_again_is_told_to_stay() -> None:
    assert "run a server in the foreground" in only(diagnose(snapshot(crashed(exitCode=0, reason="Completed")))).fix


def test_the_log_s_last_lines_stand_between_cause_and_fix() -> None:
    logs = {("invoice", "shop-7d9c-abcde", "app"): "\n".join(f"line {n}" for n in range(9)) + "\n"}
    told = str(only(diagnose(Snapshot(pods=[crashed()], logs=logs))))

    assert "line 8\n    Fix: read its log" in told
    assert "line 4\n" in told
    assert "line 3\n" not in told


def test_a_container_killed_for_its_memory_is_told_its_limit() -> None:
    body = crashed(reason="OOMKilled", exitCode=137, container={"resources": {"limits": {"memory": "32Mi"}}})
    found = only(diagnose(snapshot(body)))

    assert "more memory than its limit of 32Mi" in found.cause
    assert "limits.memory" in found.fix


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('exec: "/no/such": stat /no/such: no such file or directory', "there is no such program in the image"),
        ('exec: "/etc/passwd": permission denied', "may not be executed by its user"),
        ("exec /bin/app: exec format error", "not built for this node's processor"),
    ],
)
def test_that_a_program_cannot_be_started_is_final_at_the_first_time(message: str, cause: str) -> None:
    found = only(diagnose(snapshot(crashed(0, reason="StartError", exitCode=128, message=message))))

    assert cause in found.cause
    assert found.final


def test_the_first_failure_to_start_has_no_state_before_it() -> None:
    body = pod(status=waiting("RunContainerError", "exec: permission denied"), container={"command": ["/app", "-v"]})

    assert "it cannot be started (/app -v)" in only(diagnose(snapshot(body))).cause


def test_a_liveness_probe_that_kills_is_named_instead_of_the_exit_code() -> None:
    unhealthy = event("Unhealthy", "Liveness probe failed: dial tcp 10.0.0.9:80: connect: connection refused")
    killing = event("Killing", "Container app failed liveness probe, will be restarted")
    found = only(diagnose(snapshot(crashed(exitCode=137), unhealthy, killing)))

    assert "its liveness probe fails: dial tcp 10.0.0.9:80" in found.cause
    assert "listen on the probe's port" in found.fix


def test_a_startup_probe_that_kills_is_named_and_may_yet_pass_on_a_machine_that_is_slow() -> None:
    status = {
        "state": {"running": {"startedAt": "2026-11-24T00:00:00Z"}},
        "ready": False,
        "started": False,
        "restartCount": 1,
        "lastState": {"terminated": {"exitCode": 143}},
    }
    unhealthy = event("Unhealthy", "Startup probe failed: ")
    killing = event("Killing", "Container app failed startup probe, will be restarted")
    found = only(diagnose(snapshot(pod(status=status), unhealthy, killing)))

    assert "its startup probe fails: it printed nothing" in found.cause
    assert not found.final


def test_an_init_container_that_has_done_its_work_is_well() -> None:
    body = pod(status=waiting("PodInitializing"), initContainers=[{"name": "first", "image": "i"}])
    body["status"]["initContainerStatuses"] = [{"name": "first", "state": {"terminated": {"exitCode": 0}}}]

    assert diagnose(snapshot(body)) == []


@pytest.mark.parametrize(("policy", "named"), [({}, ["first"]), ({"restartPolicy": "Always"}, [])])
def test_an_init_container_that_does_not_end_is_named_and_a_sidecar_is_none(
    policy: JsonObject, named: list[str]
) -> None:
    body = pod(status=waiting("PodInitializing"), initContainers=[{"name": "first", "image": "i", **policy}])
    running = {"running": {"startedAt": "2026-11-24T00:00:00Z"}}
    body["status"]["initContainerStatuses"] = [{"name": "first", "started": True, "restartCount": 0, "state": running}]

    found = diagnose(snapshot(body))

    assert [one.container for one in found] == named
    assert not any(one.final for one in found)


def test_an_init_container_that_fails_is_named() -> None:
    body = pod(status=waiting("PodInitializing"), initContainers=[{"name": "first", "image": "i"}])
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    body["status"]["initContainerStatuses"] = [{"name": "first", "restartCount": 2, **waiting("CrashLoopBackOff")}]
    body["status"]["initContainerStatuses"][0]["lastState"] = last

    assert only(diagnose(snapshot(body))).container == "first"


def test_what_may_not_start_again_is_final_when_it_failed() -> None:
    body = pod(status={"state": {"terminated": {"exitCode": 2, "reason": "Error"}}}, restartPolicy="Never")

    assert only(diagnose(snapshot(body))).final
