"""What ends a run from outside: SIGTERM, as `timeout`, a CI that cancels and a pod that ends send it."""

import signal
import threading
from collections.abc import Callable


def end_as_by_ctrl_c(at_end: Callable[[Callable[[], None]], None]) -> None:
    """Have SIGTERM end this process as Ctrl-C does: what it broke is healed, and what it made is removed.

    ``at_end`` is given what takes that back. Nothing is done where somebody else listens to it, or in a thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    signal.signal(signal.SIGTERM, _interrupt)
    at_end(_take_back)


def _take_back() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
