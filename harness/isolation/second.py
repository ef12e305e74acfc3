"""A second judge of NetworkPolicy, made of sets, to be compared with the model in ``oracle.py``.

It was written from ``docs/network-policy.md`` alone, and uses nothing of the values but their fields: none of their
methods, and nothing of the model. So an error would have to be made twice to stay unseen.

What a pod's policies allow in one direction is a set of points, and a point is who, which protocol and which port.
Pods, addresses and ports are all integers here, so that such a set is made of boxes. Each pod and direction has two of
them: what is *certainly* allowed, and what is *possibly* allowed, by a block that may or may not match (rule 14). A
verdict is membership. Numbers in brackets are those of the rules.
"""

import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import NamedTuple, TypeAlias

from harness.errors import UsageError
from harness.isolation.policy import NAME_LABEL, Direction, IpBlock, Network, Peer, Policy, Rule
from harness.isolation.verdict import Verdict
from harness.isolation.world import Destination, External, Node, Pod, Service, Source, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Selector

Range: TypeAlias = tuple[int, int]
"""First and last, both included."""

EVERY_PORT: Range = (0, 65535)


class Kind(Enum):
    """What the integers of a party number."""

    POD = auto()  # by its place in the world; one on the host's network is a NODE instead (16)
    NODE = auto()  # by its address
    OUTSIDE = auto()  # by its address
    ANYBODY = auto()  # of whom nothing is known: only a rule without peers allows it (20)


class Party(NamedTuple):
    """One that connects, or is connected to. ``node`` is the name of the node that it is, if it is one."""

    kind: Kind
    number: int
    node: str = ""


class Ports(NamedTuple):
    """Some ports of a protocol."""

    protocol: Protocol
    numbers: Range

    def have(self, protocol: Protocol, port: int) -> bool:
        """Whether a port is one of them."""
        return protocol == self.protocol and self.numbers[0] <= port <= self.numbers[1]


class Box(NamedTuple):
    """Some parties of one kind, each with the same ports."""

    kind: Kind
    parties: Range
    ports: Ports


@dataclass(frozen=True)
class Area:
    """What the policies of a pod allow in one direction: surely, and perhaps."""

    certain: set[Box] = field(default_factory=set)
    possible: set[Box] = field(default_factory=set)

    def verdict(self, party: Party, port: int, protocol: Protocol) -> Verdict:
        """In the certain set: allow. Only in the possible one: undefined. In none: deny."""
        for boxes, verdict in ((self.certain, Verdict.ALLOW), (self.possible, Verdict.UNDEFINED)):
            for kind, (first, last), ports in boxes:
                if kind is party.kind and first <= party.number <= last and ports.have(protocol, port):
                    return verdict
        return Verdict.DENY


def on_the_line(packed: bytes) -> int:
    """An address as a place on one line. Its length stands in front, so that the two families lie apart (14)."""
    return int.from_bytes(bytes([len(packed)]) + packed, "big")


def place(address: str) -> int:
    """A written address as a place on that line. Raises OSError for what is none."""
    return on_the_line(socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address))


EVERY_ADDRESS: Range = (0, on_the_line(bytes([255]) * 16))


def places(network: Network) -> Range:
    """The places of a network's addresses."""
    packed = network.network_address.packed
    first = on_the_line(packed)
    return first, first + (1 << (8 * len(packed) - network.prefixlen)) - 1


def ranges(block: IpBlock) -> list[Range]:
    """The places of a block's addresses, with the exceptions cut out."""
    left = [places(block.cidr)]
    for gap_first, gap_last in map(places, block.excepts):
        pieces = [
            piece
            for first, last in left
            for piece in ((first, min(last, gap_first - 1)), (max(first, gap_last + 1), last))
        ]
        left = [(first, last) for first, last in pieces if first <= last]
    return left


class Labelled:
    """Things by their labels: each is a number, and each label and key has the set of those that carry it."""

    def __init__(self, things: Sequence[Mapping[str, str]]) -> None:
        self._every = frozenset(range(len(things)))
        self._with_key: dict[str, set[int]] = defaultdict(set)
        self._with_label: dict[tuple[str, str], set[int]] = defaultdict(set)
        for number, labels in enumerate(things):
            for key, value in labels.items():
                self._with_key[key].add(number)
                self._with_label[key, value].add(number)

    def carrying(self, labels: Iterable[tuple[str, str]]) -> set[int]:
        """Those that have all of the labels."""
        return set(self._every).intersection(*(self._with_label[label] for label in labels))

    def chosen(self, selector: Selector) -> set[int]:
        """Those that a selector matches: all of its parts (9)."""
        found = self.carrying(selector.labels)
        for requirement in selector.requirements:
            named = set[int]().union(*(self._with_label[requirement.key, value] for value in requirement.values))
            match requirement.operator:
                case Operator.IN:
                    found &= named
                case Operator.NOT_IN:
                    found -= named
                case Operator.EXISTS:
                    found &= self._with_key[requirement.key]
                case Operator.DOES_NOT_EXIST:
                    found -= self._with_key[requirement.key]
        return found


def isolates(policy: Policy, direction: Direction) -> bool:
    """Whether a policy isolates the pods that it selects in a direction (7)."""
    if len(policy.types) > 0:
        return any(written == direction for written in policy.types)
    return direction == Direction.INGRESS or len(policy.egress) > 0


class Second:
    """One world, with what its policies allow as sets, each made when it is first asked for."""

    def __init__(self, world: World) -> None:
        self._pods = world.pods
        self._number = {(pod.namespace, pod.name): number for number, pod in enumerate(world.pods)}
        self._selectable = {number for number, pod in enumerate(world.pods) if not pod.host_network}
        self._by_label = Labelled([pod.labels for pod in world.pods])
        self._namespaces = [namespace.name for namespace in world.namespaces]
        self._namespaces_by_label = Labelled([{**one.labels, NAME_LABEL: one.name} for one in world.namespaces])
        self._members: dict[str, set[int]] = defaultdict(set)
        self._named: dict[tuple[int, str, Protocol], list[int]] = defaultdict(list)
        for number, pod in enumerate(world.pods):
            self._members[pod.namespace].add(number)
            for port in pod.ports:
                self._named[number, port.name, port.protocol].append(port.number)
        self._isolating: dict[tuple[int, Direction], list[Policy]] = defaultdict(list)
        for policy in world.policies:
            # A policy selects its pods as a peer without namespaces does: those of its own (4, 8).
            for number in self._meant(policy.namespace, Peer(pods=policy.pods)):
                for direction in filter(partial(isolates, policy), Direction):
                    self._isolating[number, direction].append(policy)
        self._areas: dict[tuple[int, Direction], Area | None] = {}

    def verdict(self, source: Source, destination: Destination, port: int, protocol: Protocol) -> Verdict:
        """What the rules say of a connection: see ``evaluate``."""
        asking = self._party(source)
        if not isinstance(destination, Service):
            return self._direct(asking, self._party(destination), port, protocol)
        asked = Ports(protocol, (port, port))
        found = {self._led(asking, destination, asked, *backend) for backend in self._backends(destination, asked)}
        if not found or Verdict.UNDEFINED in found:
            return Verdict.UNDEFINED
        return found.pop() if len(found) == 1 else Verdict.MIXED

    def _party(self, one: Pod | Node | External) -> Party:
        """What a thing of the world is to policies: a pod on the host's network is its node (16)."""
        match one:
            case Node():
                return Party(Kind.NODE, place(one.address), one.name)
            case External():
                return Party(Kind.OUTSIDE, place(one.address))
        if (one.namespace, one.name) not in self._number:
            raise UsageError(f"{one.namespace}/{one.name}: the world has no such pod; judge only pods that are in it")
        number = self._number[one.namespace, one.name]
        if number in self._selectable:
            return Party(Kind.POD, number)
        return Party(Kind.NODE, place(self._pods[number].address), self._pods[number].node)

    def _direct(self, asking: Party, asked: Party, port: int, protocol: Protocol) -> Verdict:
        """A connection without a Service between."""
        if asking == asked:
            return Verdict.ALLOW  # its own address (17); a node that asks itself is under no policy
        egress = self._side(Direction.EGRESS, asking, asked, port, protocol)
        return both(egress, self._ingress(asking, asked, port, protocol))

    def _led(self, asking: Party, service: Service, asked: Ports, number: int, target: int) -> Verdict:
        """A connection to a Service that leads it to a port of one pod."""
        backend, protocol = self._party(self._pods[number]), asked.protocol
        if asking.kind is not Kind.POD and not self._is_home(asking, backend):
            unknown = self._ingress(Party(Kind.ANYBODY, 0), backend, target, protocol)
            return unknown if unknown is Verdict.ALLOW else Verdict.UNDEFINED  # the address may be translated (20)
        if asking.kind is Kind.POD and asking == backend:
            return Verdict.UNDEFINED  # the hairpin (17)
        egress = self._side(Direction.EGRESS, asking, backend, target, protocol)
        if egress is Verdict.DENY and self._has_block_of(service, asking, asked, number, target):
            egress = Verdict.UNDEFINED
        return both(egress, self._ingress(asking, backend, target, protocol))

    def _is_home(self, asking: Party, asked: Party) -> bool:
        """Whether one is the node that the other, a pod, runs on."""
        return asking.kind is Kind.NODE and asked.kind is Kind.POD and self._pods[asked.number].node == asking.node

    def _ingress(self, asking: Party, asked: Party, port: int, protocol: Protocol) -> Verdict:
        """What the side that is asked says: a pod lets its own node in, whatever the policies (15)."""
        if self._is_home(asking, asked):
            return Verdict.ALLOW
        return self._side(Direction.INGRESS, asked, asking, port, protocol)

    def _side(self, direction: Direction, own: Party, other: Party, port: int, protocol: Protocol) -> Verdict:
        """What the policies of one side say. Nodes and addresses outside have none."""
        if own.kind is not Kind.POD:
            return Verdict.ALLOW
        if (own.number, direction) not in self._areas:
            self._areas[own.number, direction] = self._area(own.number, direction)
        area = self._areas[own.number, direction]
        return Verdict.ALLOW if area is None else area.verdict(other, port, protocol)

    def _area(self, number: int, direction: Direction) -> Area | None:
        """What all policies of a pod together allow in a direction (3); None where none isolates it (1)."""
        policies = self._isolating.get((number, direction))
        if policies is None:
            return None
        area = Area()
        for policy in policies:
            for rule in policy.ingress if direction is Direction.INGRESS else policy.egress:
                for kind, parties, sure in self._others(policy.namespace, rule):
                    asked = number if direction is Direction.INGRESS else parties[0] if kind is Kind.POD else None
                    boxes = area.certain if sure else area.possible
                    boxes.update(Box(kind, parties, ports) for ports in self._ports(rule, asked))
        return area

    def _others(self, namespace: str, rule: Rule) -> Iterator[tuple[Kind, Range, bool]]:
        """Whom a rule of a policy in a namespace means, and whether it surely does. Pods come one by one."""
        if not rule.peers:
            yield from ((Kind.POD, (number, number), True) for number in self._selectable)
            yield from ((kind, EVERY_ADDRESS, True) for kind in (Kind.NODE, Kind.OUTSIDE))
            yield Kind.ANYBODY, (0, 0), True
        for peer in rule.peers:
            yield from ((Kind.POD, (number, number), True) for number in self._meant(namespace, peer))
            for first, last in ranges(peer.block) if peer.block else ():
                yield Kind.OUTSIDE, (first, last), True
                yield Kind.NODE, (first, last), False
                inside = (number for number in self._selectable if first <= place(self._pods[number].address) <= last)
                yield from ((Kind.POD, (number, number), False) for number in inside)

    def _meant(self, namespace: str, peer: Peer) -> set[int]:
        """The pods that the selectors of a peer mean, in a policy of a namespace (8, 16). Without selectors, none."""
        if peer.pods is None and peer.namespaces is None:
            return set()
        chosen = [] if peer.namespaces is None else self._namespaces_by_label.chosen(peer.namespaces)
        names = {namespace} if peer.namespaces is None else {self._namespaces[number] for number in chosen}
        pods = self._selectable.intersection(set[int]().union(*(self._members[name] for name in names)))
        return pods if peer.pods is None else pods & self._by_label.chosen(peer.pods)

    def _ports(self, rule: Rule, asked: int | None) -> Iterator[Ports]:
        """The ports of a rule on a pod, or (None) on what has no names. A name may be none (12)."""
        if not rule.ports:
            yield from (Ports(protocol, EVERY_PORT) for protocol in Protocol)
        for item in rule.ports:
            match item.port:
                case None:
                    yield Ports(item.protocol, EVERY_PORT)
                case int(first):
                    yield Ports(item.protocol, (first, first if item.end is None else item.end))
                case str(name) if asked in self._selectable:
                    numbers = self._named.get((asked, name, item.protocol), [])
                    yield from (Ports(item.protocol, (number, number)) for number in numbers)

    def _backends(self, service: Service, asked: Ports) -> Iterator[tuple[int, int]]:
        """The pods that a port of a Service leads to, each with its own port (13)."""
        if not service.selector:
            return
        pods = self._by_label.carrying(service.selector.items()) & self._members[service.namespace]
        for port in service.ports:
            if asked.have(port.protocol, port.port):
                for number in (one for one in pods if self._pods[one].ready):
                    named = [] if isinstance(port.target, int) else self._named[number, port.target, port.protocol]
                    targets = [port.target] if isinstance(port.target, int) else named[:1]
                    yield from ((number, target) for target in targets)

    def _has_block_of(self, service: Service, asking: Party, asked: Ports, number: int, target: int) -> bool:
        """Whether egress of a pod may have been judged by the Service's address, before its translation (13)."""
        address = place(service.address)
        for policy in self._isolating[asking.number, Direction.EGRESS]:
            for rule in policy.egress:
                spans = [span for peer in rule.peers if peer.block for span in ranges(peer.block)]
                if any(first <= address <= last for first, last in spans):
                    before = any(ports.have(asked.protocol, asked.numbers[0]) for ports in self._ports(rule, None))
                    if before or any(ports.have(asked.protocol, target) for ports in self._ports(rule, number)):
                        return True
        return False


def both(egress: Verdict, ingress: Verdict) -> Verdict:
    """Of the verdicts of both sides, the one that holds (2)."""
    said = {egress, ingress}
    return next(verdict for verdict in (Verdict.DENY, Verdict.UNDEFINED, Verdict.ALLOW) if verdict in said)


def evaluate(world: World, source: Source, destination: Destination, port: int, protocol: Protocol) -> Verdict:
    """What the rules say of a connection from a source to a port of a destination, both of the world.

    ``port`` is what the source asks for: of a Service, the Service's own. For many cells of one world, make one
    ``Second`` and ask it. Raises UsageError for a pod that the world lacks, OSError for what is no address.
    """
    return Second(world).verdict(source, destination, port, protocol)
