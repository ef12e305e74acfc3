"""One matrix, three ways: what the model says of a cell, what the API server's review says, what a real request met.

Pure. Where the ways differ, or one of them could not be gone, the cell fails, and says which way and why.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from harness.access.oracle import Decision
from harness.access.request import Identity, Request


@dataclass(frozen=True)
class Who:
    """Somebody who asks. ``name`` is that of the tables; ``unbound``: no binding is to name him.

    ``home``: the namespaces that no way of his may lead out of; None where nothing is said of that.
    """

    name: str
    identity: Identity
    unbound: bool = False
    home: frozenset[str] | None = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Cell:
    """One request of somebody. ``source`` is that of a rule of ours that has it: then no real request settles it."""

    who: Who
    request: Request
    source: str = field(default="", compare=False)

    def __hash__(self) -> int:  # thousands are looked up
        return hash((self.who.name, self.request))

    def __str__(self) -> str:
        return f"{self.who.name}: {self.request}"


class State(StrEnum):
    """What one way shows of a cell."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"  # no answer, or one that says nothing of rights: the run fails
    UNTESTED = "untested"  # this way is not gone here


@dataclass(frozen=True)
class Seen:
    """What one way showed, and why it is taken for that."""

    state: State
    why: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.why})" if self.why else f"{self.state}"


class Standing(StrEnum):
    """How the ways stand to each other."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Compared:
    """A cell by all ways. ``asked`` is UNTESTED where it is settled by two."""

    cell: Cell
    model: Decision
    reviewed: Seen
    asked: Seen

    @property
    def standing(self) -> Standing:
        """AGREES only if every way that was gone says the same, and the review was."""
        states = {self.reviewed.state, self.asked.state} - {State.UNTESTED}
        if State.UNKNOWN in states or self.reviewed.state is State.UNTESTED:
            return Standing.UNKNOWN
        return (
            Standing.AGREES if states == {State.ALLOWED if self.model.allowed else State.DENIED} else Standing.DIFFERS
        )

    @property
    def ways(self) -> int:
        """How many ways settled it: 2 or 3."""
        return 2 if self.asked.state is State.UNTESTED else 3

    def __str__(self) -> str:
        return f"{self.cell}: the model says {self.model}; the review: {self.reviewed}; the request: {self.asked}"


def wrong(compared: Iterable[Compared]) -> list[Compared]:
    """The cells on which the ways differ, or that are unknown."""
    return [one for one in compared if one.standing is not Standing.AGREES]
