"""What is to break when: a plan is data, drawn from a seed or read from a file, and replayed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import ValidationError as Invalid

from harness.errors import UsageError

VERSION: Final = 1
DURATION: Final = 60.0
FAULTS_PER_MINUTE: Final = 24
QUIET: Final = 3.0
"""Seconds at both ends of a run in which nothing breaks: what is measured there is the steady state."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Load(_Part):
    """What the clients do: how many there are, and how long each thinks, on average, between two requests."""

    clients: PositiveInt = 8
    think_seconds: NonNegativeFloat = 0.01


class PlannedFault(_Part):
    """One fault: ``kind``, ``at`` seconds into the run, on the ``index``-th running pod of ``target``, by age.

    The index counts round. ``target`` is ``namespace/Kind/name``, or a component of the node. What it means is found
    when it is fired. A fault that lasts is undone after ``seconds``. One with an ``aim`` waits, from ``at`` on, for
    that point of a protocol, and strikes the pod that is there.
    """

    kind: str
    target: str
    at: NonNegativeFloat
    index: NonNegativeInt = 0
    seconds: NonNegativeFloat = 0.0
    aim: str = ""

    @property
    def named(self) -> str:
        """What it is and where, in short."""
        return f"{self.kind}{f' {self.aim}' if self.aim else ''} of {self.target}"

    def __str__(self) -> str:
        lasts = f" for {self.seconds:g} s" if self.seconds else ""
        return f"{self.named} [{self.index}] at {self.at:.2f} s{lasts}"


class Plan(_Part):
    """A whole run: the seed of its clients, how long they ask, and the faults by time."""

    version: Literal[1] = VERSION
    seed: int
    duration: PositiveFloat = DURATION
    load: Load = Field(default_factory=Load)
    faults: tuple[PlannedFault, ...] = ()

    def text(self) -> str:
        """As JSON, the way a plan file has it."""
        return self.model_dump_json(indent=1) + "\n"

    def with_faults(self, faults: Sequence[PlannedFault]) -> "Plan":
        """The same with other faults."""
        return self.model_copy(update={"faults": tuple(faults)})


@dataclass(frozen=True)
class Candidate:
    """A fault that can be drawn: its kind, one target, between how many seconds it lasts (0, 0: a moment), its aim.

    ``weight`` is how often it is drawn, beside those of the same kind and aim.
    """

    kind: str
    target: str
    seconds: tuple[float, float] = (0.0, 0.0)
    aim: str = ""
    weight: float = 1.0

    @property
    def sort(self) -> tuple[str, str]:
        """What comes round in turn."""
        return self.aim, self.kind


def read_plan(file: Path, kinds: Mapping[str, object], aims: Mapping[str, object]) -> Plan:
    """The plan in a file. Raises UsageError that names the file and each wrong place of it.

    The keys of ``kinds`` are the known kinds of faults, those of ``aims`` the known aims.
    """
    try:
        plan = Plan.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"--chaos-plan: {file} cannot be read: {error}") from error
    except Invalid as error:
        wrong = "; ".join(f"{_place(one['loc'])}: {one['msg']}" for one in error.errors())
        raise UsageError(f"--chaos-plan: {file} is no plan: {wrong}") from None
    for number, fault in enumerate(plan.faults):
        if fault.kind not in kinds:
            known = ", ".join(sorted(kinds))
            raise UsageError(f"--chaos-plan: {file}: faults[{number}]: no fault is named {fault.kind!r}: {known}")
        if fault.aim and fault.aim not in aims:
            known = ", ".join(sorted(aims)) or "there are none"
            raise UsageError(f"--chaos-plan: {file}: faults[{number}]: no aim is named {fault.aim!r}: {known}")
        if fault.at >= plan.duration:
            raise UsageError(
                f"--chaos-plan: {file}: faults[{number}]: it is at {fault.at:g} s, "
                f"and the run ends after {plan.duration:g} s"
            )
    return plan


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in location).removeprefix(".")
    return text or "the file"


def draw(seed: int, duration: float, candidates: Sequence[Candidate], load: Load | None = None) -> Plan:
    """The plan of a seed: the same seed and candidates give the same plan, whatever order the candidates come in.

    Kinds come round in turn, each turn in another order, so that all of them are there; times are spread evenly, with
    chance in between. Raises UsageError where there is nothing to draw from.
    """
    if not candidates:
        raise UsageError("no fault can be drawn: none of the workloads is a target of one")
    # The text, as generated worlds have it: Python promises that Random seeded by one stays as it is.
    random = Random(f"chaos {seed}")  # noqa: S311 -- a plan, no secret
    room = max(duration - 2 * QUIET, 0.0)
    number = max(1, round(FAULTS_PER_MINUTE * room / 60))
    step = room / number
    sorts = _in_turn(random, sorted({one.sort for one in candidates}))
    faults = []
    for place in range(number):
        sort = next(sorts)
        chosen = _weighed(random, [one for one in candidates if one.sort == sort])
        shortest, longest = chosen.seconds
        faults.append(
            PlannedFault(
                kind=chosen.kind,
                target=chosen.target,
                at=round(QUIET + step * (place + random.random() * 0.8), 2),
                index=int(random.random() * 16),
                seconds=round(shortest + random.random() * (longest - shortest), 2),
                aim=chosen.aim,
            )
        )
    return Plan(seed=seed, duration=duration, load=load or Load(), faults=tuple(faults))


def _weighed(random: Random, among: Sequence[Candidate]) -> Candidate:
    among = sorted(among, key=lambda one: one.target)
    lot = random.random() * sum(one.weight for one in among)
    for one in among:
        lot -= one.weight
        if lot < 0:
            return one
    return among[-1]


def _in_turn(random: Random, sorts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    while True:
        left = list(sorts)
        while left:
            yield left.pop(int(random.random() * len(left)))
