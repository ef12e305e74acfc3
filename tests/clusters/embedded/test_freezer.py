import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clusters.embedded import freezer
from harness.errors import WaitTimeout


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as process:
        yield process
        process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_v1_is_frozen_by_the_freezers_state_and_thawed_with_all_below(tmp_path: Path) -> None:
    below = tmp_path / "container"
    below.mkdir()
    for folder in (tmp_path, below):
        (folder / freezer.V1).write_text("THAWED")

    freezer.freeze(below)
    frozen = (below / freezer.V1).read_text()
    freezer.thaw(tmp_path)

    assert frozen == "FROZEN"
    assert (below / freezer.V1).read_text() == "THAWED"


def test_v2_is_frozen_when_its_events_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freezer, "SECONDS", 0.05)
    (tmp_path / freezer.V2).write_text("0")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")

    with pytest.raises(WaitTimeout, match=r"cgroup .* to be frozen"):
        freezer.freeze(tmp_path)
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    freezer.freeze(tmp_path)

    assert (tmp_path / freezer.V2).read_text() == "1"


def test_without_a_freezer_processes_are_stopped_by_a_signal_and_go_on_by_another(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "cgroup.procs").write_text(f"{sleeper.pid}\n")

    freezer.freeze(tmp_path)
    stopped = state(sleeper.pid)
    freezer.thaw(tmp_path)

    assert stopped == "T"
    assert state(sleeper.pid) != "T"


def test_a_stopped_process_still_dies(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    (tmp_path / "cgroup.procs").write_text(f"{sleeper.pid}\n")

    freezer.freeze(tmp_path)
    sleeper.kill()

    assert sleeper.wait(timeout=60) == -signal.SIGKILL


def test_what_is_gone_is_frozen_and_thawed(tmp_path: Path) -> None:
    freezer.freeze(tmp_path / "gone")
    freezer.thaw(tmp_path / "gone")

    assert freezer.members(tmp_path / "gone") == []
