"""The API server's side of a WebSocket."""

import base64
import contextlib
import hashlib
import socket
import struct
import threading


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")
        self._lock = threading.Lock()
        head = []
        while (line := self._file.readline().decode().strip()) and line:
            head.append(line)
        self.target = head[0].split()[1]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}

    def accept(self, protocol: str) -> None:
        """Become a websocket."""
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 -- RFC 6455
        self.say(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        )

    def refuse(self, status: int, body: str) -> None:
        """Answer with an error instead."""
        self.say(f"HTTP/1.1 {status} Refused\r\nContent-Length: {len(body)}\r\n\r\n{body}")

    def say(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()

    def send(self, channel: int, content: bytes) -> None:
        """One message on a channel."""
        self.frame(2, bytes([channel]) + content)

    def frame(self, kind: int, content: bytes, *, last: bool = True) -> None:
        """One frame of any kind. May be called by several threads."""
        assert len(content) < 1 << 16
        length = bytes([len(content)]) if len(content) < 126 else b"\x7e" + struct.pack("!H", len(content))
        with self._lock:
            self._file.write(bytes([0x80 * last | kind]) + length + content)
            self._file.flush()

    def receive(self) -> tuple[int, bytes]:
        """Kind and content of the next frame; kind 8 at the end."""
        start = self._file.read(2)
        if len(start) < 2:
            return 8, b""
        length = start[1] & 0x7F
        if length == 126:
            [length] = struct.unpack("!H", self._file.read(2))
        mask = self._file.read(4)
        content = self._file.read(length)
        masks = (mask * (length // 4 + 1))[:length]
        return start[0] & 0xF, (int.from_bytes(content) ^ int.from_bytes(masks)).to_bytes(length)

    def close(self) -> None:
        """Close what reads and writes the connection, which is its owner's to close."""
        with contextlib.suppress(OSError):  # what was written is of no use to one that has gone
            self._file.close()
