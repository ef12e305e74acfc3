"""The lease: who still uses a cluster, as the kernel knows it.

Every user (a fixture, an xdist worker, a command) holds a shared flock on the cluster's lease file. The kernel lets go
of it when its process ends, however it ends, so nobody has to be asked whether they still live. Whoever gets the
exclusive lock knows that there is no user left; a cluster that has none and is not ``kept`` is torn down.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Lease:
    """The lease of the cluster whose state lies in ``folder``. Making one touches nothing."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "lease"
        self._kept = folder / "kept"

    def open(self) -> int:
        """A descriptor of the lease file, made if need be. It is closed on exec: no child holds it.

        Raises FileNotFoundError where there is no folder: looking at a lease must not bring one back.
        """
        return os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def hold(self, *, beyond_exec: bool = False) -> Iterator[bool]:
        """Hold the lease for the block, waiting while somebody tears the cluster down.

        With ``beyond_exec`` a program that this process becomes in the block goes on holding it.
        Yields whether the cluster's folder is still the one whose lease is held: False means that the cluster was torn
        down while we waited, so the caller must begin anew.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = self.open()
        os.set_inheritable(descriptor, beyond_exec)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield self._is_current(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Try to be the only one for the block: yields whether nobody else holds it. Nobody can join meanwhile.

        Where there is no folder there is nothing to be alone with: False.
        """
        try:
            descriptor = self.open()
        except FileNotFoundError:
            yield False
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield self._is_current(descriptor)
        finally:
            os.close(descriptor)

    def wait_until_unused(self) -> int:
        """Block until nobody holds the lease; return the descriptor that now holds it exclusively."""
        descriptor = self.open()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def held(self) -> bool:
        """Whether anybody holds it, this process included."""
        if not self.file.exists():
            return False
        with self.alone() as free:
            return not free

    def shared(self) -> bool:
        """Whether anybody uses the cluster. While it is torn down that is waited for, and then nobody does."""
        try:
            descriptor = self.open()
        except FileNotFoundError:
            return False
        try:
            while True:
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # granted beside other users, not beside a teardown
                if not self._is_current(descriptor):
                    return False
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return False
                # Asking for that gave up what we had, and a teardown may have begun.
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return True
        finally:
            os.close(descriptor)

    @property
    def kept(self) -> bool:
        """Whether the cluster stays when nobody uses it."""
        return self._kept.exists()

    @property
    def since(self) -> float:
        """When the lease was made, in Unix seconds; now where there is none."""
        return self.file.stat().st_mtime if self.file.exists() else time.time()

    def keep(self) -> None:
        """Let the cluster stay when nobody uses it."""
        self._kept.touch()

    def release(self) -> None:
        """No longer let it stay."""
        self._kept.unlink(missing_ok=True)

    def _is_current(self, descriptor: int) -> bool:
        ours = os.fstat(descriptor)
        try:
            there = self.file.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
