"""The program in the pod: serves listeners that say which pod they are, and tries connections when asked.

Standard library only, Python 3.8, one file: it is copied into an image, or sent to a container that has Python.

``agent.py serve --tcp 8080 --udp 8080 --sctp 8080 --http 8000 [--shared] [--until-eof]``
    says in one JSON line what it serves (for port 0 one that is free; ``"left_out"`` is what this kernel does not have)
    and listens until it is ended, with ``--until-eof`` until its input ends; with ``--shared`` on ports on which others
    of the same user may listen, too, any of which answers. A TCP or SCTP connection is told ``harness-prober POD`` at
    once, a datagram and a GET of any path are answered with it.
``agent.py drive``
    says hello, then reads one JSON object a line and answers each with one line that carries the same ``id``; ends at
    the end of its input. ``agent.py ask JSON`` answers one request and ends.

Requests, and what answers them beside the ``id`` (seconds throughout):

``{"id": 1, "probe": [["10.0.0.1", 80, "TCP"], …], "deadline": 0.3}``
    ``"verdicts": [[kind, pod, seconds, detail], …]`` in the order of the targets, and the ``"deadline"`` it came to.
    A fourth word ``"dns"`` in a UDP target sends a DNS query, which others than our listeners answer, too.
``{"id": 2, "resolve": "name", "deadline": 5}``
    ``"addresses": […]``, or ``"failed"``: why
anything else
    ``"error"``: why
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
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
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Answer = tuple[str, str, float, str]  # kind, pod, seconds, detail
    Target = tuple[str, int, str, str]  # address or name, port, protocol, what it speaks

GREETING = "harness-prober"
VERSION = 2

# linux/in.h, linux/errqueue.h, linux/tcp.h, asm/socket.h: Python's socket module does not have them.
RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err: errno, origin, type, code, pad, info, data
ORIGIN_ICMP = 2
ORIGIN_ICMP6 = 3
TCP_INFO = struct.Struct("=68xI28xI")  # struct tcp_info: tcpi_rtt in microseconds, tcpi_total_retrans
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
# (origin, type, code) of "administratively prohibited": RFC 1812 5.2.7.1 and RFC 4443 3.1.
PROHIBITED = {(ORIGIN_ICMP, 3, 9), (ORIGIN_ICMP, 3, 10), (ORIGIN_ICMP, 3, 13)} | {
    (ORIGIN_ICMP6, 1, code) for code in (1, 5, 6)
}

KINDS = {
    "TCP": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "UDP": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "SCTP": (socket.SOCK_STREAM, 132),
}
LISTENERS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP", "http": "TCP"}
NOT_IN_THIS_KERNEL = {errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}
KIND_OF_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timed_out",
    errno.EACCES: "rejected",  # a prohibiting route
    errno.EHOSTUNREACH: "no_route",
    errno.ENETUNREACH: "no_route",
}

# A slow allow must not be read as a deny: a round lasts ten times its slowest connect, and never under 50 ms. What
# answers a datagram is a program, that has to get a processor: the others may take three times as long as the slowest.
SHORTEST_ROUND = 0.05
LONGEST_ROUND = 60.0
SLOWEST_TIMES = 10
DATAGRAM_TIMES = 3
NAME_WAIT = 0.25  # for the greeting of a connection that is already made: others than our listeners never send it
GREETING_BYTES = 512
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger
STREAM_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET
DATAGRAM_EVENTS = select.EPOLLIN | select.EPOLLET

# A query that every server answers by itself: most names it would ask another for, which may be out of reach, and then
# it says nothing. So this one is of a version of EDNS that does not exist, to which the answer is BADVERS (RFC 6891,
# 6.1.3), and asks for version.bind in class CHAOS, which is local, too, to those that do not look at the version.
DNS_HEADER = struct.Struct("!HBBHHHH")
DNS_QUESTION = b"\x07version\x04bind\x00\x00\x10\x00\x03" + b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00"
DNS_ANSWERS = 0x80


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


# --- probing


def fresh_ports() -> Iterator[int]:
    """Source ports, none again before all others: a datagram from a used one would pass by an old conntrack entry."""
    first, last = 32768, 60999
    ports = range(first, last + 1)
    start = random.randrange(len(ports))  # noqa: S311 -- spread, not secret
    return itertools.chain(ports[start:], itertools.cycle(ports))


class Attempt:
    """One connection that is being tried. ``payload`` is the datagram that is sent; a stream waits to be greeted."""

    __slots__ = ("began", "connected_after", "index", "payload", "received", "socket")

    def __init__(self, index: int, opened: socket.socket, began: float, payload: bytes) -> None:
        self.index = index
        self.socket = opened
        self.began = began
        self.payload = payload
        self.connected_after: float | None = None
        self.received = b""

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
                if (level, kind) in RECVERR.values():
                    _, origin, type_, code, _, _, _ = EXTENDED_ERROR.unpack_from(data)
                    if origin in {ORIGIN_ICMP, ORIGIN_ICMP6}:
                        return origin, type_, code
        return None

    # When this program notices an event says how busy the machine is. How long it took, the kernel knows.

    def handshake_seconds(self, noticed: float) -> float:
        """How long a TCP connection took to come up; ``noticed`` where the kernel does not say."""
        with contextlib.suppress(OSError, struct.error):
            told = self.socket.getsockopt(socket.SOL_TCP, socket.TCP_INFO, TCP_INFO.size)
            microseconds, repeated = TCP_INFO.unpack(told)
            if microseconds and not repeated:
                return min(noticed, float(microseconds / 1e6))
        return noticed

    def answer_seconds(self, noticed: float, ancillary: list[tuple[int, int, bytes]]) -> float:
        """How long a datagram took to be answered, by when the answer was received."""
        for _, _, data in ancillary:  # a time stamp, and nothing else was asked for
            seconds, nanoseconds = TIMESPEC.unpack(data)
            since = time.time() - float(seconds) - float(nanoseconds) / 1e9
            return min(noticed, max(0.0, noticed - since))
        return noticed


class Round:
    """Tries all targets at once.

    It is over when every target has its verdict, or nothing more can come: ``deadline`` seconds after the last attempt
    was begun, which is lengthened to ten times the slowest connect. Without a single connect there is nothing to
    measure by: then ``usual`` counts, the slowest connect of the round before. The first round of a prober that is
    denied everything has neither. So whoever asks adds a target that certainly answers, and asks again before believing
    a denial that is a surprise.
    """

    def __init__(self, targets: Sequence[Target], deadline: float, ports: Iterator[int], usual: float = 0.0) -> None:
        self.slowest = 0.0
        self.deadline = 0.0
        self._lengthen(max(deadline, SHORTEST_ROUND, SLOWEST_TIMES * usual))
        self._targets = targets
        self._ports = ports
        self._answers: list[Answer | None] = [None] * len(targets)
        self._pending: dict[int, Attempt] = {}
        self._unnamed = 0  # how many of them are connected, and were told no name yet
        self._unnamed_since = 0.0
        self._poll = select.epoll()

    def run(self) -> list[Answer]:
        """The verdicts, in the order of the targets."""
        addresses = self._resolve()
        try:
            for index, (host, port, protocol, speaks) in enumerate(self._targets):
                if self._answers[index] is None:
                    self._start(index, addresses.get(host, host), port, protocol, speaks)
            self._wait(time.monotonic())
        finally:
            for attempt in list(self._pending.values()):
                silent = ("timed_out", "", time.monotonic() - attempt.began, "")
                after = attempt.connected_after
                self._finish(attempt, silent if after is None else ("connected", "", after, "no greeting"))
            self._poll.close()
        return [answer or ("could_not_run", "", 0.0, "no verdict") for answer in self._answers]

    def _resolve(self) -> dict[str, str]:
        """Addresses of the targets that are names; those without get their verdict here."""
        names = {target[0] for target in self._targets if not is_address(target[0])}
        if not names:
            return {}
        found = resolve_all(sorted(names), max(self.deadline, 5.0))
        for index, target in enumerate(self._targets):
            failure = found.get(target[0])
            if isinstance(failure, str):
                self._answers[index] = ("dns_failed", "", 0.0, failure)
        return {name: addresses[0] for name, addresses in found.items() if not isinstance(addresses, str)}

    def _start(self, index: int, address: str, port: int, protocol: str, speaks: str) -> None:
        """Begin one attempt; what fails at once has its verdict."""
        began = time.monotonic()
        try:
            opened = self._open(address, protocol)
        except OSError as error:
            kind = "untested" if error.errno in NOT_IN_THIS_KERNEL else "could_not_run"
            self._answers[index] = (kind, "", 0.0, f"socket: {error}")
            return
        payload = b"" if protocol != "UDP" else dns_query() if speaks == "dns" else b"?"
        attempt = self._pending[opened.fileno()] = Attempt(index, opened, began, payload)
        try:
            number = opened.connect_ex((address, port))
            if payload and not number:
                opened.send(payload)
        except (OverflowError, ValueError, socket.gaierror) as error:
            self._finish(attempt, ("could_not_run", "", 0.0, str(error)))
            return
        except OSError as error:
            number = error.errno or errno.EIO
        if number in (0, errno.EINPROGRESS):
            # Edge-triggered: connected and greeted are two edges of one registration.
            self._poll.register(opened, DATAGRAM_EVENTS if payload else STREAM_EVENTS)
        else:
            self._finish(attempt, attempt.failed(number))

    def _open(self, address: str, protocol: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind, number = KINDS[protocol]
        opened = socket.socket(family, kind | socket.SOCK_NONBLOCK, number)
        opened.setsockopt(*RECVERR[family], 1)
        if protocol != "UDP":
            return opened
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        for port in itertools.islice(self._ports, 1000):
            with contextlib.suppress(OSError):
                opened.bind(("", port))
                return opened
        opened.close()
        raise OSError(errno.EADDRNOTAVAIL, "no free source port")

    def _wait(self, last_start: float) -> None:
        """Collect verdicts until all are in or the round is over."""
        while self._pending:
            end = 0.0
            if len(self._pending) > self._unnamed:
                end = last_start + self.deadline
            if self._unnamed:
                end = max(end, self._unnamed_since + NAME_WAIT)
            left = end - time.monotonic()
            happened = self._poll.poll(max(0.0, left))
            for descriptor, events in happened:
                self._advance(self._pending[descriptor], events)
            # What came while this program was kept waiting for a processor counts: only an empty look is the end.
            if left <= 0 and not happened:
                return

    def _advance(self, attempt: Attempt, events: int) -> None:
        """Something happened to an attempt."""
        after = time.monotonic() - attempt.began
        if events & select.EPOLLERR:
            number = attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._finish(attempt, attempt.failed(number))
                return
        try:
            received, ancillary, _, _ = attempt.socket.recvmsg(GREETING_BYTES, 64)
        except BlockingIOError:
            if not attempt.payload and attempt.connected_after is None:
                self._connected(attempt, after)
            return
        except OSError as error:
            self._finish(attempt, attempt.failed(error.errno or errno.EIO))
            return
        if attempt.payload:
            after = attempt.answer_seconds(after, ancillary)
            self._lengthen(DATAGRAM_TIMES * after)
            self._finish(attempt, ("connected", *answered_by(attempt.payload, received, after)))
            return
        if attempt.connected_after is None:
            self._connected(attempt, after)
        attempt.received += received
        if not received or len(attempt.received) >= GREETING_BYTES or attempt.received.endswith(b"\n"):
            peer = greeted_by(attempt.received)
            self._finish(attempt, ("connected", peer, attempt.connected_after or 0.0, "" if peer else "no greeting"))

    def _connected(self, attempt: Attempt, after: float) -> None:
        """A stream came up: what it took is what others may take."""
        self._unnamed += 1
        self._unnamed_since = attempt.began + after
        if SLOWEST_TIMES * after > SHORTEST_ROUND:  # else it makes no difference
            after = attempt.handshake_seconds(after)
        attempt.connected_after = after
        self.slowest = max(self.slowest, after)
        self._lengthen(SLOWEST_TIMES * self.slowest)

    def _lengthen(self, seconds: float) -> None:
        self.deadline = min(LONGEST_ROUND, max(self.deadline, seconds))

    def _finish(self, attempt: Attempt, answer: Answer) -> None:
        del self._pending[attempt.socket.fileno()]
        if attempt.connected_after is not None:
            self._unnamed -= 1
            # Closed by a reset: thousands of probes a second leave no TIME_WAIT behind.
            attempt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        attempt.socket.close()  # which takes it out of the poll, too
        self._answers[attempt.index] = answer


def dns_query() -> bytes:
    """A query of its own id, which no other answer carries."""
    return DNS_HEADER.pack(random.randrange(1 << 16), 0, 0, 1, 0, 0, 1) + DNS_QUESTION  # noqa: S311 -- not secret


def answered_by(payload: bytes, received: bytes, seconds: float) -> tuple[str, float, str]:
    """Pod, seconds and detail of a datagram that came back. Whatever it holds, it came from where ours went."""
    peer = greeted_by(received)
    if peer or payload == b"?":
        return peer, seconds, "" if peer else "no greeting"
    is_answer = len(received) >= DNS_HEADER.size and received[:2] == payload[:2] and received[2] & DNS_ANSWERS
    return "", seconds, "DNS" if is_answer else "neither a greeting nor a DNS answer"


# --- names, HTTP


@functools.lru_cache(None)  # every round has the same ones again
def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def resolve_all(names: Sequence[str], deadline: float) -> dict[str, list[str] | str]:
    """Addresses of each name, or why there are none."""
    import concurrent.futures  # noqa: PLC0415 -- a quarter of the agent's start, and few rounds have names in them

    pool = concurrent.futures.ThreadPoolExecutor(max_workers=32)
    futures = {name: pool.submit(socket.getaddrinfo, name, None, 0, socket.SOCK_STREAM) for name in names}
    concurrent.futures.wait(futures.values(), timeout=deadline)
    found: dict[str, list[str] | str] = {}
    for name, future in futures.items():
        if not future.done():
            future.cancel()
            found[name] = f"no answer in {deadline:g} s"
            continue
        error = future.exception()
        found[name] = str(error) if error else list(dict.fromkeys(str(entry[4][0]) for entry in future.result()))
    pool.shutdown(wait=False)
    return found


# --- requests


class Agent:
    """Answers requests, one after another. What outlives a round is kept here."""

    def __init__(self) -> None:
        self._ports = fresh_ports()
        self._usual = 0.0

    def answer(self, line: str | bytes) -> dict[str, Any]:
        """The answer to one request line; never raises for what the line holds."""
        request: Any = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise TypeError("a request is a JSON object")  # noqa: TRY301 -- one place makes the answer
            body = self._act(request, float(request.get("deadline", 5.0)))
        except (ValueError, TypeError, KeyError) as error:
            body = {"error": f"bad request: {type(error).__name__}: {error}"}
        return {"id": request.get("id") if isinstance(request, dict) else None, **body}

    def _act(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        if "probe" in request:
            probing = Round([checked(*target) for target in request["probe"]], deadline, self._ports, self._usual)
            verdicts = [(kind, pod, round(seconds, 6), detail) for kind, pod, seconds, detail in probing.run()]
            self._usual = probing.slowest or self._usual
            return {"verdicts": verdicts, "deadline": probing.deadline}
        if "resolve" in request:
            found = resolve_all([str(request["resolve"])], deadline)[str(request["resolve"])]
            return {"failed": found} if isinstance(found, str) else {"addresses": found}
        raise ValueError("neither probe nor resolve")


def checked(host: str, port: int, protocol: str, speaks: str = "") -> Target:
    """A target as it must be; ValueError says what is wrong."""
    if protocol not in KINDS:
        raise ValueError(f"protocol {protocol!r} is none of {', '.join(KINDS)}")
    if speaks and (protocol, speaks) != ("UDP", "dns"):
        raise ValueError(f"{speaks!r} cannot be spoken over {protocol}")
    return str(host), int(port), protocol, speaks


def say(message: dict[str, Any]) -> None:
    """Write one line to whoever started us."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def drive() -> None:
    """Answer requests from standard input until it ends."""
    agent = Agent()
    say({"hello": VERSION, "pod": pod_name()})
    for line in sys.stdin.buffer:
        say(agent.answer(line))
    os._exit(0)  # a name look-up without an answer would hold the process in its thread


# --- serving


class Server:
    """All listeners in one loop: what accepts thousands of connections a second has no time for threads."""

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared  # whether others may listen on the same ports
        self.ports: dict[str, list[int]] = {what: [] for what in LISTENERS}
        self._greeting = greeting()
        self._poll = select.epoll()
        self._on: dict[int, Callable[[], None]] = {}

    def listen(self, what: str, port: int) -> None:
        """Listen on all addresses, of both families where the node has both. Raises OSError."""
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        kind, number = KINDS[LISTENERS[what]]
        listening = socket.socket(family, kind, number)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        if self._shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("", port))
        if kind == socket.SOCK_STREAM:
            listening.listen(4096)
        listening.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
        self.ports[what].append(listening.getsockname()[1])
        act = {"udp": self._echo, "http": self._receive_http}.get(what, self._greet)
        self.register(listening.fileno(), functools.partial(act, listening))

    def run(self) -> None:
        """Answer until the process is ended."""
        while True:
            for descriptor, _ in self._poll.poll():
                self._on[descriptor]()

    def register(self, descriptor: int, act: Callable[[], None]) -> None:
        """Do this whenever there is something to read."""
        self._on[descriptor] = act
        self._poll.register(descriptor, select.EPOLLIN)

    def _accepted(self, listening: socket.socket) -> Iterator[socket.socket]:
        """Who waits at the door; a bounded number, so that the other listeners get their turn."""
        for _ in range(256):
            try:
                connection, _ = listening.accept()
            except OSError:  # nobody waits, or who did is gone
                return
            yield connection

    def _greet(self, listening: socket.socket) -> None:
        for connection in self._accepted(listening):
            with contextlib.suppress(OSError):
                connection.send(self._greeting)
            connection.close()

    def _echo(self, listening: socket.socket) -> None:
        """Greet senders of datagrams, each from the address that it sent to: a host may have several."""
        for _ in range(256):
            try:
                _, ancillary, _, sender = listening.recvmsg(2048, 128)
                # struct in6_pktinfo: an address, and an interface, which routing shall choose anew.
                back = [(level, kind, data[:16] + bytes(4)) for level, kind, data in ancillary]
                listening.sendmsg([self._greeting], back, 0, sender)
            except BlockingIOError:
                return
            except OSError:  # what an earlier answer met, such as a sender that is gone
                continue

    def _receive_http(self, listening: socket.socket) -> None:
        for connection in self._accepted(listening):
            connection.setblocking(False)  # noqa: FBT003 -- the same
            self.register(connection.fileno(), functools.partial(self._answer_http, connection, bytearray()))

    def _answer_http(self, connection: socket.socket, head: bytearray) -> None:
        """Read on until the head of a request is complete, answer it, and close."""
        with contextlib.suppress(OSError):
            received = connection.recv(65536)
            head += received
            if received and b"\r\n\r\n" not in head and len(head) < 65536:  # noqa: PLR2004 -- as http.server bounds it
                return
            status = "200 OK" if head.startswith(b"GET ") else "501 Not Implemented"
            about = f"Content-Type: text/plain\r\nContent-Length: {len(self._greeting)}\r\nConnection: close"
            connection.send(f"HTTP/1.1 {status}\r\n{about}\r\n\r\n".encode() + self._greeting)
        del self._on[connection.fileno()]
        connection.close()


def serve(ports: dict[str, list[int]], *, shared: bool, until_eof: bool) -> None:
    """Listen on all ports, say so, and answer."""
    server = Server(shared=shared)
    left_out = {}
    for what, wanted in ports.items():
        for port in wanted:
            try:
                server.listen(what, port)
            except OSError as error:
                if error.errno not in NOT_IN_THIS_KERNEL:
                    sys.exit(f"cannot listen on {what} port {port}: {error}")
                left_out[what] = str(error)
    if until_eof:
        server.register(0, lambda: None if os.read(0, 4096) else os._exit(0))
    say({"serving": pod_name(), **server.ports, **({"left_out": left_out} if left_out else {})})
    server.run()


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description="Probes connections from a pod, and answers probes.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="listen, and say which pod this is")
    for what in LISTENERS:
        serving.add_argument(f"--{what}", type=int, action="append", default=[], metavar="PORT")
    serving.add_argument("--shared", action="store_true", help="leave room on the ports for others that do so, too")
    serving.add_argument("--until-eof", action="store_true", help="end with the standard input")
    commands.add_parser("drive", help="answer requests, one JSON object a line")
    commands.add_parser("ask", help="answer one request").add_argument("request")
    chosen = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # as many sockets at once as this process may have
    if chosen.command == "serve":
        ports = {what: vars(chosen)[what] for what in LISTENERS}
        serve(ports, shared=chosen.shared, until_eof=chosen.until_eof)
    elif chosen.command == "drive":
        drive()
    else:
        say(Agent().answer(chosen.request))
        os._exit(0)  # as in drive


if __name__ == "__main__":
    main()
