"""Waiting for a condition, with a deadline, and with what was seen last when it passes.

A deadline bounds a hang: no verdict depends on being fast. On a machine that needs longer still, ``--patience`` makes
all of them longer. Who waits for long says for what, to whoever listens.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, TypeVar

from harness.errors import HarnessError, WaitTimeout

T = TypeVar("T")

LONG_SECONDS: Final = 10.0
"""After so long a wait is told, and again each time that it has lasted twice as long."""

MEANWHILE: Final = "  … "
"""How a line begins that is shown while something is waited for."""

_patience = 1.0
_listeners: list[Callable[[str], None]] = []


def be_patient(factor: float) -> None:
    """Make every deadline of this process ``factor`` times as long: ``--patience``."""
    global _patience  # noqa: PLW0603 -- one option for the whole process, which every wait would else have to be handed
    _patience = factor


def patient(seconds: float) -> float:
    """A deadline of so many seconds, as long as this run's patience makes it."""
    return seconds * _patience


@contextmanager
def telling(listener: Callable[[str], None]) -> Iterator[None]:
    """Have long waits of this process told to a listener, the one that was entered last, while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class LongWait:
    """One wait, from now on. ``what`` completes "waits for …"."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._next = LONG_SECONDS

    def look(self, seen: Callable[[], str]) -> None:
        """To be called now and then. Where it is time, tell what is waited for, and what is ``seen`` now."""
        waited = time.monotonic() - self._began
        if waited < self._next or not _listeners:
            return
        self._next = 2 * max(self._next, waited)
        last = ""
        with suppress(HarnessError):  # what cannot be seen just now
            last = seen()
        told = f"; last seen: {last}" if last else ""
        for listener in _listeners[-1:]:
            listener(f"{MEANWHILE}waits for {self._what}, for {waited:.0f} s now{told}")


def wait_until(
    what: str,
    probe: Callable[[], T | None],
    *,
    seconds: float,
    interval: float = 0.05,
    tolerate: tuple[type[Exception], ...] = (),
    describe: Callable[[], str] | None = None,
) -> T:
    """Call ``probe`` every ``interval`` seconds until it returns something true, and return that.

    ``what`` completes "waited N s for …". Errors of the types ``tolerate`` mean "not yet" (an object that is not there,
    a server that does not answer); any other goes on at once. ``describe`` says what is there when the deadline passes;
    without it that is the last tolerated error, or the last answer where it says anything.

    The probe is called at least once, and once more after the last pause, so that a slow one is not cheated
    of its answer. Raises WaitTimeout.
    """
    seconds = patient(seconds)
    deadline = time.monotonic() + seconds
    long = LongWait(what)
    while True:
        last = ""
        late = time.monotonic() >= deadline
        try:
            answer = probe()
        except tolerate as error:
            last = str(error)
        else:
            if answer:
                return answer
            last = "" if answer is None or answer is False else repr(answer)
        if late:
            raise WaitTimeout(what, seconds, describe() if describe else last)
        long.look(describe or partial(str, last))
        time.sleep(max(0.0, min(interval, deadline - time.monotonic())))
