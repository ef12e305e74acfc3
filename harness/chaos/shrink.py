"""From a plan that fails to a smaller one that still does: fewer faults, then fewer operations. Each is replayed live.

Faults are left out in halves, then quarters and so on, as delta debugging does (Zeller and Hildebrandt 2002, ddmin).
A live run may pass by luck: a plan counts as failing if one of a few replays does, and the smallest one is told with
its rate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from harness.chaos.plan import Load, Plan, PlannedFault

ATTEMPTS: Final = 2
"""How often a smaller plan is replayed before it counts as one that passes."""

CONFIRMATIONS: Final = 3
"""How often the smallest is replayed for its rate."""

SETTLING: Final = 4.0
"""Seconds that a shortened run goes on after its last fault."""

Fails = Callable[[Plan], bool]
"""Replays a plan: whether it fails as before."""
Enough = Callable[[], bool]
"""Whether the budget is used up."""


@dataclass(frozen=True)
class Shrunk:
    """The smallest plan that was seen to fail, and how often it did: ``failed`` of ``replayed`` times."""

    plan: Plan
    failed: int
    replayed: int


def shrink(plan: Plan, fails: Fails, enough: Enough) -> Shrunk:
    """The smallest failing plan that is found within the budget; ``plan`` itself has failed once."""
    smallest = _fewer_faults(plan, fails, enough)
    for less in (_shorter, _with_fewer_clients):
        smaller = less(smallest)
        if smaller != smallest and _ever(smaller, fails, enough):
            smallest = smaller
    failed = replayed = 0
    while replayed < CONFIRMATIONS and (replayed == 0 or not enough()):
        failed += fails(smallest)
        replayed += 1
    return Shrunk(smallest, failed, replayed)


def _ever(plan: Plan, fails: Fails, enough: Enough) -> bool:
    return any(not enough() and fails(plan) for _ in range(ATTEMPTS))


def _fewer_faults(plan: Plan, fails: Fails, enough: Enough) -> Plan:
    faults, parts = list(plan.faults), 2
    while len(faults) > 1 and not enough():
        for less in _without_each_part(faults, parts):
            if _ever(plan.with_faults(less), fails, enough):
                faults, parts = less, max(parts - 1, 2)
                break
        else:
            if parts >= len(faults):
                break
            parts = min(parts * 2, len(faults))
    return plan.with_faults(faults)


def _without_each_part(faults: Sequence[PlannedFault], parts: int) -> list[list[PlannedFault]]:
    edges = [round(part * len(faults) / parts) for part in range(parts + 1)]
    return [[*faults[:a], *faults[b:]] for a, b in pairwise(edges) if a < b]


def _shorter(plan: Plan) -> Plan:
    last = max((fault.at + fault.seconds for fault in plan.faults), default=0.0)
    return plan.model_copy(update={"duration": min(plan.duration, last + SETTLING)})


def _with_fewer_clients(plan: Plan) -> Plan:
    half = Load(clients=max(1, plan.load.clients // 2), think_seconds=plan.load.think_seconds)
    return plan.model_copy(update={"load": half})
