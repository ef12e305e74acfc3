"""The parts of a world that can be dropped, or made simpler.

A *walk* goes through a world and shows each list of parts of one kind (policies, rules, peers, …) to a *cut*, which
says what takes their place; so dropping and replacing are written once, in ``shrink.py``, for all kinds. Whatever is
cut, what comes out is a world that the API server would take.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar
from typing import Protocol as Interface

from harness.isolation.policy import Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Selector

T = TypeVar("T")


class Cut(Interface):
    """What takes the place of some parts of a world."""

    def __call__(self, parts: tuple[T, ...], /) -> tuple[T, ...]:
        """The parts that stay, or others of their kind."""


Walk: TypeAlias = Callable[[World, Cut], World]
Simpler: TypeAlias = Callable[[World, Any], Iterator[Any]]
"""Simpler things that may take a part's place, the simplest first."""

_PREFIXES = (0, 8, 16, 24, 32, 64)


def droppable(bare: World) -> Sequence[Walk]:
    """The kinds of parts that may be dropped, from what holds much to what holds little; of labels, not those of bare.

    What a pod declares is no such part: a running pod cannot be told to declare less.
    """
    return (
        _policies,
        _each_policy(lambda policy, cut: replace(policy, ingress=cut(policy.ingress), egress=cut(policy.egress))),
        _each_rule(lambda rule, cut: replace(rule, peers=cut(rule.peers))),
        _each_rule(lambda rule, cut: replace(rule, ports=cut(rule.ports))),
        _each_peer(_excepts),
        _each_selector(lambda selector, cut: replace(selector, requirements=cut(selector.requirements))),
        _each_selector(lambda selector, cut: replace(selector, labels=cut(selector.labels))),
        _each_selector(_values),
        _each_policy(lambda policy, cut: replace(policy, types=cut(policy.types))),
        _labels_beside(bare),
        _services,
        _externals,
        _pods,
        _nodes,
        _namespaces,
    )


def _policies(world: World, cut: Cut) -> World:
    return replace(world, policies=cut(world.policies))


def _services(world: World, cut: Cut) -> World:
    return replace(world, services=cut(world.services))


def _externals(world: World, cut: Cut) -> World:
    return replace(world, externals=cut(world.externals))


def _pods(world: World, cut: Cut) -> World:
    return replace(world, pods=cut(world.pods))


def _nodes(world: World, cut: Cut) -> World:
    """Those on which no pod runs."""
    needed = {pod.node for pod in world.pods}
    left = cut(tuple(node for node in world.nodes if node.name not in needed))
    return replace(world, nodes=tuple(node for node in world.nodes if node.name in needed or node in left))


def _namespaces(world: World, cut: Cut) -> World:
    """Those in which nothing lies."""
    needed = {pod.namespace for pod in world.pods} | {policy.namespace for policy in world.policies}
    needed |= {service.namespace for service in world.services}
    left = cut(tuple(one for one in world.namespaces if one.name not in needed))
    return replace(world, namespaces=tuple(one for one in world.namespaces if one.name in needed or one in left))


def _labels_beside(bare: World) -> Walk:
    """The labels of pods and namespaces that they do not have in the bare world."""
    fixed_on_pods = {pod.id: pod.labels for pod in bare.pods}
    fixed_on_namespaces = {one.name: one.labels for one in bare.namespaces}

    def walk(world: World, cut: Cut) -> World:
        def left(labels: Mapping[str, str], fixed: Mapping[str, str]) -> dict[str, str]:
            drawn = cut(tuple(item for item in labels.items() if item[0] not in fixed))
            return {**fixed, **dict(drawn)}

        return replace(
            world,
            pods=tuple(replace(pod, labels=left(pod.labels, fixed_on_pods.get(pod.id, {}))) for pod in world.pods),
            namespaces=tuple(
                replace(one, labels=left(one.labels, fixed_on_namespaces.get(one.name, {}))) for one in world.namespaces
            ),
        )

    return walk


def _each_policy(change: Callable[[Policy, Cut], Policy]) -> Walk:
    return lambda world, cut: replace(world, policies=tuple(change(policy, cut) for policy in world.policies))


def _each_rule(change: Callable[[Rule, Cut], Rule]) -> Walk:
    def in_policy(policy: Policy, cut: Cut) -> Policy:
        ingress = tuple(change(rule, cut) for rule in policy.ingress)
        return replace(policy, ingress=ingress, egress=tuple(change(rule, cut) for rule in policy.egress))

    return _each_policy(in_policy)


def _each_peer(change: Callable[[Peer, Cut], Peer]) -> Walk:
    return _each_rule(lambda rule, cut: replace(rule, peers=tuple(change(peer, cut) for peer in rule.peers)))


def _each_selector(change: Callable[[Selector, Cut], Selector]) -> Walk:
    def in_peer(peer: Peer, cut: Cut) -> Peer:
        pods = peer.pods if peer.pods is None else change(peer.pods, cut)
        namespaces = peer.namespaces if peer.namespaces is None else change(peer.namespaces, cut)
        return replace(peer, pods=pods, namespaces=namespaces)

    in_peers = _each_peer(in_peer)
    in_policies = _each_policy(lambda policy, cut: replace(policy, pods=change(policy.pods, cut)))
    return lambda world, cut: in_peers(in_policies(world, cut), cut)


def _excepts(peer: Peer, cut: Cut) -> Peer:
    if peer.block is None:
        return peer
    return replace(peer, block=replace(peer.block, excepts=cut(peer.block.excepts)))


def _values(selector: Selector, cut: Cut) -> Selector:
    """The values of requirements, of which one must stay."""
    requirements = (replace(one, values=cut(one.values) or one.values[:1]) for one in selector.requirements)
    return replace(selector, requirements=tuple(requirements))


def _simpler_ports(world: World, port: Port) -> Iterator[Port]:
    """Every port, a number in place of a range or a name, and TCP."""
    if port.port is not None:
        yield replace(port, port=None, end=None)
    if port.end is not None:
        yield from (replace(port, port=number, end=None) for number in dict.fromkeys((port.port, port.end)))
    if isinstance(port.port, str):
        numbers = {number for pod in world.pods for number in pod.resolve(port.port, port.protocol)}
        yield from (replace(port, port=number) for number in sorted(numbers))
    if port.protocol is not Protocol.TCP:
        yield replace(port, protocol=Protocol.TCP)


def _simpler_peers(_: World, peer: Peer) -> Iterator[Peer]:
    """One selector in place of two, and a wider block."""
    if peer.pods is not None and peer.namespaces is not None:
        yield replace(peer, namespaces=None)
        yield replace(peer, pods=None)
    if peer.block is not None:
        cidr = peer.block.cidr
        wider = (cidr.supernet(new_prefix=prefix) for prefix in _PREFIXES if prefix < cidr.prefixlen)
        yield from (replace(peer, block=replace(peer.block, cidr=one)) for one in wider)


def _simpler_selectors(_: World, selector: Selector) -> Iterator[Selector]:
    """Everything, and a label in place of ``In``."""
    if selector != Selector():
        yield Selector()
    for number, one in enumerate(selector.requirements):
        if one.operator is Operator.IN and one.key not in dict(selector.labels):
            others = selector.requirements[:number] + selector.requirements[number + 1 :]
            for value in one.values:
                yield Selector((*selector.labels, (one.key, value)), others)


SIMPLER: Sequence[tuple[Walk, Simpler]] = (
    (_each_rule(lambda rule, cut: replace(rule, peers=cut(rule.peers))), _simpler_peers),
    (_each_selector(lambda selector, cut: cut((selector,))[0]), _simpler_selectors),
    (_each_rule(lambda rule, cut: replace(rule, ports=cut(rule.ports))), _simpler_ports),
)
