"""What a run can do to a cluster: its faults and aims, what can be drawn of them, and what a plan may name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from harness.chaos.aim import Aims
from harness.chaos.fault import Faults
from harness.chaos.plan import Candidate, Plan, draw, unknown
from harness.chaos.scene import Scene
from harness.errors import UsageError

LATE_SECONDS: Final = 60.0
"""How much longer clients go on for faults that have not hit: that still wait for what earlier ones have struck."""

SELDOM: Final = frozenset({"node-restart"})
"""Faults that are not drawn, as nothing but their own end could be seen beside them: a plan names them."""

SOLE: Final = 0.2
"""How often the only pod of a workload is drawn, beside one of several: all that needs it stands still meanwhile."""


@dataclass(frozen=True)
class Arsenal:
    """What a run can do: faults by kind, and aims by name.

    ``late`` is for how many seconds longer than planned clients go on for a fault that has not hit. ``again`` are the
    options of pytest that run the same again, where it is more than a plan.
    """

    faults: Faults
    aims: Aims = field(default_factory=dict)
    late: float = LATE_SECONDS
    again: str = ""

    def candidates(self, scene: Scene) -> list[Candidate]:
        """Every fault that can be drawn here, on each of its targets, and at each of its aims."""
        can = {(kind, target) for kind, fault in self.faults.items() for target in fault.targets(scene)}
        aimed = {(kind, target, aim.name) for aim in self.aims.values() for kind, target in aim.faults(scene)}
        drawn = [(kind, target, "") for kind, target in can if kind not in SELDOM]
        drawn += [(kind, target, aim) for kind, target, aim in aimed if (kind, target) in can]
        alone = {one.name for one in scene.workloads if one.replicas == 1}
        return [
            Candidate(kind, target.name, self.faults[kind].seconds, aim, weight=SOLE if target.name in alone else 1.0)
            for kind, target, aim in drawn
        ]

    def draw(self, scene: Scene, seed: int, duration: float) -> Plan:
        """The plan that a seed draws for a scene."""
        return draw(seed, duration, self.candidates(scene))

    def check(self, plan: Plan, scene: Scene) -> None:
        """Raise UsageError where a plan names what is not here: a kind, an aim or a target. It tells all of them."""
        if wrong := list(self._wrong(plan, scene)):
            told = "".join(f"\n  {one}" for one in wrong)
            raise UsageError(f"the plan cannot be carried out on cluster {scene.cluster.name}:{told}")

    def _wrong(self, plan: Plan, scene: Scene) -> Iterator[str]:
        struck = {one.kind for one in plan.faults} & self.faults.keys()
        reached = {one.aim for one in plan.faults} & self.aims.keys()
        targets = {kind: {one.name for one in self.faults[kind].targets(scene)} for kind in struck}
        aimed = {aim: {target.name for _, target in self.aims[aim].faults(scene)} for aim in reached}
        for number, fault in enumerate(plan.faults):
            strange = (problem for _, problem in unknown(fault, self.faults, self.aims))
            problem = next(strange, "") or _elsewhere(fault.target, fault.kind, targets[fault.kind])
            if not problem and fault.aim:
                problem = _elsewhere(fault.target, fault.aim, aimed[fault.aim])
            if not problem and not fault.seconds and not fault.aim and self.faults[fault.kind].seconds[1]:
                problem = f"{fault.kind} is to last, and has no seconds, for how long"
            if problem:
                yield f"faults[{number}]: {problem}"


def _elsewhere(target: str, what: str, known: set[str]) -> str:
    if target in known:
        return ""
    return f"{what} has no target {target!r} here, but {', '.join(sorted(known)) or 'none at all'}"
