import os
import shutil
from pathlib import Path

import pytest

from harness.errors import BuildError, PrerequisiteError
from harness.images.debian import make_debian, serves, sources_of
from harness.images.recipe import DebianBase

BASE = DebianBase("harness-base", "bookworm", ("tini",))


@pytest.mark.parametrize(
    ("text", "served"),
    [
        ("deb http://mirror.example/debian bookworm main", True),
        ("deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian/ bookworm main contrib", True),
        ("deb http://mirror.example/debian trixie main", False),
        ("# deb http://mirror.example/debian bookworm main", False),
        ("deb http://packages.example/apt cloud-bookworm main", False),
        ("deb http://packages.example/apt bookworm main", False),
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n", True),
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n", False),
        ("Types: deb\nURIs: http://packages.example/apt\nSuites: bookworm\n", False),
    ],
)
def test_a_sources_file_serves_a_release_if_it_has_debians_own_archive_of_it(text: str, served: bool) -> None:  # noqa: FBT001
    assert serves("bookworm", text.splitlines()) is served


def test_only_sources_files_that_serve_the_release_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n")
    (folder / "node.sources").write_text("Types: deb\nURIs: http://packages.example/node\nSuites: nodistro\n")
    assert sources_of("bookworm", tmp_path) == [folder / "debian.sources"]


def test_a_machine_without_mmdebstrap_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="apt-get install mmdebstrap"):
        make_debian(BASE, tmp_path / "a.tar", "localhost/a:1")


def test_a_user_who_is_not_root_is_told_the_two_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/mmdebstrap")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrerequisiteError, match="run as root, or start Docker or Podman"):
        make_debian(BASE, tmp_path / "a.tar", "localhost/a:1")


def test_what_mmdebstrap_said_is_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho 'E: apt-get update failed' >&2; exit 25\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(BuildError, match=r"mmdebstrap could not make harness-base:\nE: apt-get update failed"):
        make_debian(BASE, tmp_path / "a.tar", "localhost/a:1")
    assert [path.name for path in tmp_path.iterdir()] == ["mmdebstrap"]
