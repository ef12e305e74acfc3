"""Images onto a node while a cluster is still made of it: its containerd answers long before its API server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from harness.errors import HarnessError
from harness.kube.wait import wait_until

SECONDS: Final = 300.0
"""Bounds a hang: how long the node's containerd may take to answer."""


@contextmanager
def meanwhile(answers: Callable[[], bool], load: Callable[[], None]) -> Iterator[None]:
    """Load as soon as the node answers, beside what is done in the block; where that fails, load is not called.

    What cannot be loaded now is no error: whoever needs it loads what is missing, and is told. The block's end waits
    for what has begun.
    """
    failed = threading.Event()

    def run() -> None:
        try:
            wait_until("the node to answer", lambda: failed.is_set() or answers(), seconds=SECONDS)
            if not failed.is_set():
                load()
        except HarnessError:
            return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        failed.set()
        raise
    finally:
        thread.join()
