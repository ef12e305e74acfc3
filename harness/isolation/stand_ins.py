"""Stand-ins for a folder of policies without workloads: for each selector a pod that it selects, and another one.

The other pod differs in one condition, so that a rule which reads a selector too widely is noticed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from harness.isolation.policy import NAME_LABEL, Peer, Policy
from harness.isolation.workloads import NODE, Addresses
from harness.isolation.world import ContainerPort, Namespace, Pod, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

Labels: TypeAlias = Mapping[str, str]

_NAME: Final = "stand-in"
_ANY: Final = "any"
_FIRST_FREE_PORT: Final = 8080


@dataclass(frozen=True)
class StandIns:
    """What is put in place of missing workloads. ``notes`` say which selectors nothing can meet, with ``file:line``."""

    namespaces: tuple[Namespace, ...]
    pods: tuple[Pod, ...]
    notes: tuple[str, ...] = ()


def with_stand_ins(world: World) -> tuple[World, tuple[str, ...]]:
    """A world of policies with stand-ins, and the notes on them. One that has pods stays as it is."""
    if world.pods:
        return world, ()
    stand_ins = stand_ins_for(world.policies, world.namespaces)
    return replace(world, namespaces=stand_ins.namespaces, pods=stand_ins.pods), stand_ins.notes


def stand_ins_for(policies: Sequence[Policy], namespaces: Sequence[Namespace] = ()) -> StandIns:
    """Pods for the selectors of policies, and namespaces for those that no known one meets; the same for the same.

    ``namespaces`` are those that exist. Every pod has every port that the policies name, and one that they do not.
    """
    making = _Making(policies, namespaces)
    for policy in policies:
        what = f"podSelector of policy {policy.namespace}/{policy.name} ({policy.at})"
        making.add_pods(policy.pods, policy.namespace, what)
        for rule in (*policy.ingress, *policy.egress):
            for peer in rule.peers:
                making.add_peer(peer, policy)
    return StandIns(tuple(making.namespaces), tuple(making.pods), tuple(making.notes))


class _Making:
    """The stand-ins so far; two of the same labels in one namespace are one."""

    def __init__(self, policies: Sequence[Policy], namespaces: Sequence[Namespace]) -> None:
        self.namespaces = list(namespaces)
        for name in dict.fromkeys(policy.namespace for policy in policies):
            if all(known.name != name for known in namespaces):
                self.namespaces.append(Namespace(name))
        self.pods: list[Pod] = []
        self.notes: list[str] = []
        self._ports = ports_of(policies)
        self._addresses = Addresses()

    def add_pods(self, selector: Selector, namespace: str, what: str) -> None:
        """A pod that a selector selects, and one that it does not, in a namespace."""
        matching = labels_for(selector)
        if matching is None:
            self._note(f"{what} contradicts itself: no pod can have the labels that it asks for")
        else:
            self._add_pod(namespace, matching)
        other = other_labels(selector)
        if other is not None:
            self._add_pod(namespace, other)

    def add_peer(self, peer: Peer, policy: Policy) -> None:
        """The pods of a peer, in its own namespace, or in one that the peer means and in one that it does not."""
        if peer.block is not None:
            return
        pods = peer.pods or Selector()
        what = f"of a peer of policy {policy.namespace}/{policy.name} ({peer.at})"
        if peer.namespaces is None:
            self.add_pods(pods, policy.namespace, f"podSelector {what}")
            return
        meant = self._namespace(peer.namespaces, meant=True)
        if meant is None:
            self._note(f"namespaceSelector {what} contradicts itself, or what is known of the namespace that it names")
        for namespace in filter(None, (meant, self._namespace(peer.namespaces, meant=False))):
            self.add_pods(pods, namespace, f"podSelector {what}")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _namespace(self, selector: Selector, *, meant: bool) -> str | None:
        """The name of a namespace that a selector means, or does not, made if need be; None if there can be none."""
        for known in self.namespaces:
            if selector.matches(known.all_labels) is meant:
                return known.name
        by_name = [one for one in selector.requirements if one.key == NAME_LABEL]
        names = [
            *(value for key, value in selector.labels if key == NAME_LABEL),
            *(value for one in by_name for value in one.values),
        ]
        rest = Selector(
            tuple(pair for pair in selector.labels if pair[0] != NAME_LABEL),
            tuple(one for one in selector.requirements if one.key != NAME_LABEL),
        )
        labels = labels_for(rest) if meant else other_labels(rest) or {}
        for name in (f"{_NAME}-{len(self.namespaces) + 1}", *names):
            made = Namespace(name, labels or {})
            if selector.matches(made.all_labels) is meant and all(known.name != name for known in self.namespaces):
                self.namespaces.append(made)
                return name
        return None

    def _add_pod(self, namespace: str, labels: Labels) -> None:
        if any((pod.namespace, pod.labels) == (namespace, labels) for pod in self.pods):
            return
        name = f"{_NAME}-{sum(pod.namespace == namespace for pod in self.pods) + 1}"
        self.pods.append(Pod(namespace, name, self._addresses.next(), dict(labels), self._ports, node=NODE))


def labels_for(selector: Selector) -> dict[str, str] | None:
    """The fewest labels that meet a selector; None where nothing can: its conditions contradict each other."""
    labels: dict[str, str] = {}
    for key, requirements in _conditions(selector).items():
        named = [value for one in requirements for value in one.values]
        choices: list[str | None] = [None, *named, _unlike(named)]
        met = [choice for choice in choices if all(one.matches(_as_labels(key, choice)) for one in requirements)]
        if not met:
            return None
        labels |= _as_labels(key, met[0])
    return labels


def other_labels(selector: Selector) -> dict[str, str] | None:
    """Labels that miss a selector by one condition; None for one that selects everything."""
    meeting = labels_for(selector)
    if meeting is None:
        return {}
    for key, requirements in _conditions(selector).items():
        one = requirements[0]
        rest = {name: value for name, value in meeting.items() if name != key}
        match one.operator:
            case Operator.IN:
                return {**rest, key: _unlike(one.values)}
            case Operator.NOT_IN:
                return {**rest, key: one.values[0]}
            case Operator.EXISTS:
                return rest
            case Operator.DOES_NOT_EXIST:
                return {**rest, key: _ANY}
    return None


def ports_of(policies: Sequence[Policy]) -> tuple[ContainerPort, ...]:
    """Every port that policies name, names and numbers, both ends of ranges, and a TCP port that they do not name."""
    ports = [
        port for policy in policies for rule in (*policy.ingress, *policy.egress) for port in rule.ports if port.port
    ]
    numbers = {(port.protocol, end) for port in ports for end in (port.port, port.end) if isinstance(end, int)}
    free = (number for number in range(_FIRST_FREE_PORT, 65536) if number not in {taken for _, taken in numbers})
    names = dict.fromkeys((port.protocol, port.port) for port in ports if isinstance(port.port, str))
    return (
        *(ContainerPort(number, protocol) for protocol, number in sorted(numbers)),
        *(ContainerPort(next(free), protocol, name) for protocol, name in names),
        ContainerPort(next(free), Protocol.TCP),
    )


def _conditions(selector: Selector) -> dict[str, list[Requirement]]:
    """A selector's conditions by key; a label is a requirement of one value."""
    found: dict[str, list[Requirement]] = {}
    labels = (Requirement(key, Operator.IN, (value,)) for key, value in selector.labels)
    for one in (*labels, *selector.requirements):
        found.setdefault(one.key, []).append(one)
    return found


def _as_labels(key: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {key: value}


def _unlike(values: Sequence[str]) -> str:
    return next(one for one in _candidates() if one not in values)


def _candidates() -> Iterator[str]:
    yield _ANY
    number = 0
    while True:
        number += 1
        yield f"{_ANY}-{number}"
