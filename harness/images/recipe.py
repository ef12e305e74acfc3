"""What an image is made of, and the hash of it. Pure but for reading the files that go in.

The Dockerfile says which files matter: those that its COPY instructions take from the context. They alone are hashed
and staged, so an edit elsewhere in the context builds nothing and rolls nothing out.
"""

import hashlib
import json
import re
import shlex
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError
from harness.images.archive import architecture

WHEELHOUSE = "wheelhouse"
LEFT_BY_EDITORS = (
    *(".#*", "#*#", "*~", ".~*", ".*.sw?", "*.sw[nopx]", ".*.kate-swp", ".goutputstream-*", "4913", ".saves-*"),
    *("*___jb_*___", ".idea", ".vscode", ".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".directory", ".nfs*"),
)
"""Locks, swap files, backups and notes that editors and desktops put beside what somebody edits: Emacs, Vim (``4913``
is its try whether a folder can be written), Kate, gedit, LibreOffice, IntelliJ, VS Code, macOS, Windows, NFS."""
IGNORED = ("__pycache__", "*.pyc", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", *LEFT_BY_EDITORS)
"""What is never part of an image, unless a COPY names that very file."""

_TAG_DIGITS = 16


@dataclass(frozen=True)
class DebianBase:
    """A Debian root file system that mmdebstrap makes from packages."""

    name: str
    release: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Base:
    """What the Dockerfile's ``ARG BASE`` is set to.

    ``public`` is pulled where an engine and a registry answer; ``own`` is made here where they do not.
    """

    public: str
    own: "DebianBase | Recipe"


@dataclass(frozen=True)
class Recipe:
    """An image to be built.

    ``repository`` is its name without tag, ``context`` the folder that COPY reads. A Dockerfile that copies
    ``wheelhouse`` gets the wheels of ``requirements`` there; they need not lie in the context.
    """

    repository: str
    dockerfile: Path
    context: Path
    base: Base
    requirements: Path | None = None

    def files(self) -> dict[str, Path]:
        """The files of the context that go in, by their path in it, sorted.

        Raises BuildError where one is missing, is a link to nothing, or stands in a folder that cannot be read.
        """
        found: dict[str, Path] = {}
        for source in copied_sources(self.dockerfile):
            if source.strip("/") == WHEELHOUSE and self.requirements is not None:
                continue
            named = self.context / source.strip("/")
            matches = [named] if named.is_file() or named == self.context else sorted(self._matches(source.strip("/")))
            if not matches:
                raise BuildError(f"{self.dockerfile}: COPY {source}: no such file in {self.context}")
            for match in matches:
                files = [match] if match.is_file() else walk(match)
                found.update({str(file.relative_to(self.context)): file for file in files})
        return dict(sorted(found.items()))

    def _matches(self, pattern: str) -> Iterator[Path]:
        return (match for match in self.context.glob(pattern) if not _is_ignored(match))

    def tag(self, base: str) -> str:
        """The content hash, with ``base`` as the base's identity. Raises BuildError as ``files`` does."""
        total = hashlib.sha256()
        for part in (architecture(), base, self.repository):
            total.update(part.encode() + b"\0")
        given = [self.dockerfile, *([self.requirements] if self.requirements else [])]
        for name, file in [*((path.name, path) for path in given), *self.files().items()]:
            try:
                content, program = file.read_bytes(), _is_program(file)
            except OSError as error:
                raise _unreadable(file, error) from error
            total.update(f"{name}\0{program}\0{len(content)}\0".encode() + content)
        return tag_of(total.hexdigest())

    def stage(self, folder: Path, wheels: Path | None) -> None:
        """Put everything that the build needs into ``folder``, the context of the build.

        Everybody may read it: COPY keeps permissions, those of a checkout are its user's affair, and a container runs
        as another user.
        """
        shutil.copy2(self.dockerfile, folder / "Dockerfile")
        for name, file in self.files().items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        if wheels is not None:
            shutil.copytree(wheels, folder / WHEELHOUSE, dirs_exist_ok=True)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() or _is_program(path) else 0o644)


def _is_program(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IXUSR)


def tag_of(digest: str) -> str:
    """The tag that a hexadecimal digest becomes. It begins with a letter, so that no reader takes it for a number."""
    return f"h{digest[:_TAG_DIGITS]}"


def debian_tag(base: DebianBase, procedure: str) -> str:
    """The content hash of a Debian base, made by ``procedure``."""
    parts = [architecture(), base.name, base.release, *base.packages, procedure]
    return tag_of(hashlib.sha256("\0".join(parts).encode()).hexdigest())


def walk(path: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The file, or all files under the folder, without what is never part of an image.

    That is also what is neither file nor folder: a socket, or a pipe, which reading would wait on. ``above`` are the
    folders that it lies in. Raises BuildError for a link to nothing or to a folder above, or for an unreadable folder.
    """
    if _is_ignored(path):
        return
    try:
        if path.is_dir():
            real = path.resolve()
            if real in above:
                raise BuildError(f"{path} is a link to a folder that it lies in, which has no end: remove the link")
            for entry in sorted(path.iterdir()):
                yield from walk(entry, (*above, real))
        elif path.is_file():
            yield path
        elif path.is_symlink() and not path.exists():
            raise BuildError(f"{path} is a link to {path.readlink()}, which does not exist: fix or remove the link")
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_ignored(path: Path) -> bool:
    return any(path.match(pattern) for pattern in IGNORED)


def _unreadable(path: Path, error: OSError) -> BuildError:
    return BuildError(f"{path} is part of an image and cannot be read: {error.strerror}: let your user read it")


def copied_sources(dockerfile: Path) -> list[str]:
    """What the Dockerfile's COPY instructions take from the context.

    Raises BuildError if there is no such file, or for forms whose sources cannot be told: ADD, variables and heredocs.
    """
    sources: list[str] = []
    uncommented = "\n".join(line for line in _text(dockerfile).splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\[ \t]*\n", " ", uncommented).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() == "ADD":
            raise BuildError(f"{dockerfile}: {line.strip()}: use COPY, whose files can be told")
        if instruction.upper() != "COPY":
            continue
        words = shlex.split(rest) if "[" not in rest else []
        while words and words[0].startswith("--"):
            words.pop(0)
        if re.search(r"(^|\s)--from=", rest):
            continue
        if "[" in rest:
            words = json.loads(rest[rest.index("[") :])
        if any("$" in word or word.startswith("<<") for word in words[:-1]):
            raise BuildError(
                f"{dockerfile}: {line.strip()}: variables and heredocs are not supported in COPY's sources"
            )
        sources.extend(words[:-1])
    return sources


def _text(dockerfile: Path) -> str:
    try:
        if dockerfile.exists() and not dockerfile.is_file():
            raise BuildError(f"{dockerfile}: is no file")  # a pipe would be waited on
        return dockerfile.read_text(encoding="utf-8")
    except OSError as error:
        raise BuildError(f"{dockerfile}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"{dockerfile}: is not UTF-8 text ({error})") from error
