"""Docker and Podman as programs that note how they were called: no engine runs here."""

import os
import shutil
from pathlib import Path

import pytest

from harness import engine
from harness.engine import Engine
from harness.errors import BuildError, PrerequisiteError
from harness.images.engines import Buildah, DockerEngine

# Does what the words ask for as far as a caller can see, and fails the ones that the test names.
ENGINE = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$*" in {fails}) echo "no such thing" >&2; exit 1;; esac
while [ $# -gt 0 ]; do case "$1" in --output|--iidfile) echo saved > "$2";; esac; shift; done
exit 0
"""


class Programs:
    """A PATH of programs, and what was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls"

    def add(self, name: str, fails: str = "nothing") -> None:
        program = self.folder / name
        program.write_text(ENGINE.format(log=self.log, fails=fails))
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "basename", "setpriv", "unshare"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    engine.found.cache_clear()
    return Programs(folder)


def test_docker_is_asked_before_podman(programs: Programs) -> None:
    programs.add("docker")
    programs.add("podman")
    assert DockerEngine.found() is not None
    assert programs.calls == ["docker info"]


def test_podman_serves_where_docker_does_not_answer(programs: Programs) -> None:
    programs.add("docker", fails="info")
    programs.add("podman")
    assert DockerEngine.found() is not None
    assert programs.calls == ["docker info", "podman info"]


def test_where_none_answers_there_is_none(programs: Programs) -> None:
    programs.add("docker", fails="info")
    assert DockerEngine.found() is None


def test_a_base_that_is_there_is_not_pulled(programs: Programs) -> None:
    programs.add("docker")
    assert DockerEngine(Engine("docker")).can_have("public:1")
    assert programs.calls == ["docker image inspect public:1"]


def test_a_base_that_can_neither_be_found_nor_pulled_is_not_to_be_had(programs: Programs) -> None:
    programs.add("docker", fails="image*|pull*")
    assert not DockerEngine(Engine("docker")).can_have("public:1")
    assert programs.calls[-1] == "docker pull --quiet public:1"


@pytest.mark.parametrize(("program", "kind"), [("docker", ""), ("podman", "--format docker-archive ")])
def test_an_image_is_built_on_the_base_and_saved_as_an_archive(
    programs: Programs, tmp_path: Path, program: str, kind: str
) -> None:
    programs.add(program)
    archive = tmp_path / "a.tar"
    DockerEngine(Engine(program)).build(tmp_path, "public:1", "harness.dev/a:1", archive)
    assert archive.read_text() == "saved\n"
    assert programs.calls == [
        f"{program} build --quiet --build-arg BASE=public:1 --tag harness.dev/a:1 {tmp_path}",
        f"{program} save {kind}--output {archive} harness.dev/a:1",
    ]


def test_a_failed_build_says_what_the_engine_said(programs: Programs, tmp_path: Path) -> None:
    programs.add("docker", fails="build*")
    with pytest.raises(BuildError, match=r"harness.dev/a:1 could not be built by docker:\nno such thing"):
        DockerEngine(Engine("docker")).build(tmp_path, "public:1", "harness.dev/a:1", tmp_path / "a.tar")


@pytest.mark.usefixtures("programs")
def test_without_any_engine_the_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="apt-get install buildah"):
        Buildah(tmp_path / "buildah").build(tmp_path, "base:1", "harness.dev/a:1", tmp_path / "a.tar")


def test_buildah_without_root_says_what_to_do(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.add("buildah")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrerequisiteError, match="run as root, or start Docker or Podman"):
        Buildah(tmp_path / "buildah").build(tmp_path, "base:1", "harness.dev/a:1", tmp_path / "a.tar")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: buildah runs in namespaces of its own")
def test_where_overlay_does_not_work_buildah_stores_by_vfs_and_stays_so(programs: Programs, tmp_path: Path) -> None:
    programs.add("buildah", fails="*driver\\ overlay*")
    buildah = Buildah(tmp_path / "buildah")
    for _ in range(2):
        buildah.build(tmp_path, "base:1", "harness.dev/a:1", tmp_path / "a.tar")
    assert sum("driver overlay" in call for call in programs.calls) == 1
    assert all(f"--root {tmp_path}/buildah/root" in call for call in programs.calls)
