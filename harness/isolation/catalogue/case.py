"""A case: a name, the rules that it exercises, and the states of a cluster, one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.isolation.catalogue.cast import A, Cast
from harness.isolation.policy import Direction, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.selectors import Selector

DIRECTIONS = (Direction.INGRESS, Direction.EGRESS)

States: TypeAlias = Callable[[Cast], Sequence[World]]


@dataclass(frozen=True)
class Case:
    """A case of the catalogue.

    ``points`` are the numbers of the rules in docs/network-policy.md that it exercises. ``build`` makes the states from
    a bare world: each a complete world, to which the cluster is brought in turn. A pod that the bare world does not
    have is without an address there, since it gets one when it is made. ``group`` is the family it belongs to.
    ``named`` ones run in every continuous-integration run. The point of an ``inert`` one is that it changes nothing:
    where Kubernetes says what the verdict is, it is as without policies.
    """

    name: str
    points: tuple[int, ...]
    build: Callable[[World], Sequence[World]]
    group: str
    named: bool = False
    inert: bool = False


def case(group: str, name: str, points: tuple[int, ...], states: States, *, inert: bool = False) -> Case:
    """A case whose states are made from the cast."""
    return Case(name, points, lambda bare: states(Cast(bare)), group, inert=inert)


def stand(*policies: Policy) -> States:
    """One state: these policies, on the bare world as it is."""
    return lambda cast: [cast.world(*policies)]


def isolate(
    direction: Direction, *rules: Rule, namespace: str = "x", pods: Selector = A, name: str = "policy"
) -> Policy:
    """A policy of one direction with these rules; without any it denies all."""
    ingress, egress = (rules, ()) if direction is Direction.INGRESS else ((), rules)
    return Policy(namespace, name, pods, ingress, egress, (direction,))


def toward(direction: Direction) -> str:
    """``ingress from`` or ``egress to``: how a name begins that goes on with a peer."""
    return "ingress from" if direction is Direction.INGRESS else "egress to"


def port_words(port: Port) -> str:
    """A port item as a name says it: ``8080/TCP``, ``web/TCP``, ``8080-8081/TCP`` or ``every port of TCP``."""
    if port.port is None:
        return f"every port of {port.protocol}"
    return f"{port.port}{'' if port.end is None else f'-{port.end}'}/{port.protocol}"
