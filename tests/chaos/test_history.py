"""Histories: what is written down while it happens, and read again."""

from pathlib import Path

import pytest

from harness.chaos.history import Call, Operation, Outcome, Recorder, Result, read_history
from harness.errors import UsageError


def recorded(file: Path) -> list[Operation]:
    with Recorder(file) as recorder:
        first = recorder.invoke(0, Call("add", {"InvoiceId": "a"}), 1.0)
        second = recorder.invoke(1, Call("pay-all"), 1.5)
        recorder.end(first, Result(Outcome.OK, {"new": True}), 2.0)
        recorder.end(second, Result(Outcome.INFO), 3.0)
        recorder.invoke(0, Call("get", "a"), 4.0)
        return recorder.operations()


def test_a_history_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "run" / "history.jsonl"
    seen = recorded(file)

    assert read_history(file) == seen


def test_what_was_begun_and_never_ended_is_unknown(tmp_path: Path) -> None:
    last = recorded(tmp_path / "history.jsonl")[-1]

    assert (last.outcome, last.ended) == (Outcome.INFO, None)
    assert str(last) == '#2 client 0 get "a" 4.000 to never s info'


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    whole = recorded(file)
    file.write_text(file.read_text()[:-10])

    assert read_history(file) == whole[:-1]


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"type": "ok", "index": 9, "time": 1, "answer": null}'])
def test_what_is_no_event_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "history.jsonl"
    recorded(file)
    with file.open("a") as more:
        more.write(f"{line}\n")

    with pytest.raises(UsageError, match=r"history.jsonl:6: no event of a history"):
        read_history(file)


def test_a_history_is_never_written_over(tmp_path: Path) -> None:
    recorded(tmp_path / "history.jsonl")

    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "history.jsonl")


def test_an_operation_knows_what_it_is(tmp_path: Path) -> None:
    first = recorded(tmp_path / "history.jsonl")[0]

    assert first.is_("add")
    assert first.is_("add", Outcome.OK, Outcome.INFO)
    assert not first.is_("add", Outcome.FAIL)
    assert not first.is_("pay")
