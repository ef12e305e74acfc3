"""What proofs leave in a run's folder while they run: JSON lines, texts, and sentences for the end of its output."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

NOTES = "notes.txt"
MEASURED = "measured.jsonl"


@dataclass(frozen=True)
class Records:
    """The folder of one kind of proof. ``writer`` tells several processes of a run apart."""

    folder: Path
    writer: str = "main"

    def lines(self, name: str, lines: Iterable[str]) -> None:
        """Append lines to a file of the folder: what was written counts, whatever happens later."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def measured(self, name: str, values: Mapping[str, float | int | str]) -> None:
        """Write down what was measured, as one line of ``measured.jsonl``."""
        self.lines(MEASURED, [json.dumps({"name": name, **values})])

    def notes(self, notes: Iterable[str]) -> None:
        """Sentences that the run's summary is to say."""
        self.lines(NOTES, notes)

    def text(self, name: str, text: str) -> Path:
        """Write a file of the folder; where it lies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file


def measured_in(folder: Path) -> list[dict[str, float | int | str]]:
    """What a run measured."""
    file = folder / MEASURED
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def said_in(folder: Path) -> list[str]:
    """The sentences of a run, each once, whoever said it, and a line for each thing that it measured.

    What is indented belongs to the sentence above it, as a table's rows do, and stays.
    """
    notes = folder / NOTES
    said: list[str] = []
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
        if line.startswith(" ") or line not in said:
            said.append(line)
    return said + [
        f"{one['name']}: " + ", ".join(f"{key} {value}" for key, value in one.items() if key != "name")
        for one in measured_in(folder)
    ]
