"""A fault: how something is broken, how it is known that it was, and how it is healed."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.chaos.scene import Scene


class FaultError(HarnessError):
    """A fault could not be fired or undone: says which, and what refused."""


@dataclass(frozen=True)
class Target:
    """What a fault is aimed at: a workload of the cluster, or a component of the node.

    ``name`` is as in a plan: ``namespace/Kind/name``, or the component's name.
    """

    name: str


@dataclass
class Evidence:
    """What shows that a fault hit. Without ``hit`` it was *vacuous*: nothing was broken, whatever was asked for.

    ``struck`` says what was really broken (a pod's name and UID, a process), ``said`` how that is known. ``failed`` is
    what the fault itself saw that must not be, as a probe of a Litmus experiment does: the run fails for it.
    """

    struck: str = ""
    hit: bool = False
    said: str = ""
    failed: str = ""
    details: dict[str, str] = field(default_factory=dict)

    def proven(self, said: str) -> None:
        """It hit."""
        self.hit, self.said = True, said


class Fault(Protocol):
    """A way to break something. One object serves all strikes of its kind, also at the same time."""

    @property
    def kind(self) -> str:
        """Its name in a plan."""

    @property
    def seconds(self) -> tuple[float, float]:
        """Between how many seconds one that is drawn lasts; (0, 0) for what is done in a moment."""

    def targets(self, scene: "Scene") -> Sequence[Target]:
        """Where it can strike, among the scene's workloads and components; none where this cluster has no means."""

    def strike(self, scene: "Scene", target: Target, index: int) -> AbstractContextManager[Evidence]:
        """Break it; while the block runs, it stays broken; afterwards it is healed.

        What must be undone is registered with ``scene.undoing`` before anything is changed, so that it is undone even
        when this process is killed. The evidence may become complete as late as when the block has ended. Raises
        FaultError, or another HarnessError of what refused.
        """


Faults = Mapping[str, Fault]
"""By kind."""


def by_kind(faults: Sequence[Fault]) -> Faults:
    """The faults by kind."""
    return {one.kind: one for one in faults}
