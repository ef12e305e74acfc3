"""Policies in time, measured on a cluster: until one holds and is lifted, and whether what is born or stands escapes.

Measured and told, never judged: Kubernetes names no time in which a policy must hold, and does not say what becomes of
connections that stand (rule 19 of docs/network-policy.md). Only of pods that are born under a policy it says that they
are isolated before they start (its concept page, "Pod lifecycle and network policies"; rule 21).
"""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from harness.errors import ProbeError
from harness.isolation.conformance import SHOWN, Trial
from harness.isolation.lab import Lab
from harness.isolation.matrix import REACHED, Standing
from harness.isolation.objects import pod_object
from harness.isolation.policy import Direction, Policy
from harness.isolation.render import policy_object
from harness.isolation.world import ContainerPort, Namespace, Pod, World
from harness.kube.client import ApiError
from harness.kube.exec import ExecStream
from harness.kube.selectors import Selector
from harness.kube.wait import wait_until
from harness.prober.client import Prober, Target
from harness.prober.pod import CONTAINER

PORT: Final = 8080
SECONDS: Final = 60.0
"""How long a policy may take to hold or to be lifted, and a pod to be born."""
SILENCE: Final = 0.05
"""After which a connection counts as denied: also how exactly a moment is known from which connections come up."""
WATCHED_SECONDS: Final = 2.0
"""How long newborns try, and are tried."""
_ANSWER_SECONDS: Final = 10.0
_ECHO_PORT: Final = 9090
_ROLE: Final = "role"


@dataclass(frozen=True)
class Pair:
    """Two pods in a namespace of a lab: ``client`` may reach ``server``, as long as no policy forbids it."""

    lab: Lab
    client: Pod
    server: Pod

    @classmethod
    def build(cls, lab: Lab) -> "Pair":
        """Make it; the lab removes it. Raises ApiError, WaitTimeout."""
        home = Namespace(f"{lab.name}-time")
        server = Pod(home.name, "server", "", {_ROLE: "server"}, (ContainerPort(PORT),))
        made = lab.build(World((home,), (Pod(home.name, "client", "", {_ROLE: "client"}), server)))
        by_name = {pod.name: pod for pod in made.pods}
        return cls(lab, by_name["client"], by_name["server"])

    @property
    def prober(self) -> Prober:
        """That of the client."""
        return self.lab.probers[self.client.id]

    def deny(self, role: str, *directions: Direction) -> Policy:
        """A policy that denies everything in these directions to the pods of a role."""
        return Policy(self.server.namespace, f"deny-{role}", Selector(((_ROLE, role),)), types=directions)

    def put(self, policy: Policy) -> None:
        """Create a policy."""
        body = policy_object(policy)
        body["metadata"]["labels"] = dict(self.lab.stage.labels)
        self.lab.api.post(self._policies, body)

    def lift(self, policy: Policy) -> None:
        """Delete a policy."""
        self.lab.api.delete(f"{self._policies}/{policy.name}")

    @contextmanager
    def under(self, policy: Policy) -> Iterator[None]:
        """The block with this policy on the cluster; at its end it is deleted, which takes effect in its own time."""
        self.put(policy)
        try:
            yield
        finally:
            self.lift(policy)

    @property
    def _policies(self) -> str:
        return f"/apis/networking.k8s.io/v1/namespaces/{self.server.namespace}/networkpolicies"

    def until_denied(self) -> float:
        """Wait until the client is denied; since when, by the monotonic clock. Raises WaitTimeout, ProbeError."""
        return self._until(f"{self.client.id} to be denied {self.server.id} by a policy that was created", denied=True)

    def until_connected(self) -> float:
        """Wait until the client connects; since when, by the monotonic clock. Raises WaitTimeout, ProbeError."""
        return self._until(f"{self.client.id} to reach {self.server.id}, which no policy forbids", denied=False)

    def _until(self, what: str, *, denied: bool) -> float:
        """The beginning of the first of two rounds in a row that see it: a single one may be a slow moment."""
        target = Target(self.server.address, PORT)
        since: list[float] = []

        def holds() -> bool:
            began = time.monotonic()
            [verdict] = self.prober.probe([target], SILENCE)
            if not verdict.connected and not verdict.denied:
                raise ProbeError(f"{self.client.id} met neither an answer nor a policy: {verdict}")
            if verdict.denied is denied:
                since.append(began)
            else:
                since.clear()
            return len(since) > 1

        wait_until(what, holds, seconds=SECONDS, interval=0.0)
        return since[0]


def summary(seconds: Sequence[float]) -> Mapping[str, float | int]:
    """What times come to: how many, their median, their 99th percentile and the worst, in seconds."""
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[-1]
    figures = {"median": statistics.median(seconds), "p99": p99, "worst": max(seconds)}
    return {"times": len(seconds), **{name: round(value, 3) for name, value in figures.items()}}


# --------------------------------------------------------------------------------------------------------------- flips


@dataclass(frozen=True)
class Flips:
    """Seconds from the request that creates a policy until it holds, and from the one that deletes it until it is not.

    The latter are known to 0.05 s: so long lasts a round that is denied.
    """

    enforced: Sequence[float]
    lifted: Sequence[float]


def flips(pair: Pair, times: int) -> Flips:
    """Create and delete a policy over and over. Raises WaitTimeout where one takes no effect in SECONDS."""
    policy = pair.deny("server", Direction.INGRESS)
    enforced, lifted = [], []
    pair.until_connected()
    for _ in range(times):
        began = time.monotonic()
        pair.put(policy)
        try:
            enforced.append(pair.until_denied() - began)
        finally:
            began = time.monotonic()
            pair.lift(policy)
        lifted.append(pair.until_connected() - began)
    return Flips(enforced, lifted)


# ------------------------------------------------------------------------------------------------------------ newborns

NEWBORN = """\
import errno, json, select, signal, socket, sys, time
address, port, own, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listening = socket.create_server(("", own), family=family, backlog=256)
began, tried, last, pending = time.monotonic(), 0, None, {}
while time.monotonic() - began < seconds or pending:
    now = time.monotonic() - began
    if now < seconds:
        attempt = socket.socket(family)
        attempt.setblocking(False)
        if attempt.connect_ex((address, port)) in (0, errno.EINPROGRESS):
            pending[attempt] = now
        else:
            attempt.close()
        tried += 1
    for attempt in select.select([], list(pending), [], 0.01)[1]:
        if not attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            last = max(last or 0.0, pending[attempt])
        del pending[attempt]
        attempt.close()
    for attempt in [one for one, at in pending.items() if at < now - 0.2]:
        del pending[attempt]
        attempt.close()
    time.sleep(0.005)
print(json.dumps({"tried": tried, "last": last}), flush=True)
signal.pause()
"""
"""Connects from its first moment on, anew every few milliseconds, and says how long that came up, by its own clock."""


@dataclass
class Birth:
    """A pod that was born. Its attempts to connect out are counted in ``tried``, those to connect in in ``asked``.

    ``leaked_out`` and ``leaked_in`` are the seconds from the first attempt to the last one that came through; None
    where none did.
    """

    pod: str
    tried: int = 0
    leaked_out: float | None = None
    asked: int = 0
    leaked_in: float | None = None
    address: str = field(default="", repr=False)
    first_asked: float = field(default=0.0, repr=False)

    @property
    def leaks(self) -> Sequence[float]:
        """Those of both directions."""
        return [seconds for seconds in (self.leaked_out, self.leaked_in) if seconds is not None]


def births(pair: Pair, isolated: int) -> tuple[Birth, Sequence[Birth]]:
    """Have pods born under a policy that denies them everything, and one beside them that it does not select.

    Each tries to reach the server from its very first moment, and the client tries to reach it from the moment that the
    API shows its address. What slips through before is not seen: what is found is a lower bound. The free one comes
    first in the answer: it is the positive control. Raises WaitTimeout.
    """
    with pair.under(pair.deny("newborn", Direction.INGRESS, Direction.EGRESS)):
        pair.lab.marker.wait()  # what is born before the network plugin has seen the policy is not protected by it
        pair.until_connected()
        names = {f"newborn-{number}": "newborn" for number in range(isolated)}
        for name, role in {"free": "free", **names}.items():
            _bear(pair, name, role)
        free, *others = _watched(pair, [Birth("free"), *map(Birth, names)])
    return free, others


def _bear(pair: Pair, name: str, role: str) -> None:
    home, lab = pair.server.namespace, pair.lab
    body = pod_object(Pod(home, name, "", {_ROLE: role}), lab.image, lab.stage.labels)
    [container] = body["spec"]["containers"]
    arguments = [pair.server.address, str(PORT), str(PORT), str(WATCHED_SECONDS)]
    del container["args"]
    container["command"] = ["tini", "--", "python3", "-uc", NEWBORN, *arguments]
    lab.api.post(f"/api/v1/namespaces/{home}/pods", body)


def _watched(pair: Pair, newborns: Sequence[Birth]) -> Sequence[Birth]:
    """Try to reach the newborns until each was tried for long enough, and read what they say themselves."""
    pods = f"/api/v1/namespaces/{pair.server.namespace}/pods"
    by_name = {one.pod: one for one in newborns}

    def over() -> bool:
        if not all(one.address for one in newborns):
            for body in pair.lab.api.items(pods):
                if found := by_name.get(body["metadata"]["name"]):
                    found.address = body.get("status", {}).get("podIP", "")
        _ask(pair.prober, [one for one in newborns if one.address])
        now = time.monotonic()
        return all(one.asked and now - one.first_asked > WATCHED_SECONDS for one in newborns)

    def unborn() -> str:
        return "not yet seen for long enough: " + ", ".join(one.pod for one in newborns if not one.asked)

    wait_until("all newborns to be born and watched", over, seconds=SECONDS, interval=0.0, describe=unborn)
    for one in newborns:
        said = wait_until(
            f"{one.pod} to say what it could connect to",
            lambda path=f"{pods}/{one.pod}/log": pair.lab.api.text(path).strip(),  # type: ignore[misc]
            seconds=SECONDS,
            tolerate=(ApiError,),  # one whose network is there, and whose container is not, has no log
        )
        one.tried, one.leaked_out = json.loads(said)["tried"], json.loads(said)["last"]
    return newborns


def _ask(prober: Prober, newborns: Sequence[Birth]) -> None:
    """One round to all of them. An answer that nobody listens yet came from there, too."""
    began = time.monotonic()
    for one, verdict in zip(
        newborns, prober.probe([Target(one.address, PORT) for one in newborns], SILENCE), strict=True
    ):
        one.first_asked = one.first_asked or began
        one.asked += 1
        if verdict.outcome in REACHED:
            one.leaked_in = began - one.first_asked


def trial_of(newborns: Sequence[Birth], seconds: float) -> Trial:
    """What newborns tell of rule 21, for the conformance report: a cell for each and each direction."""
    wrong = [
        f"{one.pod} still connected {way} {leaked:.3f} s after its first attempt"
        for one in newborns
        for way, leaked in (("out", one.leaked_out), ("in", one.leaked_in))
        if leaked is not None
    ]
    deviates = {str(Standing.DEVIATES): len(wrong), str(Standing.CONFORMS): 2 * len(newborns) - len(wrong)}
    cells = {**dict.fromkeys(map(str, Standing), 0), **deviates}
    return Trial(
        "pods born under a policy that denies everything, from the first attempt on",
        (21,),
        cells,
        seconds,
        tuple(wrong[:SHOWN]),
    )


# ----------------------------------------------------------------------------------------------- connections that stand

ECHO = """\
import socket, sys, threading
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
tcp = socket.create_server((address, port), family=family)
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.bind((address, port))
def streams():
    connection, _ = tcp.accept()
    while received := connection.recv(64):
        connection.sendall(received)
def datagrams():
    while True:
        received, sender = udp.recvfrom(64)
        udp.sendto(received, sender)
for serve in (streams, datagrams):
    threading.Thread(target=serve, daemon=True).start()
print("listening", flush=True)
sys.stdin.read()
"""
KEEPER = """\
import json, socket, sys
to = sys.argv[1], int(sys.argv[2])
tcp = socket.create_connection(to, timeout=2)
udp = socket.socket(tcp.family, socket.SOCK_DGRAM)
udp.connect(to)
udp.settimeout(2)
def echoes(connection, word):
    try:
        connection.send(word)
        return connection.recv(64) == word
    except OSError:
        return False
print("connected", flush=True)
for line in sys.stdin:
    print(json.dumps({"TCP": echoes(tcp, line.encode()), "UDP": echoes(udp, line.encode())}), flush=True)
"""
"""Keeps one connection of each protocol, and says each time that it is given a word whether that comes back."""


def survivors(pair: Pair) -> Mapping[str, bool]:
    """Whether a TCP connection and a flow of datagrams that stand go on once a policy denies new ones.

    Raises ProbeError where they did not work before, WaitTimeout where new ones are not denied.
    """
    where = (pair.server.address, str(_ECHO_PORT))
    pair.until_connected()
    with _program(pair, pair.server, ECHO, *where) as echo:
        _said(echo)
        with _program(pair, pair.client, KEEPER, *where) as keeper:
            _said(keeper)
            before = _echoes(keeper, "before")
            if not all(before.values()):
                raise ProbeError(f"connections between two pods without policies do not echo: {before}")
            with pair.under(pair.deny("server", Direction.INGRESS)):
                pair.until_denied()
                return _echoes(keeper, "after")


def _program(pair: Pair, pod: Pod, python: str, *arguments: str) -> ExecStream:
    command = ("python3", "-uc", python, *arguments)
    return ExecStream(pair.lab.api, pod.namespace, pod.name, command, CONTAINER)


def _echoes(keeper: ExecStream, word: str) -> Mapping[str, bool]:
    keeper.write(f"{word}\n".encode())
    said: dict[str, bool] = json.loads(_said(keeper))
    return said


def _said(program: ExecStream) -> str:
    """The next line of a program. Raises ProbeError where it has ended or says nothing."""
    line, until = b"", time.monotonic() + _ANSWER_SECONDS
    while not line.endswith(b"\n"):
        piece = program.read(until - time.monotonic())
        if not piece:
            raise ProbeError(f"the program in {program.where} says nothing: {program.last_words() or 'it is silent'}")
        line += piece
    return line.decode(errors="replace")
