"""Where built images lie: docker-archive tars, named by the hash of what went into them."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import WaitTimeout
from harness.kube.wait import patient
from harness.paths import Paths

LOCK_SECONDS = 1800.0
KEPT_VERSIONS = 3
KEPT_SECONDS = 24 * 3600.0


def cache_folder() -> Path:
    """The harness's cache, by the environment."""
    return Paths.from_environment(os.environ).cache


@dataclass(frozen=True)
class Image:
    """An image as a file: ``reference`` is its full name with tag, ``archive`` an uncompressed docker-archive tar."""

    reference: str
    archive: Path

    @property
    def name(self) -> str:
        """The repository, as manifests name it."""
        return self.reference.rpartition(":")[0]

    @property
    def tag(self) -> str:
        """The content hash."""
        return self.reference.rpartition(":")[2]


def sha256(file: Path) -> str:
    """Hex digest of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def hold_lock(file: Path, what: str) -> Iterator[None]:
    """Hold a file lock for the block. Raises WaitTimeout, with ``what`` was waited for, after half an hour."""
    lock = FileLock(file)
    try:
        lock.acquire(timeout=patient(LOCK_SECONDS))
    except Timeout as timeout:
        raise WaitTimeout(what, LOCK_SECONDS) from timeout
    try:
        yield
    finally:
        lock.release()


class Store:
    """The images in ``folder``: ``<name>/<hash>.tar``, each with its size and digest in ``<hash>.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def image(self, repository: str, tag: str) -> Image:
        """The image of that name, whether it is there or not."""
        return Image(f"{repository}:{tag}", self._folder / repository.rpartition("/")[2] / f"{tag}.tar")

    def has(self, image: Image) -> bool:
        """Whether the archive is there and as it was written.

        Only an archive whose size or time changed is read: reading all of them would take longer than a run may wait.
        """
        seal = image.archive.with_suffix(".json")
        try:
            known = json.loads(seal.read_text())
            status = image.archive.stat()
        except (OSError, ValueError):
            return False
        if not isinstance(known, dict) or known.get("size") != status.st_size:
            return False
        if known.get("mtime_ns") == status.st_mtime_ns:
            return True
        if known.get("sha256") != sha256(image.archive):
            return False
        self._seal(image.archive, str(known["sha256"]))
        return True

    def keep(self, image: Image, write: Callable[[Path], None]) -> Image:
        """Make the image with ``write(path)`` unless it is there; whoever else wants it at the same time waits.

        Raises what ``write`` raises (nothing of it stays), and WaitTimeout when another makes it for half an hour.
        """
        if self.has(image):
            return image
        image.archive.parent.mkdir(parents=True, exist_ok=True)
        with hold_lock(image.archive.with_suffix(".lock"), f"another process to build {image.reference}"):
            if not self.has(image):
                self._write(image, write)
        return image

    def digest(self, file: Path) -> str:
        """The sha256 of any large file, remembered for as long as its size and time stay the same."""
        status = file.stat()
        known = self._folder / "digests" / hashlib.sha256(str(file.resolve()).encode()).hexdigest()
        mark = f"{status.st_size} {status.st_mtime_ns} "
        if known.is_file() and (text := known.read_text()).startswith(mark):
            return text.removeprefix(mark)
        digest = sha256(file)
        known.parent.mkdir(parents=True, exist_ok=True)
        _replace(known, mark + digest)
        return digest

    def _write(self, image: Image, write: Callable[[Path], None]) -> None:
        with tempfile.TemporaryDirectory(dir=image.archive.parent, prefix=".new-") as folder:
            fresh = Path(folder) / image.archive.name
            write(fresh)
            digest = sha256(fresh)
            fresh.replace(image.archive)
        self._seal(image.archive, digest)
        self._prune(image)

    def _seal(self, archive: Path, digest: str) -> None:
        status = archive.stat()
        known = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}
        _replace(archive.with_suffix(".json"), json.dumps(known))

    def _prune(self, image: Image) -> None:
        """Remove archives that are neither among the newest few nor of the last day."""
        archives = sorted(image.archive.parent.glob("*.tar"), key=lambda archive: archive.stat().st_mtime, reverse=True)
        for archive in archives[KEPT_VERSIONS:]:
            if archive.stat().st_mtime < time.time() - KEPT_SECONDS:
                for suffix in (".json", ".tar", ".lock"):
                    archive.with_suffix(suffix).unlink(missing_ok=True)


def _replace(file: Path, text: str) -> None:
    """Write a file so that no reader ever sees half of it."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(file)
