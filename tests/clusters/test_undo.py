"""Commands at a deadline: written down whole, run once when they are overdue, and again a few times where they fail."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clusters.undo import LONGEST_SECONDS, REST_SECONDS, TRIES, Entry, Overdue, Undos
from harness.errors import ClusterError, ClusterGone
from harness.kube.wait import wait_until

ENVIRONMENT = {"PATH": os.environ["PATH"], "WORD": "done"}
NOTE = 'echo "$WORD" >> "$0"'


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Keeper:
    """What keeps a cluster alive, with a clock that a test moves; ``said`` is its log."""

    def __init__(self, undos: Undos) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.overdue = Overdue(undos, self.said.append, self.clock)

    def look_until(self, said: str) -> None:
        def seen() -> bool:
            self.overdue.look()
            return any(said in line for line in self.said)

        wait_until(f"the log to say {said!r}", seen, seconds=60, interval=0.01, describe=lambda: "\n".join(self.said))


@pytest.fixture
def undos(tmp_path: Path) -> Undos:
    folder = tmp_path / "one"
    folder.mkdir()
    return Undos(folder)


@pytest.fixture
def keeper(undos: Undos) -> Iterator[Keeper]:
    one = Keeper(undos)
    yield one
    one.overdue.close()


def noting(file: Path, deadline: float) -> Entry:
    """A command that adds a line to a file."""
    return Entry(deadline, ("sh", "-c", NOTE, str(file)), ENVIRONMENT)


def test_what_is_registered_is_found_until_it_is_cancelled(undos: Undos) -> None:
    entry = Entry(12.5, ("true", "x"), {"A": "b"}, about="something")
    undos.register("a", entry)
    assert (undos.names(), undos.find("a"), undos.find("b")) == (["a"], entry, None)

    undos.cancel("a")
    undos.cancel("a")

    assert (undos.names(), undos.find("a")) == ([], None)


def test_looking_makes_nothing(undos: Undos, tmp_path: Path) -> None:
    assert undos.names() == []
    assert list((tmp_path / "one").iterdir()) == []


def test_a_cluster_that_is_gone_is_not_brought_back(tmp_path: Path) -> None:
    with pytest.raises(ClusterGone, match="cluster gone is gone"):
        Undos(tmp_path / "gone").register("a", Entry(0, ("true",), {}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"deadline": "soon", "command": [], "environment": {}, "about": ""}']
)
def test_a_file_that_is_no_entry_is_told_by_its_name(undos: Undos, tmp_path: Path, text: str) -> None:
    undos.register("a", Entry(0, ("true",), {}))
    file = tmp_path / "one" / "undo" / "a.json"
    file.write_text(text)

    with pytest.raises(ClusterError, match=f"{file} is no registered undo"):
        undos.find("a")


def test_a_command_runs_at_its_deadline_and_once(undos: Undos, keeper: Keeper, tmp_path: Path) -> None:
    file = tmp_path / "file"
    undos.register("a", noting(file, 1001.0))
    keeper.overdue.look()
    assert keeper.said == []

    keeper.clock.now = 1001.0
    keeper.look_until("undo a: done")
    keeper.overdue.look()

    assert file.read_text() == "done\n"
    assert undos.names() == []


def test_what_was_cancelled_in_time_is_never_run(undos: Undos, keeper: Keeper, tmp_path: Path) -> None:
    undos.register("a", noting(tmp_path / "file", 1001.0))
    keeper.overdue.look()
    undos.cancel("a")
    keeper.clock.now = 2000.0

    keeper.overdue.look()

    assert keeper.said == []


def test_one_that_hangs_holds_up_no_other(undos: Undos, keeper: Keeper, tmp_path: Path) -> None:
    undos.register("a", Entry(0, ("sleep", "1000"), ENVIRONMENT))
    undos.register("b", noting(tmp_path / "file", 0))

    keeper.look_until("undo b: done")
    keeper.clock.now += LONGEST_SECONDS
    keeper.look_until("undo a: it ended with status -9; again in 2 s")


def test_a_failing_one_rests_ever_longer_and_is_given_up_but_not_forgotten(undos: Undos, keeper: Keeper) -> None:
    undos.register("a", Entry(0, ("false",), ENVIRONMENT))

    for number in range(TRIES - 1):
        rest = REST_SECONDS * 2**number
        keeper.look_until(f"status 1; again in {rest:g} s")
        started = sum("its deadline" in line for line in keeper.said)
        keeper.clock.now += rest - 0.1
        keeper.overdue.look()
        assert sum("its deadline" in line for line in keeper.said) == started == number + 1
        keeper.clock.now += 0.1
    keeper.look_until("given up")
    keeper.clock.now += 1000
    keeper.overdue.look()

    assert sum("its deadline" in line for line in keeper.said) == TRIES
    assert undos.names() == ["a"]


def test_a_file_that_cannot_be_read_is_told_once_and_keeps_no_other_from_running(
    undos: Undos, keeper: Keeper, tmp_path: Path
) -> None:
    undos.register("b", noting(tmp_path / "file", 0))
    (tmp_path / "one" / "undo" / "a.json").write_text("{")

    keeper.look_until("undo b: done")

    assert sum("is no registered undo" in line for line in keeper.said) == 1


def test_a_program_that_is_not_there_is_a_failure_that_is_told(undos: Undos, keeper: Keeper) -> None:
    undos.register("a", Entry(0, ("/no/program",), ENVIRONMENT))
    keeper.look_until("undo a: it ended with status 127; again")


def test_the_commands_output_goes_where_ours_goes(
    undos: Undos, keeper: Keeper, capfd: pytest.CaptureFixture[str]
) -> None:
    undos.register("a", Entry(0, (sys.executable, "-c", "print('spoken')"), ENVIRONMENT))
    keeper.look_until("undo a: done")
    assert capfd.readouterr().out == "spoken\n"


def test_closing_kills_what_runs_with_all_that_it_started(undos: Undos, keeper: Keeper, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    undos.register("a", Entry(0, ("sh", "-c", 'sleep 1000 & echo $! > "$0"; wait', str(file)), ENVIRONMENT))
    keeper.overdue.look()
    wait_until("the command to start", lambda: file.exists() and file.read_text().strip(), seconds=60)

    keeper.overdue.close()
    keeper.overdue.look()

    wait_until("its child to be gone", lambda: not is_running(int(file.read_text())), seconds=60)
    assert undos.names() == ["a"]
    assert len(keeper.said) == 1


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
