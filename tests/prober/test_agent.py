"""The agent as a process of its own, against real sockets."""

import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.prober import agent

AGENT = Path(agent.__file__)
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("iptables"), reason="needs root and iptables: a network namespace of its own"
)


def ask(request: dict[str, Any], *before: str) -> dict[str, Any]:
    """The answer of a fresh agent, started through the command ``before``."""
    command = [*before, sys.executable, str(AGENT), "ask", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def probe(*targets: tuple[str, int, str], deadline: float = 0.5) -> list[Any]:
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
def serving(pod: str) -> Iterator[tuple[int, int, int]]:
    """An agent that serves as ``pod``; its TCP, UDP and HTTP ports."""
    ports = []
    for _ in range(3):
        with socket.create_server(("", 0)) as free:
            ports.append(port_of(free))
    tcp, udp, http = ports
    arguments = ["serve", "--tcp", str(tcp), "--udp", str(udp), "--http", str(http)]
    with subprocess.Popen(
        [sys.executable, "-u", str(AGENT), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "POD_NAME": pod},
    ) as server:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline()) == {"serving": pod, "tcp": [tcp], "udp": [udp], "http": [http]}
        try:
            yield tcp, udp, http
        finally:
            server.terminate()
            server.wait(timeout=10)


def test_our_listeners_say_which_pod_they_are() -> None:
    with serving("pod-a") as (tcp, udp, _):
        verdicts = probe(("127.0.0.1", tcp, "tcp"), ("127.0.0.1", udp, "udp"), ("::1", tcp, "tcp"))
    assert [verdict[:2] for verdict in verdicts] == [["connected", "pod-a"]] * 3


def test_an_http_answer_has_status_and_body() -> None:
    with serving("pod-a") as (_, _, http):
        answer = ask({"id": 4, "http": ["127.0.0.1", http, "invoices.local", "/x"], "deadline": 5})
    assert answer == {"id": 4, "status": 200, "body": "harness-prober pod-a\n"}


def test_an_http_request_without_an_answer_tells_why(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    assert "refused" in ask({"id": 4, "http": ["127.0.0.1", port, "h", "/"], "deadline": 5})["failed"]


def test_a_listener_that_says_nothing_is_connected_to_no_named_pod(listener: socket.socket) -> None:
    kind, pod, seconds, _ = probe(("127.0.0.1", port_of(listener), "tcp"))[0]
    assert (kind, pod) == ("connected", "")
    assert seconds < 0.1


def test_a_closed_port_is_refused_on_both_protocols(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    verdicts = probe(("127.0.0.1", port, "tcp"), ("127.0.0.1", port, "udp"))
    assert [verdict[0] for verdict in verdicts] == ["refused", "refused"]


def test_a_listener_whose_backlog_is_full_times_out_at_the_deadline() -> None:
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
            with suppress(BlockingIOError):
                filler.connect(listening.getsockname())
        kind, _, seconds, _ = probe(("127.0.0.1", port_of(listening), "tcp"), deadline=0.3)[0]
    assert kind == "timed_out"
    assert 0.3 <= seconds < 1


def test_a_datagram_that_nobody_answers_times_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert probe(("127.0.0.1", port_of(silent), "udp"), deadline=0.1)[0][0] == "timed_out"


def test_a_connection_that_is_cut_before_a_word_is_reset(listener: socket.socket) -> None:
    command = [sys.executable, str(AGENT), "ask"]
    command.append(json.dumps({"id": 1, "probe": [["127.0.0.1", port_of(listener), "tcp"]], "deadline": 5}))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        verdict = json.loads(asking.communicate(timeout=10)[0])["verdicts"][0]
    assert verdict[0] == "reset"


def test_a_name_without_an_address_failed_in_dns_and_the_other_targets_are_still_probed(
    listener: socket.socket,
) -> None:
    verdicts = probe(("no-such-name.invalid", 80, "tcp"), ("127.0.0.1", port_of(listener), "tcp"))
    assert [verdict[0] for verdict in verdicts] == ["dns_failed", "connected"]


def test_a_port_that_cannot_be_could_not_run() -> None:
    assert probe(("127.0.0.1", 70000, "tcp"))[0][0] == "could_not_run"


def test_too_few_descriptors_could_not_run_instead_of_being_denied(listener: socket.socket) -> None:
    request = {"id": 1, "probe": [("127.0.0.1", port_of(listener), "tcp")] * 40, "deadline": 0.2}
    kinds = [verdict[0] for verdict in ask(request, "sh", "-c", 'ulimit -n 24; exec "$@"', "sh")["verdicts"]]
    assert set(kinds) == {"connected", "could_not_run"}


def test_a_name_resolves_to_its_addresses() -> None:
    assert "127.0.0.1" in ask({"id": 2, "resolve": "localhost"})["addresses"]


def test_a_name_without_an_address_tells_the_resolvers_word() -> None:
    assert ask({"id": 2, "resolve": "no-such-name.invalid"})["failed"]


@pytest.mark.parametrize("request_", [{"id": 7}, {"id": 7, "probe": [["a"]]}, {"id": 7, "probe": [["::1", 1, "sctp"]]}])
def test_a_request_that_is_none_is_answered_with_an_error(request_: dict[str, Any]) -> None:
    answer = ask(request_)
    assert answer["id"] == 7
    assert answer["error"]


def test_every_datagram_of_two_rounds_has_a_source_port_of_its_own() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(5)
        line = json.dumps({"id": 1, "probe": [["127.0.0.1", port_of(silent), "udp"]] * 50, "deadline": 0.05})
        command = [sys.executable, str(AGENT), "drive"]
        subprocess.run(command, input=f"{line}\n{line}\n", text=True, capture_output=True, check=True, timeout=30)
        senders = [silent.recvfrom(10)[1] for _ in range(100)]
    assert len(set(senders)) == 100


def test_a_round_lasts_ten_times_its_slowest_connect() -> None:
    ports = agent.fresh_ports()
    round_ = agent.Round([], 0.01, ports)
    assert round_.deadline == agent.SHORTEST_ROUND
    with socket.create_server(("127.0.0.1", 0)) as listening:
        slow = agent.Round([("127.0.0.1", port_of(listening), "tcp")], 0.05, ports)
        with socket.create_connection(listening.getsockname()) as connected:
            attempt = agent.Attempt(0, connected, time.monotonic() - 0.2)
            slow._poll.register(connected, select.EPOLLOUT)
            slow._advance(attempt)
        assert 2.0 <= slow.deadline < 3.0
        slow._poll.close()
    round_._poll.close()


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
    targets = [(host, 80, protocol) for host in hosts for protocol in ("tcp", "udp")]
    found = ask({"id": 1, "probe": targets, "deadline": 0.2}, "unshare", "--net", "sh", "-c", setup, "sh")
    kinds = [verdict[0] for verdict in found["verdicts"]]
    expected = ["rejected", "rejected", "no_route", "refused", "timed_out", "no_route", "rejected"]
    assert kinds == [kind for kind in expected for _ in ("tcp", "udp")]


def test_the_agent_needs_nothing_but_the_standard_library() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", AGENT.read_text(), flags=re.MULTILINE))
    assert imported <= set(sys.stdlib_module_names)
