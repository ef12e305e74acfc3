"""The supervisor beside its node: it runs what is overdue, and that keeps it from nothing."""

import os
import threading
from pathlib import Path

import pytest

from harness.clusters.embedded import supervisor
from harness.clusters.undo import Entry, Overdue, Undos
from harness.kube.wait import wait_until


def test_what_is_overdue_runs_while_the_node_does_and_not_longer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    undos, ended = Undos(tmp_path), threading.Event()
    overdue = Overdue(undos, supervisor.say)
    environment = {"PATH": os.environ["PATH"]}
    undos.register("short", Entry(0, ("true",), environment))
    undos.register(
        "long", Entry(0, ("sh", "-c", 'echo $$ > "$0"; exec sleep 1000', str(tmp_path / "pid")), environment)
    )
    looking = threading.Thread(target=supervisor.run_overdue, args=(overdue, ended))

    looking.start()
    wait_until("the short one to be done", lambda: undos.names() == ["long"], seconds=60)
    wait_until("the long one to run", (tmp_path / "pid").exists, seconds=60)
    ended.set()
    looking.join(timeout=60)
    overdue.close()

    assert not looking.is_alive()
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
    assert "undo short: done" in capfd.readouterr().out
