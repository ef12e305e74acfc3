"""How well a service was there before, while and after things broke: answers, latency, recovery. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from harness.chaos.history import Operation, Outcome
from harness.chaos.strikes import Strike

PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True)
class Stretch:
    """A part of a run: ``ok`` of ``asked`` operations, and their latency percentiles (PERCENTILES) in milliseconds."""

    name: str
    asked: int
    ok: int
    latency_ms: tuple[float, ...]

    @property
    def success_pct(self) -> float:
        """How many of a hundred were ok; 100 where none was asked."""
        return 100 * self.ok / self.asked if self.asked else 100.0

    def __str__(self) -> str:
        latency = ", ".join(f"p{p} {ms:.0f} ms" for p, ms in zip(PERCENTILES, self.latency_ms, strict=False))
        return f"{self.name}: {self.ok} of {self.asked} ok ({self.success_pct:.2f} %), {latency or 'no latency'}"


def stretches(operations: Sequence[Operation], strikes: Sequence[Strike]) -> list[Stretch]:
    """Before the first fault that hit, until the last was healed, and after; an operation is where it began."""
    hits = [one for one in strikes if one.hit is not None]
    if not hits:
        return [_stretch("before", operations)]
    first = min(one.fired for one in hits)
    healed = [one.healed for one in hits if one.healed is not None]
    last = max(healed) if len(healed) == len(hits) else float("inf")
    parts = (("before", 0.0, first), ("during", first, last), ("after", last, float("inf")))
    return [_stretch(name, (one for one in operations if start <= one.began < end)) for name, start, end in parts]


def _stretch(name: str, operations: Iterable[Operation]) -> Stretch:
    every = list(operations)
    ok = [one for one in every if one.outcome is Outcome.OK]
    took = sorted(1000 * (one.ended - one.began) for one in ok if one.ended is not None)
    return Stretch(name, len(every), len(ok), tuple(percentile(took, p) for p in PERCENTILES) if took else ())


def percentile(ordered: Sequence[float], p: float) -> float:
    """The nearest-rank percentile of values in order, of which there is one at least."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(p * len(ordered)) // 100) - 1))]


@dataclass(frozen=True)
class Recovery:
    """After a fault: for how long, within it and after it, no operation came to be ok; in seconds."""

    strike: Strike
    seconds: float


def recoveries(operations: Sequence[Operation], strikes: Sequence[Strike]) -> list[Recovery]:
    """For each fault that hit, the longest time without an ok between its firing and its end.

    Faults overlap, so that one may be blamed for another: in a run of single kills none is.
    """
    ends = sorted(one.ended for one in operations if one.outcome is Outcome.OK and one.ended is not None)
    found = []
    for strike in strikes:
        if strike.vacuous or strike.healed is None:
            continue
        within = [strike.fired, *(end for end in ends if strike.fired < end < strike.healed), strike.healed]
        longest = max(after - before for before, after in pairwise(within))
        found.append(Recovery(strike, longest))
    return found
