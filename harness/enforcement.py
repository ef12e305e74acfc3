"""Whether a cluster enforces policies: asked by the canary as a run begins, and once more as it ends.

The first answer takes seconds in which the canary mostly listens to silence. So it is begun beside whatever the run
does next, and awaited before the first test that counts on it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from harness.clusters.provider import Cluster
from harness.errors import HarnessError, PolicyNotEnforced
from harness.probing import pair_on


@dataclass(frozen=True)
class Flipped:
    """A canary that flipped: what it saw, in words, and how many seconds that took."""

    seen: str
    seconds: float


class Stopped(HarnessError):
    """Nobody wants the answer any more."""


class Enforcement:
    """The canary of one run on a cluster. ``image`` is the prober's, and on the node; ``labels`` are the run's.

    Its pair of pods stands until ``close``. Each flip is of a new policy: so a pair that is older proves as much.
    """

    def __init__(self, cluster: Cluster, image: str, labels: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._image = image
        self._labels = labels
        self._stopped = threading.Event()
        self._pairs = ExitStack()
        self._flip: Callable[[], str] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="canary")
        self._latest: Future[Flipped] = self._thread.submit(self._on_a_new_pair)

    def latest(self) -> Flipped:
        """What the canary saw that was begun last, as soon as it has. Raises PolicyNotEnforced."""
        return self._latest.result()

    def again(self) -> Flipped:
        """Flip once more: on the pair that stands, or on a new one where that is gone. Raises PolicyNotEnforced."""
        self._latest = self._thread.submit(self._once_more)
        return self.latest()

    def close(self) -> None:
        """Break off a flip that still runs, and begin to delete the pair. Safe to repeat."""
        self._stopped.set()
        self._thread.shutdown()
        self._pairs.close()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped("the policy canary was broken off, since the run ends")
        self._cluster.check()

    def _on_a_new_pair(self) -> Flipped:
        began = time.monotonic()
        self._flip = self._pairs.enter_context(pair_on(self._cluster, self._image, self._labels, self._check))
        return Flipped(self._flip(), time.monotonic() - began)

    def _once_more(self) -> Flipped:
        began = time.monotonic()
        if self._flip is not None:
            try:
                return Flipped(self._flip(), time.monotonic() - began)
            except PolicyNotEnforced:
                raise
            except HarnessError:  # a test has deleted the pair, or restarted its node
                self._flip = None
        return self._on_a_new_pair()
