"""Drives the prober in a pod through one ``kubectl exec`` stream that stays open."""

import json
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from harness.errors import ProbeError
from harness.kube.kubectl import JsonObject, Kubectl, child_environment

DRIVE = ("python3", "-u", "/prober/agent.py", "drive")
OPEN_SECONDS = 30.0
MARGIN_SECONDS = 10.0
# The agent lengthens a round to ten times its slowest connect, which can itself take as long as the round.
LONGEST_TIMES = 10


class Protocol(StrEnum):
    """Transport protocols that can be probed."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True)
class Target:
    """Where to connect: ``address`` is an IP address or a DNS name."""

    address: str
    port: int
    protocol: Protocol = Protocol.TCP


class Outcome(StrEnum):
    """What became of a connection."""

    CONNECTED = "connected"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    RESET = "reset"
    REJECTED = "rejected"
    NO_ROUTE = "no_route"
    DNS_FAILED = "dns_failed"
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


@dataclass(frozen=True)
class HttpAnswer:
    """Status and body (at most 64 KiB) of an HTTP answer."""

    status: int
    body: str


class AgentStream:
    """One running agent, local or behind ``kubectl exec``: requests in, answers out, one at a time.

    ``command`` starts it, ``whom`` names it in errors. Raises ProbeError if it does not say hello in time.
    """

    def __init__(self, command: Sequence[str], whom: str, open_seconds: float = OPEN_SECONDS) -> None:
        self._whom = whom
        self._lock = threading.Lock()
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._number = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the stream
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=child_environment(),
        )
        self._reader = threading.Thread(target=self._read, name=f"answers of {whom}", daemon=True)
        self._reader.start()
        try:
            hello = self._next(time.monotonic() + open_seconds, f"hello in {open_seconds:g} s")
        except BaseException:
            self.close()
            raise
        self.pod = str(hello.get("pod", ""))

    def ask(self, request: JsonObject, seconds: float) -> JsonObject:
        """Send a request and wait ``seconds`` for its answer.

        Raises ProbeError when the stream breaks, an answer is cut short, or none comes in time; then the stream is
        closed, for what came next could belong to this request.
        """
        with self._lock:
            if self._process.poll() is not None or self._process.stdin is None or self._process.stdin.closed:
                raise ProbeError(f"the prober in {self._whom} is not running any more{self._last_words()}")
            self._number += 1
            try:
                self._process.stdin.write(json.dumps({**request, "id": self._number}).encode() + b"\n")
                self._process.stdin.flush()
                answer = self._next(time.monotonic() + seconds, f"answer in {seconds:g} s", self._number)
            except OSError as error:
                self._end()
                raise ProbeError(
                    f"the stream to the prober in {self._whom} broke: {error}{self._last_words()}"
                ) from None
            except BaseException:
                self._end()
                raise
        if "error" in answer:
            raise ProbeError(f"the prober in {self._whom}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the agent. Safe to repeat."""
        self._end()
        self._reader.join(timeout=5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self) -> None:
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()  # the agent in the pod ends with its input
            except OSError:
                self._process.kill()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(b"")

    def _next(self, until: float, what: str, number: int | None = None) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise ProbeError(f"the prober in {self._whom} gave no {what}{self._last_words()}") from None
        if not line:
            raise ProbeError(f"the stream to the prober in {self._whom} ended{self._last_words()}")
        try:
            answer = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ProbeError(f"the prober in {self._whom} gave an answer that is cut short: {line[-200:]!r}")
        if answer.get("id") != number:
            raise ProbeError(f"the prober in {self._whom} answered another request: {answer}")
        return answer

    def _last_words(self) -> str:
        if self._errors.closed:
            return ""
        # The child writes through the same open file: reading by position leaves its offset alone.
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        return f": {said[-500:]}" if said else ""


class Prober:
    """The prober in one pod. Opens its stream at the first request, and anew after one that broke.

    May be used by several threads; their requests go one after another.
    """

    def __init__(self, kubectl: Kubectl, namespace: str, pod: str, container: str | None = None) -> None:
        of_container = ["-c", container] if container else []
        self._command = kubectl.command("exec", "-i", "-n", namespace, pod, *of_container, "--", *DRIVE)
        self._stream: AgentStream | None = None
        self._lock = threading.Lock()
        self.namespace = namespace
        self.pod = pod

    def probe(self, targets: Sequence[Target], deadline_s: float = 1.0) -> list[Verdict]:
        """Try all targets at once; verdicts in the same order.

        ``deadline_s`` is the time after which silence is a verdict; the agent lengthens it to ten times the slowest
        connect, and to 50 ms. Raises ProbeError when the verdicts could not be had.
        """
        request = {
            "probe": [[target.address, target.port, target.protocol.value] for target in targets],
            "deadline": deadline_s,
        }
        answer = self._ask(request, deadline_s * LONGEST_TIMES + MARGIN_SECONDS)
        found = answer.get("verdicts")
        if not isinstance(found, list) or len(found) != len(targets):
            raise ProbeError(f"the prober in {self.pod} answered {len(targets)} targets with {str(found)[:200]}")
        try:
            return [
                Verdict(target, Outcome(kind), pod, seconds, detail)
                for target, (kind, pod, seconds, detail) in zip(targets, found, strict=True)
            ]
        except (TypeError, ValueError) as error:
            raise ProbeError(f"the prober in {self.pod} gave a verdict that is none: {error}") from error

    def resolve(self, name: str, deadline_s: float = 5.0) -> list[str]:
        """Addresses of a DNS name as the pod resolves it. Raises ProbeError with the resolver's word for none."""
        answer = self._ask({"resolve": name, "deadline": deadline_s}, deadline_s + MARGIN_SECONDS)
        if "failed" in answer:
            raise ProbeError(f"{self.pod} cannot resolve {name}: {answer['failed']}")
        return [str(address) for address in answer["addresses"]]

    def http(self, address: str, port: int, host: str, path: str = "/", deadline_s: float = 5.0) -> HttpAnswer:
        """GET ``path`` from ``address:port`` with ``host`` as Host header. Raises ProbeError if there is no answer."""
        answer = self._ask({"http": [address, port, host, path], "deadline": deadline_s}, deadline_s + MARGIN_SECONDS)
        if "failed" in answer:
            raise ProbeError(f"{self.pod} got no HTTP answer from {address}:{port}: {answer['failed']}")
        return HttpAnswer(int(answer["status"]), str(answer["body"]))

    def close(self) -> None:
        """End the stream. Safe to repeat; a later request opens another."""
        with self._lock:
            if self._stream is not None:
                self._stream.close()
                self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: JsonObject, seconds: float) -> JsonObject:
        with self._lock:
            if self._stream is None:
                self._stream = AgentStream(self._command, f"pod {self.namespace}/{self.pod}")
            try:
                return self._stream.ask(request, seconds)
            except ProbeError:
                self._stream.close()
                self._stream = None
                raise
