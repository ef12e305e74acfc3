"""What chaos is done to, and who judges it: the protocols that a user's own service fulfils.

A *workload* speaks to the service as its clients would and reads what is left in the end. A *checker* is a pure
function of the history and of those rows. The case (``invoices.py``) is a workload like any other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from harness.chaos.history import Call, Json, Operation, Result
from harness.chaos.strikes import Strike


@dataclass(frozen=True)
class Finding:
    """A promise that was broken: which, of what (``subject``, as an invoice's id), and the operations that show it."""

    checker: str
    subject: str
    problem: str
    operations: tuple[Operation, ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n    {operation}" for operation in self.operations)
        return f"{self.checker}: {self.subject}: {self.problem}{shown}"


@dataclass(frozen=True)
class Judgement:
    """What a checker found, and how many things it could look at: none means that it proved nothing."""

    checker: str
    looked_at: int
    findings: tuple[Finding, ...] = ()


class Checker(Protocol):
    """A promise. Pure: it asks nothing of the cluster."""

    @property
    def name(self) -> str:
        """What is promised, in a few words."""

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:
        """Hold the whole history and the final rows against the promise."""


class Workload(Protocol):
    """Clients of a service. Every method may be called from several threads at once."""

    def checkers(self, strikes: Sequence[Strike]) -> Sequence[Checker]:
        """What the service promises; ``strikes`` are what was broken, for promises that depend on that."""

    def operations(self, random: Random, process: int) -> Iterator[Call]:
        """What one client asks, one after another, without end. All that is left to chance comes from ``random``."""

    def invoke(self, call: Call) -> Result:
        """Ask once, and never again: a lost answer is *info*. Raises nothing but what is an error of the harness."""

    def settle(self) -> None:
        """After the chaos: bring what is still under way to its end, as by repeating what is safe to repeat."""

    def final_rows(self) -> Json:
        """What is left in the end, read where it is stored and not through the service."""
