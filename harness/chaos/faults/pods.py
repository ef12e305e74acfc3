"""Faults of single pods that need the API only: deleted, evicted, their process killed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from harness.chaos.fault import Evidence, FaultError, Target
from harness.chaos.scene import STRUCK, Scene
from harness.errors import ProbeError
from harness.kube.client import Api, ApiConflict, ApiError, ApiNotFound
from harness.kube.exec import ExecStream
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

GONE_SECONDS: Final = 90.0
"""The longest grace period of a pod, and some to spare."""

EVICTION_SECONDS: Final = 20.0
_EXEC_SECONDS: Final = 10.0
_TOO_MANY: Final = 429

# A program started by tini: killing process 1 from inside its own PID namespace has no effect (pid_namespaces(7)).
_KILL: Final = 'for child in $(cat /proc/1/task/1/children); do kill -KILL "$child" && echo "$child"; done'
_FIRST_OF_SIGNALS: Final = 128
"""Above it, an exit status says that a signal ended the shell: here, that it died with the container."""


def pod_path(pod: JsonObject) -> str:
    """Where the API serves a pod."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def shown(pod: JsonObject) -> str:
    """A pod by name and UID."""
    return f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} ({pod['metadata']['uid'][:8]})"


def chosen(scene: Scene, target: Target, index: int) -> JsonObject:
    """The pod that a fault means. Raises FaultError where its workload has none now."""
    pods = scene.running_pods(scene.workload(target.name))
    if not pods:
        raise FaultError(f"{target.name} has no running pod to strike now")
    return pods[index % len(pods)]


def chosen_container(scene: Scene, target: Target, index: int) -> tuple[JsonObject, str, str]:
    """The pod that a fault means, its first container, and the id of that. Raises FaultError where it does not run."""
    pod = chosen(scene, target, index)
    container = pod["spec"]["containers"][0]["name"]
    before = running_id(pod, container)
    if not before:
        raise FaultError(f"container {container} of {shown(pod)} does not run now")
    return pod, container, before


def await_gone(api: Api, pod: JsonObject, seconds: float = GONE_SECONDS) -> None:
    """Wait until a pod of this UID is not there any more. Raises WaitTimeout."""
    wait_until(
        f"{shown(pod)} to be gone", lambda: not is_there(api, pod), seconds=seconds, interval=0.1, tolerate=STRUCK
    )


def is_there(api: Api, pod: JsonObject) -> bool:
    """Whether there is a pod of this name and UID."""
    there = api.find(pod_path(pod))
    return there is not None and bool(there["metadata"]["uid"] == pod["metadata"]["uid"])


def restarts(pod: JsonObject) -> dict[str, int]:
    """How often each of its containers was started again."""
    states = pod.get("status", {}).get("containerStatuses") or []
    return {one["name"]: int(one["restartCount"]) for one in states}


def _state(pod: JsonObject, container: str) -> JsonObject:
    states = pod.get("status", {}).get("containerStatuses") or []
    return next((one for one in states if one["name"] == container), {})


def running_id(pod: JsonObject, container: str) -> str:
    """The id of a container that runs, without the runtime's prefix; empty where it does not run."""
    state = _state(pod, container)
    return str(state["containerID"]).rpartition("/")[2] if "running" in state.get("state", {}) else ""


def await_restart(api: Api, pod: JsonObject, container: str, before: str, evidence: Evidence) -> None:
    """Wait until another container has taken the place of ``before``, and say so. Raises WaitTimeout.

    By its id: a container that is killed soon after another end waits before it is started again, and its count comes
    late.
    """

    def another() -> str:
        try:
            now = api.get(pod_path(pod))
        except ApiNotFound:
            return "the pod is gone"
        if now["metadata"]["uid"] != pod["metadata"]["uid"]:
            return "the pod is another"
        state = _state(now, container)
        current = str(state.get("containerID", "")).rpartition("/")[2]
        ended = "terminated" in state.get("state", {}) or "waiting" in state.get("state", {})
        return f"{restarts(now).get(container, 0)} restarts" if current != before or ended else ""

    said = wait_until(
        f"container {container} of {shown(pod)} to end",
        another,
        seconds=GONE_SECONDS,
        interval=0.1,
        tolerate=STRUCK,
    )
    evidence.proven(f"container {container} ended: {said}, before {restarts(pod).get(container, 0)}")


class OnWorkloads:
    """Of faults that can strike every workload of the scene."""

    def targets(self, scene: Scene) -> Sequence[Target]:
        """All workloads."""
        return [Target(one.name) for one in scene.workloads]


@dataclass(frozen=True)
class PodDelete(OnWorkloads):
    """A pod is deleted: with its own grace period (``grace`` None), or by force, without any (0).

    By force its object is gone at once, while its processes may live on for a moment: two of a StatefulSet may overlap.
    """

    kind: str
    grace: int | None
    seconds: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:
        """Delete, and wait until the UID is gone."""
        pod = chosen(scene, target, index)
        evidence = Evidence(shown(pod))
        options: JsonObject = {"preconditions": {"uid": pod["metadata"]["uid"]}}
        if self.grace is not None:
            options["gracePeriodSeconds"] = self.grace
        scene.api.delete(pod_path(pod), **options)
        yield evidence
        await_gone(scene.api, pod)
        evidence.proven("its UID is gone")


@dataclass(frozen=True)
class Eviction(OnWorkloads):
    """A pod is evicted, as by a drain of its node: a PodDisruptionBudget has a say, and is asked until it agrees."""

    kind: str = "evict"
    seconds: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:
        """Evict, and wait until the UID is gone."""
        pod = chosen(scene, target, index)
        evidence = Evidence(shown(pod))
        meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
        options = {"preconditions": {"uid": pod["metadata"]["uid"]}}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta, "deleteOptions": options}
        refusals = 0

        def accepted() -> bool:
            nonlocal refusals
            try:
                scene.api.post(f"{pod_path(pod)}/eviction", body)
            except (ApiNotFound, ApiConflict) as error:
                raise FaultError(f"{shown(pod)} was gone before it was evicted") from error
            except ApiError as error:
                if error.status != _TOO_MANY:
                    raise
                refusals += 1
                return False
            return True

        wait_until(
            f"the PodDisruptionBudget to allow the eviction of {shown(pod)}",
            accepted,
            seconds=EVICTION_SECONDS,
            interval=0.5,
            tolerate=STRUCK,
        )
        yield evidence
        await_gone(scene.api, pod)
        evidence.proven(f"its UID is gone; its PodDisruptionBudget refused {refusals} times first")


@dataclass(frozen=True)
class ProcessKill(OnWorkloads):
    """The program in a container gets SIGKILL from within: tini, its parent, ends, and the container with it."""

    kind: str = "process-kill"
    seconds: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:
        """Kill the children of process 1 of the first container, and wait until that is another one."""
        pod, container, before = chosen_container(scene, target, index)
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        killed = b""
        with ExecStream(scene.api, namespace, name, ["sh", "-c", _KILL], container) as stream, suppress(ProbeError):
            while said := stream.read(_EXEC_SECONDS):  # the shell may die with the container before it has said it
                killed += said
        processes = killed.decode(errors="replace").split()
        ended = stream.ending
        if not processes and ended and (ended.never_started or (ended.code or 0) < _FIRST_OF_SIGNALS):
            why = stream.last_words() or "process 1 has no child, and cannot be killed from inside"
            raise FaultError(f"nothing was killed in container {container} of {shown(pod)}: {why}")
        yield (
            evidence := Evidence(f"{shown(pod)}, container {container}, process {', '.join(processes) or 'unknown'}")
        )
        await_restart(scene.api, pod, container, before, evidence)
