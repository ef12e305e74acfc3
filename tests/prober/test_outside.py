"""A prober at an external peer, whose network is here this machine's own; the real one is in tests/live."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import ProbeError
from harness.kube.protocol import Protocol
from harness.kube.wait import wait_until
from harness.prober.client import Target
from harness.prober.outside import outside_prober

HELD = """\
import subprocess, sys
from harness.prober.outside import outside_prober
from tests_of_outside import Here
here = Here()
with outside_prober(here, [int(sys.argv[1])]) as prober:
    prober.open()
    print(*(process.pid for process in here.started), flush=True)
    input()
"""


class Here:
    """A peer in this machine's own network."""

    external_address = "203.0.113.10"

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start_outside(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        self.started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe))
        return self.started[-1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_it_probes_and_it_listens_by_the_name_of_its_address() -> None:
    port = free_port()
    with outside_prober(Here(), [port]) as prober:
        found = prober.probe([Target("127.0.0.1", port), Target("127.0.0.1", port, Protocol.UDP)])
    assert [one.pod for one in found] == ["203.0.113.10"] * 2


def test_two_runs_may_listen_on_the_same_port() -> None:
    port = free_port()
    with outside_prober(Here(), [port]), outside_prober(Here(), [port]) as prober:
        assert prober.probe([Target("127.0.0.1", port)])[0].pod == "203.0.113.10"


def test_a_port_that_another_program_has_is_an_error_with_its_words() -> None:
    with (
        socket.create_server(("", 0)) as taken,
        pytest.raises(
            ProbeError, match=r"external peer 203\.0\.113\.10 does not listen: cannot listen on tcp port .*in use"
        ),
        outside_prober(Here(), [taken.getsockname()[1]]),
    ):
        pass


def test_it_leaves_no_process() -> None:
    here = Here()
    with outside_prober(here, [free_port()]) as prober:
        prober.open()
    assert [process.returncode for process in here.started] == [0, 0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_leaves_no_process_when_the_run_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "tests_of_outside.py").write_text(Path(__file__).read_text())
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(free_port())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as run:
        assert run.stdout is not None
        pids = [int(word) for word in run.stdout.readline().split()]
        assert len(pids) == 2
        run.send_signal(number)
        run.wait(timeout=60)
    wait_until("the agents to end", lambda: not any(_lives(pid) for pid in pids), seconds=60)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
