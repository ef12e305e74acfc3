"""What proofs of isolation leave in a run's folder: JSON lines while they run, report and matrix at the end."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import records
from harness.isolation.conformance import Report, Trial
from harness.isolation.grid import Line, grid, line_of
from harness.isolation.matrix import Compared
from harness.isolation.table import Judged

TRIALS = "trials-{}.jsonl"
MATRIX = "matrix.jsonl"
EDGES = "edges.jsonl"
REPORT = "conformance"


class Records(records.Records):
    """The folder of a run's isolation proofs."""

    def add(self, trial: Trial) -> None:
        """Write one trial down."""
        self.lines(TRIALS.format(self.writer), [trial.to_json()])

    def matrix(self, table: str, seen: Iterable[Judged | Compared], stand_ins: Collection[str] = ()) -> None:
        """Write down each connection of a table, which is named so; ``stand_ins`` are the ids of those pods."""
        self.lines(MATRIX, (json.dumps(line_of(table, one, stand_ins)) for one in seen))

    def edge(self, resource: str, who: str, *, is_open: bool, **about: str) -> None:
        """Write down a way through the API: the right that opens it, who tried, and whether it was open to him."""
        self.lines(EDGES, [json.dumps({"resource": resource, "from": who, "open": is_open, **about})])


def trials_in(folder: Path) -> list[Trial]:
    """The trials of all processes of a run, in the order of their names."""
    files = sorted(folder.glob(TRIALS.format("*")))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [Trial.from_json(line) for line in lines]


def matrix_in(folder: Path) -> list[Line]:
    """The tables of a run as lines for people, with the ways through the API that were tried."""
    return list(grid(_read(folder / MATRIX), _read(folder / EDGES)))


def _read(file: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def conclude(folder: Path, about: Mapping[str, str], *, canary: Sequence[bool]) -> list[str]:
    """Write ``conformance.json`` and ``conformance.txt`` of what the folder holds; what it comes to, in lines."""
    said = records.said_in(folder)
    trials = trials_in(folder)
    if not trials:
        return said
    report = Report.of(trials, about, canary=canary)
    (folder / f"{REPORT}.json").write_text(report.to_json(), encoding="utf-8")
    (folder / f"{REPORT}.txt").write_text(report.to_text(), encoding="utf-8")
    return [*said, *report.summary(), f"report: {folder / REPORT}.txt, and .json"]
