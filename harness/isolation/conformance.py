"""What a network plugin was seen to do with each point of NetworkPolicy: counted from trials, told as JSON and text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from harness.isolation.matrix import Compared, Standing, count
from harness.isolation.points import BY_CANARY, POINTS, UNDEFINED

SHOWN = 5
"""How many of its wrong cells a trial keeps as text."""

BY_THE_CANARY = {Standing.CONFORMS: "shown by the canary", Standing.DEVIATES: "the canary failed"}


@dataclass(frozen=True)
class Trial:
    """One world, or one step of a case, that was looked at on a cluster. ``wrong``: its first wrong cells, in words.

    In ``rounds`` rounds its cells agreed, or were given up; ``again`` is how many of them were asked more than once
    since they disagreed at first.
    """

    name: str
    points: tuple[int, ...]
    cells: Mapping[str, int]
    seconds: float
    wrong: tuple[str, ...] = ()
    rounds: int = 1
    again: int = 0

    @classmethod
    def of(cls, name: str, points: tuple[int, ...], compared: Sequence[Compared], seconds: float) -> "Trial":
        """A trial from its compared cells."""
        wrong = [str(one) for one in compared if one.standing in (Standing.DEVIATES, Standing.UNKNOWN)]
        return cls(
            name, points, {str(key): value for key, value in count(compared).items()}, seconds, tuple(wrong[:SHOWN])
        )

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Trial":
        """The trial of a line that ``to_json`` wrote."""
        read = json.loads(line)
        return cls(**{**read, "points": tuple(read["points"]), "wrong": tuple(read["wrong"])})


@dataclass(frozen=True)
class Point:
    """What was seen of one point: ``conforms``, ``deviates``, ``unknown``, ``undefined`` or ``untested``."""

    number: int
    title: str
    standing: Standing
    trials: int
    cells: Mapping[str, int]
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All points, and the trials that name none (generated worlds) together."""

    about: Mapping[str, str]
    points: tuple[Point, ...]
    generated: Point
    trials: tuple[Trial, ...] = field(repr=False)

    @classmethod
    def of(cls, trials: Iterable[Trial], about: Mapping[str, str], *, canary: Sequence[bool]) -> "Report":
        """The report on trials. ``canary``: whether each one of the run flipped; ``about`` names cluster and plugin."""
        known = tuple(trials)
        points = tuple(_point(number, [one for one in known if number in one.points], canary) for number in POINTS)
        without = [one for one in known if not one.points]
        return cls(about, points, _summed(0, "generated worlds", without), known)

    def summary(self) -> list[str]:
        """A few lines: how the points stand, which of them deviate, the generated worlds, and what came late."""
        by_standing: dict[str, list[str]] = {}
        for one in self.points:
            by_standing.setdefault(one.standing, []).append(str(one.number))
        points = "; ".join(f"{standing}: {', '.join(numbers)}" for standing, numbers in by_standing.items())
        return [
            f"points of NetworkPolicy: {points}",
            f"generated worlds: {_counts(self.generated)}",
            _late(self.trials),
        ]

    def to_json(self) -> str:
        """The report as one JSON object, without the single trials: they stand in the run's JSON lines."""
        points = [asdict(one) for one in self.points]
        return json.dumps({"about": self.about, "points": points, "generated": asdict(self.generated)}, indent=2) + "\n"

    def to_text(self) -> str:
        """The report for people: a line for each point, wrong cells below it."""
        lines = [", ".join(f"{key} {value}" for key, value in self.about.items())]
        for one in (*self.points, self.generated):
            number = f"{one.number:>2}" if one.number else "  "
            lines.append(f"{number}  {one.standing:<9}  {one.title}: {_counts(one)}")
            lines += [f"      {cell}" for cell in one.wrong]
        return "\n".join(lines) + "\n"


def _late(trials: Sequence[Trial]) -> str:
    """How many cells disagreed at first: to be slow is not wrong, but it is not hidden either."""
    late = [one for one in trials if one.again]
    if not late:
        return "asked again: no cell"
    cells, rounds = sum(one.again for one in late), max(one.rounds for one in late)
    return f"asked again: {cells} cells of {len(late)} trials, in up to {rounds} rounds"


def _counts(point: Point) -> str:
    if not point.trials:
        return BY_THE_CANARY.get(point.standing, "no trial") if point.number == BY_CANARY else "no trial"
    cells = ", ".join(f"{number} {standing}" for standing, number in point.cells.items() if number)
    return f"{point.trials} trials, {cells or 'no cell'}"


def _point(number: int, trials: Sequence[Trial], canary: Sequence[bool]) -> Point:
    point = _summed(number, POINTS[number], trials)
    standing = point.standing
    if number == BY_CANARY and not trials:
        standing = (Standing.CONFORMS if all(canary) else Standing.DEVIATES) if canary else Standing.UNTESTED
    elif number in UNDEFINED and standing in (Standing.CONFORMS, Standing.UNTESTED):
        standing = Standing.UNDEFINED
    return Point(number, point.title, standing, point.trials, point.cells, point.wrong)


def _summed(number: int, title: str, trials: Sequence[Trial]) -> Point:
    """Trials as one point: the worst of what was seen, nothing seen being untested."""
    cells = {str(standing): sum(trial.cells.get(standing, 0) for trial in trials) for standing in Standing}
    order = (Standing.DEVIATES, Standing.UNKNOWN, Standing.CONFORMS, Standing.UNDEFINED)
    standing = next((one for one in order if cells[one]), Standing.UNTESTED)
    wrong = tuple(f"{trial.name}: {cell}" for trial in trials for cell in trial.wrong)[:SHOWN]
    return Point(number, title, standing, len(trials), cells, wrong)
