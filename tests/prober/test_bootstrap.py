"""Sending the agent to a Python that does not have it, on this machine's own; containers are in tests/live."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any, cast

import pytest

from harness.errors import ProbeError
from harness.kube.client import Api, ApiUnreachable
from harness.kube.exec import Ending
from harness.prober import bootstrap
from harness.prober.bootstrap import NoPython, start_agent
from harness.prober.stream import LocalChannel


class FakeApi(Api):
    """Nothing is asked of it."""

    def __init__(self) -> None:
        """No kubeconfig."""


class ExecHere(LocalChannel):
    """Runs a command on this machine in place of a container."""

    where = "pod ns/app, container c"
    ending: Ending | None = None
    commands: list[Sequence[str]]

    def __init__(self, _api: Api, _namespace: str, _pod: str, command: Sequence[str], *_: object, **__: object) -> None:
        self.commands.append(command)
        pipe = subprocess.PIPE
        super().__init__(subprocess.Popen([sys.executable, *command[1:]], stdin=pipe, stdout=pipe, stderr=pipe))

    def read(self, seconds: float) -> bytes | None:
        """As ExecStream does: the end comes with how it ended."""
        piece = super().read(seconds)
        if piece == b"":
            self.ending = Ending(self.process.wait(timeout=60), "")
        return piece


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    monkeypatch.setattr(bootstrap, "ExecStream", ExecHere)
    ExecHere.commands = []
    return ExecHere.commands


def test_a_python_that_is_sent_the_agent_becomes_it(commands: list[Sequence[str]]) -> None:
    with start_agent(FakeApi(), "ns", "app", "c", bootstrap=True) as stream:
        for _ in range(2):
            stream.send({"probe": [["127.0.0.1", 1, "TCP"]], "deadline": 0.1})
            assert stream.receive(10)["verdicts"][0][0] == "refused"
    assert commands[0][:3] == ("python3", "-ISu", "-c")


def test_a_python_that_is_too_old_is_as_none(commands: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "LOADER", bootstrap.LOADER.replace("(3, 8)", "(9, 0)"))
    with pytest.raises(NoPython, match=r"container c has no python3 .*: python3 is 3\."):
        start_agent(FakeApi(), "ns", "app", "c", bootstrap=True)


def test_a_program_that_is_not_there_is_no_python(
    commands: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LOADER", "import sys; sys.stdin.readline(); sys.exit(127)")
    with pytest.raises(NoPython):
        start_agent(FakeApi(), "ns", "app", bootstrap=True)


def test_an_agent_that_dies_is_not_taken_for_no_python(
    commands: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LOADER", "import sys; sys.stdin.read(10); sys.exit(1)")
    with pytest.raises(ProbeError) as raised:
        start_agent(FakeApi(), "ns", "app", bootstrap=True)
    assert not isinstance(raised.value, NoPython)


def test_a_server_that_cannot_be_reached_is_a_probe_that_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ApiUnreachable("CONNECT", "127.0.0.1:1", 0, "connection refused")

    monkeypatch.setattr(bootstrap, "ExecStream", cast("Any", refuse))
    with pytest.raises(ProbeError, match="no prober in pod ns/app: connection refused"):
        start_agent(FakeApi(), "ns", "app")
