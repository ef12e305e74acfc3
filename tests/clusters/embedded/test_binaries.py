import os
from pathlib import Path

import pytest

from harness.clusters.embedded import binaries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A binary with two names, in the cache."""
    built = tmp_path / "built"
    built.write_bytes(b"program")
    built.chmod(0o755)
    folder = tmp_path / "components" / "node" / "a-key"
    binaries.keep(built, folder, "node", ("kubelet", "kubectl"))
    return folder


def test_a_kept_binary_is_whole_and_can_be_called_by_each_name(folder: Path) -> None:
    assert binaries.is_whole(folder, "node")
    assert {path.name for path in folder.iterdir()} == {"node", "kubelet", "kubectl", binaries.RECORD}
    assert (folder / "kubelet").read_bytes() == b"program"
    assert os.access(folder / "kubectl", os.X_OK)


def test_what_was_never_built_is_not_whole(tmp_path: Path) -> None:
    assert not binaries.is_whole(tmp_path / "nowhere", "node")


@pytest.mark.parametrize("content", [b"", b"prog", b"program, and more", b"PROGRAM"])
def test_a_binary_with_other_content_is_not_whole(folder: Path, content: bytes) -> None:
    (folder / "node").write_bytes(content)
    os.utime(folder / "node", (1, 1))
    assert not binaries.is_whole(folder, "node")


@pytest.mark.parametrize("gone", ["node", binaries.RECORD])
def test_a_folder_of_which_a_part_is_gone_is_not_whole(folder: Path, gone: str) -> None:
    (folder / gone).unlink()
    assert not binaries.is_whole(folder, "node")


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"size": 7}'])
def test_a_folder_with_a_broken_record_is_not_whole(folder: Path, record: str) -> None:
    (folder / binaries.RECORD).write_text(record)
    os.utime(folder / "node", (1, 1))
    assert not binaries.is_whole(folder, "node")


def test_a_binary_that_was_only_copied_is_whole(folder: Path) -> None:
    os.utime(folder / "node", (1, 1))
    assert binaries.is_whole(folder, "node")


def test_of_many_builds_the_newest_stay(folder: Path, tmp_path: Path) -> None:
    keys = [f"key-{number}" for number in range(binaries.KEPT + 1)]
    for age, path in enumerate([folder]):
        os.utime(path, (age, age))
    for number, key in enumerate(keys, start=1):
        built = tmp_path / "built"
        built.write_bytes(b"program")
        binaries.keep(built, folder.parent / key, "node", ())
        os.utime(folder.parent / key, (number, number))
    assert {path.name for path in folder.parent.iterdir()} == set(keys[1:])
