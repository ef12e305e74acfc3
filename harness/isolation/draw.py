"""Where a generator's choices come from: a seeded Random on a cluster and in the bench, Hypothesis in the tests.

Every choice is made of ``integer``, whose lowest value is the simplest one: so Hypothesis, which makes integers small,
makes worlds simple.
"""

from abc import abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar

T = TypeVar("T")


class Draw(Protocol):
    """Choices. An implementation gives ``integer``, and inherits the rest."""

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""

    def chance(self, numerator: int, denominator: int) -> bool:
        """True in ``numerator`` of ``denominator`` draws; False is the simpler one."""
        return self.integer(1, denominator) > denominator - numerator

    def choice(self, options: Sequence[T]) -> T:
        """One of the options: the first is the simplest, and what stands twice comes twice as often."""
        return options[self.integer(0, len(options) - 1)]

    def subset(self, options: Sequence[T], low: int, high: int) -> list[T]:
        """``low`` to ``high`` of the options, none of them twice; fewer where there are not so many."""
        left = list(options)
        count = self.integer(min(low, len(left)), min(high, len(left)))
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(count)]


class RandomDraw(Draw):
    """Choices of a ``Random``: the same seed gives the same ones in every process and in every version of Python.

    Of ``Random`` only two things are promised to stay (https://docs.python.org/3/library/random.html, "Notes on
    Reproducibility"): seeding, which for a text hashes it with SHA-512 and not with ``hash``, and ``random()``. Nothing
    else of it is used: ``randrange`` and ``choice`` have changed before.
    """

    def __init__(self, random: Random) -> None:
        self._random = random.random

    @classmethod
    def seeded(cls, seed: str) -> "RandomDraw":
        """The choices of a text, such as ``7/3``. A text, since seeding by a tuple would go through ``hash``."""
        return cls(Random(seed))  # noqa: S311 -- to be repeated, not to be secret

    def integer(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + int(self._random() * (high - low + 1))
