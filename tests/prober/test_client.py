"""The client, on agents that run here instead of behind ``kubectl exec``."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ProbeError
from harness.kube.kubectl import Kubectl
from harness.prober import agent
from harness.prober.client import AgentStream, Outcome, Prober, Protocol, Target, Verdict

AGENT = (sys.executable, "-u", agent.__file__, "drive")
HELLO = 'print(\'{"hello": 1, "pod": "p"}\', flush=True)'


@pytest.fixture
def prober(tmp_path: Path) -> Iterator[Prober]:
    """A prober whose kubectl runs the agent here."""
    with Prober(fake_kubectl(tmp_path, " ".join(AGENT)), "ns", "pod-a") as made:
        yield made


def fake_kubectl(folder: Path, shell: str) -> Kubectl:
    """A kubectl that notes its arguments and then does what ``shell`` says."""
    binary = folder / "kubectl"
    binary.write_text(f'#!/bin/sh\necho "$@" >> {folder}/arguments\nexec {shell}\n')
    binary.chmod(0o755)
    return Kubectl(binary, folder / "kubeconfig")


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_verdicts_come_in_the_order_of_the_targets(prober: Prober) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        targets = [Target("127.0.0.1", port), Target("127.0.0.1", 1), Target("127.0.0.1", 1, Protocol.UDP)]
        verdicts = prober.probe(targets, deadline_s=0.2)
    assert [verdict.target for verdict in verdicts] == targets
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CONNECTED, Outcome.REFUSED, Outcome.REFUSED]


def test_many_requests_go_through_one_exec_into_the_named_pod(prober: Prober, tmp_path: Path) -> None:
    for _ in range(3):
        prober.probe([Target("127.0.0.1", 1)])
    assert prober.resolve("localhost")
    calls = (tmp_path / "arguments").read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].endswith("exec -i -n ns pod-a -- python3 -u /prober/agent.py drive")


def test_two_threads_share_a_prober(prober: Prober) -> None:
    found: list[Verdict] = []
    threads = [
        threading.Thread(target=lambda: found.extend(prober.probe([Target("127.0.0.1", 1)] * 20))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [verdict.outcome for verdict in found] == [Outcome.REFUSED] * 80


def test_a_name_that_does_not_resolve_is_an_error_with_the_resolvers_word(prober: Prober) -> None:
    with pytest.raises(ProbeError, match=r"pod-a cannot resolve no-such-name\.invalid: "):
        prober.resolve("no-such-name.invalid")


def test_no_http_answer_is_an_error(prober: Prober) -> None:
    with pytest.raises(ProbeError, match=r"no HTTP answer from 127\.0\.0\.1:1: "):
        prober.http("127.0.0.1", 1, "host")


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
        ("could_not_run", False),
    ],
)
def test_only_silence_and_prohibition_are_denials(outcome: str, denied: bool) -> None:  # noqa: FBT001 -- a table
    assert Verdict(Target("::1", 1), Outcome(outcome)).denied is denied


def test_every_kind_that_the_agent_knows_is_an_outcome() -> None:
    kinds = {*agent.KIND_OF_ERRNO.values(), "rejected", "connected", "timed_out", "dns_failed", "could_not_run"}
    assert kinds == {outcome.value for outcome in Outcome}


def test_a_pod_that_cannot_be_reached_is_an_error_with_kubectls_words(tmp_path: Path) -> None:
    kubectl = fake_kubectl(tmp_path, 'sh -c "echo pods \\"x\\" not found >&2; exit 1"')
    with Prober(kubectl, "ns", "x") as prober, pytest.raises(ProbeError, match="pod ns/x ended: pods x not found"):
        prober.probe([Target("::1", 1)])


def test_a_stream_that_broke_is_opened_anew_by_the_next_request(prober: Prober, tmp_path: Path) -> None:
    prober.probe([Target("127.0.0.1", 1)])
    assert prober._stream is not None
    prober._stream._process.kill()
    prober._stream._process.wait()
    with pytest.raises(ProbeError, match="not running any more"):
        prober.probe([Target("127.0.0.1", 1)])
    assert prober.probe([Target("127.0.0.1", 1)])[0].outcome is Outcome.REFUSED
    assert len((tmp_path / "arguments").read_text().splitlines()) == 2


def test_an_answer_that_does_not_come_in_time_is_an_error_and_ends_the_stream() -> None:
    stream = AgentStream(python(f"{HELLO}; import time; time.sleep(60)"), "pod x")
    with pytest.raises(ProbeError, match=r"gave no answer in 0\.2 s"):
        stream.ask({}, 0.2)
    with pytest.raises(ProbeError, match="not running any more"):
        stream.ask({}, 0.2)
    stream.close()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('{"id": 1, "verd', "cut short"),
        ('{"id": 1, "verd\\n', "cut short"),
        ('{"id": 9}\\n', "another request"),
        ("", "ended"),
    ],
)
def test_an_answer_that_is_cut_short_or_anothers_is_an_error(output: str, message: str) -> None:
    code = f"{HELLO}; input(); import sys; sys.stdout.write('{output}')"
    with AgentStream(python(code), "pod x") as stream, pytest.raises(ProbeError, match=message):
        stream.ask({}, 10)


def test_no_hello_is_an_error_and_leaves_no_process(tmp_path: Path) -> None:
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(ProbeError, match=r"gave no hello in 1 s"):
        AgentStream(python(code), "pod x", open_seconds=1)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_fewer_verdicts_than_targets_are_an_error(tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(f'{HELLO}\ninput()\nprint(\'{{"id": 1, "verdicts": []}}\', flush=True)\n')
    kubectl = fake_kubectl(tmp_path, f"{sys.executable} {script}")
    with Prober(kubectl, "ns", "x") as prober, pytest.raises(ProbeError, match="answered 2 targets with"):
        prober.probe([Target("::1", 1), Target("::1", 2)])


def test_closing_ends_the_agent_and_may_be_repeated() -> None:
    stream = AgentStream(AGENT, "here")
    process = stream._process
    stream.close()
    stream.close()
    assert process.returncode == 0
