"""Running go: a shell script stands in for it, so that a build is as slow and as broken as a test needs it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.clusters.embedded.gocommand import Go, environment
from harness.errors import CommandError

DEADLINE = 10.0

SLOW = """
sleep 1000 &
echo "$!" >&2
wait
"""
"""A go with a compiler that does not end; it says the compiler's process id."""


def script(folder: Path, text: str) -> Go:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return Go(program, "go version go1.99 linux/amd64")


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_ended(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs after {DEADLINE} s"
        time.sleep(0.01)


def test_what_go_prints_is_returned_and_what_it_says_is_heard(tmp_path: Path) -> None:
    heard: list[str] = []
    go = script(tmp_path, 'echo "$@"; echo first >&2; echo second >&2')
    assert go.run(["list", "./..."], tmp_path, on_line=heard.append) == "list ./...\n"
    assert heard == ["first", "second"]


def test_go_runs_in_the_folder_with_the_variables(tmp_path: Path) -> None:
    go = script(tmp_path, 'pwd; echo "$CGO_ENABLED"')
    assert go.run([], tmp_path, {"CGO_ENABLED": "0"}) == f"{tmp_path}\n0\n"


def test_a_failing_go_is_told_with_its_last_lines_and_its_status(tmp_path: Path) -> None:
    go = script(tmp_path, "seq 100 >&2; exit 3")
    with pytest.raises(CommandError, match="`go build` ended with status 3") as caught:
        go.run(["build"], tmp_path)
    assert caught.value.output.splitlines()[-1] == "100"
    assert "10\n" not in caught.value.output


def test_an_interrupt_ends_go_and_the_compilers_it_started(tmp_path: Path) -> None:
    compilers: list[int] = []

    def interrupt(line: str) -> None:
        compilers.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        script(tmp_path, SLOW).run(["build"], tmp_path, on_line=interrupt)
    wait_until_ended(compilers[0])


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_go_and_its_compilers_end_when_we_are_killed(tmp_path: Path, killed_by: signal.Signals) -> None:
    go = script(tmp_path, SLOW)
    program = (
        "import sys; from pathlib import Path; from harness.clusters.embedded.gocommand import Go;"
        "go = Go(Path(sys.argv[1]), ''); go.run([], Path('/'), on_line=lambda line: print(line, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(go.binary)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as we:
        assert we.stdout is not None
        compiler = int(we.stdout.readline())
        assert is_running(compiler)
        we.send_signal(killed_by)
        we.wait(DEADLINE)
        wait_until_ended(compiler)


def test_nothing_of_a_go_that_ended_is_left(tmp_path: Path) -> None:
    go = script(tmp_path, 'ps -o pid= --no-headers -g "$(ps -o pgid= -p $$ | tr -d " ")"')
    for pid in go.run([], tmp_path).split():
        wait_until_ended(int(pid))


def test_what_would_change_a_build_is_kept_out_and_what_is_the_users_choice_is_kept() -> None:
    ambient = {
        "GOFLAGS": "-mod=vendor",
        "GOWORK": "/elsewhere/go.work",
        "GOOS": "plan9",
        "GOROOT": "/elsewhere",
        "GOTOOLCHAIN": "go1.99.0",
        "GOPROXY": "https://proxy.example",
        "GOCACHE": "/elsewhere/cache",
    }
    found = environment(ambient, {"CGO_ENABLED": "1"})
    assert found == {
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "GO111MODULE": "on",
        "GOPROXY": "https://proxy.example",
        "GOCACHE": "/elsewhere/cache",
        "CGO_ENABLED": "1",
    }
