"""Faults of the node, for clusters that can be hurt there: containers killed, pods frozen, components ended."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from harness.chaos.fault import Evidence, FaultError, Target
from harness.chaos.faults.pods import OnWorkloads, await_restart, chosen, chosen_container, shown
from harness.chaos.scene import Scene
from harness.chaos.undo import Undo
from harness.clusters.provider import Node
from harness.kube.client import ApiError
from harness.kube.wait import wait_until

COMPONENTS: Final = ("kubelet", "containerd", "felix", "etcd", "kube-apiserver")
"""Whose death a cluster must survive."""

ENFORCERS: Final = frozenset({"felix"})
"""Whose rules stay when they die: whether policies are enforced is proven anew afterwards."""

BACK_SECONDS: Final = 60.0


def node_of(scene: Scene) -> Node:
    """The cluster as one whose node can be hurt. Raises FaultError where it is none."""
    if not isinstance(scene.cluster, Node):
        raise FaultError(f"cluster {scene.cluster.name} has no node that can be hurt: this needs --cluster=embedded")
    return scene.cluster


def api_answers(scene: Scene) -> bool:
    """Whether the API server says that it is ready, its store too."""
    try:
        return scene.api.text("/readyz", seconds=2) == "ok"
    except ApiError:
        return False


def node_ready(scene: Scene) -> bool:
    """Whether every node says of itself that it is ready."""
    try:
        nodes = scene.api.items("/api/v1/nodes", seconds=2)
    except ApiError:
        return False
    states = [{one["type"]: one["status"] for one in node["status"].get("conditions", ())} for node in nodes]
    return bool(states) and all(state.get("Ready") == "True" for state in states)


class OnWorkloadsOfANode(OnWorkloads):
    """Of faults that can strike every workload, where its node can be hurt."""

    def targets(self, scene: Scene) -> Sequence[Target]:
        """All workloads, or none."""
        return super().targets(scene) if isinstance(scene.cluster, Node) else ()


@dataclass(frozen=True)
class ContainerKill(OnWorkloadsOfANode):
    """Process 1 of a container gets SIGKILL from outside, which nothing in the pod can see coming."""

    kind: str = "container-kill"
    seconds: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:
        """Kill, and wait until the container is another one."""
        pod, container, before = chosen_container(scene, target, index)
        process = node_of(scene).signal_container(before, signal.SIGKILL)
        yield (evidence := Evidence(f"{shown(pod)}, container {container}, process {process}"))
        await_restart(scene.api, pod, container, before, evidence)


@dataclass(frozen=True)
class Freeze(OnWorkloadsOfANode):
    """All processes of a pod stop where they are: connections stay open, locks stay held, nothing answers."""

    kind: str = "freeze"
    seconds: tuple[float, float] = (3.0, 8.0)

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:
        """Freeze, and thaw."""
        pod, node = chosen(scene, target, index), node_of(scene)
        uid = pod["metadata"]["uid"]
        undo = Undo(fault=f"{self.kind} of {shown(pod)}", thaw=(uid,))
        evidence = Evidence(shown(pod))
        with scene.undoing(undo, self.seconds[1]):
            node.freeze_pod(uid)
            evidence.proven("its cgroup is frozen")
            yield evidence


@dataclass(frozen=True)
class ComponentKill:
    """A component of the node gets SIGKILL, and is started again: pods run on meanwhile."""

    kind: str = "component-kill"
    seconds: tuple[float, float] = (0.5, 2.0)

    def targets(self, scene: Scene) -> Sequence[Target]:
        """The components that run on this node."""
        if not isinstance(scene.cluster, Node):
            return ()
        running = scene.cluster.components()
        return [Target(name) for name in COMPONENTS if name in running]

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- there is one
        """Kill, start again, and wait until the API answers and the node is ready."""
        node = node_of(scene)
        before = node.components().get(target.name)
        if before is None:
            raise FaultError(f"component {target.name} does not run now")
        evidence = Evidence(f"{target.name}, process {before}")
        with scene.undoing(Undo(fault=f"{self.kind} of {target.name}", components=(target.name,)), self.seconds[1]):
            node.stop_component(target.name, signal.SIGKILL)
            yield evidence
        after = node.components().get(target.name)
        if after is not None and after != before:
            evidence.proven(f"it is process {after} now")
        wait_until("the API server to be ready", lambda: api_answers(scene), seconds=BACK_SECONDS, interval=0.1)
        wait_until("the node to be ready", lambda: node_ready(scene), seconds=BACK_SECONDS, interval=0.1)


@dataclass(frozen=True)
class NodeRestart:
    """The whole node, as a power cut would: every process at once, and all pods come back by themselves."""

    kind: str = "node-restart"
    seconds: tuple[float, float] = (0.0, 0.0)

    def targets(self, scene: Scene) -> Sequence[Target]:
        """The node."""
        return [Target("node")] if isinstance(scene.cluster, Node) else ()

    @contextmanager
    def strike(self, scene: Scene, target: Target, index: int) -> Iterator[Evidence]:  # noqa: ARG002 -- there is one
        """Restart, and wait until the API answers and the node is ready."""
        node = node_of(scene)
        before = node.components()
        node.restart()
        yield (evidence := Evidence(f"the node, {len(before)} components"))
        wait_until("the API server to be ready", lambda: api_answers(scene), seconds=BACK_SECONDS, interval=0.1)
        wait_until("the node to be ready", lambda: node_ready(scene), seconds=BACK_SECONDS, interval=0.1)
        survivors = set(before.items()) & set(node.components().items())
        if not survivors:
            evidence.proven(f"none of its {len(before)} components is the process that it was")
