"""The three experiments, as ``chaoslib/litmus`` has them, less its known faults.

Each is a function of a stage and of ``during``, which begins the probes of mode OnChaos and is called just before the
first strike. What cannot be done raises ExperimentError with Litmus' code.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

from harness.chaos.faults.pods import pod_path, restarts, running_id
from harness.chaos.litmus import partition
from harness.chaos.litmus.failures import Code, ExperimentError
from harness.chaos.litmus.stage import Stage
from harness.chaos.litmus.targets import Parent, aimed_at, ready
from harness.chaos.litmus.tunables import ContainerKill, Partition, PodDelete
from harness.chaos.undo import Request, Undo
from harness.clusters.provider import Node
from harness.errors import HarnessError, ProbeError
from harness.kube.client import ApiConflict, ApiError, ApiNotFound
from harness.kube.exec import ExecStream
from harness.kube.kubectl import JsonObject

During = Callable[[], None]

_EXEC_SECONDS: Final = 10.0
_NETWORK: Final = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"

# From inside, a SIGKILL of process 1 has no effect (pid_namespaces(7)): its children get it, as under tini, which then
# ends. A program that has none gets SIGTERM, for which it must have a handler.
_KILL: Final = """
children=$(cat /proc/1/task/1/children)
if [ -n "$children" ]; then kill -"$0" $children; else kill -TERM 1; fi
"""


def pod_delete(stage: Stage, during: During) -> None:
    """Delete pods, round after round; after each, their workloads must be whole again."""
    tuned = stage.planned.tunables
    assert isinstance(tuned, PodDelete)  # noqa: S101 -- as it was read
    with stage.ramp():
        during()
        for _ in stage.rounds():
            pods = stage.pods()
            parents = [parent for pod in pods if (parent := stage.parents.of(pod))]
            for parent in parents:
                stage.mark(parent.name, parent.kind, "targeted")
            for place, pod in enumerate(pods):
                _delete(stage, pod, force=tuned.force)
                if stage.serial:
                    if place < len(pods) - 1:
                        stage.wait(tuned.inter_pod_kill_interval_seconds)
                    _settle(stage, tuned, parents)
            if not stage.serial:
                _settle(stage, tuned, parents)


def _settle(stage: Stage, tuned: PodDelete, parents: Sequence[Parent]) -> None:
    interval = tuned.chaos_interval
    low = 0 if tuned.randomness and interval.low == interval.high else interval.low
    drawn = low + int(stage.random.random() * (interval.high - low + 1)) if tuned.randomness else interval.low
    stage.wait(drawn)
    for parent in dict.fromkeys(parents):
        stage.await_healthy(f"{parent} to be whole", lambda parent=parent: stage.parents.lacking(parent))  # type: ignore[misc]


def _delete(stage: Stage, pod: JsonObject, *, force: bool) -> None:
    options: JsonObject = {"preconditions": {"uid": pod["metadata"]["uid"]}}
    if force:
        options["gracePeriodSeconds"] = 0
    shown = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    try:
        stage.scene.api.delete(pod_path(pod), **options)
    except (ApiNotFound, ApiConflict):  # a conflict: another pod has its name
        stage.notes.append(f"{shown} was gone before it was deleted")
        return
    except ApiError as error:
        raise ExperimentError(Code.INJECT, f"it could not be deleted: {error}", shown) from error
    stage.hits.append(f"{shown} ({pod['metadata']['uid'][:8]}) was deleted")


def container_kill(stage: Stage, during: During) -> None:
    """Kill containers, round after round: one pod after another for the whole time each, or all of them at once."""
    tuned = stage.planned.tunables
    assert isinstance(tuned, ContainerKill)  # noqa: S101 -- as it was read
    pods = stage.pods()
    with stage.ramp():
        during()
        for place, group in enumerate([[pod] for pod in pods] if stage.serial else [pods]):
            if place:
                stage.wait(tuned.inter_pod_kill_interval_seconds)
            for _ in stage.rounds():
                _kill(stage, tuned, group)


def _kill(stage: Stage, tuned: ContainerKill, pods: Sequence[JsonObject]) -> None:
    before = []
    for pod in pods:
        now = _pod(stage, pod)
        container = tuned.target_container or str(now["spec"]["containers"][0]["name"])
        if container not in restarts(now):
            shown = f"pod {now['metadata']['namespace']}/{now['metadata']['name']}"
            raise ExperimentError(Code.RUNTIME, f"it has no container {container}", shown)
        before.append((now, container))
    for pod, container in before:
        _signal(stage, pod, container, signal.Signals[tuned.signal])
    stage.wait(tuned.chaos_interval)
    for pod, container in before:
        name = str(pod["metadata"]["name"])
        stage.await_healthy(
            f"container {container} of pod {name} to be started again",
            lambda pod=pod, container=container: _not_restarted(stage, pod, container),  # type: ignore[misc]
            Code.HELPER,
        )
        stage.hits.append(f"container {container} of pod {name} was started again")
        stage.mark(name, "pod", "targeted")


def _pod(stage: Stage, pod: JsonObject) -> JsonObject:
    try:
        return stage.scene.api.get(pod_path(pod))
    except ApiError as error:
        raise ExperimentError(Code.HELPER, str(error), f"pod {pod['metadata']['name']}") from error


def _not_restarted(stage: Stage, pod: JsonObject, container: str) -> str:
    now, then = _pod(stage, pod), restarts(pod)[container]
    count = restarts(now).get(container, 0)
    if count <= then:
        return f"{count} restarts, as before"
    return "" if ready(now) else "the pod is not ready"


def _signal(stage: Stage, pod: JsonObject, container: str, number: signal.Signals) -> None:
    """By the node where it can be hurt, else by a shell inside of the container."""
    shown = f"container {container} of pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    identity = running_id(pod, container)
    if not identity:
        raise ExperimentError(Code.RUNTIME, "it does not run", shown)
    try:
        if isinstance(stage.scene.cluster, Node):
            stage.scene.cluster.signal_container(identity, number)
            return
        _signal_inside(stage, pod, container, number)
    except HarnessError as error:
        raise ExperimentError(Code.INJECT, f"it could not be killed: {error}", shown) from error


def _signal_inside(stage: Stage, pod: JsonObject, container: str, number: signal.Signals) -> None:
    command = ["sh", "-c", _KILL, number.name.removeprefix("SIG")]
    namespace, name = str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"])
    with ExecStream(stage.scene.api, namespace, name, command, container) as stream:
        with suppress(ProbeError):  # the shell may die with the container before it has said how it ended
            while stream.read(_EXEC_SECONDS):
                pass
        if stream.ending and stream.ending.never_started:
            raise ProbeError(f"it has no shell, and this cluster's node cannot be reached: {stream.last_words()}")


def pod_network_partition(stage: Stage, during: During) -> None:
    """Add one policy that selects the pods of a label, for a while; its deletion is in the journal before."""
    planned, api = stage.planned, stage.scene.api
    tuned = planned.tunables
    assert isinstance(tuned, Partition)  # noqa: S101 -- as it was read
    target = planned.targets[0]
    if len(target.labels) > 1 or len(planned.targets) > 1:
        stage.notes.append(f"the policy selects by {target.labels[0]} alone: Litmus' has room for one label")
    pods = aimed_at(api, planned.targets)
    addresses = (*tuned.destination_ips, *(f"{one}/32" for one in stage.resolve(tuned.destination_hosts)))
    with stage.ramp():
        name = f"{planned.name}-np-{uuid4().hex[:6]}"
        labels = {**stage.scene.labels, "chaosUID": stage.uid, "app.kubernetes.io/part-of": "litmus"}
        added = partition.policy(
            name, target.namespace, target.labels[0], tuned, addresses=tuple(dict.fromkeys(addresses)), labels=labels
        )
        collection = _NETWORK.format(target.namespace)
        anew = partition.isolated(added, pods, api.items(collection))
        if not anew:
            stage.vacuous = (
                "the added policy denies nothing: other policies isolate every target pod already, and policies only "
                "add up"
            )
        during()
        undo = Undo(
            fault=f"{planned.name} of {target}", requests=(Request(verb="delete", path=f"{collection}/{name}"),)
        )
        try:
            with stage.scene.undoing(undo, tuned.total_chaos_duration):
                try:
                    api.post(collection, added)
                except ApiError as error:
                    raise ExperimentError(Code.INJECT, f"the policy could not be added: {error}", name) from error
                for pod in pods:
                    stage.mark(str(pod["metadata"]["name"]), "pod", "injected")
                stage.hits += [f"{name} isolates {one}" for one in anew]
                stage.wait(tuned.total_chaos_duration)
        except ApiError as error:
            raise ExperimentError(Code.REVERT, f"the policy could not be deleted: {error}", name) from error
        finally:
            for one in stage.struck:
                one.status = "reverted"


RUNS: Final[Mapping[str, Callable[[Stage, During], None]]] = {
    "pod-delete": pod_delete,
    "container-kill": container_kill,
    "pod-network-partition": pod_network_partition,
}
"""By experiment."""
