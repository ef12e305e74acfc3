"""Building: a real module of two programs with the real go, and a script in place of go where it must be slow."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from harness import packages
from harness.clusters.embedded.build import OUTPUT, Builder, Components
from harness.clusters.embedded.gocommand import Go
from harness.clusters.embedded.gotoolchain import toolchain
from harness.clusters.embedded.programs import Program
from harness.clusters.embedded.progress import PackageProgress
from harness.errors import BuildError, PrerequisiteError
from harness.timeline import Timeline

DEADLINE = 30.0

ONE = Program("tiny", "./one", "example.com/released", {"main.version": "{version}"}, calls=("uno", "eins"), tags="")
TWO = Program("tiny", "./two", "example.com/released", {"main.version": "two"}, tags="")
MAIN = """package main

import "os"

var version string

func main() { os.Stdout.WriteString(os.Args[0] + " " + version) }
"""
BROKEN = "package main\n\nfunc main() { undefinedFunction() }\n"

SLOW_GO = """#!/bin/sh
# Lists two packages; builds once somebody opens the gate, writing each -o of the command as a program.
case $1 in
list) echo a; echo b ;;
build)
    echo "$$" >>{folder}/builds
    echo example.com/a >&2
    read -r _ <{folder}/gate
    while [ "$1" != -o ]; do shift; done
    mkdir -p "$2"
    for program in one two; do printf program >"$2$program"; done ;;
esac
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    module = tmp_path / "sources" / "tiny"
    for folder in ("one", "two", "released"):
        (module / folder).mkdir(parents=True)
    (module / "go.mod").write_text(
        "module example.com/tiny\n\ngo 1.26.0\n\n"
        "require example.com/released v1.2.3\n\nreplace example.com/released => ./released\n"
    )
    (module / "go.sum").touch()
    (module / "released" / "go.mod").write_text("module example.com/released\n\ngo 1.26.0\n")
    for program in ("one", "two"):
        (module / program / "main.go").write_text(MAIN)
    return module.parent


@pytest.fixture
def builder(tmp_path: Path, sources: Path) -> Builder:
    return Builder(toolchain(Timeline(StringIO())), tmp_path / "cache", sources)


@pytest.fixture
def slow(tmp_path: Path, sources: Path) -> Builder:
    """A builder whose go waits until the file ``gate`` is written to."""
    program = tmp_path / "go"
    program.write_text(SLOW_GO.format(folder=tmp_path))
    program.chmod(0o755)
    os.mkfifo(tmp_path / "gate")
    return Builder(Go(program, "slow"), tmp_path / "cache", sources)


def run(binary: Path) -> str:
    return subprocess.run([str(binary)], capture_output=True, text=True, check=True, timeout=DEADLINE).stdout


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE} s for {what}"
        time.sleep(0.01)


def left_of_builds(builder: Builder) -> list[str]:
    return [path.name for path in (builder.cache / "build").glob(f"{OUTPUT}*")]


def test_programs_are_built_each_with_its_own_version_and_its_own_names(builder: Builder) -> None:
    shown = StringIO()
    found = builder.build({"one": ONE, "two": TWO}, Timeline(shown))
    assert run(found.path("one")) == f"{found.path('one')} v1.2.3"
    assert run(found.path("two")) == f"{found.path('two')} two"
    assert run(found.path("uno")) == f"{found.path('uno')} v1.2.3"
    assert found.path("eins").name == "eins"
    assert found.path("eins").parent == found.path("one").parent
    assert "build components" in shown.getvalue()
    assert not left_of_builds(builder)


def test_what_is_built_is_found_without_asking_go(builder: Builder) -> None:
    built = builder.build({"one": ONE}, Timeline(StringIO()))
    timeline = Timeline(StringIO())
    without_go = replace(builder, go=replace(builder.go, binary=Path("/bin/false")))
    assert without_go.build({"one": ONE}, timeline) == built
    assert timeline.phases == []


def test_a_changed_source_is_built_and_the_other_program_is_not(builder: Builder, sources: Path) -> None:
    before = builder.build({"one": ONE, "two": TWO}, Timeline(StringIO()))
    source = sources / "tiny" / "one" / "main.go"
    source.write_text(source.read_text().replace('" "', '": "'))
    timeline = Timeline(StringIO())
    after = builder.build({"one": ONE, "two": TWO}, timeline)
    assert run(after.path("one")).endswith(": v1.2.3")
    assert after.path("two") == before.path("two")
    assert timeline.phases[-1].note.endswith("for one")


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
def test_a_spoilt_binary_is_built_again(builder: Builder, spoil: Callable[[Path], object]) -> None:
    spoil(builder.build({"one": ONE}, Timeline(StringIO())).path("one"))
    again = builder.build({"one": ONE}, Timeline(StringIO()))
    assert run(again.path("one")).endswith("v1.2.3")


def test_sources_that_cannot_be_written_can_be_built(builder: Builder, sources: Path) -> None:
    for path in sorted(sources.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    found = builder.build({"one": ONE}, Timeline(StringIO()))
    assert run(found.path("one")).endswith("v1.2.3")


def test_the_users_go_settings_do_not_disturb(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GOFLAGS": "-mod=vendor -tags=other", "GOWORK": "/nowhere/go.work", "GOOS": "plan9"}.items():
        monkeypatch.setenv(name, value)
    found = builder.build({"one": ONE}, Timeline(StringIO()))
    assert run(found.path("one")).endswith("v1.2.3")


def test_a_failing_build_tells_the_file_the_line_and_the_error(builder: Builder, sources: Path) -> None:
    (sources / "tiny" / "one" / "main.go").write_text(BROKEN)
    shown = StringIO()
    with pytest.raises(BuildError, match="`go build` of one ended with status 1") as caught:
        builder.build({"one": ONE}, Timeline(shown))
    assert "one/main.go:3:15: undefined: undefinedFunction" in str(caught.value)
    assert "✗ build components" in shown.getvalue()
    assert not left_of_builds(builder)
    assert not (builder.cache / "components" / "one").exists()


def test_a_module_that_cannot_be_had_is_named(builder: Builder, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    (sources / "tiny" / "one" / "main.go").write_text(MAIN.replace('"os"', '(\n\t"os"\n\t_ "example.com/elsewhere"\n)'))
    with (sources / "tiny" / "go.mod").open("a") as go_mod:
        go_mod.write("require example.com/elsewhere v1.0.0\n")
    with pytest.raises(BuildError, match="the modules of one could not be downloaded") as caught:
        builder.build({"one": ONE}, Timeline(StringIO()))
    assert "example.com/elsewhere" in str(caught.value)


def test_a_missing_compiler_is_told_before_anything_is_built(slow: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_to_be_had(_timeline: Timeline, groups: tuple[str, ...]) -> None:
        raise PrerequisiteError(f"Debian packages are missing: {groups}")

    monkeypatch.setattr(packages, "ensure", not_to_be_had)
    with pytest.raises(PrerequisiteError, match="compile"):
        slow.build({"one": replace(ONE, cgo=True)}, Timeline(StringIO()))
    assert not slow.cache.exists()


def test_two_builds_at_once_build_once(slow: Builder, tmp_path: Path) -> None:
    found: list[Components] = []
    first_shown, second_shown = StringIO(), StringIO()

    def building(shown: StringIO) -> threading.Thread:
        thread = threading.Thread(target=lambda: found.append(slow.build({"one": ONE}, Timeline(shown))), daemon=True)
        thread.start()
        return thread

    first = building(first_shown)
    wait_until((tmp_path / "builds").exists, "the first build to start")
    second = building(second_shown)
    wait_until(lambda: "waiting for another build" in second_shown.getvalue(), "the second build to say that it waits")
    (tmp_path / "gate").write_text("open\n")
    for thread in (first, second):
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert found[0] == found[1]
    assert found[0].path("one").read_text() == "program"
    assert len((tmp_path / "builds").read_text().split()) == 1
    assert "waiting" not in first_shown.getvalue()


def test_an_interrupted_build_leaves_nothing_and_can_be_done_again(
    slow: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_progress: object, _line: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PackageProgress, "heard", interrupt)
        with pytest.raises(KeyboardInterrupt):
            slow.build({"one": ONE}, Timeline(StringIO()))
    pid = int((tmp_path / "builds").read_text())
    wait_until(
        lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes(), "go's end"
    )
    assert not left_of_builds(slow)
    opened = threading.Thread(target=lambda: (tmp_path / "gate").write_text("open\n"), daemon=True)
    opened.start()
    assert slow.build({"one": ONE}, Timeline(StringIO())).path("one").read_text() == "program"
    opened.join(DEADLINE)


def test_what_a_killed_build_left_is_removed_by_the_next(builder: Builder) -> None:
    left = builder.cache / "build" / f"{OUTPUT}of-a-killed-one"
    left.mkdir(parents=True)
    (left / "go-build1").write_bytes(b"half")
    builder.build({"one": ONE}, Timeline(StringIO()))
    assert not left_of_builds(builder)
