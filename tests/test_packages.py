import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from harness import packages
from harness.downloads import APT
from harness.errors import PrerequisiteError
from harness.timeline import Timeline

APT_GET = """#!/bin/sh
PATH=/usr/bin:/bin
echo "$DEBIAN_FRONTEND $@" >>{folder}/calls
case "$*" in
*update*) {update} ;;
*install*) {install} ;;
esac
"""

Apt = Callable[[str, str], None]


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder on PATH, on a machine that lacks the one program of the group ``probe``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "PACKAGES", {"probe": {"probe-package": "a-program-that-nobody-has"}})
    return folder


@pytest.fixture
def apt_get(tmp_path: Path, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    """Puts an apt-get of two shell commands on PATH, and makes us root."""

    def write(update: str, install: str) -> None:
        program = bin_folder / "apt-get"
        program.write_text(APT_GET.format(folder=tmp_path, update=update, install=install))
        program.chmod(0o755)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return write


def install_into(folder: Path) -> str:
    return f"cp /bin/true {folder}/a-program-that-nobody-has"


def test_a_package_is_missing_where_its_program_is() -> None:
    assert packages.missing(["cluster"], lambda sign: sign not in ("ipset", "conntrack")) == ["ipset", "conntrack"]


def test_a_package_without_a_program_is_known_by_its_file() -> None:
    found = packages.missing(["compile"], lambda sign: not sign.startswith("/usr/include"))
    assert found == ["libc6-dev", "libseccomp-dev"]


def test_only_the_groups_that_are_asked_for_count() -> None:
    assert packages.missing(["build"], lambda _sign: False) == ["buildah", "mmdebstrap", "ca-certificates"]
    assert packages.missing([], lambda _sign: False) == []


def test_a_program_counts_where_only_root_has_it_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert packages.is_there("ldconfig")
    assert not packages.is_there("a-program-that-nobody-has")
    assert packages.is_there("/etc/passwd")
    assert not packages.is_there("/etc/nobody-has-this")


@pytest.mark.usefixtures("bin_folder")
def test_who_is_not_root_is_told_the_packages_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrerequisiteError) as caught:
        packages.ensure(Timeline(StringIO()), ["probe"])
    assert str(caught.value) == (
        "Debian packages are missing: probe-package. As root: "
        "apt-get update && apt-get install --yes --no-install-recommends probe-package"
    )


@pytest.mark.usefixtures("bin_folder")
def test_a_machine_without_apt_is_told_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PrerequisiteError, match="Debian packages are missing: probe-package"):
        packages.ensure(Timeline(StringIO()), ["probe"])


def test_root_has_what_is_missing_installed(apt_get: Apt, bin_folder: Path, tmp_path: Path) -> None:
    apt_get("true", install_into(bin_folder))
    shown = StringIO()
    packages.ensure(Timeline(shown), ["probe"])
    assert "Debian packages" in shown.getvalue()
    options = " ".join(f"--option={option}" for option in ("DPkg::Lock::Timeout=600", *APT))
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"noninteractive {options} update --quiet",
        f"noninteractive {options} install --yes --quiet --no-install-recommends probe-package",
    ]


def test_nothing_is_installed_twice(apt_get: Apt, bin_folder: Path, tmp_path: Path) -> None:
    apt_get("true", install_into(bin_folder))
    packages.ensure(Timeline(StringIO()), ["probe"])
    calls = (tmp_path / "calls").read_text()
    timeline = Timeline(StringIO())
    packages.ensure(timeline, ["probe"])
    assert (tmp_path / "calls").read_text() == calls
    assert timeline.phases == []


def test_a_source_that_cannot_be_updated_does_not_matter_where_the_package_is_to_be_had(
    apt_get: Apt, bin_folder: Path
) -> None:
    apt_get("echo a source is broken >&2; exit 100", install_into(bin_folder))
    packages.ensure(Timeline(StringIO()), ["probe"])
    assert packages.missing(["probe"]) == []


def test_an_installation_that_fails_is_told_with_all_that_apt_said(apt_get: Apt) -> None:
    apt_get("echo no network >&2; exit 100", "echo E: no such package >&2; exit 100")
    with pytest.raises(PrerequisiteError, match="do it by hand: `apt-get update") as caught:
        packages.ensure(Timeline(StringIO()), ["probe"])
    assert "E: no such package" in str(caught.value)
    assert "no network" in str(caught.value)


def test_a_package_that_does_not_bring_its_program_is_told(apt_get: Apt) -> None:
    apt_get("true", "true")
    with pytest.raises(PrerequisiteError, match="installed probe-package, and yet"):
        packages.ensure(Timeline(StringIO()), ["probe"])
