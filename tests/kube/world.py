"""A Service with pods, and the API server and the kubelet that lead to them: all in this process, over real sockets."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from harness.kube.kubectl import JsonObject

from .conftest import kubeconfig
from .peer import Peer

DATA, ERROR = 0, 1
HANG_SECONDS = 60.0
PING, PONG, CLOSE = 9, 10, 8
SMALL = 65536
"""What the kernel keeps of what is not read, so that whoever sends more has to wait."""

Program = Callable[[socket.socket], None]


class Listener:
    """Runs a program for each connection, in a thread, until it is closed; what goes wrong in one is kept."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)  # its connections take this on
        self.port: int = self._listening.getsockname()[1]
        self._open = set[socket.socket]()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Listen no more: what connects is refused. Break what is connected, and wait for the threads."""
        with contextlib.suppress(OSError):  # it was closed before
            self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(HANG_SECONDS)
        self._listening.close()

    def cut(self) -> None:
        """Break what is connected."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):  # it has ended
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listening.accept()
                self._threads.append(threading.Thread(target=self._run, args=(connection,)))
                self._threads[-1].start()

    def _run(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        with connection, contextlib.suppress(OSError):  # the other side is gone
            connection.settimeout(HANG_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go does: nothing waits for an answer
            self._program(connection)
        with self._lock:
            self._open.discard(connection)


def echo(connection: socket.socket) -> None:
    """Gives back what comes."""
    while data := connection.recv(65536):
        connection.sendall(data)


@dataclass
class Pod:
    """A program that listens, and what the kubelet does instead where it is told to."""

    listener: Listener
    conditions: JsonObject = field(default_factory=lambda: {"ready": True, "serving": True, "terminating": False})
    refusal: tuple[int, str] | None = None
    """HTTP status and message by which the API server refuses to forward."""
    instead: Callable[[Peer], None] | None = None
    """What the kubelet plays after the WebSocket is open."""
    forwards: int = 0
    """How often it was asked for."""


class World:
    """The API server of one namespace ``shop`` with a Service ``web``, port 80 named ``http``."""

    def __init__(self, folder: Path) -> None:
        self.pods: dict[str, Pod] = {}
        self.service: JsonObject | None = {
            "metadata": {"name": "web"},
            "spec": {
                "ports": [
                    {"name": "http", "port": 80, "targetPort": "http"},
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                ]
            },
        }
        self.headers: list[dict[str, str]] = []
        self._api = Listener(self._serve)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{self._api.port}", token="abc")))  # noqa: S106

    def runs(self, name: str, program: Program = echo) -> Pod:
        """Have a pod of the Service run a program."""
        self.pods[name] = Pod(Listener(program))
        return self.pods[name]

    def close(self) -> None:
        for pod in self.pods.values():
            pod.listener.close()
        self._api.close()

    def cut(self) -> None:
        """Break all connections to the API server."""
        self._api.cut()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.closing(Peer(connection)) as peer:
            if "upgrade" in peer.headers:
                self.headers.append(peer.headers)
                self._forward(peer)
                return
            path = urlsplit(peer.target).path
            slices = {"items": [self._slice(name, pod) for name, pod in self.pods.items()]}
            answers: dict[str, Any] = {
                "/api/v1/namespaces/shop/services/web": self.service,
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices": slices,
            }
            if answer := answers.get(path):
                body = json.dumps(answer)
                peer.say(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            else:
                peer.refuse(404, json.dumps({"message": f"{path} not found", "reason": "NotFound"}))

    @staticmethod
    def _slice(name: str, pod: Pod) -> JsonObject:
        """As each has another port, each has a slice of its own."""
        return {
            "ports": [{"name": "http", "port": pod.listener.port, "protocol": "TCP"}, {"name": "dns", "port": 53}],
            "endpoints": [{"conditions": pod.conditions, "targetRef": {"kind": "Pod", "name": name}}],
        }

    def _forward(self, peer: Peer) -> None:
        url = urlsplit(peer.target)
        *_, name, resource = url.path.split("/")
        assert resource == "portforward"
        pod = self.pods.get(name)
        if pod is None:
            peer.refuse(404, json.dumps({"message": f'pods "{name}" not found', "reason": "NotFound"}))
            return
        pod.forwards += 1
        if pod.refusal:
            peer.refuse(pod.refusal[0], json.dumps({"message": pod.refusal[1]}))
            return
        [port] = parse_qs(url.query)["ports"]
        peer.accept("v4.channel.k8s.io")
        for channel in (DATA, ERROR):
            peer.send(channel, struct.pack("<H", int(port)))
        (pod.instead or Kubelet(int(port)).forward)(peer)


class Kubelet:
    """Leads a WebSocket to a port, as cri-streaming and containerd do."""

    def __init__(self, port: int) -> None:
        self._port = port

    def forward(self, peer: Peer) -> None:
        try:
            pod = socket.create_connection(("127.0.0.1", self._port))
        except OSError as error:
            peer.send(ERROR, f"failed to connect to localhost:{self._port}: {error}".encode())
            peer.frame(CLOSE, b"\x03\xe8")
            while peer.receive()[0] != CLOSE:  # to close with something unread could take the error away
                pass
            return
        with pod:
            pod.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            hears = threading.Thread(target=self._hear, args=(peer, pod))
            hears.start()
            with contextlib.suppress(OSError):  # either side is gone
                while data := pod.recv(32 * 1024):
                    peer.send(DATA, data)
                peer.frame(CLOSE, b"\x03\xe8")
            hears.join(HANG_SECONDS)

    @staticmethod
    def _hear(peer: Peer, pod: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either side is gone
            while (message := peer.receive())[0] != CLOSE:
                kind, content = message
                if kind == PING:
                    peer.frame(PONG, content)
                elif content[:1] == bytes([DATA]):
                    pod.sendall(content[1:])
            pod.shutdown(socket.SHUT_WR)
