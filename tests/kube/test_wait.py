"""Waits have a deadline and say what they waited for."""

import time

import pytest

from harness.errors import HarnessError, WaitTimeout
from harness.kube import wait
from harness.kube.wait import telling, wait_until


def test_the_first_true_answer_is_returned() -> None:
    answers = iter([None, 0, "", "here"])

    assert wait_until("an answer", lambda: next(answers), seconds=5, interval=0) == "here"


def test_a_wait_that_is_over_at_once_still_looks_once() -> None:
    assert wait_until("it", lambda: 1, seconds=0) == 1


def test_a_deadline_that_passes_says_what_was_waited_for_and_seen() -> None:
    with pytest.raises(WaitTimeout, match=r"waited 0 s for three pods; last seen: two pods"):
        wait_until("three pods", lambda: None, seconds=0, describe=lambda: "two pods")


def test_a_tolerated_error_means_not_yet_and_is_what_was_seen_last() -> None:
    def refuse() -> None:
        raise ConnectionError("refused")

    with pytest.raises(WaitTimeout, match="last seen: refused"):
        wait_until("the server", refuse, seconds=0.01, interval=0.001, tolerate=(ConnectionError,))


def test_any_other_error_goes_on_at_once() -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wait_until("nothing", fail, seconds=60, tolerate=(ConnectionError,))
    assert calls == [1]


def test_a_probe_that_is_slower_than_the_deadline_is_asked_once_more() -> None:
    calls: list[float] = []

    def slow() -> bool:
        time.sleep(0.02)
        calls.append(time.monotonic())
        return len(calls) == 2

    assert wait_until("the second", slow, seconds=0.01, interval=0.001)


def test_a_long_wait_is_told_to_who_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "LONG_SECONDS", 0.0)
    looks = iter([None, None, "here"])
    told: list[str] = []

    with telling(told.append):
        wait_until("a bus", lambda: next(looks), seconds=60, interval=0, describe=lambda: "an empty road")

    assert set(told) == {"  … waits for a bus, for 0 s now; last seen: an empty road"}
    looks = iter([None, "here"])
    wait_until("nobody listens", lambda: next(looks), seconds=60, interval=0)
    assert "nobody listens" not in "".join(told)


def test_a_short_wait_is_not_told() -> None:
    looks = iter([None, "here"])
    told: list[str] = []
    with telling(told.append):
        wait_until("a bus", lambda: next(looks), seconds=60, interval=0)
    assert told == []


def test_what_cannot_be_described_just_now_is_still_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "LONG_SECONDS", 0.0)
    looks = iter([None, "here"])
    told: list[str] = []

    def refuse() -> str:
        raise HarnessError("refused")

    with telling(told.append):
        assert wait_until("a bus", lambda: next(looks), seconds=60, interval=0, describe=refuse) == "here"
    assert told == ["  … waits for a bus, for 0 s now"]
