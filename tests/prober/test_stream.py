"""Streams to agents, on programs that run here."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ProbeError
from harness.prober import agent
from harness.prober.stream import AgentStream, LocalChannel

HELLO = f'print(\'{{"hello": {agent.VERSION}, "pod": "p"}}\', flush=True)'


def local(*command: str) -> LocalChannel:
    return LocalChannel(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    )


def python(code: str) -> LocalChannel:
    return local(sys.executable, "-u", "-c", code)


def ask(stream: AgentStream, seconds: float = 10) -> object:
    stream.send({})
    return stream.receive(seconds)


def test_an_answer_that_does_not_come_in_time_is_an_error() -> None:
    with (
        AgentStream(python(f"{HELLO}; import time; time.sleep(60)"), "pod x") as stream,
        pytest.raises(ProbeError, match=r"gave no answer in 0\.2 s"),
    ):
        ask(stream, 0.2)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('{"id": 1, "verd', "cut short"),
        ('{"id": 1, "verd\\n', "cut short"),
        ('{"id": 9}\\n', "another request"),
        ('{"id": 1, "error": "bad request"}\\n', "pod x: bad request"),
        ("", "ended"),
    ],
)
def test_an_answer_that_is_cut_short_or_anothers_or_an_error_is_an_error(output: str, message: str) -> None:
    channel = python(f"{HELLO}; input(); import sys; sys.stdout.write('{output}')")
    with AgentStream(channel, "pod x") as stream, pytest.raises(ProbeError, match=message):
        ask(stream)


def test_an_agent_that_is_killed_before_it_answers_is_an_error_with_its_status_and_its_last_words() -> None:
    code = f"{HELLO}; input(); import os, sys; print('ouch', file=sys.stderr); os.kill(os.getpid(), 9)"
    with AgentStream(python(code), "pod x") as stream, pytest.raises(ProbeError, match="ended: ouch: it ended with"):
        ask(stream)


def test_an_agent_that_is_gone_takes_no_request() -> None:
    channel = python(HELLO)
    with AgentStream(channel, "pod x") as stream:
        channel.process.wait(timeout=60)
        with pytest.raises(ProbeError, match="not running any more"):
            stream.send({})


@pytest.mark.parametrize(
    ("said", "seconds", "message"), [("", 1, "gave no hello in 1 s"), ("print('{\"hello\": 1}')", 60, "version")]
)
def test_no_hello_of_our_version_is_an_error_and_leaves_no_process(said: str, seconds: float, message: str) -> None:
    channel = python(f"{said}\nimport time\ntime.sleep(60)")
    with pytest.raises(ProbeError, match=message):
        AgentStream(channel, "pod x", open_seconds=seconds)
    assert not Path(f"/proc/{channel.process.pid}").exists()


def test_closing_ends_the_agent_and_may_be_repeated() -> None:
    channel = local(sys.executable, "-u", agent.__file__, "drive")
    stream = AgentStream(channel, "here")
    stream.close()
    stream.close()
    assert channel.process.returncode == 0
    assert channel.read(0) == b""


def test_nothing_within_the_time_is_not_the_end() -> None:
    channel = python("import sys; input(); sys.stdout.write('x\\n')")
    assert channel.read(0) is None
    channel.write(b"\n")
    assert channel.read(60) == b"x\n"
    assert channel.read(60) == b""
    channel.close()
