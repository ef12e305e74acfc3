"""Clients of a workload, one thread each: what they ask, when, and what came of it goes into the history."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from harness.chaos.history import Call, Recorder
from harness.chaos.plan import Load
from harness.chaos.workload import Workload
from harness.errors import UsageError


@contextmanager
def clients(
    workload: Workload, load: Load, seed: int, recorder: Recorder, now: Callable[[], float]
) -> Iterator[Callable[[], None]]:
    """Clients ask while the block runs; each ends with the answer that it waits for.

    What is given raises what broke a client, if one broke: an error of the harness, or of the workload itself. The
    block's end raises it, too.
    """
    over = threading.Event()
    broken: list[Exception] = []

    def client(process: int) -> None:
        # What it asks depends on the seed alone; how long it thinks is drawn apart, and changes nothing of that.
        asked = workload.operations(Random(f"client {process} of {seed}"), process)  # noqa: S311 -- no secret
        calls = _without_end(asked, process)
        pauses = Random(f"pauses of client {process} of {seed}")  # noqa: S311
        try:
            while not over.is_set():
                operation = recorder.invoke(process, call := next(calls), now())
                recorder.end(operation, workload.invoke(call), now())
                if load.think_seconds:
                    over.wait(pauses.expovariate(1 / load.think_seconds))
        except Exception as error:  # noqa: BLE001 -- raised in the thread that asked for the clients
            broken.append(error)

    def check() -> None:
        if broken:
            raise broken[0]

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(load.clients)]
    for thread in threads:
        thread.start()
    try:
        yield check
    finally:
        over.set()
        for thread in threads:
            thread.join()
    check()


def _without_end(asked: Iterator[Call], process: int) -> Iterator[Call]:
    """What a client asks. Raises UsageError where that comes to an end."""
    yield from asked
    raise UsageError(f"client {process} has nothing left to ask: operations() has to go on without end")
