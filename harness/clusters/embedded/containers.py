"""The processes of pods and containers, from outside of the node: by their cgroups.

The kubelet's cgroupfs driver names a pod's cgroup ``kubepods/<class>/pod<uid>``, without the class where it is
guaranteed; runc makes those of its containers below it, named by their ids.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from harness.clusters.embedded import cgroups, commands, freezer, inside
from harness.clusters.embedded.layout import Layout
from harness.errors import ClusterError

CLASSES = ("", "burstable", "besteffort")
TASKS = f"{commands.CONTAINERD_STATE}/io.containerd.runtime.v2.task/k8s.io"
"""Where containerd keeps what it knows of running containers, in the node."""


def signal_process_1(where: Layout, container: str, number: int) -> int:
    """Send a signal to a container's process 1; its id on this machine. Raises ClusterError where there is none."""
    gone = f"no container {container!r} runs on cluster {where.name}"
    if not container.isalnum():  # it becomes part of a path
        raise ClusterError(gone)
    node = inside.node_process(where)
    depth = len(inside.nested_ids(node)) - 1
    try:
        inner = int(Path(f"/proc/{node}/root{TASKS}/{container}/init.pid").read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ClusterError(gone) from error
    for pods in _pods(where):
        for folder in pods.glob(f"pod*/{container}"):
            for pid in freezer.members(folder):
                if inside.nested_ids(pid)[depth : depth + 1] == [inner]:
                    os.kill(pid, number)
                    return pid
    raise ClusterError(gone)


def freeze(where: Layout, uid: str) -> None:
    """Freeze every container of a pod, its sandbox too. Raises ClusterError where no such pod runs, and WaitTimeout.

    Not the pod's own cgroup, of which they are parts: when runc has killed a container it thaws that one's cgroup, so
    that v1 lets it die. So a frozen pod that is deleted ends when its grace period is over, and a frozen container
    that fails its liveness probe is replaced by one that runs.
    """
    frozen: set[Path] = set()
    while missing := set(_containers(where, uid)) - frozen:  # one may have been started meanwhile
        for folder in missing:
            freezer.freeze(folder)
        frozen |= missing
    if not frozen:
        raise ClusterError(f"no pod with the UID {uid!r} runs on cluster {where.name}")


def thaw(where: Layout, uid: str) -> None:
    """Thaw every container of a pod. Safe to repeat, and for a pod that is gone."""
    for folder in _containers(where, uid):
        freezer.thaw(folder)


def _containers(where: Layout, uid: str) -> Iterator[Path]:
    """The cgroups of a pod's containers in the hierarchy by which they are frozen."""
    for pods in _pods(where):
        pod = pods / f"pod{uid}"
        if uid and pod.is_dir():
            yield from (folder for folder in pod.iterdir() if folder.is_dir())


def _pods(where: Layout) -> Iterator[Path]:
    """The folders that hold the cgroups of pods: in v1's freezer hierarchy if there is one, else in any."""
    mounted = [h for h in cgroups.of_this_machine() if (h.mount / where.cgroup / "kubepods").is_dir()]
    mounted.sort(key=lambda hierarchy: "freezer" not in hierarchy.controllers)
    for hierarchy in mounted[:1]:
        yield from (hierarchy.mount / where.cgroup / "kubepods" / name for name in CLASSES)
