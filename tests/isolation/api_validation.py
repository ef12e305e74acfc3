"""What the API server refuses of a NetworkPolicy: ``ValidateNetworkPolicySpec`` of Kubernetes 1.36, written again."""

import re
from collections.abc import Iterator

from harness.isolation.policy import Peer, Policy, Port, Rule
from harness.kube.selectors import Operator, Selector

PORT_NAME = re.compile(r"(?!.*--)(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def faults(policy: Policy) -> Iterator[str]:
    """What the API server would refuse of a policy."""
    if len(set(policy.types)) != len(policy.types):
        yield "a type twice"
    for selector in selectors_of(policy):
        yield from faults_of_selector(selector)
    for rule in rules_of(policy):
        for port in rule.ports:
            yield from faults_of_port(port)
        for peer in rule.peers:
            yield from faults_of_peer(peer)


def faults_of_selector(selector: Selector) -> Iterator[str]:
    if len(dict(selector.labels)) != len(selector.labels):
        yield "a key twice in matchLabels"
    for requirement in selector.requirements:
        if bool(requirement.values) is not (requirement.operator in (Operator.IN, Operator.NOT_IN)):
            yield f"values of {requirement}"
    written = [value for one in selector.requirements for value in one.values] + list(dict(selector.labels).values())
    yield from (f"value {value!r}" for value in written if not LABEL_VALUE.fullmatch(value))


def faults_of_port(port: Port) -> Iterator[str]:
    if isinstance(port.port, int):
        if not 1 <= port.port <= (port.end or port.port) <= 65535:
            yield f"range {port}"
    elif port.end is not None:
        yield f"endPort without a number: {port}"
    if isinstance(port.port, str) and not PORT_NAME.fullmatch(port.port):
        yield f"name {port.port!r}"


def faults_of_peer(peer: Peer) -> Iterator[str]:
    if peer == Peer():
        yield "an empty peer"
    if peer.block is None:
        return
    if peer.pods is not None or peer.namespaces is not None:
        yield "a block beside a selector"
    for one in peer.block.excepts:
        inside = one.version == peer.block.cidr.version and one.network_address in peer.block.cidr
        if not inside or one.prefixlen <= peer.block.cidr.prefixlen:
            yield f"except {one} of {peer.block.cidr}"


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    return (*policy.ingress, *policy.egress)


def selectors_of(policy: Policy) -> Iterator[Selector]:
    yield policy.pods
    for rule in rules_of(policy):
        for peer in rule.peers:
            yield from (one for one in (peer.pods, peer.namespaces) if one is not None)
