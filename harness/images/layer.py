"""Layers of images as tars: the same bytes for the same content. A member replaces what a layer below has there."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

FILE: Final = 0o644
PROGRAM: Final = 0o755


class Layer:
    """A layer that is being written: everything in it has no time, and belongs to root where nothing else is said.

    The folders of what is added are added before it, readable by all. A path must go through no link of a layer below,
    which a folder of that name would replace: on a system whose ``/usr`` is merged, nothing is added to ``/bin``.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._folders: set[PurePosixPath] = set()

    def text(self, path: str, content: str, mode: int = FILE) -> None:
        """Add a file with this content."""
        encoded = content.encode()
        member = self._member(path, mode)
        member.size = len(encoded)
        self._tar.addfile(member, io.BytesIO(encoded))

    def file(self, path: str, source: Path, mode: int = PROGRAM) -> None:
        """Add a copy of a file of this machine."""
        member = self._member(path, mode)
        member.size = source.stat().st_size
        with source.open("rb") as content:
            self._tar.addfile(member, content)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        member = self._member(path, 0o777)
        member.type = tarfile.SYMTYPE
        member.linkname = target
        self._tar.addfile(member)

    def folder(self, path: str, user: int = 0, group: int = 0) -> None:
        """Add a folder."""
        self._folder(PurePosixPath(path), user, group)

    def tree(self, path: str, source: Path) -> None:
        """Add copies of all files and folders that lie in a folder of this machine."""
        for one in sorted(source.rglob("*")):
            below = str(PurePosixPath(path, one.relative_to(source).as_posix()))
            if one.is_dir():
                self.folder(below)
            else:
                self.file(below, one, FILE)

    def remove(self, path: str) -> None:
        """Take away what a layer below has there (the OCI image specification's whiteout)."""
        gone = PurePosixPath(path)
        self._tar.addfile(self._member(str(gone.with_name(f".wh.{gone.name}")), FILE))

    def _member(self, path: str, mode: int) -> tarfile.TarInfo:
        self._folder(PurePosixPath(path).parent)
        member = tarfile.TarInfo(path)
        member.mode = mode
        return member

    def _folder(self, path: PurePosixPath, user: int = 0, group: int = 0) -> None:
        if path in self._folders or path == PurePosixPath("."):
            return
        self._folders.add(path)
        member = self._member(str(path), PROGRAM)
        member.type = tarfile.DIRTYPE
        member.uid, member.gid = user, group
        self._tar.addfile(member)


@contextmanager
def layer(file: Path) -> Iterator[Layer]:
    """Write a layer to a file."""
    with tarfile.open(file, "w") as tar:
        yield Layer(tar)
