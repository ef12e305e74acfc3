"""What the code of an experiment works with: its targets, its chance, its time, and where it writes what it struck."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from harness.chaos.litmus.failures import Code, ExperimentError, Halted
from harness.chaos.litmus.parse import Planned
from harness.chaos.litmus.targets import Parents, selected
from harness.chaos.litmus.verdict import ChaosStatus, Struck
from harness.chaos.scene import Scene
from harness.errors import HarnessError
from harness.kube.client import ApiUnreachable
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

_STEP: Final = 0.2
"""Seconds after which a wait looks whether the run is over."""

Resolve = Callable[[tuple[str, ...]], tuple[str, ...]]


@dataclass
class Stage:
    """One run of one experiment. ``uid`` is what Litmus calls the chaosUID; ``resolve`` finds addresses of names.

    ``hits`` says what is known to have been broken, ``vacuous`` why nothing was, where that is known.
    """

    scene: Scene
    planned: Planned
    random: Random
    uid: str
    resolve: Resolve
    halted: threading.Event = field(default_factory=threading.Event)
    struck: list[Struck] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    vacuous: str = ""

    def __post_init__(self) -> None:
        self.parents = Parents(self.scene.api)
        self.percent = self.planned.tunables.pods_affected_perc.draw(self.random)
        """Of the pods that are targets: drawn once for the run."""
        sequence = self.planned.tunables.sequence
        self.serial = (
            ("serial", "parallel")[int(self.random.random() * 2)] == "serial"
            if sequence == "random"
            else (sequence == "serial")
        )

    def check(self) -> None:
        """Raise Halted where the run is to end."""
        if self.halted.is_set() or self.scene.stop.is_set():
            raise Halted

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises Halted as soon as the run is to end."""
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            self.halted.wait(min(left, _STEP))
            self.check()

    @contextlib.contextmanager
    def ramp(self) -> Iterator[None]:
        """RAMP_TIME before the block, and after it where it went well."""
        self.wait(self.planned.tunables.ramp_time)
        yield
        self.wait(self.planned.tunables.ramp_time)

    def rounds(self) -> Iterator[None]:
        """Again and again until the chaos has lasted long enough; once at least, unless that is no time at all."""
        began = time.monotonic()
        while int(time.monotonic() - began) < self.planned.tunables.total_chaos_duration:
            self.check()
            yield

    def pods(self) -> list[JsonObject]:
        """The pods to strike now. Raises ExperimentError where there are none."""
        planned = self.planned
        return selected(
            self.scene.api,
            planned.namespace,
            planned.targets,
            planned.tunables,
            percent=self.percent,
            random=self.random,
        )

    def mark(self, name: str, kind: str, status: ChaosStatus) -> None:
        """A target has come to this."""
        for one in self.struck:
            if (one.name, one.kind) == (name, kind):
                one.status = status
                return
        self.struck.append(Struck(name, kind, status))

    def await_healthy(self, what: str, lacking: Callable[[], str], code: Code = Code.STATUS_CHECKS) -> None:
        """Wait, as long as STATUS_CHECK_TIMEOUT says, until nothing is lacking.

        Raises ExperimentError with what is, and Halted.
        """
        tuned = self.planned.tunables
        last = ""

        def whole() -> bool:
            nonlocal last
            self.check()
            last = lacking()
            return not last

        try:
            wait_until(
                what,
                whole,
                seconds=tuned.status_check_timeout,
                interval=min(tuned.status_check_delay, _STEP),
                tolerate=(ApiUnreachable,),
                describe=lambda: last,
            )
        except ExperimentError:
            raise
        except HarnessError as error:
            raise ExperimentError(code, str(error)) from error
