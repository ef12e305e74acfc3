"""What a case is about, read from its states: so no count can claim what no policy says."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

from harness.isolation.policy import NAME_LABEL, Direction, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector


class Feature(StrEnum):
    """A part of NetworkPolicy, or a change from one state to the next."""

    INGRESS = "ingress"
    EGRESS = "egress"
    DENY_ALL = "deny all"
    ALLOW_ALL = "allow all"
    ANY_PEER = "any peer"
    ANY_PORT = "rule without ports"
    MULTI_PEER = "several peers"
    MULTI_PORT = "several ports"
    SEVERAL_RULES = "several rules"
    SEVERAL_POLICIES = "several policies"
    ALL_PODS = "all pods"
    PODS_BY_LABEL = "pods by label"
    POLICY_NAMESPACE = "the policy's own namespace"
    ALL_NAMESPACES = "all namespaces"
    NAMESPACES_BY_LABEL = "namespaces by label"
    NAMESPACES_BY_NAME = "namespaces by the label of their name"
    EXPRESSION = "matchExpressions"
    BLOCK = "ipBlock"
    BLOCK_WITH_EXCEPT = "ipBlock with except"
    EVERY_PORT = "every port of a protocol"
    NUMBERED_PORT = "numbered port"
    NAMED_PORT = "named port"
    END_PORT = "endPort"
    UNSERVED_PORT = "a port that no pod has"
    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"
    POLICY_CREATED = "policy created"
    POLICY_UPDATED = "policy updated"
    POLICY_DELETED = "policy deleted"
    POD_CREATED = "pod created"
    POD_RELABELLED = "pod relabelled"
    POD_DELETED = "pod deleted"
    NAMESPACE_CREATED = "namespace created"
    NAMESPACE_RELABELLED = "namespace relabelled"
    NAMESPACE_DELETED = "namespace deleted"


PROTOCOLS = {Protocol.TCP: Feature.TCP, Protocol.UDP: Feature.UDP, Protocol.SCTP: Feature.SCTP}


def features(states: Sequence[World]) -> frozenset[Feature]:
    """Everything that the policies of the states say, and that changes from one state to the next."""
    found: set[Feature] = set()
    for world in states:
        for policy in world.policies:
            found.update(_of_policy(policy, world))
        if len(world.policies) > 1:
            found.add(Feature.SEVERAL_POLICIES)
    for before, after in pairwise(states):
        found.update(_of_change(before, after))
    return frozenset(found)


def _of_policy(policy: Policy, world: World) -> Iterator[Feature]:
    for direction, feature in ((Direction.INGRESS, Feature.INGRESS), (Direction.EGRESS, Feature.EGRESS)):
        rules = policy.rules(direction)
        if rules is None:
            continue
        yield feature
        if not rules:
            yield Feature.DENY_ALL
        if len(rules) > 1:
            yield Feature.SEVERAL_RULES
        for rule in rules:
            yield from _of_rule(rule, world)


def _of_rule(rule: Rule, world: World) -> Iterator[Feature]:
    if not rule.peers and not rule.ports:
        yield Feature.ALLOW_ALL
    yield from _of_number(len(rule.peers), Feature.ANY_PEER, Feature.MULTI_PEER)
    yield from _of_number(len(rule.ports), Feature.ANY_PORT, Feature.MULTI_PORT)
    for peer in rule.peers:
        yield from _of_peer(peer)
    for port in rule.ports:
        yield from _of_port(port, world)


def _of_number(number: int, none: Feature, several: Feature) -> Iterator[Feature]:
    if number == 0:
        yield none
    if number > 1:
        yield several


def _of_peer(peer: Peer) -> Iterator[Feature]:
    if peer.block is not None:
        yield Feature.BLOCK_WITH_EXCEPT if peer.block.excepts else Feature.BLOCK
        return
    yield Feature.ALL_PODS if peer.pods in (None, Selector()) else Feature.PODS_BY_LABEL
    if peer.namespaces is None:
        yield Feature.POLICY_NAMESPACE
    elif NAME_LABEL in _keys(peer.namespaces):
        yield Feature.NAMESPACES_BY_NAME
    else:
        yield Feature.ALL_NAMESPACES if peer.namespaces == Selector() else Feature.NAMESPACES_BY_LABEL
    if any(selector is not None and selector.requirements for selector in (peer.pods, peer.namespaces)):
        yield Feature.EXPRESSION


def _keys(selector: Selector) -> set[str]:
    return {key for key, _ in selector.labels} | {requirement.key for requirement in selector.requirements}


def _of_port(port: Port, world: World) -> Iterator[Feature]:
    yield PROTOCOLS[port.protocol]
    if port.port is None:
        yield Feature.EVERY_PORT
        return
    if isinstance(port.port, str):
        yield Feature.NAMED_PORT
        served = any(pod.resolve(port.port, port.protocol) for pod in world.pods)
    else:
        yield Feature.NUMBERED_PORT if port.end is None else Feature.END_PORT
        # By number alone: what speaks SCTP declares it nowhere, since not every kernel has it.
        numbers = range(port.port, (port.end or port.port) + 1)
        served = any(declared.number in numbers for pod in world.pods for declared in pod.ports)
    if not served:
        yield Feature.UNSERVED_PORT


def _of_change(before: World, after: World) -> Iterator[Feature]:
    yield from _difference(
        [((policy.namespace, policy.name), policy) for policy in before.policies],
        [((policy.namespace, policy.name), policy) for policy in after.policies],
        (Feature.POLICY_CREATED, Feature.POLICY_UPDATED, Feature.POLICY_DELETED),
    )
    yield from _difference(
        [(pod.id, pod) for pod in before.pods],
        [(pod.id, pod) for pod in after.pods],
        (Feature.POD_CREATED, Feature.POD_RELABELLED, Feature.POD_DELETED),
    )
    yield from _difference(
        [(namespace.name, namespace) for namespace in before.namespaces],
        [(namespace.name, namespace) for namespace in after.namespaces],
        (Feature.NAMESPACE_CREATED, Feature.NAMESPACE_RELABELLED, Feature.NAMESPACE_DELETED),
    )


def _difference(
    before: Iterable[tuple[object, object]],
    after: Iterable[tuple[object, object]],
    created_changed_deleted: tuple[Feature, Feature, Feature],
) -> Iterator[Feature]:
    old, new = dict(before), dict(after)
    created, changed, deleted = created_changed_deleted
    if new.keys() - old.keys():
        yield created
    if any(old[key] != new[key] for key in old.keys() & new.keys()):
        yield changed
    if old.keys() - new.keys():
        yield deleted
