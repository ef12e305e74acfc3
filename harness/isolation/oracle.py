"""The oracle: what NetworkPolicy says of one connection, and why. The rules are those of docs/network-policy.md.

For each source, destination and protocol the verdict is constant between a few ports; these stretches are worked out
at the first question and looked up afterwards.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from harness.isolation.policy import Direction, Peer, Policy, Port, Rule
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import Destination, External, Node, Pod, Service, ServicePort, Source, World
from harness.kube.protocol import Protocol
from harness.reason import Reason

LAST_PORT = 65535
EVERY_PORT = (1, LAST_PORT)

_Stretches: TypeAlias = tuple[list[int], list[Decision]]

_NO_POLICY = Decision(
    Verdict.ALLOW, (Reason("no policy lies between nodes, addresses outside, and pods on the host's network"),)
)
_OWN_ADDRESS = Decision(Verdict.ALLOW, (Reason("a pod always reaches its own address (kubernetes 95879)"),))
_HAIRPIN = Decision(
    Verdict.UNDEFINED,
    (Reason("the Service leads back to the pod that asks: undefined (kubernetes 95879, network-policy-api 343)"),),
)


@dataclass(frozen=True)
class _Grant:
    """Ports ``low`` to ``high`` that a rule allows; not ``certain`` where only a block with a pod's address does."""

    low: int
    high: int
    certain: bool
    reason: Reason


@dataclass(frozen=True)
class _Side:
    """What the policies of one direction of one pod say of one peer: nothing (not isolated), or some grants."""

    what: str
    policies: Sequence[Policy]
    grants: Sequence[_Grant] = ()

    @property
    def bounds(self) -> Iterator[int]:
        """The first port of each stretch in which it says the same."""
        for grant in self.grants:
            yield grant.low
            yield grant.high + 1

    def at(self, port: int) -> Decision:
        """What it says of a port."""
        if not self.policies:
            return self._open
        here = [grant for grant in self.grants if grant.low <= port <= grant.high]
        for verdict, certain in ((Verdict.ALLOW, True), (Verdict.UNDEFINED, False)):
            if reasons := tuple(grant.reason for grant in here if grant.certain is certain):
                return Decision(verdict, reasons)
        return self._closed

    @cached_property
    def _open(self) -> Decision:
        return Decision(Verdict.ALLOW, (Reason(f"{self.what} is not isolated: no policy selects the pod"),))

    @cached_property
    def _closed(self) -> Decision:
        isolating = tuple(
            Reason(f"{self.what} is isolated by policy {policy.namespace}/{policy.name}", policy.at)
            for policy in self.policies
        )
        others = (Reason(f"{grant.reason.text}, but only on {_ports(grant)}", grant.reason.at) for grant in self.grants)
        return Decision(
            Verdict.DENY, (*isolating, *(others if self.grants else (Reason("no rule allows the peer on any port"),)))
        )


def _ports(grant: _Grant) -> str:
    return f"port {grant.low}" if grant.low == grant.high else f"ports {grant.low} to {grant.high}"


class Oracle:
    """Judges the connections of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._namespaces = {namespace.name: namespace.all_labels for namespace in world.namespaces}
        self._known: dict[tuple[str, str, Protocol], _Stretches] = {}
        self._selecting: dict[tuple[str, Direction], list[Policy]] = {}

    def verdict(self, source: Source, destination: Destination, port: int, protocol: Protocol) -> Decision:
        """What Kubernetes says of a new connection, with its reasons.

        The entities are those of the world; ``port`` is 1 to 65535, of the destination itself (a Service's own port).
        """
        key = (source.id, destination.id, protocol)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._judge(_as_node(source), destination, protocol)
        starts, decisions = known
        return decisions[bisect_right(starts, port) - 1]

    def _judge(self, source: Source, destination: Destination, protocol: Protocol) -> _Stretches:
        if isinstance(destination, Service):
            return self._judge_service(source, destination, protocol)
        decided = _decided(source, destination)
        if decided:
            return [1], [decided]
        sides = self._sides(source, _as_node(destination), protocol)
        starts = sorted({1, *(bound for side in sides for bound in side.bounds if bound <= LAST_PORT)})
        return starts, [_both([side.at(start) for side in sides]) for start in starts]

    def _sides(self, source: Source, destination: Source, protocol: Protocol) -> list[_Side]:
        """The egress of the source and the ingress of the destination, as far as they are pods with policies."""
        sides = []
        if isinstance(source, Pod):
            sides.append(self._side(source, Direction.EGRESS, destination, protocol, destination))
        if isinstance(destination, Pod):
            sides.append(self._side(destination, Direction.INGRESS, source, protocol, destination))
        return sides

    def _side(self, pod: Pod, direction: Direction, peer: Source, protocol: Protocol, destination: Source) -> _Side:
        policies = self._policies(pod, direction)
        grants: list[_Grant] = []
        for policy in policies:
            for rule in policy.rules(direction) or ():
                matches = self._matches(rule, policy, peer)
                if matches is not None:
                    certain, said = matches
                    reason = Reason(
                        f"policy {policy.namespace}/{policy.name} allows {direction.lower()} {said}", rule.at
                    )
                    grants += [
                        _Grant(*bounds, certain, reason) for bounds in _allowed_ports(rule, protocol, destination)
                    ]
        return _Side(f"{direction.lower()} of {pod.id}", policies, grants)

    def _policies(self, pod: Pod, direction: Direction) -> list[Policy]:
        """The policies that isolate a pod in a direction."""
        key = (pod.id, direction)
        if key not in self._selecting:
            self._selecting[key] = [
                policy
                for policy in self.world.policies
                if policy.namespace == pod.namespace
                and direction in policy.isolates
                and policy.pods.matches(pod.labels)
            ]
        return self._selecting[key]

    def _matches(self, rule: Rule, policy: Policy, peer: Source) -> tuple[bool, str] | None:
        """Whether a rule means a peer: (for certain, in words), or None."""
        if not rule.peers:
            return True, "with any peer"
        preposition = "with " + peer.id
        matched = [self._peer_matches(one, policy, peer) for one in rule.peers]
        if True in matched:
            return True, preposition
        return (False, f"{preposition} by a block with its address (undefined)") if None in matched else None

    def _peer_matches(self, peer: Peer, policy: Policy, entity: Source) -> bool | None:
        """Whether a peer of a rule means an entity; None where that is not said: a block with the address of a pod."""
        if peer.block is not None:
            if not peer.block.contains(entity.address):
                return False
            return True if isinstance(entity, External) else None
        if not isinstance(entity, Pod):
            return False
        if peer.namespaces is None:
            if entity.namespace != policy.namespace:
                return False
        elif not peer.namespaces.matches(self._namespaces[entity.namespace]):
            return False
        return peer.pods is None or peer.pods.matches(entity.labels)

    def _judge_service(self, source: Source, service: Service, protocol: Protocol) -> _Stretches:
        """Only the ports that a Service has lead anywhere."""
        nowhere = Decision(Verdict.UNDEFINED, (Reason(f"{service.id} has no such {protocol} port"),))
        starts, decisions = [1], [nowhere]
        for port in sorted((one for one in service.ports if one.protocol is protocol), key=lambda one: one.port):
            here = self._judge_service_port(source, service, port)
            if starts[-1] == port.port:  # the port after another one, or the first of all
                decisions[-1] = here
            else:
                starts.append(port.port)
                decisions.append(here)
            starts.append(port.port + 1)
            decisions.append(nowhere)
        return starts, decisions

    def _judge_service_port(self, source: Source, service: Service, port: ServicePort) -> Decision:
        """A connection to a Service is one to a backend: its pod, and its own port."""
        decisions = [
            self._judge_backend(source, service, port, pod, target)
            for pod, target in self.world.backends(service, port)
        ]
        reasons = tuple(reason for decision in decisions for reason in decision.reasons)
        if not decisions:
            return Decision(Verdict.UNDEFINED, (Reason(f"{service.id} has no backend on port {port.port}"),))
        verdicts = {decision.verdict for decision in decisions}
        if len(verdicts) == 1:
            return Decision(decisions[0].verdict, reasons)
        return Decision(Verdict.UNDEFINED if Verdict.UNDEFINED in verdicts else Verdict.MIXED, reasons)

    def _judge_backend(
        self, source: Source, service: Service, port: ServicePort, backend: Pod, target: int
    ) -> Decision:
        if source == backend:
            return _HAIRPIN
        destination = _as_node(backend)
        decided = _decided(source, destination)
        if decided:
            return decided
        sides = self._sides(source, destination, port.protocol)
        said = [side.at(target) for side in sides]
        if isinstance(source, Pod):
            if said[0].verdict is Verdict.DENY:
                said[0] = self._by_service_address(source, service, port, destination, target) or said[0]
            return _both(said)
        [ingress] = sides
        if not ingress.policies:
            return said[0]
        for policy in ingress.policies:
            for rule in policy.rules(Direction.INGRESS) or ():
                if not rule.peers and _allows(rule, port.protocol, target, backend):
                    return Decision(
                        Verdict.ALLOW,
                        (Reason(f"policy {policy.namespace}/{policy.name} allows ingress with any peer", rule.at),),
                    )
        translated = "its address may be translated before the policy sees it: undefined"
        return Decision(Verdict.UNDEFINED, (Reason(f"{source.id} asks {service.id}: {translated}"),))

    def _by_service_address(
        self, source: Pod, service: Service, port: ServicePort, backend: Source, target: int
    ) -> Decision | None:
        """Undefined where a block has the Service's own address: it may be seen before or after its translation."""
        for policy in self._policies(source, Direction.EGRESS):
            for rule in policy.rules(Direction.EGRESS) or ():
                blocks = (peer for peer in rule.peers if peer.block and peer.block.contains(service.address))
                on_port = _allows(rule, port.protocol, port.port, None) or _allows(rule, port.protocol, target, backend)
                if on_port and next(blocks, None):
                    said = "allows egress by a block with the Service's own address (network-policy-api 203)"
                    reason = Reason(f"policy {policy.namespace}/{policy.name} {said}", rule.at)
                    return Decision(Verdict.UNDEFINED, (reason,))
        return None


def _as_node(entity: Destination) -> Source:
    """A pod on the host's network is its node, by its own address."""
    if isinstance(entity, Pod) and entity.host_network:
        return Node(entity.node, entity.address)
    assert not isinstance(entity, Service)  # noqa: S101 -- a Service is never asked for its node
    return entity


def _decided(source: Source, destination: Destination) -> Decision | None:
    """The verdict where policies have no say."""
    destination = _as_node(destination)
    if not isinstance(destination, Pod):
        return None if isinstance(source, Pod) else _NO_POLICY
    if isinstance(source, Node) and source.name == destination.node:
        reason = Reason(f"{destination.id} runs on {source.id}, whose own traffic always reaches it (kube-router 87)")
        return Decision(Verdict.ALLOW, (reason,))
    return _OWN_ADDRESS if source == destination else None


def _both(decisions: Sequence[Decision]) -> Decision:
    """The verdict of egress and ingress together: both must allow."""
    for verdict in (Verdict.DENY, Verdict.UNDEFINED, Verdict.ALLOW):
        telling = [decision for decision in decisions if decision.verdict is verdict]
        if telling:
            return Decision(verdict, tuple(reason for decision in telling for reason in decision.reasons))
    raise ValueError("a connection has at least one side")


def _allowed_ports(rule: Rule, protocol: Protocol, destination: Source | None) -> Iterable[tuple[int, int]]:
    """The ports of a protocol that a rule means, names looked up on the destination."""
    if not rule.ports:
        return (EVERY_PORT,)
    return [bounds for port in rule.ports if port.protocol is protocol for bounds in _bounds(port, destination)]


def _bounds(port: Port, destination: Source | None) -> Iterator[tuple[int, int]]:
    match port.port:
        case None:
            yield EVERY_PORT
        case int(number):
            yield number, port.end or number
        case str(name):
            if isinstance(destination, Pod):
                yield from ((number, number) for number in destination.resolve(name, port.protocol))


def _allows(rule: Rule, protocol: Protocol, port: int, destination: Source | None) -> bool:
    return any(low <= port <= high for low, high in _allowed_ports(rule, protocol, destination))
