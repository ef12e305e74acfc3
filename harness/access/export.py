"""A matrix as people would write it: who may do what today, as a file of expectations to begin with. Pure."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from harness.access.expectations import ALL, NONE, OTHERS, READ, READING, Entry, scope
from harness.access.matrix import Cell, Who
from harness.access.request import AUTHENTICATED, Identity
from harness.access.resources import Resource, lying_in
from harness.access.table import cells_of, names_of

WIDTH: Final = 120
"""How wide a table may grow before its subjects go into several, in characters."""
FEW: Final = 3
"""Up to so many verbs are told one by one, though they are all that there are."""
GAP: Final = "  "
ORDER: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
"""How people are used to see verbs; others come first."""

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z][a-z0-9-]*(/[a-z0-9.-]+)?", re.IGNORECASE)

Named: TypeAlias = Mapping[tuple[str, str], Sequence[str]]
"""Objects that are asked for by name: by namespace (empty for none) and what, as `Resource.what` has it."""

_Row: TypeAlias = tuple[str, str]
"""What, and the name of an object; empty for all."""


BARE: Final = ("the columns", "the row *")
"""The lines that every table has."""


@dataclass(frozen=True)
class Right:
    """What somebody may do of a resource: the ``verbs`` that he has, of those that are ``known`` to it."""

    verbs: frozenset[str]
    known: tuple[str, ...]

    def is_said_by(self, word: str) -> bool:
        """Whether a cell of this one word says the same."""
        return Entry("", "", "", "", () if word == NONE else (word,)).verbs(self.known) == self.verbs

    def __str__(self) -> str:
        """As a cell of a table says it."""
        if not self.verbs or (self.verbs == set(self.known) and len(self.known) > FEW):
            return ALL if self.verbs else NONE
        reading = [verb for verb in READING if verb in self.known]
        words = [READ] if len(reading) > 1 and self.verbs.issuperset(reading) else []
        others = sorted(
            self.verbs - (set(reading) if words else set()),
            key=lambda verb: (ORDER.index(verb) if verb in ORDER else -1, verb),
        )
        return ",".join(words + others)


_Column: TypeAlias = Mapping[_Row, Right]
"""What one subject may do in one place."""


def asked(
    subjects: Iterable[Who], resources: Sequence[Resource], namespaces: Iterable[str], named: Named | None = None
) -> list[Cell]:
    """Every cell that an export has to know."""
    places = (*namespaces, "")
    return [
        cell
        for who in subjects
        for place in places
        for row in _rows(who, resources, place, named or {}).values()
        for cell in row
    ]


def exported(
    subjects: Sequence[Who],
    resources: Sequence[Resource],
    namespaces: Iterable[str],
    allowed: Callable[[Cell], bool],
    *,
    named: Named | None = None,
    head: str = "",
) -> str:
    """The file of expectations that says what is ``allowed``, of the resources in the namespaces and in the cluster.

    ``named`` objects get a row where they differ from the others of their resource; ``head`` becomes a comment.
    """
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += ["subjects:", *(f"  {_text(one.name)}: {as_written(one)}" for one in subjects), "", "rights:"]
    for place in (*namespaces, ""):
        columns = {who.name: _column(who, resources, place, named or {}, allowed) for who in subjects}
        for table in _tables(scope(place), columns):
            lines += ["  - |", *(f"    {line}" for line in table), ""]
    return "\n".join(lines).rstrip() + "\n"


def _rows(who: Who, resources: Sequence[Resource], place: str, named: Named) -> dict[_Row, list[Cell]]:
    """The cells of a subject in one place."""
    rows: dict[_Row, list[Cell]] = {}
    for resource in lying_in(resources, place):
        for name in names_of(resource, named.get((place, resource.what), ()), resources):
            rows.setdefault((resource.what, name), []).extend(cells_of(who, resource, place, name))
    return rows


def _column(
    who: Who, resources: Sequence[Resource], place: str, named: Named, allowed: Callable[[Cell], bool]
) -> _Column:
    """What a subject may do in one place."""
    return {
        row: Right(
            frozenset(cell.request.verb for cell in cells if allowed(cell)),
            tuple(dict.fromkeys(cell.request.verb for cell in cells)),
        )
        for row, cells in _rows(who, resources, place, named).items()
    }


def as_written(who: Who) -> str:
    """A subject, as a file has it."""
    identity, account = who.identity, who.identity.as_account
    if identity == Identity.anonymous():
        return "anonymous"
    groups = sorted(identity.groups - {AUTHENTICATED})
    parts = [f"service-account: {'/'.join(account)}"] if account else [f"user: {_text(identity.name)}"]
    parts += [f"groups: [{', '.join(map(_text, groups))}]"] if groups and not account else []
    parts += ["unbound: true"] if who.unbound else []
    parts += [f"home: [{', '.join(map(_text, sorted(who.home)))}]"] if who.home is not None else []
    return "{" + ", ".join(parts) + "}"


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


# -------------------------------------------------------------------------------------------------------------- tables


def _tables(corner: str, columns: Mapping[str, _Column]) -> Iterator[list[str]]:
    """The lines of the tables of one place: whoever has nothing of his own there is in tables of one row.

    Subjects that do not fit into one table go into several.
    """
    alike = {name: column for name, column in columns.items() if len(_lines(corner, {name: column})) == len(BARE)}
    for some in ({name: columns[name] for name in columns if name not in alike}, alike):
        left = list(some)
        while left:
            fit = 1
            while fit < len(left) and _width(_lines(corner, {one: some[one] for one in left[: fit + 1]})) <= WIDTH:
                fit += 1
            yield _lines(corner, {one: some[one] for one in left[:fit]})
            left = left[fit:]


def _width(lines: Iterable[str]) -> int:
    return max(map(len, lines))


def _lines(corner: str, columns: Mapping[str, _Column]) -> list[str]:
    """The lines of one table: a row for whatever the row ``*`` does not say of everybody."""
    others = [_most(column.values()) for column in columns.values()]
    rights = {row: [column[row] for column in columns.values()] for row in next(iter(columns.values()))}
    rows = [[corner, *columns]]
    for label, cells, whole in _labelled(rights):
        said = [str(one) for one in whole] if whole else others
        if not all(map(Right.is_said_by, cells, said)):
            rows.append([label, *map(str, cells)])
    rows.append([OTHERS, *others])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [GAP.join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _most(rights: Iterable[Right]) -> str:
    """The word for the row ``*``: what somebody has of most things in a place, or else nothing."""
    every = list(rights)
    said = {word: sum(bool(one.verbs) and one.is_said_by(word) for one in every) for word in (READ, ALL)}
    return next((word for word, times in said.items() if times > len(every) / 2), NONE)


def _labelled(rights: Mapping[_Row, list[Right]]) -> Iterator[tuple[str, list[Right], list[Right] | None]]:
    """Each row with how it begins, and, of an object, what its resource has; names that differ in nothing are one."""
    by_name: dict[str, list[list[Right]]] = {}
    for (what, name), cells in rights.items():
        if name and (what, "") not in rights:
            by_name.setdefault(what, []).append(cells)
    alike = {what for what, several in by_name.items() if all(one == several[0] for one in several)}
    for (what, name), cells in rights.items():
        if what not in alike:
            yield f"{what}[{name}]" if name else what, cells, rights.get((what, "")) if name else None
        elif what in by_name:
            del by_name[what]
            yield what, cells, None
