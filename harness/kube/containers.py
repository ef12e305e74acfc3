"""Why a container does not run, or runs and is not ready: read from its status and its pod's events.

The words matched here are the kubelet's own (pkg/kubelet/kuberuntime, pkg/kubelet/images) and the runtime's.
"""

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from harness.kube.container import Container, short
from harness.kube.diagnosis import Diagnosis, Snapshot
from harness.kube.endings import ending
from harness.kube.kubectl import JsonObject
from harness.kube.probes import killed_by_probe, probe_failures, probe_fix, probe_target
from harness.kube.pulls import not_pulled

_TERMINATED = 128 + signal.SIGTERM

_USER = "give the image a numeric user (`USER 10001:10001` in its Dockerfile) and rebuild it"


@dataclass(frozen=True)
class _Creation:
    """One way in which the kubelet refuses to create a container: its words, and ours for them."""

    pattern: str
    rule: str
    cause: str
    fix: str
    final: bool = True


_CREATIONS = (
    _Creation(
        r"image will run as root",
        "runs as root",
        "its image {image} runs as root, and the pod says runAsNonRoot: true",
        f"{_USER}, or set securityContext.runAsUser to an id other than 0",
    ),
    _Creation(
        r"image has non-numeric user \((?P<name>[^)]*)\)",
        "user by name",
        "its image {image} names its user `{name}` instead of numbering it, and the pod says runAsNonRoot: true, which"
        " the kubelet can check for a number only",
        f"{_USER}, or set securityContext.runAsUser to that user's id",
    ),
    _Creation(
        r"breaks non-root policy",
        "runAsUser is root",
        "its securityContext says both runAsUser: 0 and runAsNonRoot: true",
        "set runAsUser to an id other than 0",
    ),
    _Creation(
        r"configmap \"(?P<name>[^\"]+)\" not found",
        "no such ConfigMap",
        "the ConfigMap {name} that its environment refers to does not exist",
        "create the ConfigMap in the pod's namespace, or correct its name in env/envFrom",
        final=False,
    ),
    _Creation(
        r"secret \"(?P<name>[^\"]+)\" not found",
        "no such Secret",
        "the Secret {name} that its environment refers to does not exist",
        "create the Secret in the pod's namespace, or correct its name in env/envFrom",
        final=False,
    ),
    _Creation(
        r"couldn't find key (?P<key>\S+) in (?P<kind>\w+) (?:[^\s/]+/)?(?P<name>\S+)",
        "no such key",
        "the {kind} {name} has no key `{key}` that its environment needs",
        "add the key to it, or correct the name in env.valueFrom",
    ),
    _Creation(
        r"no command specified",
        "no command",
        "neither its image {image} nor the pod says which command to run",
        "set ENTRYPOINT or CMD in the Dockerfile, or `command` in the container",
    ),
)


def _not_created(one: Container, message: str) -> Diagnosis:
    """CreateContainerConfigError, CreateContainerError: the kubelet's words, told in ours."""
    for known in _CREATIONS:
        if match := re.search(known.pattern, message, re.IGNORECASE):
            cause = known.cause.format(image=one.image, **match.groupdict())
            return one.says(known.rule, cause, known.fix, final=known.final)
    return one.says("not created", f"it could not be created: {message}", "fix what the message names")


def container_diagnoses(snapshot: Snapshot, pod: JsonObject) -> Iterator[Diagnosis]:
    """What is wrong with each container of a pod; nothing for one that runs and is ready, or has done its work."""
    for init, statuses, specs in (
        (True, "initContainerStatuses", "initContainers"),
        (False, "containerStatuses", "containers"),
    ):
        by_name = {spec["name"]: spec for spec in pod.get("spec", {}).get(specs, ())}
        for status in pod.get("status", {}).get(statuses, ()):
            found = _diagnose(Container(snapshot, pod, by_name.get(status["name"], {}), status, init))
            if found:
                yield found


def _diagnose(one: Container) -> Diagnosis | None:
    state = one.status.get("state", {})
    if "waiting" in state:
        return _waiting(one, str(state["waiting"].get("reason", "")), str(state["waiting"].get("message", "")))
    if "terminated" in state:
        return ending(one, state["terminated"], again=False)
    if "running" in state and one.init and one.spec.get("restartPolicy") != "Always":
        return one.says(
            "init container runs",
            "it has not ended, and the pod's other containers begin only when it has",
            "see what it waits for: `kubectl logs` with its name as --container",
        )
    if "running" in state and not one.status.get("ready") and not (one.init and one.status.get("started")):
        return _not_ready(one)
    return None


def _waiting(one: Container, reason: str, message: str) -> Diagnosis | None:
    if reason in {"CreateContainerConfigError", "CreateContainerError"}:
        return _not_created(one, message)
    if reason in {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}:
        return not_pulled(one, reason, message)
    if reason == "RegistryUnavailable":
        return not_pulled(one, reason, message or "registry unavailable: dial tcp")
    if reason in {"CrashLoopBackOff", "RunContainerError", "StartError"}:
        last = one.status.get("lastState", {}).get("terminated", {})
        return ending(one, last or {"reason": "StartError", "message": message, "exitCode": 128}, again=bool(last))
    return None  # ContainerCreating, PodInitializing: nothing is wrong yet; volumes and sandboxes are the pod's matter


def _not_ready(one: Container) -> Diagnosis | None:
    killer = killed_by_probe(one)
    if killer and int(one.status.get("restartCount", 0)):
        return ending(one, one.status.get("lastState", {}).get("terminated", {"exitCode": _TERMINATED}), again=True)
    started = one.status.get("started", True)
    wanted = ("readiness", "liveness") if started else ("startup",)
    failures = [(probe, told) for probe, told, _ in probe_failures(one) if probe in wanted]
    if not failures:
        return None
    probe, told = failures[-1]
    return one.says(
        f"{probe} probe",
        f"it runs, but its {probe} probe ({probe_target(one, probe)}) fails: {short(told)}",
        probe_fix(one, probe),
    )
