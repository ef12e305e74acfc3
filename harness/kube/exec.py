"""Running a program in a container with its input and output open: one websocket to the API server, no kubectl process.

Both protocols are of the API server: ``v5.channel.k8s.io`` (KEP-4006), and ``v4.channel.k8s.io`` of older ones, which
cannot end the program's input while its output is read. Each message begins with a byte that numbers its channel.
"""

import contextlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote

from harness.errors import ProbeError
from harness.kube.client import Api, ApiError, ApiUnreachable
from harness.kube.upgrade import OPEN_SECONDS, upgrade
from harness.kube.wait import patient

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
"""The channels. A message ``CLOSE, n`` of version 5 ends the channel ``n``."""

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
WRITE_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
_MESSAGE_BYTES: Final = 32 * 1024
_KEPT_ERRORS: Final = 16 * 1024
_NO_PROGRAM = re.compile(r"executable file .*not found|no such file or directory|not found in \$PATH", re.IGNORECASE)
_NOT_EXECUTED: Final = (126, 127)  # as shells and runtimes say that a program is not there, or may not be run


class ExecRefused(ProbeError):
    """The API server refused to run a program in a container: ``status`` is the HTTP status of its answer."""

    def __init__(self, where: str, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"exec into {where} was refused with HTTP status {status}: {message}")


@dataclass(frozen=True)
class Ending:
    """How a program in a container ended: its exit status (None where it is not known), and the server's words."""

    code: int | None
    message: str

    @property
    def never_started(self) -> bool:
        """Whether there is no such program in the container, or it cannot be run."""
        return self.code in _NOT_EXECUTED or (self.code is None and bool(_NO_PROGRAM.search(self.message)))


class ExecStream:
    """A program that runs in a container, from the constructor to ``close``.

    ``command`` is what to run, ``container`` need be given in a pod with several, ``seconds`` how long opening may
    take. To be used by one thread at a time: what comes is read by whoever waits for it. Raises ExecRefused where the
    API server will not have it, and ProbeError where the connection fails; a program that cannot be started is found
    by the first ``read``.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        pod: str,
        command: Sequence[str],
        container: str | None = None,
        *,
        seconds: float = OPEN_SECONDS,
    ) -> None:
        self.where = f"pod {namespace}/{pod}" + (f", container {container}" if container else "")
        self.ending: Ending | None = None
        """How the program ended, once a ``read`` has come to it."""
        self._errors = b""
        query = [("command", word) for word in command]
        query += [(stream, "true") for stream in ("stdin", "stdout", "stderr")]
        query += [("container", container)] if container else []
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/exec"
        connection = api.open_socket(patient(seconds))
        try:
            self._socket = upgrade(api, connection, path, query, PROTOCOLS)
        except ApiUnreachable as error:
            raise ProbeError(f"no connection to {self.where}: {error.output}") from error
        except ApiError as error:
            raise ExecRefused(self.where, error.status, error.output.strip() or str(error.status)) from error

    @property
    def protocol(self) -> str:
        """The protocol that the API server chose of PROTOCOLS."""
        return str(self._socket.getsubprotocol())

    def write(self, data: bytes) -> None:
        """Send ``data`` to the program's input. Raises ProbeError where it has ended, or the connection is lost."""
        for start in range(0, len(data), _MESSAGE_BYTES):
            self._send(bytes([STDIN]) + data[start : start + _MESSAGE_BYTES])

    def end_input(self) -> None:
        """End the program's input. Version 4 cannot: there it ends with ``close``."""
        if self.protocol == PROTOCOLS[0]:
            self._send(bytes([CLOSE, STDIN]))

    def read(self, seconds: float) -> bytes | None:
        """What the program wrote next: empty when it has ended, None where nothing came in ``seconds``.

        Raises ProbeError where the connection was lost, so that how the program ended is not known.
        """
        import websocket  # noqa: PLC0415 -- 0.1 s, for those who need it

        until = time.monotonic() + seconds
        while self.ending is None:
            try:
                self._socket.settimeout(max(0.001, until - time.monotonic()))
                kind, frame = self._socket.recv_data_frame()
            except websocket.WebSocketTimeoutException:
                return None
            except (websocket.WebSocketException, OSError) as error:
                raise self._lost(error) from error
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise self._lost("the API server closed it")
            message = bytes(frame.data)
            channel, content = message[:1], message[1:]
            if channel == bytes([STDOUT]) and content:
                return content
            if channel == bytes([STDERR]):
                self._errors = (self._errors + content)[-_KEPT_ERRORS:]
            elif channel == bytes([STATUS]) and content:
                self.ending = _ending(content)
        return b""

    def last_words(self) -> str:
        """What the program wrote to its error stream last, and how it ended; empty where neither is known."""
        said = self._errors.decode(errors="replace").strip()[-500:]
        ended = self.ending.message if self.ending and self.ending.code != 0 else ""
        return ": ".join(filter(None, (said, ended)))

    def close(self) -> None:
        """Close the connection, which ends the program's input. Safe to repeat."""
        with contextlib.suppress(Exception):  # that nobody listens any more is as good
            if self._socket.connected:
                self._socket.settimeout(_CLOSE_SECONDS)
                if self.ending is None and self.protocol == PROTOCOLS[0]:
                    self._socket.send_binary(bytes([CLOSE, STDIN]))
                self._socket.send_close()
        self._socket.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: bytes) -> None:
        import websocket  # noqa: PLC0415 -- as in read

        try:
            self._socket.settimeout(patient(WRITE_SECONDS))
            self._socket.send_binary(message)
        except (websocket.WebSocketException, OSError) as error:
            with contextlib.suppress(ProbeError):  # why it ended may have come before the connection did
                while self.read(_CLOSE_SECONDS):
                    pass
            raise self._lost(error) from error

    def _lost(self, cause: object) -> ProbeError:
        if self.ending:
            return ProbeError(f"the program in {self.where} has ended: {self.last_words() or 'without an error'}")
        return ProbeError(f"the connection to {self.where} was lost: {cause or type(cause).__name__}")


def _ending(content: bytes) -> Ending:
    """What the Status on the status channel says (apimachinery, remotecommand: NonZeroExitCode and its causes)."""
    try:
        status = json.loads(content)
        if status["status"] == "Success":
            return Ending(0, "")
        causes = (status.get("details") or {}).get("causes") or []
        codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
        return Ending(codes[0] if codes else None, str(status.get("message", "")))
    except (ValueError, KeyError, TypeError):
        return Ending(None, content.decode(errors="replace"))
