"""Packages that are unpacked and not installed: by an apt-get and a dpkg that only do what is asked of them here."""

from io import StringIO
from pathlib import Path

import pytest

from harness import debs
from harness.errors import PrerequisiteError
from harness.timeline import Timeline

APT_GET = """#!/bin/sh
echo "apt-get $*" >> {folder}/calls
[ -e {folder}/broken ] && {{ echo "E: Unable to locate package two" >&2; exit 100; }}
case "$*" in *download*) : > one.deb; : > two.deb ;; esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/bin"
basename "$2" .deb > "$3/usr/bin/$(basename "$2" .deb)"
"""
WANTED = ("one", "two")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What apt-get was asked."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("apt-get", APT_GET), ("dpkg", DPKG)):
        (programs / name).write_text(text.format(folder=tmp_path) if name == "apt-get" else text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return tmp_path / "calls"


def unpacked(tmp_path: Path) -> Path:
    return debs.unpacked(WANTED, tmp_path / "cache", Timeline(StringIO()))


def test_packages_are_unpacked_once_and_the_machines_own_lists_are_left_alone(tmp_path: Path, calls: Path) -> None:
    folder = unpacked(tmp_path)
    assert sorted(file.name for file in (folder / "usr/bin").iterdir()) == ["one", "two"]
    asked = calls.read_text().splitlines()
    assert len(asked) == 2
    assert all(f"--option=Dir::State::lists={tmp_path}" in one for one in asked)
    assert not any("install" in one.split() for one in asked)
    assert unpacked(tmp_path) == folder
    assert calls.read_text().splitlines() == asked
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_what_apt_get_says_is_told_and_nothing_stays(tmp_path: Path, calls: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(PrerequisiteError, match=r"(?s)could not be downloaded.*Unable to locate package two"):
        unpacked(tmp_path)
    assert list((tmp_path / "cache" / "debs").iterdir()) == []
    (tmp_path / "broken").unlink()
    calls.unlink()
    assert unpacked(tmp_path).is_dir()


def test_without_apt_get_it_is_said_what_would_come_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="one, two come from Debian's packages, and there is no apt-get here"):
        unpacked(tmp_path)
