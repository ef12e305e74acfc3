"""What is measured in time, without a cluster: the figures, and the programs that newborns and connections run."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.isolation.matrix import Standing
from harness.isolation.timing import ECHO, KEEPER, NEWBORN, Birth, summary, trial_of


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A program as a pod would run it."""
    command = [sys.executable, "-uc", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# -------------------------------------------------------------------------------------------------------------- figures


def test_a_summary_is_how_many_the_median_the_99th_percentile_and_the_worst() -> None:
    assert summary([hundredth / 100 for hundredth in range(101)]) == {
        "times": 101,
        "median": 0.5,
        "p99": 0.99,
        "worst": 1.0,
    }


def test_newborns_that_leaked_deviate_and_are_named_and_others_conform() -> None:
    newborns = [Birth("newborn-0"), Birth("newborn-1", leaked_in=0.25), Birth("newborn-2", leaked_out=0.0)]

    trial = trial_of(newborns, 3.0)

    assert trial.points == (21,)
    assert {key: number for key, number in trial.cells.items() if number} == {
        Standing.CONFORMS: 4,
        Standing.DEVIATES: 2,
    }
    assert trial.wrong == (
        "newborn-1 still connected in 0.250 s after its first attempt",
        "newborn-2 still connected out 0.000 s after its first attempt",
    )


# ------------------------------------------------------------------------------------------------------------- programs


def test_a_newborn_that_nobody_stops_connects_to_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        port = server.getsockname()[1]
        with running(NEWBORN, "127.0.0.1", port, 0, 2.0) as newborn:
            said = json.loads(line(newborn))

    assert said["tried"] > 1
    assert 0.0 < said["last"] <= 2.0


def test_a_newborn_whom_nobody_answers_has_connected_never() -> None:
    with running(NEWBORN, "127.0.0.1", free_port(), 0, 1.0) as newborn:
        said = json.loads(line(newborn))

    assert said["tried"] > 1
    assert said["last"] is None


def test_a_newborn_says_how_long_it_got_through() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        port = server.getsockname()[1]
        with running(NEWBORN, "127.0.0.1", port, 0, 3.0) as newborn:
            server.accept()[0].close()
            server.close()
            said = json.loads(line(newborn))

    assert 0.0 <= said["last"] < 3.0
    assert said["tried"] > 1


def test_a_newborn_can_be_reached_itself() -> None:
    own = free_port()
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        port = server.getsockname()[1]
        with running(NEWBORN, "127.0.0.1", port, own, 60) as newborn:
            server.accept()[0].close()  # it runs
            with socket.create_connection(("127.0.0.1", own), timeout=60):
                assert newborn.poll() is None


def test_connections_that_are_kept_echo_until_whoever_answers_is_gone() -> None:
    port = free_port()
    with running(ECHO, "127.0.0.1", port) as echo:
        assert line(echo) == "listening"
        with running(KEEPER, "127.0.0.1", port) as keeper:
            assert line(keeper) == "connected"
            assert ask(keeper, "before") == {"TCP": True, "UDP": True}
            echo.kill()
            echo.wait()
            assert ask(keeper, "after") == {"TCP": False, "UDP": False}


def ask(keeper: subprocess.Popen[str], word: str) -> object:
    assert keeper.stdin is not None
    keeper.stdin.write(f"{word}\n")
    keeper.stdin.flush()
    return json.loads(line(keeper))


def test_an_answer_to_an_earlier_word_is_not_taken_for_one_to_a_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(server.getsockname())
        with running(KEEPER, "127.0.0.1", server.getsockname()[1]) as keeper:
            connection, _ = server.accept()
            assert line(keeper) == "connected"
            with connection:
                connection.sendall(b"earlier\n")
                assert keeper.stdin is not None
                keeper.stdin.write("later\n")
                keeper.stdin.flush()
                word, sender = udp.recvfrom(64)
                udp.sendto(word, sender)
                assert json.loads(line(keeper)) == {"TCP": False, "UDP": True}
