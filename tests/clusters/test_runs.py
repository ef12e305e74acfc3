"""Which runs have ended, as the kernel knows it: their processes are real."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.clusters.runs import Runs

HOLDER = """\
import sys
from pathlib import Path
from harness.clusters.runs import Runs
with Runs(Path(sys.argv[1])).hold(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""
CHECKOUT = Path(__file__).parents[2]


@contextmanager
def another_process_of(run: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder), run]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def ended(folder: Path) -> list[str]:
    """The runs that have ended; they stay known."""
    with pytest.raises(InterruptedError), Runs(folder).ended() as found:
        raise InterruptedError
    return found


def test_a_cluster_that_nobody_used_knows_of_no_run(tmp_path: Path) -> None:
    assert ended(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_run_lives_as_long_as_any_of_its_processes_holds_it(tmp_path: Path) -> None:
    with another_process_of("one", tmp_path), Runs(tmp_path).hold("one"):
        pass
    with another_process_of("one", tmp_path) as last:
        assert ended(tmp_path) == []
        os.kill(last.pid, signal.SIGKILL)
        last.wait(timeout=60)

        assert ended(tmp_path) == ["one"]


def test_a_run_that_let_go_may_have_left_something_too(tmp_path: Path) -> None:
    with Runs(tmp_path).hold("one"):
        assert ended(tmp_path) == []
    assert ended(tmp_path) == ["one"]


def test_what_was_cleared_is_forgotten_and_the_living_are_not(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for run in ("one", "two"):
        with runs.hold(run):
            pass
    with runs.hold("three"), runs.ended() as found:
        assert found == ["one", "two"]
    with runs.ended() as found:
        assert found == ["three"]
    assert ended(tmp_path) == []


def test_a_run_whose_id_is_used_again_while_it_is_cleared_waits_and_is_known(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.hold("one"):
        pass
    with runs.ended() as found:
        assert found == ["one"]
        command = [sys.executable, "-c", HOLDER, str(tmp_path), "one"]
        pipe = subprocess.PIPE
        again = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT)
    with again:
        assert again.stdout is not None
        assert again.stdout.readline() == "held\n"
        assert ended(tmp_path) == []
        again.kill()
    assert ended(tmp_path) == ["one"]


def test_the_living_are_those_that_a_process_holds(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    assert runs.living() == []
    with runs.hold("dead"):
        pass
    with another_process_of("theirs", tmp_path), runs.hold("ours"):
        assert runs.living() == ["ours", "theirs"]
    assert ended(tmp_path) == ["dead", "ours", "theirs"]
