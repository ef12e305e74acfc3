"""The agent as a process of its own, against real sockets."""

import ast
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.clusters.embedded.freezer import state_of
from harness.kube.wait import wait_until
from harness.prober import agent

AGENT = Path(agent.__file__)
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("iptables"), reason="needs root and iptables: a network namespace of its own"
)


def ask(request: dict[str, Any], *before: str) -> dict[str, Any]:
    """The answer of a fresh agent, started through the command ``before``."""
    command = [*before, sys.executable, str(AGENT), "ask", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def probe(*targets: tuple[str, int, str], deadline: float = 60.0) -> list[Any]:
    verdicts = ask({"id": 1, "probe": targets, "deadline": deadline})["verdicts"]
    assert isinstance(verdicts, list)
    return verdicts


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


@contextmanager
def serving(pod: str, *more: str) -> Iterator[tuple[int, int, int]]:
    """An agent that serves as ``pod``; its TCP, UDP and HTTP ports."""
    arguments = ["serve", "--tcp", "0", "--udp", "0", "--http", "0", *more]
    with subprocess.Popen(
        [sys.executable, "-u", str(AGENT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "POD_NAME": pod},
    ) as server:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        assert said["serving"] == pod
        try:
            yield said["tcp"][0], said["udp"][0], said["http"][0]
        finally:
            server.terminate()
            server.wait(timeout=60)


def test_our_listeners_say_which_pod_they_are() -> None:
    with serving("pod-a") as (tcp, udp, _):
        verdicts = probe(("127.0.0.1", tcp, "TCP"), ("127.0.0.1", udp, "UDP"), ("::1", tcp, "TCP"))
    assert [verdict[:2] for verdict in verdicts] == [["connected", "pod-a"]] * 3


def test_an_http_answer_has_status_and_body() -> None:
    with serving("pod-a") as (_, _, http), urllib.request.urlopen(f"http://127.0.0.1:{http}/any/path") as answer:
        assert (answer.status, answer.read()) == (200, b"harness-prober pod-a\n")


def test_the_head_of_a_request_may_come_in_pieces() -> None:
    with serving("pod-a") as (_, _, http), socket.create_connection(("127.0.0.1", http)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert not select.select([connection], [], [], 0.05)[0]
        connection.sendall(b"Host: x\r\n\r\n")
        assert connection.makefile("rb").read().endswith(b"\r\n\r\nharness-prober pod-a\n")


def test_a_method_that_is_not_get_is_not_implemented() -> None:
    with serving("pod-a") as (_, _, http), socket.create_connection(("127.0.0.1", http)) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\n\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 501 Not Implemented\r\n"


def test_a_thousand_connections_and_datagrams_at_once_are_all_answered() -> None:
    with serving("pod-a") as (tcp, udp, _):
        ports = agent.fresh_ports()
        targets = [("127.0.0.1", tcp, "TCP", ""), ("127.0.0.1", udp, "UDP", "")] * 200
        found = [agent.Round(targets, 60.0, ports).run() for _ in range(5)]
    assert {answer[:2] for answers in found for answer in answers} == {("connected", "pod-a")}


def test_a_datagram_is_answered_from_the_address_that_it_was_sent_to() -> None:
    # Without the address that the datagram came to, routing would choose 127.0.0.1, and the probe would see silence.
    with serving("pod-a") as (_, udp, _):
        assert probe(("127.0.0.77", udp, "UDP"))[0][:2] == ["connected", "pod-a"]


def test_listeners_that_end_with_their_input_may_share_a_port() -> None:
    command = [sys.executable, str(AGENT), "serve", "--tcp", "0", "--shared", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = str(json.loads(server.stdout.readline())["tcp"][0])
        another = [sys.executable, str(AGENT), "serve", "--tcp", port, "--until-eof"]
        alone = subprocess.run(another, input=b"", capture_output=True, check=False, timeout=60)
        assert f"cannot listen on tcp port {port}" in alone.stderr.decode()
        subprocess.run([*another, "--shared"], input=b"", capture_output=True, check=True, timeout=60)
        server.stdin.close()
        assert server.wait(timeout=60) == 0


def test_a_listener_that_says_nothing_is_connected_to_no_named_pod(listener: socket.socket) -> None:
    kind, pod, seconds, _ = probe(("127.0.0.1", port_of(listener), "TCP"))[0]
    assert (kind, pod) == ("connected", "")
    assert 0 < seconds < 60


def test_a_closed_port_is_refused_on_both_protocols(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    verdicts = probe(("127.0.0.1", port, "TCP"), ("127.0.0.1", port, "UDP"))
    assert [verdict[0] for verdict in verdicts] == ["refused", "refused"]


def test_a_listener_whose_backlog_is_full_times_out_at_the_deadline() -> None:
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
            with suppress(BlockingIOError):
                filler.connect(listening.getsockname())
        kind, _, seconds, _ = probe(("127.0.0.1", port_of(listening), "TCP"), deadline=0.3)[0]
    assert kind == "timed_out"
    assert 0.3 <= seconds < 60


def test_a_datagram_that_nobody_answers_times_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert probe(("127.0.0.1", port_of(silent), "UDP"), deadline=0.1)[0][0] == "timed_out"


def test_a_connection_that_is_cut_before_a_word_is_reset(listener: socket.socket) -> None:
    command = [sys.executable, str(AGENT), "ask"]
    command.append(json.dumps({"id": 1, "probe": [["127.0.0.1", port_of(listener), "TCP"]], "deadline": 5}))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        verdict = json.loads(asking.communicate(timeout=60)[0])["verdicts"][0]
    assert verdict[0] == "reset"


def test_a_name_without_an_address_failed_in_dns_and_the_other_targets_are_still_probed(
    listener: socket.socket,
) -> None:
    verdicts = probe(("no-such-name.invalid", 80, "TCP"), ("127.0.0.1", port_of(listener), "TCP"))
    assert [verdict[0] for verdict in verdicts] == ["dns_failed", "connected"]


def test_a_port_that_cannot_be_could_not_run() -> None:
    assert probe(("127.0.0.1", 70000, "TCP"))[0][0] == "could_not_run"


def test_too_few_descriptors_could_not_run_instead_of_being_denied(listener: socket.socket) -> None:
    request = {"id": 1, "probe": [("127.0.0.1", port_of(listener), "TCP")] * 40, "deadline": 0.2}
    kinds = [verdict[0] for verdict in ask(request, "sh", "-c", 'ulimit -n 24; exec "$@"', "sh")["verdicts"]]
    assert set(kinds) == {"connected", "could_not_run"}


def test_a_name_resolves_to_its_addresses() -> None:
    assert "127.0.0.1" in ask({"id": 2, "resolve": "localhost"})["addresses"]


def test_a_name_without_an_address_tells_the_resolvers_word() -> None:
    assert ask({"id": 2, "resolve": "no-such-name.invalid"})["failed"]


@pytest.mark.parametrize(
    "request_",
    [
        {"id": 7},
        {"id": 7, "probe": [["a"]]},
        {"id": 7, "probe": [["::1", 1, "ICMP"]]},
        {"id": 7, "probe": [["::1", 1, "TCP", "dns"]]},
        {"id": 7, "probe": [["::1", 1, "TCP"]], "deadline": "soon"},
    ],
)
def test_a_request_that_is_none_is_answered_with_an_error(request_: dict[str, Any]) -> None:
    answer = ask(request_)
    assert answer["id"] == 7
    assert answer["error"]


def test_every_datagram_of_two_rounds_has_a_source_port_of_its_own() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(60)
        line = json.dumps({"id": 1, "probe": [["127.0.0.1", port_of(silent), "UDP"]] * 50, "deadline": 0.05})
        command = [sys.executable, str(AGENT), "drive"]
        subprocess.run(command, input=f"{line}\n{line}\n", text=True, capture_output=True, check=True, timeout=60)
        senders = [silent.recvfrom(10)[1] for _ in range(100)]
    assert len(set(senders)) == 100


def test_a_round_lasts_ten_times_its_slowest_connect(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.Attempt, "handshake_seconds", lambda _self, _noticed: 0.2)
    monkeypatch.setattr(agent, "SHORTEST_ROUND", 0.0)  # so that the kernel is asked for the shortest of connects
    slow = agent.Round([("127.0.0.1", port_of(listener), "TCP", "")], 0.01, agent.fresh_ports())
    [answer] = slow.run()
    assert answer[2] == 0.2
    assert (slow.slowest, slow.deadline) == (0.2, 2.0)


def test_a_round_lasts_three_times_its_slowest_datagram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.Attempt, "answer_seconds", lambda _self, _noticed, _ancillary: 0.2)
    with serving("pod-a") as (_, udp, _):
        slow = agent.Round([("127.0.0.1", udp, "UDP", "")], 0.01, agent.fresh_ports())
        slow.run()
    assert slow.deadline == pytest.approx(0.6)


def test_a_round_is_never_shorter_than_50_ms_nor_than_the_round_before_teaches() -> None:
    ports = agent.fresh_ports()
    assert agent.Round([], 0.01, ports).deadline == 0.05
    assert agent.Round([], 0.01, ports, usual=0.02).deadline == 0.2
    assert agent.Round([], 0.5, ports, usual=0.02).deadline == 0.5
    assert agent.Round([], 0.5, ports, usual=60).deadline == agent.LONGEST_ROUND


def test_a_round_without_a_connect_takes_over_the_slowest_of_the_round_before() -> None:
    asked = agent.Agent()
    asked._usual = 0.03
    answer = asked.answer(json.dumps({"id": 1, "probe": [["127.0.0.1", 1, "TCP"]], "deadline": 0.05}))
    assert answer["verdicts"][0][0] == "refused"
    assert answer["deadline"] == 0.3


def test_how_long_a_connect_took_is_the_kernels_word_and_not_when_it_was_noticed(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as connection:
        attempt = agent.Attempt(0, connection, time.monotonic(), b"")
        assert 0 < attempt.handshake_seconds(3600.0) < 60
        assert attempt.handshake_seconds(0.0) == 0.0


def test_how_long_an_answer_took_is_the_kernels_word_and_not_when_it_was_noticed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, agent.SO_TIMESTAMPNS, 1)
        opened.bind(("127.0.0.1", 0))
        opened.sendto(b"x", opened.getsockname())
        attempt = agent.Attempt(0, opened, time.monotonic(), b"?")
        _, ancillary, _, _ = opened.recvmsg(10, 64)
        assert 4 < attempt.answer_seconds(5.0, ancillary) <= 5  # noticed 5 s after it was sent, received just now
        assert attempt.answer_seconds(5.0, []) == 5.0


def test_a_verdict_that_is_there_when_the_time_is_over_counts(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = agent.Round([("127.0.0.1", port_of(listener), "TCP", "")], 0.05, agent.fresh_ports())
    waits = agent.Round._wait
    # As if this program had been kept from running until long after the round.
    monkeypatch.setattr(agent.Round, "_wait", lambda self, last_start: waits(self, last_start - 10))
    assert late.run()[0][0] == "connected"


def test_an_agent_that_was_stopped_until_its_round_was_over_takes_the_answer_that_came_meanwhile() -> None:
    deadline = 0.2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, driving() as driven:
        peer.bind(("127.0.0.1", 0))
        assert driven.stdin is not None
        assert driven.stdout is not None
        request = {"id": 1, "probe": [["127.0.0.1", peer.getsockname()[1], "UDP"]], "deadline": deadline}
        while True:
            driven.stdin.write(json.dumps(request).encode() + b"\n")
            _, sender = peer.recvfrom(64)
            os.kill(driven.pid, signal.SIGSTOP)
            until_stopped(driven.pid)
            if not select.select([driven.stdout], [], [], 0)[0]:
                break
            os.kill(driven.pid, signal.SIGCONT)  # its round was over before it was stopped: another one
            driven.stdout.readline()
        peer.sendto(b"harness-prober web\n", sender)
        time.sleep(2 * deadline)  # while it is stopped, its time passes
        os.kill(driven.pid, signal.SIGCONT)

        [verdict] = json.loads(driven.stdout.readline())["verdicts"]

    assert verdict[:2] == ["connected", "web"]


@contextmanager
def driving() -> Iterator[subprocess.Popen[bytes]]:
    """An agent that has said hello and waits for requests."""
    command = [sys.executable, "-u", str(AGENT), "drive"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def until_stopped(pid: int) -> None:
    """Return when a process has taken its SIGSTOP."""
    wait_until(f"process {pid} to stop", lambda: state_of(pid) == "T", seconds=60)


def test_sctp_is_untested_where_the_kernel_does_not_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agent.KINDS, "SCTP", (socket.SOCK_STREAM, 253))  # a protocol for experiments: nobody has it
    [answer] = agent.Round([("127.0.0.1", 1, "SCTP", "")], 0.1, agent.fresh_ports()).run()
    assert answer[0] == "untested"
    assert "not supported" in answer[3]


def test_sctp_is_tried_as_any_stream_is(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agent.KINDS, "SCTP", agent.KINDS["TCP"])  # so that kernels without it run the code
    closed = socket.create_server(("127.0.0.1", 0))
    closed.close()
    targets = [("127.0.0.1", port_of(listener), "SCTP", ""), ("127.0.0.1", 1, "SCTP", "")]
    assert [answer[0] for answer in agent.Round(targets, 0.1, agent.fresh_ports()).run()] == ["connected", "refused"]


def test_a_listener_that_the_kernel_does_not_have_is_left_out_and_named() -> None:
    code = (
        "import sys; from harness.prober import agent; agent.KINDS['SCTP'] = (1, 253); "
        "sys.argv = ['agent', 'serve', '--sctp', '0', '--tcp', '0', '--until-eof']; agent.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, check=True, timeout=60)
    said = json.loads(done.stdout)
    assert "not supported" in said["left_out"]["sctp"]
    assert (said["sctp"], len(said["tcp"])) == ([], 1)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (lambda query: query[:2] + b"\x80" + query[3:], "DNS"),
        (lambda query: bytes(2) + b"\x80" + query[3:] if query[:2] != bytes(2) else b"", "neither"),
        (lambda _query: b"moo", "neither"),
    ],
)
def test_whatever_answers_a_dns_query_is_connected_and_told_from_one_another(
    answer: Callable[[bytes], bytes], detail: str
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        command = [sys.executable, str(AGENT), "ask"]
        target = ["127.0.0.1", port_of(server), "UDP", "dns"]
        command.append(json.dumps({"id": 1, "probe": [target], "deadline": 5}))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
            query, sender = server.recvfrom(512)
            server.sendto(answer(query), sender)
            verdict = json.loads(asking.communicate(timeout=60)[0])["verdicts"][0]
    assert len(query) > 12
    assert verdict[0] == "connected"
    assert verdict[3].startswith(detail)


@needs_root
def test_icmp_tells_a_prohibition_from_a_missing_route_and_both_from_silence() -> None:
    rules = " && ".join(
        f"iptables -A INPUT -d 127.0.0.{host} -j {verdict}"
        for host, verdict in {
            2: "REJECT --reject-with icmp-admin-prohibited",
            3: "REJECT --reject-with icmp-host-prohibited",
            4: "REJECT --reject-with icmp-host-unreachable",
            5: "REJECT --reject-with icmp-port-unreachable",
            6: "DROP",
        }.items()
    )
    setup = f'ip link set lo up && {rules} && ip route add prohibit 198.51.100.0/24 && exec "$@"'
    hosts = [*(f"127.0.0.{host}" for host in range(2, 7)), "192.0.2.1", "198.51.100.1"]
    targets = [(host, 80, protocol) for host in hosts for protocol in ("TCP", "UDP")]
    found = ask({"id": 1, "probe": targets, "deadline": 0.2}, "unshare", "--net", "sh", "-c", setup, "sh")
    kinds = [verdict[0] for verdict in found["verdicts"]]
    expected = ["rejected", "rejected", "no_route", "refused", "timed_out", "no_route", "rejected"]
    assert kinds == [kind for kind in expected for _ in ("TCP", "UDP")]


def test_the_agent_needs_nothing_but_the_standard_library() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", AGENT.read_text(), flags=re.MULTILINE))
    assert imported <= set(sys.stdlib_module_names)


def test_the_agent_is_written_in_python_3_8() -> None:
    ast.parse(AGENT.read_text(), feature_version=(3, 8))
