"""Mutation scores: of all slips of the hand in what people wrote, how many a table of expectations notices. Pure.

What a mutant is, and how a table is held against it, is each proof's own: policies by harness/isolation, roles and
bindings by harness/access.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from harness.errors import ManifestError
from harness.kube.sources import Source
from harness.kube.strict import known_keys, mapping, text


class Mutant(Protocol):
    """What was written, with one thing changed: ``what``, and ``at`` which ``file:line``."""

    @property
    def what(self) -> str:
        """In words that name but one mutant."""

    @property
    def at(self) -> str:
        """Where the change is."""


@dataclass(frozen=True)
class Argument:
    """Why no table can notice a ``mutant`` (its words, as the mutation score prints them)."""

    mutant: str
    because: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Judged:
    """A mutant and what became of it: the ``breach`` that killed it, an ``argument``, or, of a survivor, a ``hint``."""

    mutant: Mutant
    breach: str = ""
    argument: Argument | None = None
    hint: str = ""

    @property
    def outcome(self) -> str:
        """``killed``, ``argued`` or ``survived``."""
        return "killed" if self.breach else "argued" if self.argument else "survived"


@dataclass(frozen=True)
class Score:
    """All mutants, judged, and the arguments that no survivor needs."""

    judged: tuple[Judged, ...]
    stale: tuple[Argument, ...] = ()

    def of(self, outcome: str) -> list[Judged]:
        """The mutants of one outcome."""
        return [one for one in self.judged if one.outcome == outcome]

    @property
    def share(self) -> float:
        """Killed mutants among those that are not argued, 0 to 1."""
        counted = len(self.judged) - len(self.of("argued"))
        return len(self.of("killed")) / counted if counted else 1.0

    @property
    def complete(self) -> bool:
        """Whether nothing survived, and no argument is stale."""
        return not self.of("survived") and not self.stale

    def __str__(self) -> str:
        """The figures."""
        killed, survived, argued = (len(self.of(outcome)) for outcome in ("killed", "survived", "argued"))
        return f"{self.share:.1%}: {killed} killed, {survived} survived, {argued} argued to be equivalent"


_M = TypeVar("_M", bound=Mutant)


def judge(
    mutants: Iterable[_M], breach: Callable[[_M], str], hint: Callable[[_M], str], arguments: Sequence[Argument]
) -> Score:
    """Judge each mutant by its first ``breach`` of the table, empty where there is none.

    ``hint`` says of a survivor what nobody noticed.
    """
    argued = {argument.mutant: argument for argument in arguments}

    def judged(mutant: _M) -> Judged:
        if broken := breach(mutant):
            return Judged(mutant, broken)
        if mutant.what in argued:
            return Judged(mutant, argument=argued[mutant.what])
        return Judged(mutant, hint=hint(mutant))

    found = tuple(map(judged, mutants))
    used = {one.argument for one in found}
    return Score(found, tuple(argument for argument in arguments if argument not in used))


def details(score: Score) -> Iterator[str]:
    """What a person is told of each mutant that was not killed."""
    for one in score.of("argued"):
        yield f"argued    {one.mutant.at}: {one.mutant.what}: {one.argument.because if one.argument else ''}"
    for one in score.of("survived"):
        yield f"survived  {one.mutant.at}: {one.mutant.what}\n          {one.hint}"
    for argument in score.stale:
        yield f"stale     {argument.at}: argues for {argument.mutant!r}, which does not survive: delete it"


def total(*scores: Score) -> Score:
    """Several scores as one."""
    return Score(
        tuple(one for score in scores for one in score.judged),
        tuple(argument for score in scores for argument in score.stale),
    )


def record(judged: Judged) -> str:
    """A mutant as a line of JSON."""
    because = judged.argument.because if judged.argument else judged.breach or judged.hint
    return json.dumps(
        {"mutant": judged.mutant.what, "at": judged.mutant.at, "outcome": judged.outcome, "because": because}
    )


def arguments_of(source: Source) -> Iterator[Argument]:
    """The arguments under ``equivalent`` in a file of expectations, each in one line. Raises ManifestError."""
    value = source.object.get("equivalent")
    if value is None:
        return
    if not isinstance(value, list):
        raise ManifestError(source.where(("equivalent",)), "equivalent", "must be a list of mutant and because")
    for index, one in enumerate(value):
        path = ("equivalent", index)
        body = mapping(source, path, one)
        known_keys(source, path, body, required=("mutant", "because"))
        mutant, because = (text(source, (*path, key), body[key]) for key in ("mutant", "because"))
        yield Argument(" ".join(mutant.split()), " ".join(because.split()), source.where(path))
