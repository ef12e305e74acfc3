"""One running agent: requests in, answers out, over any channel of bytes."""

import contextlib
import json
import os
import select
import subprocess
import time
from typing import Any, Protocol, Self

from harness.errors import ProbeError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import patient
from harness.prober.agent import VERSION

OPEN_SECONDS = 30.0


class Channel(Protocol):
    """The input and output of a running program. ``harness.kube.exec.ExecStream`` is one."""

    def write(self, data: bytes) -> None:
        """Send to the program. Raises ProbeError where it is not there any more."""

    def read(self, seconds: float) -> bytes | None:
        """What it wrote next; empty when it has ended, None where nothing came in time. Raises ProbeError."""

    def last_words(self) -> str:
        """What it said on its error stream, and how it ended, as far as that is known."""

    def close(self) -> None:
        """End its input, and let go of it. Safe to repeat."""


class LocalChannel:
    """A program on this machine, all of whose streams are pipes: it ends with its input, or is killed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin  # noqa: S101 -- as the docstring says
        assert process.stdout  # noqa: S101
        assert process.stderr  # noqa: S101
        self.process = process
        self._input, self._output, self._errors = process.stdin, process.stdout, process.stderr
        self._said = b""
        os.set_blocking(self._errors.fileno(), False)

    def write(self, data: bytes) -> None:
        """Send to the program."""
        try:
            self._input.write(data)
            self._input.flush()
        except (OSError, ValueError) as error:  # ValueError: closed
            raise ProbeError(f"process {self.process.pid} takes no input any more: {error}") from error

    def read(self, seconds: float) -> bytes | None:
        """What it wrote next."""
        if self._output.closed:
            return b""
        ready, _, _ = select.select([self._output], [], [], max(0.0, seconds))
        if not ready:
            return None
        piece = os.read(self._output.fileno(), 1 << 16)
        if not piece:
            with contextlib.suppress(subprocess.TimeoutExpired):  # so that its status can be told
                self.process.wait(timeout=0.5)
        return piece

    def last_words(self) -> str:
        """What it said on its error stream, and the status that it ended with."""
        with contextlib.suppress(ValueError):  # closed: what was said before is known
            self._said = (self._said + (self._errors.read() or b""))[-500:]
        ended = f"it ended with status {self.process.poll()}" if self.process.poll() else ""
        return ": ".join(filter(None, (self._said.decode(errors="replace").strip(), ended)))

    def close(self) -> None:
        """End its input, give it half a second, and kill it."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.last_words()
        self._output.close()
        self._errors.close()


class AgentStream:
    """An agent that was told to ``drive`` on ``channel``; ``whom`` names it in errors. Owns the channel.

    To be used by one thread at a time. Raises ProbeError where no hello of our version comes within ``open_seconds``.
    """

    def __init__(self, channel: Channel, whom: str, open_seconds: float = OPEN_SECONDS) -> None:
        self._channel = channel
        self._whom = whom
        self._number = 0
        self._rest = b""
        try:
            self._greet(patient(open_seconds))
        except BaseException:
            self.close()
            raise

    def send(self, request: JsonObject) -> None:
        """Send a request, whose answer is the next ``receive``. Raises ProbeError where the agent is gone."""
        self._number += 1
        try:
            self._channel.write(json.dumps({**request, "id": self._number}, separators=(",", ":")).encode() + b"\n")
        except ProbeError as error:
            raise ProbeError(f"the prober in {self._whom} is not running any more: {error}{self._words()}") from error

    def receive(self, seconds: float) -> JsonObject:
        """Wait ``seconds`` for the answer to the request that was sent last.

        Raises ProbeError when the stream breaks, the answer is cut short, none comes in time, or it is an error. After
        that the stream must be closed, for what comes next could belong to this request.
        """
        answer = self._next(seconds, "answer", self._number)
        if "error" in answer:
            raise ProbeError(f"the prober in {self._whom}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the agent. Safe to repeat."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _greet(self, seconds: float) -> None:
        hello = self._next(seconds, "hello", None)
        if hello.get("hello") != VERSION:
            raise ProbeError(f"the prober in {self._whom} is of another version than this harness: {hello}")

    def _next(self, seconds: float, what: str, number: int | None) -> dict[str, Any]:
        line = self._line(seconds, what)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ProbeError(f"the prober in {self._whom} gave an answer that is cut short: {line[-200:]!r}")
        if answer.get("id") != number:
            raise ProbeError(f"the prober in {self._whom} answered another request: {answer}")
        return answer

    def _line(self, seconds: float, what: str) -> bytes:
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            piece = self._channel.read(until - time.monotonic())
            if piece is None:
                raise ProbeError(f"the prober in {self._whom} gave no {what} in {seconds:g} s{self._words()}")
            if not piece:
                cut = f", its last answer cut short at {self._rest[-200:]!r}" if self._rest else ""
                raise ProbeError(f"the prober in {self._whom} ended{cut}{self._words()}")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _words(self) -> str:
        said = self._channel.last_words()
        return f": {said}" if said else ""
