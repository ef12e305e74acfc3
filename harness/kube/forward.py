"""A port of a Service, or of a pod, on this machine's loopback: no Ingress is needed, and no NetworkPolicy in the way.

Ready at once, since listening asks nobody; a connection is led to a pod when it comes. So a forward survives the death
of a pod: those connections end that were to it, and the next goes to another.

What differs from a connection to the Service itself is the protocol's (see ``podport``), and the container runtime's,
which connects on the pod's own loopback:

- A program that listens on the pod's address alone is not reached.
- A client cannot end its sending alone: then its connection ends.
- That the pod has ended a connection comes up to a second late: containerd and CRI-O wait for the other direction to
  end too. What a client sends in that time is lost, and it finds its connection ended with no answer.
"""

import itertools
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Self

from harness.errors import ForwardError, HarnessError
from harness.kube.client import Api, ApiError
from harness.kube.endpoints import Endpoint, endpoints_of
from harness.kube.exchange import exchange
from harness.kube.podport import PodPort
from harness.kube.upgrade import OPEN_SECONDS
from harness.kube.wait import patient

HOST: Final = "127.0.0.1"
FAREWELL_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 0.2
_NOT_ALLOWED: Final = (401, 403)  # nor to another pod
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # closing does not linger: it resets


class _Forward:
    """Listens from the constructor to ``close``, in threads of its own: one that accepts, and one per connection.

    ``where`` names what is forwarded. A client that is led nowhere has its connection reset, and ``last_error`` says
    why. Safe to share between threads.
    """

    def __init__(self, api: Api, namespace: str, where: str, endpoints: Callable[[], Sequence[Endpoint]]) -> None:
        self.where = where
        self.last_error: HarnessError | None = None
        """Why the last connection that failed did: ApiError with the API server's words where it refuses, or
        ForwardError. It is set before the client can notice."""
        self._api, self._namespace, self._endpoints = api, namespace, endpoints
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self._ending = False
        self._connections = set[socket.socket]()
        self._threads = list[threading.Thread]()
        self._listening = socket.create_server((HOST, 0))
        self._listening.settimeout(0)
        self._wake, self._woken = socket.socketpair()
        self.port: int = self._listening.getsockname()[1]
        """The port here."""
        self._accepting = threading.Thread(target=self._accept, name=f"forward to {where}", daemon=True)
        self._accepting.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return HOST, self.port

    @property
    def url(self) -> str:
        """The same for an HTTP client, without a path."""
        return f"http://{HOST}:{self.port}"

    def abort(self) -> None:
        """Reset all connections, and take no more. Does not wait; may be called from any thread."""
        with self._lock:
            if not self._ending:
                self._ending = True
                self._wake.close()  # so the other end can be read, which all threads watch
                for one in self._connections:
                    _break(one)

    def close(self) -> None:
        """The same, and wait until no thread and no connection is left. Safe to repeat.

        Where a connection is just being opened, that is until the API server answers, for OPEN_SECONDS at most.
        """
        self.abort()
        self._accepting.join()
        for one in self._threads:
            one.join()
        self._woken.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._listening, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        with self._listening:
            while not self._ending:
                poll.poll()
                try:
                    client, _ = self._listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue  # woken, or the client has gone already
                except OSError as error:  # as of too many open files: the client waits, and so do we
                    self.last_error = ForwardError(self.where, f"no connection can be taken: {error.strerror}")
                    select.select([self._woken], [], [], _AGAIN_SECONDS)
                    continue
                thread = threading.Thread(target=self._serve, args=(client,), name=self.where, daemon=True)
                self._threads = [one for one in self._threads if one.is_alive()] + [thread]
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, ExitStack() as links:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                with self._breakable(client):  # who waits for an answer need not wait for the API server
                    pod = self._reach(links)
                exchange(client, pod, self._woken, patient(FAREWELL_SECONDS))
            except HarnessError as error:
                if not self._ending:
                    self.last_error = error
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def _reach(self, links: ExitStack) -> PodPort:
        """A connection to the first of the pods that accepts; ``links`` closes it. Each is tried once."""
        endpoints, failures = self._endpoints(), list[HarnessError]()
        turn = next(self._turns) % len(endpoints) if endpoints else 0
        for endpoint in (*endpoints[turn:], *endpoints[:turn]):
            try:
                connection = links.enter_context(self._breakable(self._api.open_socket(patient(OPEN_SECONDS))))
                return links.enter_context(PodPort(self._api, connection, self._namespace, endpoint))
            except (ApiError, ForwardError) as error:
                if self._ending or (isinstance(error, ApiError) and error.status in _NOT_ALLOWED):
                    raise
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        raise ForwardError(self.where, "; ".join(map(str, failures)) or "no pod is ready")

    @contextmanager
    def _breakable(self, connection: socket.socket) -> Iterator[socket.socket]:
        """Have ``abort`` break a connection, whoever waits for it."""
        with self._lock:
            self._connections.add(connection)
            if self._ending:
                _break(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._connections.discard(connection)


class ServiceForward(_Forward):
    """A Service's TCP ``port``, given by its number or name: each connection goes to the next of its ready pods.

    A pod that cannot be reached, because it is gone or refuses, is passed over, each once: none of what the client has
    sent was passed on by then. After that nothing is ever sent again.

    ``last_error`` is ApiNotFound where there is no such Service, and ForwardError where no pod of it is ready.
    """

    def __init__(self, api: Api, namespace: str, service: str, port: int | str) -> None:
        where = f"service {namespace}/{service}, port {port}"
        super().__init__(api, namespace, where, lambda: endpoints_of(api, namespace, service, port))


class PodForward(_Forward):
    """A port of one pod, ready or not."""

    def __init__(self, api: Api, namespace: str, pod: str, port: int) -> None:
        super().__init__(api, namespace, f"pod {namespace}/{pod}, port {port}", lambda: [Endpoint(pod, port)])


def _break(connection: socket.socket) -> None:
    """Wake whoever waits for it. Of a TLS connection the one below: OpenSSL may be at work on it in another thread."""
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
