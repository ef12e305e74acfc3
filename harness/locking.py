"""One process at a time: a file lock that tells its user what it waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.timeline import Timeline


@contextmanager
def exclusively(file: Path, timeline: Timeline, waiting_for: str) -> Iterator[None]:
    """Hold the lock ``file`` for the block; if another process has it, say what is waited for, and wait.

    The kernel frees the lock when its holder ends, however it ends, so the wait needs no deadline of its own: it is as
    long as the other's work, which has one. Locks of the same file do not nest within a process.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        timeline.say(f"  waiting for {waiting_for}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
