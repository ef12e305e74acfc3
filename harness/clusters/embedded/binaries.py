"""The cache of built programs: one folder for each program and key, there as a whole or not at all."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

RECORD = "record.json"
"""Beside the binary: its size, hash and time of change when it was built."""

KEPT = 3
"""How many builds of a program stay in the cache: those of a few branches that are worked on in turn."""


def is_whole(folder: Path, name: str) -> bool:
    """Whether ``folder`` holds the binary ``name`` as it was built.

    As git does with its index: where size and time are as recorded it is not read; where only the time differs (it was
    copied, or hard-linked by an archiver), its hash decides.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        found = (folder / name).stat()
        if found.st_size == 0 or found.st_size != record["size"]:
            return False
        return bool(found.st_mtime_ns == record["mtime_ns"] or _hash(folder / name) == record["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def keep(built: Path, folder: Path, name: str, calls: Sequence[str]) -> None:
    """Move the binary ``built`` into the cache as ``folder/name``, with a link beside it for each of ``calls``.

    What was at ``folder`` is replaced; of the program's other builds only the newest stay.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fresh-"))
    fresh.chmod(0o755)
    binary = fresh / name
    shutil.move(built, binary)
    for call in calls:
        (fresh / call).symlink_to(name)
    found = binary.stat()
    record = {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": _hash(binary)}
    (fresh / RECORD).write_text(json.dumps(record))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    for old in sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old)


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
