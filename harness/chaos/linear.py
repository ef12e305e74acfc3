"""Whether what clients saw of one register can be put in an order that explains it: linearizability. Pure, any state.

A history is *linearizable* if each operation can be thought to take effect in one moment between its beginning and its
end, so that every answer is right (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects",
1990). The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993): try each operation that
may be next, and go back where that leads nowhere. It remembers where it has been, as Lowe does ("Testing for
linearizability", 2017): the same operations done and the same state need no second look.

It takes time that grows fast with the number of operations that overlap: it is made for one key of a history.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol, TypeVar


class Timed(Protocol):
    """An operation on the register: when it began, when it ended, and whether it took effect for certain.

    One that is not certain may have taken effect at any time after it began, or never; its end does not count.
    """

    @property
    def began(self) -> float:
        """In any unit."""

    @property
    def ended(self) -> float:
        """In the same unit; what began later than this came after it, what began just then overlaps it."""

    @property
    def certain(self) -> bool:
        """Whether it must be explained."""


State = TypeVar("State")
AnOperation = TypeVar("AnOperation", bound=Timed)


def linearizable(
    operations: Sequence[AnOperation], start: State, apply: Callable[[State, AnOperation], State | None]
) -> bool:
    """Whether there is an order of the operations that explains them.

    ``apply`` gives the state after an operation with its answer, and None where the answer is wrong in that state.
    States are hashable values; ``start`` is that before all operations.
    """
    ordered = sorted(operations, key=lambda one: one.began)
    must = sum(1 << place for place, one in enumerate(ordered) if one.certain)
    been = {(0, start)}
    waiting = [(0, start)]
    while waiting:
        done, state = waiting.pop()
        if done & must == must:
            return True
        left = [(place, one) for place, one in enumerate(ordered) if not done >> place & 1]
        # What began after one of these has ended has to wait for it.
        soonest = min((one.ended for _, one in left if one.certain), default=inf)
        for place, one in left:
            if one.began > soonest:
                break
            after = apply(state, one)
            if after is None:
                continue
            reached = (done | 1 << place, after)
            if reached not in been:
                been.add(reached)
                waiting.append(reached)
    return False
