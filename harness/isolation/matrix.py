"""Cells of a matrix: who was asked to reach whom, what was seen, and whether that is what the oracle says. Pure.

Silence alone is no proof of a policy: the destination may be dead, or the source cut off. So each silence is believed
only with two positive controls of the same round: the destination answers its node (or itself), and the source reaches
something that it may. A Service must also answer by its own address, or its silence is that of whoever leads there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.isolation.foreign import undecided
from harness.isolation.oracle import Oracle
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import Destination, External, Node, Pod, Service, Source, World
from harness.kube.protocol import Protocol
from harness.prober.client import Outcome
from harness.prober.client import Verdict as Probed


@dataclass(frozen=True)
class Cell:
    """One connection that can be asked for. ``port`` is the destination's own: a Service's, where it is one."""

    source: Source
    destination: Destination
    port: int
    protocol: Protocol = Protocol.TCP

    def __hash__(self) -> int:  # of the ids alone: thousands of cells are looked up in each round
        return hash((self.source.id, self.destination.id, self.port, self.protocol))

    def __str__(self) -> str:
        return f"{self.source.id} -> {self.destination.id} {self.protocol} {self.port}"


class State(StrEnum):
    """What a cell was seen to be."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"  # it could not be run, or a control failed
    UNTESTED = "untested"  # there is no means to tell here


class Standing(StrEnum):
    """How what was seen stands to what was expected."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    UNKNOWN = "unknown"
    UNTESTED = "untested"
    UNDEFINED = "undefined"  # Kubernetes does not say what it must be


@dataclass(frozen=True)
class Seen:
    """What was seen of a cell, and why it is taken for that.

    ``seconds`` is how long the probe took, ``pod`` the name of the pod that answered, where it was our prober.
    """

    state: State
    why: str
    seconds: float = 0.0
    pod: str = ""


@dataclass(frozen=True)
class Compared:
    """A cell, what is expected of it, and what was seen."""

    cell: Cell
    expected: Decision
    seen: Seen

    @property
    def standing(self) -> Standing:
        """Whether it conforms. A Service whose backends differ may be seen either way, but must be seen."""
        if self.seen.state is State.UNTESTED:
            return Standing.UNTESTED
        if self.expected.verdict is Verdict.UNDEFINED:
            return Standing.UNDEFINED
        if self.seen.state is State.UNKNOWN:
            return Standing.UNKNOWN
        if self.expected.verdict is Verdict.MIXED:
            return Standing.UNDEFINED
        allowed = self.expected.verdict is Verdict.ALLOW
        return Standing.CONFORMS if (self.seen.state is State.ALLOWED) is allowed else Standing.DEVIATES

    def __str__(self) -> str:
        return f"{self.cell}: expected {self.expected}; seen: {self.seen.state}, {self.seen.why}"


def compare(oracle: Oracle, seen: Mapping[Cell, Seen]) -> list[Compared]:
    """Each cell that was seen beside what the oracle says of it, or of the backend that answered where they differ.

    Where a policy that the oracle does not know may decide, nothing is expected.
    """
    return [Compared(cell, _expected(oracle, cell, one), one) for cell, one in seen.items()]


def _expected(oracle: Oracle, cell: Cell, seen: Seen) -> Decision:
    unknown = undecided(oracle.world, cell.source, cell.destination, cell.port)
    if unknown:
        return unknown
    decision = oracle.verdict(cell.source, cell.destination, cell.port, cell.protocol)
    if decision.verdict is Verdict.MIXED and seen.pod:
        for backend, port in answering(oracle.world, cell):
            if isinstance(backend, Pod) and backend.name == seen.pod:
                return oracle.verdict(cell.source, backend, port, cell.protocol)
    return decision


def count(compared: Iterable[Compared]) -> dict[Standing, int]:
    """How many cells stand how; every standing is a key."""
    counts = dict.fromkeys(Standing, 0)
    for one in compared:
        counts[one.standing] += 1
    return counts


def cells_of(
    sources: Iterable[Source],
    destinations: Iterable[Destination],
    ports: Sequence[int],
    protocols: Sequence[Protocol],
) -> Iterator[Cell]:
    """Every source to every destination: on ``ports``, of a Service on its own ports.

    Left out is what no policy lies between (nodes and addresses outside among themselves).
    """
    for destination in destinations:
        if isinstance(destination, Service):
            places = [(port.port, port.protocol) for port in destination.ports if port.protocol in protocols]
        else:
            places = [(port, protocol) for protocol in protocols for port in ports]
        for source in sources:
            if _is_policed(source) or _is_policed(destination):
                yield from (Cell(source, destination, port, protocol) for port, protocol in places)


def _is_policed(entity: Source | Destination) -> bool:
    return isinstance(entity, Service) or (isinstance(entity, Pod) and not entity.host_network)


# ------------------------------------------------------------------------------------------------------------ controls


@dataclass(frozen=True)
class Control:
    """A connection that policies cannot forbid: it shows that ``asker`` runs and ``destination`` answers on a port."""

    asker: Source
    destination: Destination
    port: int
    protocol: Protocol

    def __hash__(self) -> int:  # as of a cell
        return hash((self.asker.id, self.destination.id, self.port, self.protocol))


def controls_of(world: World, cell: Cell, probed: Mapping[str, Source]) -> list[Control | None]:
    """The controls that a cell needs; None in place of one that nobody can ask. ``probed``: who has a prober, by id.

    A destination is asked by its node, whose own traffic no policy stops, or where that has no prober by itself: what a
    pod says to itself never leaves it, and shows less. A Service with backends is asked by the node of one, too:
    without whoever leads there it answers nobody.
    """
    behind = list(answering(world, cell))
    askers: list[tuple[Source | None, Destination, int]] = [
        (asker_for(destination, probed), destination, port) for destination, port in behind
    ]
    if isinstance(cell.destination, Service) and behind:
        homes = (_node_of(destination, probed) for destination, _ in behind)
        askers.append((next(filter(None, homes), None), cell.destination, cell.port))
    return [Control(asker, place, port, cell.protocol) if asker else None for asker, place, port in askers]


def answering(world: World, asked: Cell | Control) -> Iterator[tuple[Pod | Node | External, int]]:
    """Who would answer, and on which port: the destination itself, or each backend of a Service."""
    if not isinstance(asked.destination, Service):
        yield asked.destination, asked.port
        return
    for port in asked.destination.ports:
        if (port.port, port.protocol) == (asked.port, asked.protocol):
            yield from world.backends(asked.destination, port)


def asker_for(destination: Pod | Node | External, probed: Mapping[str, Source]) -> Source | None:
    """Who can ask a destination past every policy; None where nobody can."""
    return _node_of(destination, probed) or probed.get(destination.id)


def _node_of(destination: Pod | Node | External, probed: Mapping[str, Source]) -> Node | None:
    nodes = (one for one in probed.values() if isinstance(one, Node))
    return next((node for node in nodes if isinstance(destination, Pod) and node.name == destination.node), None)


REACHED = frozenset({Outcome.CONNECTED, Outcome.REFUSED, Outcome.RESET})
"""What only comes from where the packets arrived."""


def classify(
    cell: Cell,
    probe: Probed,
    controls: Sequence[Probed | None],
    *,
    names: Collection[str],
    source_lives: bool,
    greets: bool,
) -> Seen:
    """What a probe shows of a cell.

    ``controls`` are those of everyone who would answer it (None: it cannot be asked; empty: nobody would answer), and
    ``names`` the pods among them; ``source_lives`` is whether the source reached anything in the round; ``greets``
    whether a listener of ours answers: a foreign one that is not spoken to in its own language may well take a datagram
    without a word.
    """
    told = f"{probe.outcome}" + (f" ({probe.detail})" if probe.detail else "")
    state, why = _classified(probe, controls, names)
    mute = cell.protocol is Protocol.UDP and not greets and not probe.target.speaks
    if state is State.DENIED and not source_lives:
        state, why = State.UNKNOWN, "but the source reached nothing at all, not even itself"
    elif state is State.UNKNOWN and probe.denied and mute and source_lives:
        state, why = State.UNTESTED, "and a datagram to a foreign listener proves nothing"
    return Seen(state, f"{told}{', ' if why else ''}{why}", probe.seconds, probe.pod)


def _classified(probe: Probed, controls: Sequence[Probed | None], names: Collection[str]) -> tuple[State, str]:
    if probe.outcome is Outcome.UNTESTED:
        return State.UNTESTED, ""
    if probe.outcome in REACHED:
        return _reached(probe, controls, names)
    return _silent(controls) if probe.denied else (State.UNKNOWN, "")


def _reached(probe: Probed, controls: Sequence[Probed | None], names: Collection[str]) -> tuple[State, str]:
    if not probe.connected:
        if any(control and control.connected for control in controls):
            return State.UNKNOWN, "though the destination answers its control"
        return State.ALLOWED, "it was reached, and nobody listens"
    if probe.pod and names and probe.pod not in names:
        return State.UNKNOWN, f"but by pod {probe.pod} in its place"
    return State.ALLOWED, f"by {probe.pod}" if probe.pod else ""


def _silent(controls: Sequence[Probed | None]) -> tuple[State, str]:
    for control in controls:
        if control and control.outcome not in REACHED:
            where = f"{control.target.address}:{control.target.port}"
            return State.UNKNOWN, f"but its control fails, too: {where} {control.outcome} {control.detail}".rstrip()
    if not controls or None in controls:
        return State.UNKNOWN, "and nothing can ask the destination whether it lives"
    return State.DENIED, ""
