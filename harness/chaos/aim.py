"""An aim: a point of a protocol at which a fault is fired, and how it is known that the point was reached."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from harness.chaos.fault import FaultError, Target
from harness.chaos.faults.rollouts import annotate, await_rollout
from harness.chaos.scene import STRUCK, Scene
from harness.kube.wait import wait_until

HALFWAY_SECONDS: Final = 60.0
_VERSION: Final = "harness.dev/chaos-halfway"


def nothing() -> None:
    """What is released where nothing was held."""


@dataclass(frozen=True)
class Reached:
    """The point is reached now, and stays so until ``release``, which is called when the fault has hit.

    ``said`` is what shows it, ``pod`` the name of the pod to strike (empty: any). ``until``, where there is one,
    returns when a fault that lasts has lasted long enough, and says why.
    """

    said: str
    pod: str = ""
    release: Callable[[], None] = nothing
    until: Callable[[], str] | None = None


class Aim(Protocol):
    """A point of a protocol."""

    @property
    def name(self) -> str:
        """Its name in a plan."""

    @property
    def undisturbed(self) -> frozenset[str]:
        """Targets that no other fault may strike meanwhile, as the aim is reached by way of them."""

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:
        """The kinds of faults and the targets that it is meant for."""

    def reach(self, scene: Scene, target: Target) -> AbstractContextManager[Reached]:
        """Bring the system to that point, and keep it there. Raises FaultError or WaitTimeout where it cannot be."""


Aims = Mapping[str, Aim]
"""By name."""


@dataclass(frozen=True)
class MidRollout:
    """In the middle of a rollout: pods of the old version and of the new one run side by side."""

    name: str = "mid-rollout"
    undisturbed: frozenset[str] = frozenset()

    def faults(self, scene: Scene) -> Sequence[tuple[str, Target]]:
        """A pod of any Deployment is killed."""
        return [("pod-kill", Target(one.name)) for one in scene.workloads if one.body["kind"] == "Deployment"]

    @contextmanager
    def reach(self, scene: Scene, target: Target) -> Iterator[Reached]:
        """Begin a rollout, and wait until both versions are there; afterwards it goes on to its end."""
        workload = scene.workload(target.name)

        def both() -> str:
            status = scene.api.get(workload.path).get("status", {})
            every, new = status.get("replicas", 0), status.get("updatedReplicas", 0)
            return f"{new} of {every} pods were of the new version" if 0 < new < every else ""

        annotate(scene, workload, _VERSION, f"{scene.now():.3f}")
        said = wait_until(
            f"the rollout of {target.name} to be halfway",
            both,
            seconds=HALFWAY_SECONDS,
            interval=0.02,
            tolerate=STRUCK,
        )
        yield Reached(said)
        await_rollout(scene, workload)


def index_of(scene: Scene, target: Target, pod: str) -> int:
    """Which of a workload's running pods has that name. Raises FaultError where it is gone."""
    names = [one["metadata"]["name"] for one in scene.running_pods(scene.workload(target.name))]
    if pod not in names:
        raise FaultError(f"pod {pod} of {target.name} is gone")
    return names.index(pod)
