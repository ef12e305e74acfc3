"""A matrix for the eye: who was seen to reach whom, a mark for each cell of a table. Pure.

It is made of what proofs wrote down (``matrix.jsonl``, ``edges.jsonl``), so that it may have been seen by several
processes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, TypeAlias

from harness.isolation.expectations import Column
from harness.isolation.matrix import Compared, Standing, State
from harness.isolation.table import Judged

WIDTH: Final = 100
"""Columns of text that the legend is broken at."""
MOST_SOURCES: Final = 30
"""More columns than this are no table for the eye any more."""
STAND_IN: Final = "*"


class Mark(StrEnum):
    """What a cell of a table came to. Of the connections that it stands for, the worst one counts: the first here."""

    WRONG = "X"
    UNKNOWN = "?"
    OPEN = "o"
    SHUT = "."
    UNTESTED = "-"


MEANING: Final = {
    Mark.OPEN: "gets through",
    Mark.SHUT: "does not",
    Mark.WRONG: "not as expected",
    Mark.UNKNOWN: "could not be told",
    Mark.UNTESTED: "untested",
}
DIFFERS: Final = (Mark.WRONG, Mark.UNKNOWN)


@dataclass(frozen=True)
class Piece:
    """A piece of a line; ``differs`` where it is a cell that is not as expected."""

    text: str
    differs: bool = False


Line: TypeAlias = Sequence[Piece]


def line_of(table: str, one: Judged | Compared, stand_ins: Collection[str] = ()) -> Mapping[str, Any]:
    """What is written down of a connection, as JSON has it.

    One of a table has its row's and column's names, and what is expected there; without a table the model says that.
    ``stand_ins`` are the ids of the pods that are not the user's own.
    """
    compared = one.compared if isinstance(one, Judged) else one
    cell = compared.cell
    if isinstance(one, Judged):
        named = {"from": one.expected.source, "to": str(one.expected.destination)}
        wanted: dict[str, Any] = {"expected": one.expected.word, "at": one.expected.at}
    else:
        named = {"from": cell.source.id, "to": str(Column(cell.port, cell.protocol, actor=cell.destination.id))}
        wanted = {"expected": compared.expected.verdict, "at": ""}
    return {
        "table": table,
        **named,
        **wanted,
        "source": cell.source.id,
        "destination": cell.destination.id,
        "port": cell.port,
        "protocol": cell.protocol,
        "seen": compared.seen.state,
        "why": compared.seen.why,
        "model": compared.expected.verdict,
        "reasons": [str(reason) for reason in compared.expected.reasons],
        "holds": compared.standing is not Standing.DEVIATES and (not isinstance(one, Judged) or one.holds),
        "stand_ins": [end.id for end in (cell.source, cell.destination) if end.id in stand_ins],
    }


def grid(lines: Iterable[Mapping[str, Any]], edges: Iterable[Mapping[str, Any]] = ()) -> Iterator[Line]:
    """The tables that were written down, one below the other: destinations by lines, sources by columns.

    ``edges`` are ways through the API past every policy, with who was refused: they stand below the first table, in the
    columns of those of its actors who tried them.
    """
    rest = list(edges)
    for table, connections in groupby(sorted(lines, key=lambda one: str(one["table"])), key=lambda one: one["table"]):
        marks: dict[str, dict[str, Mark]] = {}
        played: set[str] = set()
        places: dict[str, tuple[int, int]] = {}
        for one in connections:
            _put(marks.setdefault(one["to"], {}), one["from"], _mark(one))
            played |= {one["from"]} if one["source"] in one["stand_ins"] else set()
            line = one["at"].rpartition(":")[2]  # a source stands where its row does
            places.setdefault(one["from"], (int(line) if line.isdecimal() else 0, len(places)))
        sources = sorted({source for row in marks.values() for source in row}, key=places.__getitem__)
        for one in rest:
            if one["from"] in sources:
                _put(
                    marks.setdefault(f"{one['resource']} (API)", {}),
                    one["from"],
                    Mark.WRONG if one["open"] else Mark.SHUT,
                )
        rest = []
        if len(sources) > MOST_SOURCES:
            yield [Piece(f"{table}: {len(marks)} destinations by {len(sources)} sources: too many to be shown here")]
            continue
        yield from _drawn(str(table), sources, marks, played)


def _put(row: dict[str, Mark], source: str, mark: Mark) -> None:
    order = list(Mark)
    row[source] = min(row.get(source, mark), mark, key=order.index)


def _mark(one: Mapping[str, Any]) -> Mark:
    match one["seen"], one["holds"]:
        case State.UNKNOWN, _:
            return Mark.UNKNOWN
        case State.UNTESTED, _:
            return Mark.UNTESTED
        case _, False:
            return Mark.WRONG
        case State.ALLOWED, _:
            return Mark.OPEN
    return Mark.SHUT


def _drawn(
    table: str, sources: Sequence[str], marks: Mapping[str, Mapping[str, Mark]], played: Collection[str]
) -> Iterator[Line]:
    there = {mark for row in marks.values() for mark in row.values()}
    meaning = [f"{mark} {MEANING[mark]}" for mark in MEANING if mark in there]
    meaning += [f"{STAND_IN} a stand-in"] if played else []
    yield [Piece(f"{table}: {', '.join(meaning)}")]
    yield from ([Piece(text)] for text in _legend([f"{one}{STAND_IN if one in played else ''}" for one in sources]))
    width = max(len("to"), *map(len, marks))
    yield [Piece(f"{'to':<{width}} " + "".join(f"{number:>3}" for number in range(1, len(sources) + 1)))]
    for destination, row in marks.items():
        cells = [row.get(source) for source in sources]
        yield [
            Piece(f"{destination:<{width}} "),
            *(Piece(f"{mark or '':>3}", differs=mark in DIFFERS) for mark in cells),
        ]


def _legend(sources: Sequence[str]) -> Iterator[str]:
    """The numbers of the columns, as many of them in a line as it takes."""
    text = "from"
    for number, source in enumerate(sources, 1):
        more = f"{number} {source}"
        if len(text) + len(more) + 1 > WIDTH:
            yield text
            text = "    "
        text += f" {more}" if text in ("from", "    ") else f", {more}"
    yield text
