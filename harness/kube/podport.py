"""A connection to a port of a pod, over a WebSocket to the API server's port-forward subresource.

The protocol is ``v4.channel.k8s.io``, which the API server passes on to the kubelet as it is (k8s.io/cri-streaming,
portforward/websocket.go). The first byte of each message is its channel: 0 for the data of both directions, 1 for what
the kubelet has to say of an error. The kubelet begins each channel with the port, as two bytes. Then the container
runtime connects to the port on the pod's own loopback, so no NetworkPolicy stands in the way.

The protocol does not tell that the pod has accepted, and cannot end one direction alone: see ``PodPort``.
"""

import select
import socket
import ssl
import time
from typing import Any, Final, Self
from urllib.parse import quote

from harness.errors import ForwardError
from harness.kube.client import Api
from harness.kube.endpoints import Endpoint
from harness.kube.upgrade import upgrade

DATA, ERROR = 0, 1
"""The channels."""

PROTOCOL: Final = "v4.channel.k8s.io"
_CONTINUED, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA  # RFC 6455, 5.2
_NORMAL: Final = b"\x03\xe8"  # RFC 6455, 7.4.1
_PORT_BYTES: Final = 2
_ROUNDS: Final = 4
_MESSAGE_BYTES: Final = 32 * 1024
_AGAIN: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class PodPort:
    """The API server's end of a connection to a pod's port. None of its methods waits, once it is made.

    It is made when the pod has accepted. That is found out by a message without content, and a ping after it: the
    kubelet hands the message on when the runtime reads from it, which it does once it has connected to the pod, and
    answers the ping after that. Nothing that a client has sent is passed on before, so a pod that refuses has not seen
    any of it.

    That is not certain: containerd, when it cannot connect, ends the stream a moment before it says so, and the answer
    may come in between (5 times in 200 on two cores). So there are several rounds, in which the error overtakes (never
    seen to be late in 1000). A runtime that reads early, as one that calls socat, is always believed. Then the refusal
    ends the client's connection, as an error does at any other time, and still nothing is sent twice.

    ``connection`` is one of ``Api.open_socket``, which bounds how long opening may take; it is closed with this. Raises
    ApiError where the API server refuses, ForwardError where the pod does, or the connection breaks.
    """

    def __init__(self, api: Api, connection: socket.socket, namespace: str, endpoint: Endpoint) -> None:
        self.where = f"pod {namespace}/{endpoint.pod}, port {endpoint.port}"
        self.ended = False
        """Whether the pod's side has ended, or broken: what it sent is all there."""
        self.error: ForwardError | None = None
        """Why it broke."""
        self._connection = connection
        self._unsent = bytearray()
        self._deaf = False
        self._early = b""
        self._answers = 0
        self._channel = DATA
        self._head = {DATA: _PORT_BYTES, ERROR: _PORT_BYTES}
        seconds = connection.gettimeout() or 0.0
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(endpoint.pod)}/portforward"
        self._socket = upgrade(api, connection, path, [("ports", str(endpoint.port))], [PROTOCOL])
        try:
            self._socket.settimeout(0)
            self._until_accepted(time.monotonic() + seconds)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """For ``select.poll``."""
        return self._connection.fileno()

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._unsent)

    def feed(self, data: bytes) -> None:
        """Have ``data`` sent to the pod. The caller keeps ``unsent`` small."""
        for start in range(0, len(data), _MESSAGE_BYTES):
            self._put(_BINARY, bytes([DATA]) + data[start : start + _MESSAGE_BYTES])

    def farewell(self) -> None:
        """Have the other side told, after what is unsent, that nothing will come any more: it ends both directions."""
        self._put(_CLOSE, _NORMAL)

    def send(self) -> None:
        """Send of ``unsent`` what the connection takes now. Where that breaks, ``receive`` finds the end."""
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except _AGAIN:
            pass
        except OSError:  # the other side is gone, but what it sent before, or why it went, may wait to be read
            self._deaf = True
            self._unsent.clear()

    def receive(self) -> bytes:
        """What the pod sent next; empty where there is nothing now, and once it has ``ended``."""
        early, self._early = self._early, b""
        while not early and not self.ended and (frame := self._frame()):
            if frame.opcode == _PING:
                self._put(_PONG, frame.data)
            elif frame.opcode == _PONG:
                self._answers += 1
            elif frame.opcode == _CLOSE:
                self.ended = True
            else:
                early = self._content(frame)
        return early

    def close(self) -> None:
        """Close the connection. Safe to repeat."""
        self._socket.shutdown()
        self._connection.close()

    def _until_accepted(self, deadline: float) -> None:
        for round_ in range(1, _ROUNDS + 1):
            self._put(_BINARY, bytes([DATA]))
            self._put(_PING, b"")
            while self._answers < round_ and not self._early and not self.ended:
                self.send()
                self._early = self.receive()
                if self._answers < round_ and not self._early and not self.ended:
                    self._wait(deadline)
        if self.error:
            raise self.error

    def _wait(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ForwardError(self.where, "its node does not answer")

    def _put(self, opcode: int, content: bytes) -> None:
        from websocket import ABNF  # noqa: PLC0415 -- 0.1 s, for those who need it

        if not self._deaf:
            self._unsent += ABNF.create_frame(content, opcode).format()

    def _frame(self) -> Any:  # noqa: ANN401 -- websocket-client has no types
        """The next frame, or None where it is not all there. What is there of it is kept."""
        import websocket  # noqa: PLC0415 -- as above

        try:
            return self._socket.recv_frame()
        except _AGAIN:
            return None
        except (websocket.WebSocketException, OSError) as error:
            self._break(error)
            return None

    def _content(self, frame: Any) -> bytes:  # noqa: ANN401 -- as above
        """What a frame of a message holds of the pod's data."""
        content = bytes(frame.data)
        if frame.opcode != _CONTINUED:
            self._channel, content = content[0] if content else DATA, content[1:]
        head = self._head.get(self._channel, 0)
        self._head[self._channel] = max(0, head - len(content))
        content = content[head:]
        if self._channel == ERROR and content:
            self._break(content.decode(errors="replace"))
        return content if self._channel == DATA else b""

    def _break(self, cause: object) -> None:
        self.ended = True
        self.error = self.error or ForwardError(self.where, str(cause) or type(cause).__name__)
