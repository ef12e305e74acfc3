"""The client, on agents that run here instead of in pods."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from harness.errors import ProbeError
from harness.kube.protocol import Protocol
from harness.prober import agent
from harness.prober.client import Outcome, Prober, Target, Verdict, probe_all
from harness.prober.stream import AgentStream, LocalChannel

AGENT = (sys.executable, "-u", agent.__file__, "drive")
HELLO = f'print(\'{{"hello": {agent.VERSION}, "pod": "p"}}\', flush=True)'
CLOSED = Target("127.0.0.1", 1)


class Starts:
    """Starts a program for each stream that is opened, and keeps them."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self.channels: list[LocalChannel] = []

    def __call__(self) -> AgentStream:
        pipe = subprocess.PIPE
        self.channels.append(LocalChannel(subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe)))
        return AgentStream(self.channels[-1], "pod ns/pod-a")


@pytest.fixture
def starts() -> Starts:
    return Starts(*AGENT)


@pytest.fixture
def prober(starts: Starts) -> Iterator[Prober]:
    with Prober(starts, "ns", "pod-a") as made:
        yield made


def python(code: str) -> Callable[[], AgentStream]:
    return Starts(sys.executable, "-u", "-c", code)


def test_verdicts_come_in_the_order_of_the_targets(prober: Prober) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        targets = [Target("127.0.0.1", port), Target("127.0.0.1", 1), Target("127.0.0.1", 1, Protocol.UDP)]
        verdicts = prober.probe(targets, deadline_s=0.2)
    assert [verdict.target for verdict in verdicts] == targets
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CONNECTED, Outcome.REFUSED, Outcome.REFUSED]


def test_many_requests_go_through_one_stream(prober: Prober, starts: Starts) -> None:
    for _ in range(3):
        prober.probe([CLOSED])
    assert prober.resolve("localhost")
    assert len(starts.channels) == 1


def test_two_threads_share_a_prober(prober: Prober) -> None:
    found: list[Verdict] = []
    threads = [threading.Thread(target=lambda: found.extend(prober.probe([CLOSED] * 20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [verdict.outcome for verdict in found] == [Outcome.REFUSED] * 80


def test_a_name_that_does_not_resolve_is_an_error_with_the_resolvers_word(prober: Prober) -> None:
    with pytest.raises(ProbeError, match=r"pod-a cannot resolve no-such-name\.invalid: "):
        prober.resolve("no-such-name.invalid")


def test_what_a_target_speaks_is_asked_for(prober: Prober) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        prober.probe([Target("127.0.0.1", server.getsockname()[1], Protocol.UDP, speaks="dns")], deadline_s=0.05)
        assert agent.DNS_QUESTION in server.recv(512)


@pytest.mark.parametrize(
    ("outcome", "denied"),
    [
        ("connected", False),
        ("refused", False),
        ("timed_out", True),
        ("reset", False),
        ("rejected", True),
        ("no_route", False),
        ("dns_failed", False),
        ("untested", False),
        ("could_not_run", False),
    ],
)
def test_only_silence_and_prohibition_are_denials(outcome: str, denied: bool) -> None:  # noqa: FBT001 -- a table
    assert Verdict(Target("::1", 1), Outcome(outcome)).denied is denied


def test_every_kind_that_the_agent_knows_is_an_outcome() -> None:
    others = {"rejected", "connected", "timed_out", "dns_failed", "untested", "could_not_run"}
    assert {*agent.KIND_OF_ERRNO.values(), *others} == {outcome.value for outcome in Outcome}


def test_every_protocol_is_one_of_the_agents() -> None:
    assert set(agent.KINDS) == {protocol.value for protocol in Protocol}


def test_a_prober_that_is_killed_in_the_middle_of_a_round_gives_no_verdict(prober: Prober, starts: Starts) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        prober.begin([Target("127.0.0.1", silent.getsockname()[1], Protocol.UDP)], deadline_s=5)
        silent.recv(10)  # the round has begun
        starts.channels[0].process.kill()
        with pytest.raises(ProbeError, match="ended with status -9"):
            prober.finish()


def test_a_stream_that_broke_is_opened_anew_by_the_next_request(prober: Prober, starts: Starts) -> None:
    prober.probe([CLOSED])
    starts.channels[0].process.kill()
    starts.channels[0].process.wait()
    with pytest.raises(ProbeError, match="not running any more"):
        prober.probe([CLOSED])
    assert prober.probe([CLOSED])[0].outcome is Outcome.REFUSED
    assert len(starts.channels) == 2


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ("[]", "answered 2 targets with"),
        ('[["denied", "", 0, ""], ["connected", "", 0, ""]]', "none"),
        ("[[], []]", "none"),
    ],
)
def test_verdicts_that_are_none_or_too_few_are_an_error(verdicts: str, message: str) -> None:
    code = f'{HELLO}\ninput()\nprint(\'{{"id": 1, "verdicts": {verdicts}}}\', flush=True)\ninput()'
    with Prober(python(code), "ns", "x") as prober, pytest.raises(ProbeError, match=message):
        prober.probe([Target("::1", 1), Target("::1", 2)])


def test_the_probers_of_a_round_probe_at_the_same_time() -> None:
    with ExitStack() as closing, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", server.getsockname()[1], Protocol.UDP)
        probers = [closing.enter_context(Prober(Starts(*AGENT), "ns", f"p{number}")) for number in range(4)]

        def answer_once_all_have_asked() -> None:
            asking: set[Any] = set()
            while len(asking) < len(probers):  # an agent may ask again
                asking.add(server.recvfrom(10)[1])
            for one in asking:
                server.sendto(b"here", one)

        answering = threading.Thread(target=answer_once_all_have_asked)
        answering.start()
        found = probe_all({one: [target, CLOSED] for one in probers}, deadline_s=60)
        answering.join(60)
    for verdicts in found.values():
        assert isinstance(verdicts, list)
        assert [verdict.outcome for verdict in verdicts] == [Outcome.CONNECTED, Outcome.REFUSED]


def test_a_prober_that_fails_takes_nothing_from_the_others_of_its_round(prober: Prober) -> None:
    def refused() -> AgentStream:
        raise ProbeError("refused")

    dies, never = Prober(python(f"{HELLO}; input()"), "ns", "dies"), Prober(refused, "ns", "never")
    with dies, never:
        found = probe_all({dies: [CLOSED], never: [CLOSED], prober: [CLOSED]})
    assert "ended" in str(found[dies])
    assert "refused" in str(found[never])
    assert [verdict.outcome for verdict in found[prober]] == [Outcome.REFUSED]  # type: ignore[union-attr]


def test_a_prober_without_targets_is_not_opened_for_them(prober: Prober, starts: Starts) -> None:
    assert probe_all({prober: []}) == {prober: []}
    assert starts.channels == []


def test_a_round_that_is_given_up_leaves_its_probers_to_the_next(starts: Starts) -> None:
    class Interrupted(Prober):
        def finish(self) -> list[Verdict]:
            self.abandon()
            raise KeyboardInterrupt

    first, second = sorted((Prober(starts, "ns", name) for name in "ab"), key=id)  # the order in which they are asked
    first.__class__ = Interrupted
    with first, second:
        with pytest.raises(KeyboardInterrupt):
            probe_all({first: [CLOSED], second: [CLOSED]})
        assert not second.is_open
        assert second.probe([CLOSED])[0].outcome is Outcome.REFUSED
