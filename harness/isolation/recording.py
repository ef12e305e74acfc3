"""What proofs of isolation leave in a run's folder: trials as JSON lines while they run, the report at the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import records
from harness.isolation.conformance import Report, Trial

TRIALS = "trials-{}.jsonl"
REPORT = "conformance"


class Records(records.Records):
    """The folder of a run's isolation proofs."""

    def add(self, trial: Trial) -> None:
        """Write one trial down."""
        self.lines(TRIALS.format(self.writer), [trial.to_json()])


def trials_in(folder: Path) -> list[Trial]:
    """The trials of all processes of a run, in the order of their names."""
    files = sorted(folder.glob(TRIALS.format("*")))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [Trial.from_json(line) for line in lines]


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
