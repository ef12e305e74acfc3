"""What was really done: a fault of a plan, when it hit, what shows it, and when everything was whole again."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from harness.chaos.plan import PlannedFault

SHOWN_CHARACTERS: Final = 300
"""How much is shown of an error; all of it lies in the run's folder."""


@dataclass
class Strike:
    """One fault of a run. Times are seconds since the run's start; None where it did not come to that.

    ``began`` is when its aim was first taken, ``fired`` when it was begun, ``hit`` when it was in effect, ``healed``
    when it was undone and its workload whole, ``ended`` when it was over, whatever it came to.
    ``aimed`` says that its aim was met, and how; ``failed`` is what the fault itself saw that must not be.
    """

    planned: PlannedFault
    fired: float
    hit: float | None = None
    healed: float | None = None
    struck: str = ""
    said: str = ""
    aimed: str = ""
    failed: str = ""
    vacuous: bool = True
    error: str = ""
    details: dict[str, str] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None

    @property
    def frozen(self) -> tuple[float, float] | None:
        """When a pod was frozen, from and to; None for other faults."""
        if self.planned.kind != "freeze" or self.vacuous or self.hit is None or self.healed is None:
            return None
        return self.hit, self.healed

    @property
    def disturbance(self) -> tuple[float, float] | None:
        """When it was in the way of others, from and to; of a freeze only until it hit. None where it was not begun."""
        if self.began is None:
            return None
        end = self.hit if self.frozen else self.ended
        return self.began, math.inf if end is None else end

    def as_json(self) -> dict[str, Any]:
        """For the run's folder."""
        return {**asdict(self), "planned": self.planned.model_dump()}

    def __str__(self) -> str:
        came_to = " ".join(self.error.split())[:SHOWN_CHARACTERS] or (
            "vacuous" if self.vacuous else "; ".join(filter(None, (self.aimed, self.said, self.failed)))
        )
        return f"{self.planned}: {self.struck or 'nothing struck'}: {came_to}"


def kinds(strikes: Iterable[Strike]) -> set[str]:
    """The kinds of faults that hit."""
    return {one.planned.kind for one in strikes if not one.vacuous}
