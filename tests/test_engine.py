"""Which engine answers, and what it is asked: by programs that note how they were called."""

from pathlib import Path

import pytest

from harness import engine
from harness.engine import Engine, candidates
from harness.errors import CommandError, WaitTimeout

PROGRAM = """#!/bin/sh
echo "$(basename "$0") $* ${{DOCKER_HOST:-here}} ${{KUBECONFIG:-none}}" >> {log}
[ -e {log}.fails ] && {{ echo "no such thing" >&2; exit 3; }}
[ -e {log}.hangs ] && exec sleep 1000
cat
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was called, of programs that are the only engines on PATH."""
    calls = tmp_path / "calls"
    for name in ("docker", "podman"):
        program = tmp_path / name
        program.write_text(PROGRAM.format(log=calls))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in (*engine.LEADING, engine.CHOICE, "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    engine.found.cache_clear()
    return calls


def test_docker_comes_first_unless_kinds_own_variable_names_the_other() -> None:
    assert candidates({}) == ("docker", "podman")
    assert candidates({engine.CHOICE: "podman"}) == ("podman",)
    assert candidates({engine.CHOICE: "nerdctl"}) == ("docker", "podman")


def test_an_engine_stays_the_one_that_was_found_wherever_the_user_turns(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///first")
    monkeypatch.setenv("KUBECONFIG", "mine")
    there = engine.found()
    assert there == Engine("docker", {"DOCKER_HOST": "unix:///first"})
    monkeypatch.setenv("DOCKER_HOST", "unix:///second")
    there.run("ps")
    Engine("docker").run("ps")
    assert log.read_text().splitlines() == [
        "docker info unix:///first none",
        "docker ps unix:///first none",
        "docker ps here none",
    ]


def test_a_file_is_handed_on_and_what_is_said_comes_back(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert Engine("docker").run("load", stdin=tmp_path / "file") == "content"
    assert log.exists()


def test_a_refusal_is_told_in_the_engines_words(log: Path) -> None:
    log.with_name("calls.fails").touch()
    with pytest.raises(CommandError, match="no such thing"):
        Engine("docker").run("ps")
    assert engine.found() is None


def test_an_engine_that_hangs_is_not_waited_for(log: Path) -> None:
    log.with_name("calls.hangs").touch()
    with pytest.raises(WaitTimeout, match="`docker ps` to end"):
        Engine("docker").run("ps", seconds=0.2)


@pytest.mark.usefixtures("log")
def test_an_engine_that_is_not_there_is_told() -> None:
    with pytest.raises(CommandError, match="nerdctl is not on PATH"):
        Engine("nerdctl").run("ps")
