"""Waiting for a condition, with a deadline, and with what was seen last when it passes.

A deadline bounds a hang: no verdict depends on being fast. On a machine that needs longer still, ``--patience`` makes
all of them longer.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from harness.errors import WaitTimeout

T = TypeVar("T")

_patience = 1.0


def be_patient(factor: float) -> None:
    """Make every deadline of this process ``factor`` times as long: ``--patience``."""
    global _patience  # noqa: PLW0603 -- one option for the whole process, which every wait would else have to be handed
    _patience = factor


def patient(seconds: float) -> float:
    """A deadline of so many seconds, as long as this run's patience makes it."""
    return seconds * _patience


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
        time.sleep(max(0.0, min(interval, deadline - time.monotonic())))
