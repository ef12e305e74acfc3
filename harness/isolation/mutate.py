"""Mutants: the policies with one thing changed, as a slip of the hand would. Pure.

A table of expectations is good if it notices every one of them (harness/isolation/score.py tells which it does not).
Mutants that mean the same as the policies, or as an earlier mutant, by what is written alone are left out: order,
repetition, rules of a direction that is not isolated, ``podSelector: {}`` beside a ``namespaceSelector``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias, TypeVar

from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

_T = TypeVar("_T")
_Edit: TypeAlias = tuple[str, _T]
"""What was changed, in words, and what came out."""
_Placed: TypeAlias = tuple[str, str, _T]
"""The same, with ``file:line`` between them."""

LAST_PORT = 65535
NOBODY = Selector((("harness.dev/mutant", "nobody"),))
"""A selector that nothing has the label of."""
FLIPPED = {
    Operator.IN: Operator.NOT_IN,
    Operator.NOT_IN: Operator.IN,
    Operator.EXISTS: Operator.DOES_NOT_EXIST,
    Operator.DOES_NOT_EXIST: Operator.EXISTS,
}


@dataclass(frozen=True)
class Mutant:
    """All policies with one thing changed: ``what``, and ``at`` which ``file:line``. ``what`` names but one mutant."""

    what: str
    at: str
    policies: tuple[Policy, ...]


def mutants(policies: Sequence[Policy]) -> Iterator[Mutant]:
    """Every single mutation of every policy, in a fixed order: as they stand in the file, from the whole to its parts.

    Moves go to each other namespace that has a policy.
    """
    original = tuple(policies)
    namespaces = sorted({policy.namespace for policy in original})
    seen = {_meaning(original)}
    for index, policy in enumerate(original):
        before, after = original[:index], original[index + 1 :]
        name = f"policy {policy.namespace}/{policy.name}"
        deleted: list[_Placed[tuple[Policy, ...]]] = [("is deleted", policy.at, ())]
        for what, at, mutated in chain(
            deleted, ((what, at, (one,)) for what, at, one in _policy_edits(policy, namespaces))
        ):
            everything = (*before, *mutated, *after)
            meaning = _meaning(everything)
            if meaning not in seen:
                seen.add(meaning)
                yield Mutant(f"{name} {what}", at, everything)


def _policy_edits(policy: Policy, namespaces: Sequence[str]) -> Iterator[_Placed[Policy]]:
    for namespace in namespaces:
        yield f"moves to namespace {namespace}", policy.at, replace(policy, namespace=namespace)
    for what, selector in _selector_edits(policy.pods):
        yield f"podSelector {what}", policy.at, replace(policy, pods=selector)
    for direction in Direction:
        if direction not in policy.isolates:
            yield f"isolates {direction}, too", policy.at, replace(policy, types=(*policy.isolates, direction))
        elif len(policy.isolates) > 1:
            types = tuple(one for one in policy.isolates if one is not direction)
            yield f"no longer isolates {direction}", policy.at, replace(policy, types=types)
    yield "has no policyTypes", policy.at, replace(policy, types=())
    yield from (
        (f"ingress {what}", at, replace(policy, ingress=rules))
        for what, at, rules in _rules_edits(policy.ingress, policy.at, "from")
    )
    yield from (
        (f"egress {what}", at, replace(policy, egress=rules))
        for what, at, rules in _rules_edits(policy.egress, policy.at, "to")
    )


def _rules_edits(rules: tuple[Rule, ...], at: str, peers: str) -> Iterator[_Placed[tuple[Rule, ...]]]:
    """Of all rules of a direction; ``peers`` is what its peers stand under."""
    yield "allows everything, by a rule {}", at, (*rules, Rule())
    for index, rule in enumerate(rules):
        yield f"rule {index + 1} is deleted", rule.at or at, _without(rules, index)
        for what, where, mutated in _rule_edits(rule, peers):
            yield f"rule {index + 1} {what}", where or rule.at or at, _with(rules, index, mutated)


def _rule_edits(rule: Rule, peers: str) -> Iterator[_Placed[Rule]]:
    yield f"has no {peers}: any peer", rule.at, replace(rule, peers=())
    yield "has no ports: every port of every protocol", rule.at, replace(rule, ports=())
    for index, peer in enumerate(rule.peers):
        where = f"{peers} {index + 1}"
        yield f"{where} is deleted", peer.at, replace(rule, peers=_without(rule.peers, index))
        for what, one in _peer_edits(peer):
            yield f"{where} {what}", peer.at, replace(rule, peers=_with(rule.peers, index, one))
    for index, port in enumerate(rule.ports):
        where = f"port {index + 1} ({_shown(port)})"
        yield f"{where} is deleted", port.at, replace(rule, ports=_without(rule.ports, index))
        for what, changed in _port_edits(port):
            yield f"{where} {what}", port.at, replace(rule, ports=_with(rule.ports, index, changed))


def _peer_edits(peer: Peer) -> Iterator[_Edit[Peer]]:
    if peer.block is not None:
        yield from ((f"ipBlock {what}", replace(peer, block=block)) for what, block in _block_edits(peer.block))
        return
    if peer.namespaces is not None and peer.pods is not None:
        yield "loses its namespaceSelector", replace(peer, namespaces=None)
        yield "loses its podSelector", replace(peer, pods=None)
    if peer.namespaces is None:
        yield "gets namespaceSelector {}", replace(peer, namespaces=Selector())
    for what, selector in _selector_edits(peer.namespaces):
        yield f"namespaceSelector {what}", replace(peer, namespaces=selector)
    for what, selector in _selector_edits(peer.pods):
        yield f"podSelector {what}", replace(peer, pods=selector)


def _block_edits(block: IpBlock) -> Iterator[_Edit[IpBlock]]:
    for index, network in enumerate(block.excepts):
        yield f"loses except {network}", replace(block, excepts=_without(block.excepts, index))
    if block.cidr.prefixlen:
        wider = block.cidr.supernet()
        yield f"widens from {block.cidr} to {wider}", replace(block, cidr=wider)


def _selector_edits(selector: Selector | None) -> Iterator[_Edit[Selector]]:
    if selector is None:
        return
    if selector == Selector():
        yield "{} matches nobody", NOBODY
        return
    yield "becomes {}", Selector()
    for index, (key, value) in enumerate(selector.labels):
        yield f"loses {key}={value}", replace(selector, labels=_without(selector.labels, index))
        labels = _with(selector.labels, index, (key, f"{value}-x"))
        yield f"asks for {key}={value}-x, not {value}", replace(selector, labels=labels)
    for index, one in enumerate(selector.requirements):
        rest = _without(selector.requirements, index)
        yield f"loses `{_said(one)}`", replace(selector, requirements=rest)
        for changed in _requirement_edits(one):
            requirements = _with(selector.requirements, index, changed)
            yield f"says `{_said(changed)}`, not `{_said(one)}`", replace(selector, requirements=requirements)


def _requirement_edits(one: Requirement) -> Iterator[Requirement]:
    yield replace(one, operator=FLIPPED[one.operator])
    if len(one.values) > 1:  # the API refuses In and NotIn without values
        for index in range(len(one.values)):
            yield replace(one, values=_without(one.values, index))


def _port_edits(port: Port) -> Iterator[_Edit[Port]]:
    for protocol in Protocol:
        if protocol is not port.protocol:
            yield f"becomes {protocol}", replace(port, protocol=protocol)
    if port.port is None:
        yield "is port 1 alone", replace(port, port=1)
        return
    yield "becomes every port", replace(port, port=None, end=None)
    if isinstance(port.port, str):
        yield "asks for another name", replace(port, port="nobody")
        return
    first, last = port.port, port.end or port.port
    numbers = [(first + 1, last + 1), (first, last + 1)]
    if port.end is not None:
        numbers = [(first - 1, last), (first + 1, last), (first, last - 1), (first, last + 1)]
    for low, high in numbers:
        if 1 <= low <= high <= LAST_PORT:
            end = high if high > low else None
            yield f"becomes {low}" + (f"-{high}" if end else ""), replace(port, port=low, end=end)


def _with(items: tuple[_T, ...], index: int, item: _T) -> tuple[_T, ...]:
    return (*items[:index], item, *items[index + 1 :])


def _without(items: tuple[_T, ...], index: int) -> tuple[_T, ...]:
    return items[:index] + items[index + 1 :]


def _shown(port: Port) -> str:
    number = "every port" if port.port is None else f"{port.port}-{port.end}" if port.end else f"{port.port}"
    return f"{port.protocol} {number}"


def _said(one: Requirement) -> str:
    return f"{one.key} {one.operator}" + (f" {', '.join(one.values)}" if one.values else "")


# ------------------------------------------------------------------------------------------------------------- meaning


def _meaning(policies: Sequence[Policy]) -> frozenset[object]:
    """What policies mean, as far as it can be told from what is written alone: equal for some that mean the same."""
    return frozenset(
        (policy.namespace, _selector(policy.pods), direction, frozenset(map(_rule, policy.rules(direction) or ())))
        for policy in policies
        for direction in policy.isolates
    )


def _rule(rule: Rule) -> object:
    return frozenset(map(_peer, rule.peers)), frozenset(_ports(rule))


def _peer(peer: Peer) -> object:
    if peer.block:
        return peer.block.cidr, frozenset(peer.block.excepts)
    everybody = Selector() if peer.pods is None else peer.pods
    return _selector(everybody), None if peer.namespaces is None else _selector(peer.namespaces)


def _ports(rule: Rule) -> Iterator[object]:
    for port in rule.ports:
        yield port.protocol, port.port, port.end or port.port


def _selector(selector: Selector) -> object:
    requirements = {(one.key, one.operator, frozenset(one.values)) for one in selector.requirements}
    return frozenset(selector.labels), frozenset(requirements)
