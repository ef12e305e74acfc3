"""The runs that use a cluster, and those that died on it, as the kernel knows it.

Each process of a run holds a shared flock on a file of the run in the cluster's folder. The file outlives the run: what
is made on the cluster carries the run's id, so a file that nobody holds says what may be left there, and of whom.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


class Runs:
    """The runs of the cluster whose state lies in ``folder``. Making one touches nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "runs"

    @contextmanager
    def hold(self, run: str) -> Iterator[None]:
        """Be a process of the run for the block, however it ends. No child is: the descriptor is closed on exec."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        file = self._folder / run
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # it was forgotten while we opened it
        try:
            yield
        finally:
            os.close(descriptor)

    def living(self) -> list[str]:
        """The runs that a process holds, in order."""
        alive = []
        for file in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            with suppress(FileNotFoundError), file.open() as held:  # it may be forgotten meanwhile
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    alive.append(file.name)
        return alive

    @contextmanager
    def ended(self) -> Iterator[list[str]]:
        """The runs that nobody holds, in order; meanwhile nobody can. They are forgotten if the block does not fail."""
        with ExitStack() as closing:
            dead = []
            for file in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
                descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
                closing.callback(os.close, descriptor)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                dead.append(file)
            yield [file.name for file in dead]
            for file in dead:
                file.unlink()
