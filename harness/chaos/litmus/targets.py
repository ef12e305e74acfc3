"""Which pods an experiment strikes, and which workloads make them anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from harness.chaos.litmus.failures import Code, ExperimentError
from harness.chaos.litmus.tunables import ContainerKill, PodDelete, Tunables
from harness.kube.client import Api, ApiError
from harness.kube.kubectl import JsonObject

_PATHS: Final = {
    "deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    "statefulset": "/apis/apps/v1/namespaces/{}/statefulsets/{}",
    "daemonset": "/apis/apps/v1/namespaces/{}/daemonsets/{}",
    "replicaset": "/apis/apps/v1/namespaces/{}/replicasets/{}",
    "replicationcontroller": "/api/v1/namespaces/{}/replicationcontrollers/{}",
    "rollout": "/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/{}",
    "deploymentconfig": "/apis/apps.openshift.io/v1/namespaces/{}/deploymentconfigs/{}",
}
_BETWEEN: Final = frozenset({"replicaset", "replicationcontroller"})
"""What may itself be owned by the workload that people know."""


@dataclass(frozen=True)
class Target:
    """What an engine aims at: pods or workloads of one kind, by name or by labels, of which each alone is enough.

    Without a kind, names and labels it means every pod of the namespace.
    """

    kind: str
    namespace: str
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As Litmus' TARGETS has it."""
        return f"{self.kind or 'KIND'}:{self.namespace}:[{','.join(self.names or self.labels)}]"


@dataclass(frozen=True)
class Parent:
    """The workload that a pod belongs to; kinds in small letters, as Litmus has them."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Parents:
    """Finds workloads of pods."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._owners: dict[tuple[str, str, str], Parent] = {}

    def of(self, pod: JsonObject) -> Parent | None:
        """The workload that a pod belongs to (``pkg/workloads``); None for one that nobody makes anew."""
        namespace = str(pod["metadata"]["namespace"])
        owner = _controller(pod)
        if owner is None:
            return None
        key = (namespace, *owner)
        if key not in self._owners:
            self._owners[key] = self._above(namespace, *owner)
        return self._owners[key]

    def _above(self, namespace: str, kind: str, name: str) -> Parent:
        if kind in _BETWEEN:
            body = self._api.find(_PATHS[kind].format(namespace, name))
            owner = _controller(body) if body else None
            if owner:
                return Parent(owner[0], namespace, owner[1])
        return Parent(kind, namespace, name)

    def pods(self, parent: Parent) -> list[JsonObject]:
        """Its pods that are not going away."""
        return [pod for pod in pods_of(self._api, parent.namespace) if self.of(pod) == parent]

    def lacking(self, parent: Parent) -> str:
        """What it still lacks of as many ready pods as it wants, in words; empty where it is whole.

        Litmus looks only at pods that are there: one that was never made anew would not be missed.
        """
        path = _PATHS.get(parent.kind)
        body = self._api.find(path.format(parent.namespace, parent.name)) if path else None
        pods = self.pods(parent)
        wanted = _wanted(body) if body else len(pods)
        good = sum(map(ready, pods))
        return "" if good >= wanted and good == len(pods) else f"{parent}: {good} of {wanted} pods are ready"


def _wanted(body: JsonObject) -> int:
    if body["kind"] == "DaemonSet":
        return int(body.get("status", {}).get("desiredNumberScheduled", 0))
    return int(body["spec"].get("replicas", 1))


def _controller(body: JsonObject) -> tuple[str, str] | None:
    owners = body["metadata"].get("ownerReferences") or ()
    return next(((str(one["kind"]).lower(), str(one["name"])) for one in owners if one.get("controller")), None)


def ready(pod: JsonObject) -> bool:
    """Whether all containers of a pod are ready."""
    states = pod.get("status", {}).get("containerStatuses") or []
    return bool(states) and all(one.get("ready") for one in states)


def pods_of(api: Api, namespace: str, selector: str = "") -> list[JsonObject]:
    """The pods of a namespace that are not going away and are no pods of chaos, the oldest first.

    By age, since names are by chance: so the same choice on the same workloads strikes the same pods.
    """
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
    there = [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and not pod["metadata"].get("labels", {}).get("chaosUID")
        and pod["metadata"].get("labels", {}).get("name") != "chaos-operator"
        and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ]
    return sorted(there, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def aimed_at(api: Api, targets: Sequence[Target]) -> list[JsonObject]:
    """Every pod that some targets mean, each once. Raises ExperimentError where there is none."""
    parents = Parents(api)
    found: dict[str, JsonObject] = {}
    for target in targets:
        for pod in _pods_of_target(api, parents, target):
            found.setdefault(pod["metadata"]["uid"], pod)
    if not found:
        raise ExperimentError(Code.TARGET_SELECTION, "no target pods found", ";".join(map(str, targets)))
    return list(found.values())


def _pods_of_target(api: Api, parents: Parents, target: Target) -> Iterable[JsonObject]:
    if target.kind == "pod":
        return named(api, target.namespace, target.names)
    if target.names:
        wanted = {Parent(target.kind, target.namespace, name) for name in target.names}
        return [pod for pod in pods_of(api, target.namespace) if parents.of(pod) in wanted]
    if not target.kind and not target.labels:
        return pods_of(api, target.namespace)
    pods = [pod for label in target.labels for pod in pods_of(api, target.namespace, label)]
    return [pod for pod in pods if (parent := parents.of(pod)) and parent.kind == target.kind]


def named(api: Api, namespace: str, names: Sequence[str]) -> list[JsonObject]:
    """Pods by name. Raises ExperimentError for one that is not there."""
    found = []
    for name in names:
        pod = api.find(f"/api/v1/namespaces/{namespace}/pods/{name}")
        if pod is None:
            raise ExperimentError(Code.TARGET_SELECTION, f"there is no pod {namespace}/{name}", "TARGET_PODS")
        found.append(pod)
    return found


def some_of(pods: Sequence[JsonObject], percent: int, random: Random) -> list[JsonObject]:
    """So many percent of some pods, one at least: a row of neighbours, from a place by chance on (pods.go)."""
    number = max(1, min(percent, 100) * len(pods) // 100)
    first = int(random.random() * len(pods))
    return [pods[(first + place) % len(pods)] for place in range(number)]


def selected(
    api: Api, namespace: str, targets: Sequence[Target], tuned: Tunables, *, percent: int, random: Random
) -> list[JsonObject]:
    """The pods to strike now (``GetTargetPods``). Raises ExperimentError where there is none.

    ``namespace`` is the engine's: TARGET_PODS without any other target lie there.
    """
    try:
        if tuned.target_pods:
            return named(api, targets[0].namespace if targets else namespace, tuned.target_pods)
        pods = aimed_at(api, targets)
        if tuned.node_label:
            nodes = {one["metadata"]["name"] for one in api.items("/api/v1/nodes", labelSelector=tuned.node_label)}
            pods = [pod for pod in pods if pod["spec"].get("nodeName") in nodes]
            if not pods:
                where = f"label {tuned.node_label}"
                raise ExperimentError(Code.TARGET_SELECTION, "no target pod is on a node with the label", where)
    except ApiError as error:
        raise ExperimentError(Code.TARGET_SELECTION, str(error)) from error
    by_name = all(target.kind == "pod" for target in targets)
    chosen = pods if by_name and not tuned.node_label else some_of(pods, percent, random)
    order = tuned.pod_termination_order if isinstance(tuned, PodDelete | ContainerKill) else "random"
    if order == "random":
        return chosen
    return sorted(chosen, key=lambda pod: str(pod["metadata"]["name"]), reverse=order == "reverse")
