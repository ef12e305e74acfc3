"""Probers: what to ask, what came of it, and asking one or many of them at once."""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from harness.errors import ProbeError
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.protocol import Protocol
from harness.kube.wait import patient
from harness.prober.bootstrap import start_agent
from harness.prober.stream import AgentStream

MARGIN_SECONDS = 10.0
# The agent lengthens a round to ten times its slowest connect, which can itself take as long as the round.
LONGEST_TIMES = 10


@dataclass(frozen=True)
class Target:
    """Where to connect: ``address`` is an IP address or a DNS name.

    What others than our listeners make of a datagram is unknown: silence there is no denial, unless they speak DNS and
    are sent a query (``speaks="dns"``).
    """

    address: str
    port: int
    protocol: Protocol = Protocol.TCP
    speaks: Literal["", "dns"] = ""


class Outcome(StrEnum):
    """What became of a connection. ``UNTESTED``: the source's kernel does not have the protocol."""

    CONNECTED = "connected"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    RESET = "reset"
    REJECTED = "rejected"
    NO_ROUTE = "no_route"
    DNS_FAILED = "dns_failed"
    UNTESTED = "untested"
    COULD_NOT_RUN = "could_not_run"


@dataclass(frozen=True)
class Verdict:
    """What a probe of ``target`` met.

    ``pod`` is the name of the pod that answered, where it was our prober; ``seconds`` how long it took; ``detail`` the
    kernel's or the resolver's own word.
    """

    target: Target
    outcome: Outcome
    pod: str = ""
    seconds: float = 0.0
    detail: str = ""

    @property
    def connected(self) -> bool:
        """Whether the connection was made (UDP: whether an answer came)."""
        return self.outcome is Outcome.CONNECTED

    @property
    def denied(self) -> bool:
        """Whether it looks like a policy: silence, or a prohibition. Refused, reset and the like are no denial."""
        return self.outcome in {Outcome.TIMED_OUT, Outcome.REJECTED}


class Prober:
    """The prober in one pod. Opens its stream at the first request, and anew after one that broke.

    ``where`` is the cluster of the pod, or what starts an agent that is in no pod. ``bootstrap`` sends the agent to a
    container that has Python and not our image. May be used by several threads; their requests go one after another.
    """

    def __init__(
        self,
        where: Api | Callable[[], AgentStream],
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        bootstrap: bool = False,
    ) -> None:
        self.namespace = namespace
        self.pod = pod
        self._start = (
            functools.partial(start_agent, where, namespace, pod, container, bootstrap=bootstrap)
            if isinstance(where, Api)
            else where
        )
        # So that whoever has begun a round can close: an error may have come between.
        self._lock = threading.RLock()
        self._stream: AgentStream | None = None
        self._streams = 0
        self._asked: tuple[Sequence[Target], float] = ((), 0.0)

    def open(self) -> None:
        """Open the stream now. Raises ProbeError, of a ``bootstrap`` NoPython where the container cannot run it."""
        with self._lock:
            self._opened()

    @property
    def is_open(self) -> bool:
        """Whether it has a stream."""
        return self._stream is not None

    @property
    def reopened(self) -> int:
        """How often its stream was opened anew, after one that broke or was closed."""
        return max(0, self._streams - 1)

    def probe(self, targets: Sequence[Target], deadline_s: float = 1.0) -> list[Verdict]:
        """Try all targets at once; verdicts in the same order.

        ``deadline_s`` is the time after which silence is a verdict; the agent lengthens it to ten times the slowest
        connect, and to 50 ms. A round in which nothing connects has no such measure but that of the round before: add
        a target that is known to answer, and ask again before a denial is believed that was not expected. Raises
        ProbeError when there are no verdicts.
        """
        self.begin(targets, deadline_s)
        return self.finish()

    def begin(self, targets: Sequence[Target], deadline_s: float = 1.0) -> None:
        """Send a round, and keep the prober for its answer: the same thread calls ``finish`` or ``abandon`` next."""
        wanted = [[one.address, one.port, one.protocol.value, *([one.speaks] if one.speaks else [])] for one in targets]
        self._lock.acquire()
        try:
            self._send({"probe": wanted, "deadline": deadline_s})
            self._asked = (targets, deadline_s * LONGEST_TIMES + patient(MARGIN_SECONDS))
        except BaseException:
            self._lock.release()
            raise

    def finish(self) -> list[Verdict]:
        """The verdicts of the round that was begun. Raises ProbeError."""
        targets, seconds = self._asked
        try:
            found = self._receive(seconds).get("verdicts")
        finally:
            self._lock.release()
        if not isinstance(found, list) or len(found) != len(targets):
            raise ProbeError(f"the prober in {self.pod} answered {len(targets)} targets with {str(found)[:200]}")
        try:
            return [
                Verdict(target, Outcome(kind), pod, seconds, detail)
                for target, (kind, pod, seconds, detail) in zip(targets, found, strict=True)
            ]
        except (TypeError, ValueError) as error:
            raise ProbeError(f"the prober in {self.pod} gave a verdict that is none: {error}") from error

    def abandon(self) -> None:
        """Give up the round that was begun, and its stream: the answer may still come."""
        self._drop()
        self._lock.release()

    def resolve(self, name: str, deadline_s: float = 5.0) -> list[str]:
        """Addresses of a DNS name as the pod resolves it. Raises ProbeError with the resolver's word for none."""
        answer = self._ask({"resolve": name, "deadline": deadline_s}, deadline_s + patient(MARGIN_SECONDS))
        if "failed" in answer:
            raise ProbeError(f"{self.pod} cannot resolve {name}: {answer['failed']}")
        return [str(address) for address in answer["addresses"]]

    def close(self) -> None:
        """End the stream. Safe to repeat; a later request opens another."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: JsonObject, seconds: float) -> JsonObject:
        with self._lock:
            self._send(request)
            return self._receive(seconds)

    def _send(self, request: JsonObject) -> None:
        try:
            self._opened().send(request)
        except BaseException:
            self._drop()
            raise

    def _receive(self, seconds: float) -> JsonObject:
        try:
            return self._opened().receive(seconds)
        except BaseException:
            self._drop()
            raise

    def _opened(self) -> AgentStream:
        if self._stream is None:
            self._stream = self._start()
            self._streams += 1
        return self._stream

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def probe_all(
    asked: Mapping[Prober, Sequence[Target]], deadline_s: float = 1.0
) -> dict[Prober, list[Verdict] | ProbeError]:
    """One round of many probers, all at the same time: the verdicts of each, or why there are none.

    All requests are written before the first answer is read, so one thread is enough, and none waits for another.
    """
    unopened = [prober for prober, targets in asked.items() if targets and not prober.is_open]
    found: dict[Prober, list[Verdict] | ProbeError] = {prober: [] for prober in asked}
    if unopened:
        with ThreadPoolExecutor(max_workers=min(16, len(unopened))) as pool:
            found.update({prober: error for prober, error in zip(unopened, pool.map(_opening, unopened)) if error})  # noqa: B905 -- map gives one for each
    # In one order for all threads, so that two rounds with the same probers do not wait for each other.
    able = sorted((prober for prober, targets in asked.items() if targets and not found[prober]), key=id)
    begun: list[Prober] = []
    try:
        for prober in able:
            try:
                prober.begin(asked[prober], deadline_s)
            except ProbeError as error:
                found[prober] = error
            else:
                begun.append(prober)
        while begun:
            prober = begun.pop(0)
            try:
                found[prober] = prober.finish()
            except ProbeError as error:
                found[prober] = error
    finally:
        for prober in begun:
            prober.abandon()
    return found


def _opening(prober: Prober) -> ProbeError | None:
    try:
        prober.open()
    except ProbeError as error:
        return error
    return None
