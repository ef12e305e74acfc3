import json
import shutil
from pathlib import Path

import pytest

from harness.clusters.embedded import template
from harness.clusters.embedded.layout import Layout

METADATA = "containerd/io.containerd.metadata.v1.bolt/meta.db"
SNAPSHOTS = "containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db"
LAYER = "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/bin/program"
BLOB = "containerd/io.containerd.content.v1.content/blobs/sha256/abc"
WAL = "etcd/member/wal/0.wal"
BOLT = "etcd/member/snap/db"
DATABASES = (METADATA, SNAPSHOTS, WAL, BOLT)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A finished template in small."""
    folder = tmp_path / "templates" / "key"
    for path in (*DATABASES, LAYER, BLOB):
        file = folder / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"what was in {path}")
    (folder / "data" / LAYER).chmod(0o755)
    (folder / "seal.json").write_text(json.dumps(template._seal(folder)))
    return folder


def cloned(whole: Path) -> Layout:
    where = Layout(whole.parents[1] / "clusters" / "one")
    template.clone(whole, where)
    return where


def test_a_finished_template_is_whole(whole: Path) -> None:
    assert template.is_whole(whole)


def test_a_template_that_was_never_sealed_is_not_whole(whole: Path) -> None:
    (whole / "seal.json").unlink()

    assert not template.is_whole(whole)


@pytest.mark.parametrize("text", ["", "{", "null", "[]"])
def test_a_seal_that_was_cut_short_is_none(whole: Path, text: str) -> None:
    (whole / "seal.json").write_text(text)

    assert not template.is_whole(whole)


def test_no_template_is_not_whole(tmp_path: Path) -> None:
    assert not template.is_whole(tmp_path / "nothing")


@pytest.mark.parametrize("path", [*DATABASES, LAYER, BLOB])
def test_a_missing_file_breaks_the_seal(whole: Path, path: str) -> None:
    (whole / "data" / path).unlink()

    assert not template.is_whole(whole)


@pytest.mark.parametrize("path", [*DATABASES, LAYER, BLOB])
def test_a_file_of_another_size_breaks_the_seal(whole: Path, path: str) -> None:
    with (whole / "data" / path).open("a") as file:
        file.write("more")

    assert not template.is_whole(whole)


@pytest.mark.parametrize("path", [*DATABASES, LAYER, BLOB])
def test_other_content_of_the_same_size_breaks_the_seal(whole: Path, path: str) -> None:
    file = whole / "data" / path
    file.write_text(file.read_text().swapcase())

    assert not template.is_whole(whole)


def test_an_added_file_breaks_the_seal(whole: Path) -> None:
    (whole / "data" / "containerd" / "more").touch()

    assert not template.is_whole(whole)


def test_a_file_of_another_mode_breaks_the_seal(whole: Path) -> None:
    (whole / "data" / LAYER).chmod(0o644)

    assert not template.is_whole(whole)


def test_without_its_data_a_template_is_not_whole(whole: Path) -> None:
    shutil.rmtree(whole / "data")

    assert not template.is_whole(whole)


def test_a_clone_has_all_that_the_template_has(whole: Path) -> None:
    where = cloned(whole)

    for path in (*DATABASES, LAYER, BLOB):
        assert (where.data / path).read_text() == f"what was in {path}"
        assert (where.data / path).stat().st_mode == (whole / "data" / path).stat().st_mode


@pytest.mark.parametrize("path", [LAYER, BLOB])
def test_content_is_shared_by_hard_links(whole: Path, path: str) -> None:
    assert (cloned(whole).data / path).samefile(whole / "data" / path)


@pytest.mark.parametrize("path", DATABASES)
def test_a_write_into_a_clones_database_leaves_the_template_as_it_was(whole: Path, path: str) -> None:
    where = cloned(whole)

    with (where.data / path).open("r+") as file:
        file.write("something else")

    assert (whole / "data" / path).read_text() == f"what was in {path}"
    assert template.is_whole(whole)


def test_cloning_and_removing_the_clone_leaves_the_template_whole(whole: Path) -> None:
    where = cloned(whole)
    assert template.is_whole(whole)

    shutil.rmtree(where.data)

    assert template.is_whole(whole)
