"""What the clients of a run did and were told: one operation is one request. Pure, but for the file.

The words are Jepsen's. A client *invokes* an operation, and then it is *ok* (it took effect), *fail* (it did not, for
certain) or *info* (nobody knows: the answer was lost, or says that it may still happen). An operation that was invoked
and has no end, because the run was killed, is *info* too.
"""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeAlias

from harness.errors import UsageError

Json: TypeAlias = Any
"""What ``json`` gives and takes."""

FILE: Final = "history.jsonl"


class Outcome(StrEnum):
    """How an operation ended."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True)
class Call:
    """What a client is about to ask: ``f`` names the kind of request, ``value`` is what it carries."""

    f: str
    value: Json = None


@dataclass(frozen=True)
class Result:
    """How a call ended, and what the answer said of it (None where there was none)."""

    outcome: Outcome
    answer: Json = None


@dataclass(frozen=True)
class Operation:
    """One request of one client (``process``), with its end.

    ``began`` and ``ended`` are seconds since the run's start; ``ended`` is None where no end was seen. The effect of an
    *ok* operation lies between them; that of an *info* one anywhere after ``began``, or nowhere.
    """

    index: int
    process: int
    f: str
    value: Json
    began: float
    ended: float | None = None
    outcome: Outcome = Outcome.INFO
    answer: Json = None

    def is_(self, f: str, *outcomes: Outcome) -> bool:
        """Whether this is an operation of that kind that ended so."""
        return self.f == f and (not outcomes or self.outcome in outcomes)

    def __str__(self) -> str:
        end = "never" if self.ended is None else f"{self.ended:.3f}"
        value = json.dumps(self.value)
        return f"#{self.index} client {self.process} {self.f} {value[:80]} {self.began:.3f} to {end} s {self.outcome}"


class Recorder:
    """Writes operations as they begin and end, as JSON lines: two for each, so that a killed run leaves what was begun.

    Safe to share between threads.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = file.open("x", encoding="utf-8")
        self._lock = threading.Lock()
        self._operations: dict[int, Operation] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def invoke(self, process: int, call: Call, now: float) -> Operation:
        """Note that a client begins to ask."""
        with self._lock:
            operation = Operation(len(self._operations), process, call.f, call.value, now)
            self._operations[operation.index] = operation
            asked = {"type": "invoke", "index": operation.index, "process": process, "f": call.f, "value": call.value}
            self._write({**asked, "time": now})
        return operation

    def end(self, operation: Operation, result: Result, now: float) -> Operation:
        """Note how it ended."""
        ended = replace(operation, ended=now, outcome=result.outcome, answer=result.answer)
        with self._lock:
            self._operations[ended.index] = ended
            self._write({"type": ended.outcome, "index": ended.index, "answer": result.answer, "time": now})
        return ended

    @property
    def so_far(self) -> str:
        """How many have begun, and how those that have ended did, in words."""
        operations = self.operations()
        ended = Counter(one.outcome for one in operations if one.ended is not None)
        return f"{len(operations)} operations ({', '.join(f'{ended[outcome]} {outcome}' for outcome in Outcome)})"

    def operations(self) -> list[Operation]:
        """All of them so far, in the order in which they began."""
        with self._lock:
            return list(self._operations.values())

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        with self._lock:
            self._file.close()

    def _write(self, event: Mapping[str, Json]) -> None:
        self._file.write(json.dumps(event, separators=(",", ":")) + "\n")


def read_history(file: Path) -> list[Operation]:
    """The operations of a recorded history. Raises UsageError, with file and line, for what is none.

    The last line may be cut off, as a killed run leaves it: it is left out.
    """
    operations: dict[int, Operation] = {}
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            _take_in(operations, event)
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise UsageError(f"{file}:{number}: no event of a history: {error!r}") from error
    return list(operations.values())


def _take_in(operations: dict[int, Operation], event: Mapping[str, Json]) -> None:
    index = event["index"]
    if event["type"] == "invoke":
        operations[index] = Operation(index, event["process"], event["f"], event["value"], event["time"])
        return
    outcome = Outcome(event["type"])
    operations[index] = replace(operations[index], ended=event["time"], outcome=outcome, answer=event["answer"])
