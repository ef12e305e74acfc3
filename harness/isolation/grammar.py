"""Policies drawn from all of ``NetworkPolicySpec``, and aimed at what a world has, so that they match something.

Every policy is one that the API server takes (``ValidateNetworkPolicySpec`` of Kubernetes 1.36): ``endPort`` only with
a number and not below it, an ``ipBlock`` alone in its peer, no peer empty, each ``except`` a strict part of its block.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from harness.isolation.draw import Draw
from harness.isolation.policy import Direction, IpBlock, Network, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

POD_LABELS: Mapping[str, tuple[str, ...]] = {
    "app": ("web", "db"),
    "tier": ("front", "back", ""),
    "team": ("red", "blue"),
}
"""What pods are labelled with: few, so that selectors match; with an empty value, which is not the same as no label."""

NAMESPACE_LABELS: Mapping[str, tuple[str, ...]] = {"team": ("red", "blue"), "env": ("prod", "test")}
"""What namespaces are labelled with. ``team`` is a pods' key, too: the two must not be taken for each other."""

NOBODYS = {"zone": ("north", "south")}
"""A key that nothing has: ``NotIn`` and ``DoesNotExist`` match it."""

UNKNOWN_PORT = "unheard-of"
"""A port name that no pod declares."""

_TYPES = ((), (Direction.INGRESS,), (Direction.EGRESS,), (Direction.INGRESS, Direction.EGRESS))
_PROTOCOLS = (Protocol.TCP, Protocol.TCP, Protocol.TCP, Protocol.UDP, Protocol.UDP, Protocol.SCTP)
_PREFIXES = {4: (32, 32, 24, 24, 16, 8, 0), 6: (128, 128, 64, 48, 32, 0)}
_EXCEPT_PREFIXES = {4: (32, 31, 28, 25, 24, 16, 1), 6: (128, 127, 64, 48, 1)}
_OTHER_FAMILY = {4: ip_network("::/0"), 6: ip_network("0.0.0.0/0")}
_LAST_PORT = 65535
_Terms: TypeAlias = Sequence[tuple[str, Sequence[str]]]
_TRIES = 3  # to find a term that is true of the target: more would leave too few selectors that match nothing


class Grammar:
    """Draws policies for the pods, Services, nodes and outside addresses of one world."""

    def __init__(self, draw: Draw, world: World) -> None:
        self._draw = draw
        self._pods = world.pods
        self._by_namespace = {
            one.name: [pod for pod in world.pods if pod.namespace == one.name] for one in world.namespaces
        }
        self._labels = {one.name: one.all_labels for one in world.namespaces}
        self._pod_terms = _terms({**_values(pod.labels for pod in world.pods), **POD_LABELS})
        self._namespace_terms = _terms({**_values(self._labels.values()), **NAMESPACE_LABELS})
        declared = [port for pod in world.pods for port in pod.ports]
        listening = sorted({port.number for port in declared}) or [80]
        others = {port.port for service in world.services for port in service.ports} | {1, _LAST_PORT}
        others.update(number + step for number in listening for step in (-1, 1))
        # What pods listen on comes most: a policy for any other port allows nothing that is ever asked.
        self._numbers = listening * 4 + sorted(
            number for number in others - set(listening) if 1 <= number <= _LAST_PORT
        )
        self._names = [*sorted({port.name for port in declared if port.name}), UNKNOWN_PORT]
        outside = [one.address for one in world.externals]
        inside = [*(pod.address for pod in world.pods), *(node.address for node in world.nodes)]
        services = [one.address for one in world.services]
        self._places = [place for place in (outside, outside, services, inside) if place]
        self._addresses = [*outside, *services, *inside]

    def policy(self, namespace: str, name: str) -> Policy:
        """A policy of that namespace and name."""
        draw = self._draw
        types = draw.choice(_TYPES)
        pods = Selector()
        if draw.chance(3, 5):
            target = self._by_namespace[namespace]
            pods = self._selector(self._pod_terms, draw.choice(target).labels if target else {})
        meaningless = {one for one in Direction if types and one not in types and not draw.chance(1, 4)}
        ingress = () if Direction.INGRESS in meaningless else self._rules(namespace)
        egress = () if Direction.EGRESS in meaningless else self._rules(namespace)
        return Policy(namespace, name, pods, ingress, egress, types)

    def _rules(self, namespace: str) -> tuple[Rule, ...]:
        """No rule, the rule that allows everything, or some."""
        count = self._draw.choice((0, 0, 1, 1, 1, 1, 2, 2, 2, 3))
        if count == 1 and self._draw.chance(1, 8):
            return (Rule(),)
        return tuple(self._rule(namespace) for _ in range(count))

    def _rule(self, namespace: str) -> Rule:
        peers = self._draw.choice((0, 1, 1, 1, 1, 2, 2, 3))
        ports = self._draw.choice((0, 0, 1, 1, 2, 3))
        return Rule(
            tuple(self._peer(namespace) for _ in range(peers)),
            tuple(self._port() for _ in range(ports)),
        )

    def _peer(self, namespace: str) -> Peer:
        kind = self._draw.choice(("pods", "pods", "namespaces", "namespaces", "both", "both", "block"))
        if kind == "block" and self._places:
            return Peer(block=self._block())
        near = self._by_namespace[namespace] if kind == "pods" else self._pods
        target = self._draw.choice(near) if near else None
        pods = namespaces = None
        if kind != "namespaces":
            pods = self._selector_or_all(self._pod_terms, target.labels if target else {})
        if kind in ("namespaces", "both"):
            labels = self._labels[target.namespace if target else namespace]
            namespaces = self._selector_or_all(self._namespace_terms, labels)
        return Peer(pods, namespaces)

    def _selector_or_all(self, terms: _Terms, target: Mapping[str, str]) -> Selector:
        return self._selector(terms, target) if self._draw.chance(3, 4) else Selector()

    def _selector(self, terms: _Terms, target: Mapping[str, str]) -> Selector:
        """One to three terms, most of them true of the target's labels."""
        labels: dict[str, str] = {}
        requirements = []
        for _ in range(self._draw.choice((1, 1, 1, 2, 2, 3))):
            term = self._term(terms)
            for _ in range(_TRIES - 1):
                if not term.matches(target):
                    term = self._term(terms)
            if term.operator is Operator.IN and len(term.values) == 1 and self._draw.chance(4, 5):
                labels[term.key] = term.values[0]
            else:
                requirements.append(term)
        return Selector(tuple(labels.items()), tuple(requirements))

    def _term(self, terms: _Terms) -> Requirement:
        key, values = self._draw.choice(terms)
        kind = self._draw.choice((*Operator, Operator.IN, Operator.IN))
        if kind in (Operator.EXISTS, Operator.DOES_NOT_EXIST):
            return Requirement(key, kind)
        count = self._draw.choice((1, 1, 2, 3))
        return Requirement(key, kind, tuple(self._draw.subset(values, min(count, len(values)), count)))

    def _block(self) -> IpBlock:
        """A network around an address of the world, or its neighbour, less up to two parts of it."""
        draw = self._draw
        address = draw.choice(draw.choice(self._places))
        family = ip_address(address).version
        if draw.chance(1, 16):
            return IpBlock(_OTHER_FAMILY[family])
        cidr = network(address, draw.choice(_PREFIXES[family]))
        if cidr.prefixlen and draw.chance(1, 8):
            cidr = neighbour(cidr)
        inside = [one for one in self._addresses if ip_address(one) in cidr]
        prefixes = [one for one in _EXCEPT_PREFIXES[family] if one > cidr.prefixlen]
        count = draw.choice((0, 1, 1, 2)) if inside and prefixes else 0
        excepts = [network(draw.choice(inside), draw.choice(prefixes)) for _ in range(count)]
        return IpBlock(cidr, tuple(dict.fromkeys(excepts)))

    def _port(self) -> Port:
        draw = self._draw
        protocol = draw.choice(_PROTOCOLS)
        match draw.choice(("any", "number", "number", "range", "name", "name")):
            case "number":
                return Port(protocol, draw.choice(self._numbers))
            case "range":
                low, high = sorted((draw.choice(self._numbers), draw.choice(self._numbers)))
                return Port(protocol, low, high)
            case "name":
                return Port(protocol, draw.choice(self._names))
            case _:
                return Port(protocol)


def _values(things: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """The labels that some things have: each key with its values, in order."""
    found: dict[str, dict[str, None]] = {}
    for labels in things:
        for key, value in labels.items():
            found.setdefault(key, {})[value] = None
    return {key: list(values) for key, values in found.items()}


def _terms(vocabulary: Mapping[str, Sequence[str]]) -> _Terms:
    """Keys with their values: each key that something may have three times, the one that nothing has once."""
    return [*(list(vocabulary.items()) * 3), *NOBODYS.items()]


@lru_cache(maxsize=4096)
def network(address: str, prefix: int) -> Network:
    """The network of that many bits around an address."""
    return ip_network(f"{address}/{prefix}", strict=False)


@lru_cache(maxsize=1024)
def neighbour(block: Network) -> Network:
    """The other half of the network that is one bit larger: it ends just before a block, or begins just after it."""
    first, second = block.supernet().subnets()
    return second if block == first else first
