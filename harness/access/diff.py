"""Two files of expectations compared: who gains and loses what from one to the other. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from harness.access.expectations import NONE, OTHERS, UNSAID, Entry, Expectations, scope
from harness.access.export import as_written
from harness.access.resources import Resource
from harness.access.table import Expected, expected, with_custom


class Change(StrEnum):
    """How what is said of a verb differs."""

    GAINS = "gains"
    LOSES = "loses"
    MAY = "is newly said to have"
    MAY_NOT = "is newly said not to have"
    UNSAID = "is no longer said to have"
    UNSAID_NOT = "is no longer said not to have"


CHANGES: Final[Mapping[tuple[bool | None, bool | None], Change]] = {
    (False, True): Change.GAINS,
    (True, False): Change.LOSES,
    (None, True): Change.MAY,
    (None, False): Change.MAY_NOT,
    (True, None): Change.UNSAID,
    (False, None): Change.UNSAID_NOT,
}
"""By whether a verb is allowed before and after; None where nothing is said."""

_Place: TypeAlias = tuple[str, str]
"""A namespace (empty for the cluster), and who."""
_Row: TypeAlias = tuple[str, str]
"""What, and the name of an object; empty for all."""
_Said: TypeAlias = Mapping[_Place, Mapping[_Row, Mapping[str, Expected]]]
"""What is expected of each verb."""


@dataclass(frozen=True)
class Difference:
    """One thing in which two files differ, with the places of both, where it stands in them."""

    what: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what} ({', '.join(self.places)})"


def differences(before: Expectations, after: Expectations, resources: Iterable[Resource]) -> list[Difference]:
    """Everything in which two files differ, over ``resources`` and the custom ones that they name.

    First the subjects, then what those that both have may do: by place, subject, and resource. Raises ManifestError
    for a row that can not be understood.
    """
    served = with_custom(resources, (*before.entries, *after.entries))
    was, now = _said(before, served), _said(after, served)
    return [
        *_of_subjects(before, after),
        *(
            difference
            for namespace in dict.fromkeys((*before.namespaces, *after.namespaces, ""))
            for name in before.subjects
            if name in after.subjects
            for difference in _of_place((namespace, name), (before, was), (after, now))
        ),
    ]


def _said(expectations: Expectations, served: Iterable[Resource]) -> _Said:
    found: dict[_Place, dict[_Row, dict[str, Expected]]] = {}
    for one in expected(expectations, served):
        request = one.cell.request
        rows = found.setdefault((request.namespace, one.cell.who.name), {})
        rows.setdefault((request.what, request.name), {})[request.verb] = one
    return found


def _of_subjects(before: Expectations, after: Expectations) -> Iterator[Difference]:
    for name in dict.fromkeys((*before.subjects, *after.subjects)):
        was, now = before.subjects.get(name), after.subjects.get(name)
        if was is None and now is not None:
            yield Difference(f"subject {name}: is added", (now.at,))
        elif was is not None and now is None:
            yield Difference(f"subject {name}: is removed", (was.at,))
        elif was is not None and now is not None and was != now:
            yield Difference(f"subject {name}: is now {as_written(now)}, not {as_written(was)}", (was.at, now.at))


def _of_place(
    place: _Place, before: tuple[Expectations, _Said], after: tuple[Expectations, _Said]
) -> Iterator[Difference]:
    """What somebody gains and loses in one place."""
    others_were, others_are = _others(before[0], place), _others(after[0], place)
    was, now = before[1].get(place, {}), after[1].get(place, {})
    head, tail = scope(place[0]), None
    for row in dict.fromkeys((*was, *now)):
        old, new = was.get(row, {}), now.get(row, {})
        changed: dict[Change, list[str]] = {}
        for verb in dict.fromkeys((*old, *new)):
            had, has = (None if one is None else one.allowed for one in (old.get(verb), new.get(verb)))
            if had is not has:
                changed.setdefault(CHANGES[had, has], []).append(verb)
        if not changed:
            continue
        places = tuple(dict.fromkeys(one.at for side in (old, new) for one in side.values()))
        if set(places) <= {one.at for one in (others_were, others_are) if one}:
            tail = Difference(
                f"{head} {OTHERS}: {place[1]} has {_words(others_are)}, not {_words(others_were)}", places
            )
            continue
        what = f"{row[0]}[{row[1]}]" if row[1] else row[0]
        told = ", ".join(f"{change} {', '.join(verbs)}" for change, verbs in sorted(changed.items()))
        yield Difference(f"{head} {what}: {place[1]} {told}", places)
    if tail:
        yield tail


def _others(expectations: Expectations, place: _Place) -> Entry | None:
    """The row of everything else."""
    entries = (one for one in expectations.entries if (one.namespace, one.subject) == place and one.what == OTHERS)
    return next(entries, None)


def _words(entry: Entry | None) -> str:
    if entry is None or entry.words is None:
        return UNSAID
    return ",".join(entry.words) or NONE
