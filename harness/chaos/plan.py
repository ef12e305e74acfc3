"""What is to break when: a plan is data, drawn from a seed or read from a file, and replayed."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import ValidationError as Invalid

from harness.errors import ManifestError, UsageError
from harness.kube.sources import FieldPath, dotted, read_text

VERSION: Final = 1
DURATION: Final = 60.0
FAULTS_PER_MINUTE: Final = 24
QUIET: Final = 3.0
"""Seconds at both ends of a run in which nothing breaks: what is measured there is the steady state."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


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


def read_plan(file: Path, kinds: Collection[str], aims: Collection[str]) -> Plan:
    """The plan in a file. Raises UsageError that names the file and each wrong place of it, with its line.

    ``kinds`` are the known kinds of faults, ``aims`` the known aims.
    """
    text = _json(file)
    try:
        plan = Plan.model_validate_json(text)
    except Invalid as error:
        raise _refused(file, text, [(one["loc"], one["msg"]) for one in error.errors()]) from None
    wrong: list[tuple[FieldPath, str]] = []
    for number, fault in enumerate(plan.faults):
        place = ("faults", number)
        wrong += [((*place, field), problem) for field, problem in unknown(fault, kinds, aims)]
        if fault.at >= plan.duration:
            wrong.append(((*place, "at"), f"it is at {fault.at:g} s, and the run ends after {plan.duration:g} s"))
    if wrong:
        raise _refused(file, text, wrong)
    return plan


def unknown(fault: PlannedFault, kinds: Collection[str], aims: Collection[str]) -> Iterator[tuple[str, str]]:
    """What a fault names that is none of those: the field, and what is wrong with it."""
    if fault.kind not in kinds:
        yield "kind", f"no fault is named {fault.kind!r}: {_listed(kinds)}"
    if fault.aim and fault.aim not in aims:
        yield "aim", f"no aim is named {fault.aim!r}: {_listed(aims)}"


def _json(file: Path) -> str:
    """The text of a file, which is JSON. Raises UsageError."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise UsageError(f"--chaos-plan: {file} is no file")  # but a pipe or a device, which might never end
    try:
        text = file.read_text(encoding="utf-8")
        json.loads(text)
    except OSError as error:
        raise UsageError(f"--chaos-plan: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--chaos-plan: {file} is no plan: it is not UTF-8 text ({error.reason})") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"--chaos-plan: {file}:{error.lineno}: is not JSON: {error.msg}") from error
    except ValueError as error:  # of numbers with thousands of digits
        raise UsageError(f"--chaos-plan: {file} is no plan: {error}") from error
    except RecursionError as error:
        raise UsageError(f"--chaos-plan: {file} is no plan: it is nested too deeply to be read") from error
    return text


def _listed(known: Iterable[str]) -> str:
    return ", ".join(sorted(known)) or "there are none"


def _refused(file: Path, text: str, wrong: Sequence[tuple[FieldPath, str]]) -> UsageError:
    """What is wrong with a plan, each with its line; JSON is YAML, whose reader knows lines."""
    try:
        [source] = read_text(text.replace("\t", " "), file)  # which JSON may be indented by, and YAML may not
    except (ManifestError, ValueError):  # it holds no object, or more than one
        where = dict.fromkeys((path for path, _ in wrong), str(file))
    else:
        where = {path: source.where(path) for path, _ in wrong}
    return UsageError(
        "\n".join(f"--chaos-plan: {where[path]}: {dotted(path) or 'the file'}: {problem}" for path, problem in wrong)
    )


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
