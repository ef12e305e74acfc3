"""Layers, as a tar reader finds them."""

import tarfile
from pathlib import Path

from harness.images.layer import Layer, layer


def write(file: Path, source: Path) -> Path:
    with layer(file) as writing:
        fill(writing, source)
    return file


def fill(writing: Layer, source: Path) -> None:
    writing.text("etc/a.conf", "a = 1\n")
    writing.text("etc/b.conf", "b = 1\n", 0o600)
    writing.file("usr/bin/program", source / "program")
    writing.link("usr/bin/call", "program")
    writing.folder("var/empty")
    writing.remove("usr/lib/systemd/unwanted.service")
    writing.tree("var/lib/store", source)


def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "program").write_bytes(b"ELF")
    (folder / "inner" / "blob").write_bytes(b"blob")
    return folder


def test_everything_is_roots_and_lies_where_it_was_put(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path / "a.tar", source(tmp_path))) as tar:
        members = {one.name: one for one in tar}
        assert len(members) == len(tar.getmembers())
        program = tar.extractfile("usr/bin/program")
        assert program is not None
        assert program.read() == b"ELF"
    assert {(one.uid, one.gid, one.mtime) for one in members.values()} == {(0, 0, 0)}
    modes = {name: one.mode for name, one in members.items() if one.isfile()}
    assert modes == {
        "etc/a.conf": 0o644,
        "etc/b.conf": 0o600,
        "usr/bin/program": 0o755,
        "usr/lib/systemd/.wh.unwanted.service": 0o644,
        "var/lib/store/program": 0o644,
        "var/lib/store/inner/blob": 0o644,
    }
    assert members["usr/bin/call"].linkname == "program"


def test_folders_come_before_what_lies_in_them(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path / "a.tar", source(tmp_path))) as tar:
        seen: set[str] = set()
        for one in tar:
            folder = one.name.rpartition("/")[0]
            assert not folder or folder in seen
            if one.isdir():
                assert one.mode == 0o755
                seen.add(one.name)
    assert {"var/empty", "var/lib/store/inner/empty"} <= seen


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = source(tmp_path)
    first = write(tmp_path / "a.tar", folder).read_bytes()
    (folder / "program").touch()
    assert write(tmp_path / "b.tar", folder).read_bytes() == first
