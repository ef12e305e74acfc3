"""The program in the pod: serves listeners that say which pod they are, and tries connections when asked.

Standard library only, Python 3.11, one file: it is copied into an image as it is.

``agent.py serve --tcp 8080 --udp 8080 --http 8000``
    listens until it is ended. A TCP connection is told ``harness-prober POD`` at once, a datagram is answered with it,
    a GET of any path gets 200 with it.
``agent.py drive``
    says hello, then reads one JSON object a line and answers each with one line that carries the same ``id``; ends at
    the end of its input. ``agent.py ask JSON`` answers one request and ends.

Requests, and what answers them beside the ``id`` (seconds throughout):

``{"id": 1, "probe": [["10.0.0.1", 80, "tcp"], …], "deadline": 0.3}``
    ``"verdicts": [[kind, pod, seconds, detail], …]`` in the order of the targets, and the ``"deadline"`` it came to
``{"id": 2, "resolve": "name", "deadline": 5}``
    ``"addresses": […]``, or ``"failed"``: why
``{"id": 3, "http": ["10.0.0.1", 80, "host", "/path"], "deadline": 5}``
    ``"status"`` and ``"body"``, or ``"failed"``: why
anything else
    ``"error"``: why
"""

import argparse
import concurrent.futures
import contextlib
import errno
import http.client
import http.server
import ipaddress
import itertools
import json
import os
import random
import resource
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

GREETING = "harness-prober"
VERSION = 1

# linux/in.h and linux/errqueue.h: Python's socket module does not have them.
IP_RECVERR = 11
IPV6_RECVERR = 25
EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err: errno, origin, type, code, pad, info, data
ORIGIN_ICMP = 2
ORIGIN_ICMP6 = 3
# (origin, type, code) of "administratively prohibited": RFC 1812 5.2.7.1 and RFC 4443 3.1.
PROHIBITED = {(ORIGIN_ICMP, 3, 9), (ORIGIN_ICMP, 3, 10), (ORIGIN_ICMP, 3, 13)} | {
    (ORIGIN_ICMP6, 1, code) for code in (1, 5, 6)
}

KIND_OF_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timed_out",
    errno.EACCES: "rejected",  # a prohibiting route
    errno.EHOSTUNREACH: "no_route",
    errno.ENETUNREACH: "no_route",
}

# A slow allow must not be read as a deny: a round lasts ten times its slowest connect, and never under 50 ms.
SHORTEST_ROUND = 0.05
SLOWEST_TIMES = 10
LONGEST_ROUND = 60.0
NAME_WAIT = 0.25  # for the greeting of a connection that is already made: others than our listeners never send it
GREETING_BYTES = 300

Answer = tuple[str, str, float, str]


def pod_name() -> str:
    """Who answers: the pod's name, which is also its host name."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def greeting() -> bytes:
    """What our listeners say."""
    return f"{GREETING} {pod_name()}\n".encode()


def greeted_by(received: bytes) -> str:
    """The pod that a greeting names; empty for anything else."""
    words = received.decode(errors="replace").split()
    return words[1] if len(words) == 2 and words[0] == GREETING else ""  # noqa: PLR2004 -- the word and the name


# ---------------------------------------------------------------------------------------------------------- probing


def fresh_ports() -> Iterator[int]:
    """Source ports, none again before all others: a datagram from a used one would pass by an old conntrack entry."""
    first, last = 32768, 60999
    ports = range(first, last + 1)
    start = random.randrange(len(ports))  # noqa: S311 -- spread, not secret
    return itertools.chain(ports[start:], itertools.cycle(ports))


@dataclass
class Attempt:
    """One connection that is being tried."""

    index: int
    socket: socket.socket
    began: float
    connected_after: float | None = None
    received: bytes = field(default=b"")

    @property
    def is_tcp(self) -> bool:
        """Whether it is a stream."""
        return self.socket.type == socket.SOCK_STREAM

    def failed(self, number: int) -> Answer:
        """The verdict on an error that the kernel reported."""
        detail = errno.errorcode.get(number, str(number))
        icmp = self._icmp()
        if icmp is not None:
            detail += " (ICMP origin {}, type {}, code {})".format(*icmp)
        kind = "rejected" if icmp in PROHIBITED else KIND_OF_ERRNO.get(number, "could_not_run")
        return kind, "", time.monotonic() - self.began, detail

    def _icmp(self) -> tuple[int, int, int] | None:
        """Origin, type and code of the ICMP message in the error queue (for TCP since Linux 5.9), if there is one."""
        with contextlib.suppress(OSError):
            _, ancillary, _, _ = self.socket.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            for level, kind, data in ancillary:
                if (level, kind) in {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}:
                    _, origin, type_, code, _, _, _ = EXTENDED_ERROR.unpack_from(data)
                    if origin in {ORIGIN_ICMP, ORIGIN_ICMP6}:
                        return origin, type_, code
        return None


class Round:
    """Tries all targets at once. Each is [address or name, port, "tcp" or "udp"]."""

    def __init__(self, targets: Sequence[tuple[str, int, str]], deadline: float, ports: Iterator[int]) -> None:
        self.deadline = max(deadline, SHORTEST_ROUND)
        self._targets = targets
        self._ports = ports
        self._answers: list[Answer | None] = [None] * len(targets)
        self._pending: dict[int, Attempt] = {}
        self._poll = select.epoll()

    def run(self) -> list[Answer]:
        """The verdicts, in the order of the targets: kind, pod, seconds, detail."""
        addresses = self._resolve()
        try:
            for index, (host, port, protocol) in enumerate(self._targets):
                if self._answers[index] is None:
                    self._start(index, addresses.get(host, host), port, protocol)
            self._wait()
        finally:
            for attempt in list(self._pending.values()):
                self._finish(attempt, self._unanswered(attempt))
            self._poll.close()
        return [answer or ("could_not_run", "", 0.0, "no verdict") for answer in self._answers]

    def _resolve(self) -> dict[str, str]:
        """Addresses of the targets that are names; those without get their verdict here."""
        names = {host for host, _, _ in self._targets if not is_address(host)}
        if not names:
            return {}
        found = resolve_all(sorted(names), max(self.deadline, 5.0))
        for index, (host, _, _) in enumerate(self._targets):
            if isinstance(failure := found.get(host), str):
                self._answers[index] = ("dns_failed", "", 0.0, failure)
        return {name: addresses[0] for name, addresses in found.items() if not isinstance(addresses, str)}

    def _start(self, index: int, address: str, port: int, protocol: str) -> None:
        """Begin one attempt; what fails at once has its verdict."""
        began = time.monotonic()
        try:
            opened = self._open(address, protocol)
        except OSError as error:
            self._answers[index] = ("could_not_run", "", 0.0, f"socket: {error}")
            return
        attempt = Attempt(index, opened, began)
        try:
            number = opened.connect_ex((address, port))
            if not number and not attempt.is_tcp:
                opened.send(b"?")
        except (OverflowError, ValueError, socket.gaierror) as error:
            opened.close()
            self._answers[index] = ("could_not_run", "", 0.0, str(error))
            return
        except OSError as error:
            number = error.errno or errno.EIO
        if number not in {0, errno.EINPROGRESS}:
            self._answers[index] = attempt.failed(number)
            opened.close()
            return
        self._pending[opened.fileno()] = attempt
        self._poll.register(opened, select.EPOLLOUT if attempt.is_tcp else select.EPOLLIN)

    def _open(self, address: str, protocol: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[protocol]
        opened = socket.socket(family, kind)
        opened.settimeout(0)
        if family == socket.AF_INET:
            opened.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        if kind == socket.SOCK_STREAM:
            # Closed by a reset: thousands of probes a second leave no TIME_WAIT behind.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return opened
        for port in itertools.islice(self._ports, 1000):
            with contextlib.suppress(OSError):
                opened.bind(("", port))
                return opened
        opened.close()
        raise OSError(errno.EADDRNOTAVAIL, "no free source port")

    def _wait(self) -> None:
        """Collect verdicts until all are in or the round is over."""
        began = time.monotonic()
        while self._pending:
            now = time.monotonic()
            for attempt in list(self._pending.values()):
                since = attempt.connected_after
                if since is not None and now >= attempt.began + since + NAME_WAIT:
                    self._finish(attempt, ("connected", "", since, "no greeting"))
            ends = [began + self.deadline] + [
                attempt.began + attempt.connected_after + NAME_WAIT
                for attempt in self._pending.values()
                if attempt.connected_after is not None
            ]
            if now >= ends[0] and len(ends) == 1:
                return
            left = max(0.0, (min(ends) if now < ends[0] else min(ends[1:])) - now)
            for descriptor, _ in self._poll.poll(left):
                self._advance(self._pending[descriptor])

    def _advance(self, attempt: Attempt) -> None:
        """Something happened to an attempt."""
        after = time.monotonic() - attempt.began
        number = attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._finish(attempt, attempt.failed(number))
        elif attempt.is_tcp and attempt.connected_after is None:
            attempt.connected_after = after
            self.deadline = min(LONGEST_ROUND, max(self.deadline, SLOWEST_TIMES * after))
            self._poll.modify(attempt.socket, select.EPOLLIN)
        else:
            self._receive(attempt, after)

    def _receive(self, attempt: Attempt, after: float) -> None:
        """Read the greeting, or what came in its place."""
        try:
            received = attempt.socket.recv(GREETING_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(attempt, attempt.failed(error.errno or errno.EIO))
            return
        attempt.received += received
        ended = not attempt.is_tcp or not received or len(attempt.received) >= GREETING_BYTES
        if ended or attempt.received.endswith(b"\n"):
            seconds = after if attempt.connected_after is None else attempt.connected_after
            peer = greeted_by(attempt.received)
            self._finish(attempt, ("connected", peer, seconds, "" if peer else "no greeting"))

    def _unanswered(self, attempt: Attempt) -> Answer:
        if attempt.connected_after is not None:
            return "connected", "", attempt.connected_after, "no greeting"
        return "timed_out", "", time.monotonic() - attempt.began, ""

    def _finish(self, attempt: Attempt, answer: Answer) -> None:
        del self._pending[attempt.socket.fileno()]
        self._poll.unregister(attempt.socket)
        attempt.socket.close()
        self._answers[attempt.index] = answer


# ------------------------------------------------------------------------------------------------------ names, HTTP


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def resolve_all(names: Sequence[str], deadline: float) -> dict[str, list[str] | str]:
    """Addresses of each name, or why there are none."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=32)
    futures = {name: pool.submit(socket.getaddrinfo, name, None, 0, socket.SOCK_STREAM) for name in names}
    concurrent.futures.wait(futures.values(), timeout=deadline)
    found: dict[str, list[str] | str] = {}
    for name, future in futures.items():
        if not future.done():
            found[name] = f"no answer in {deadline:g} s"
        elif error := future.exception():
            found[name] = str(error)
        else:
            found[name] = list(dict.fromkeys(str(entry[4][0]) for entry in future.result()))
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def fetch(address: str, port: int, host: str, path: str, deadline: float) -> dict[str, object]:
    """GET ``path`` with the Host header ``host``: status and the first 64 KiB of the body, or why it failed."""
    connection = http.client.HTTPConnection(address, port, timeout=deadline)
    try:
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        response = connection.getresponse()
        return {"status": response.status, "body": response.read(65536).decode(errors="replace")}
    except (OSError, http.client.HTTPException) as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()


# --------------------------------------------------------------------------------------------------------- requests


def answer(line: str, ports: Iterator[int]) -> dict[str, object]:
    """The answer to one request line; never raises for what the line holds."""
    request: object = None
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise TypeError("a request is a JSON object")  # noqa: TRY301 -- one place makes the answer
        body = act(request, ports)
    except (ValueError, TypeError, KeyError) as error:
        body = {"error": f"bad request: {type(error).__name__}: {error}"}
    return {"id": request.get("id") if isinstance(request, dict) else None, **body}


def act(request: dict[str, object], ports: Iterator[int]) -> dict[str, object]:
    """Do what a request asks."""
    deadline = float(str(request.get("deadline", 5.0)))
    match request:
        case {"probe": list(targets)}:
            probing = Round([checked(*target) for target in targets], deadline, ports)
            return {"verdicts": probing.run(), "deadline": probing.deadline}
        case {"resolve": str(name)}:
            found = resolve_all([name], deadline)[name]
            return {"failed": found} if isinstance(found, str) else {"addresses": found}
        case {"http": [str(address), int(port), str(host), str(path)]}:
            return fetch(address, port, host, path, deadline)
    raise ValueError("neither probe, resolve nor http")


def checked(host: str, port: int, protocol: str) -> tuple[str, int, str]:
    """A target as it must be; ValueError says what is wrong."""
    if protocol not in {"tcp", "udp"}:
        raise ValueError(f"protocol {protocol!r} is neither tcp nor udp")
    return str(host), int(port), protocol


def say(message: dict[str, object]) -> None:
    """Write one line to whoever started us."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def drive() -> None:
    """Answer requests from standard input until it ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = fresh_ports()
    say({"hello": VERSION, "pod": pod_name()})
    for line in sys.stdin:
        say(answer(line, ports))
    os._exit(0)  # a name look-up without an answer would hold the process in its thread


# ---------------------------------------------------------------------------------------------------------- serving


def listen(kind: socket.SocketKind, port: int) -> socket.socket:
    """A socket on all addresses, of both families where the node has both."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listening = socket.socket(family, kind)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if kind == socket.SOCK_STREAM:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("", port))
    if kind == socket.SOCK_STREAM:
        listening.listen(4096)
    return listening


def serve_tcp(listening: socket.socket) -> None:
    """Greet every connection."""
    while True:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.send(greeting())


def serve_udp(listening: socket.socket) -> None:
    """Greet every datagram's sender."""
    while True:
        with contextlib.suppress(OSError):  # what an earlier answer met, such as a sender that is gone
            _, sender = listening.recvfrom(2048)
            listening.sendto(greeting(), sender)


class Greeter(http.server.BaseHTTPRequestHandler):
    """Answers any GET with the greeting."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """200 with the greeting as text."""
        body = greeting()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Probes are many and tell nothing."""


def serve(tcp: Sequence[int], udp: Sequence[int], http_: Sequence[int]) -> None:
    """Listen on all ports, say so, and answer until the process is ended."""
    threads = [
        *(threading.Thread(target=serve_tcp, args=(listen(socket.SOCK_STREAM, port),)) for port in tcp),
        *(threading.Thread(target=serve_udp, args=(listen(socket.SOCK_DGRAM, port),)) for port in udp),
        *(
            threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Greeter).serve_forever)
            for port in http_
        ),
    ]
    for thread in threads:
        thread.daemon = True
        thread.start()
    say({"serving": pod_name(), "tcp": tcp, "udp": udp, "http": http_})
    threading.Event().wait()


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description="Probes connections from a pod, and answers probes.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="listen, and say which pod this is")
    for protocol in ("tcp", "udp", "http"):
        serving.add_argument(f"--{protocol}", type=int, action="append", default=[], metavar="PORT")
    commands.add_parser("drive", help="answer requests, one JSON object a line")
    commands.add_parser("ask", help="answer one request").add_argument("request")
    chosen = parser.parse_args()
    match chosen.command:
        case "serve":
            serve(chosen.tcp, chosen.udp, chosen.http)
        case "drive":
            drive()
        case "ask":
            say(answer(chosen.request, fresh_ports()))
            os._exit(0)  # as in drive


if __name__ == "__main__":
    main()
