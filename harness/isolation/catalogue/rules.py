"""What a policy is over, which directions it isolates, and how its rules add up."""

from collections.abc import Iterator

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, stand, toward
from harness.isolation.catalogue.cast import EVERY, POD, ROLES, A, B, C, Cast, Y, Z
from harness.isolation.policy import Direction, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

INGRESS, EGRESS = DIRECTIONS
ANYTHING = Rule()
ON_8080 = Rule(ports=(Port(Protocol.TCP, 8080),))
FROM_Z = Rule((Peer(namespaces=Z),))
ON_8081 = Rule(ports=(Port(Protocol.TCP, 8081),))

TYPES: tuple[tuple[str, tuple[int, ...], Policy], ...] = (
    ("both directions without rules", (1, 5), Policy("x", "policy", A, types=(INGRESS, EGRESS))),
    (
        "both directions, Egress written first",
        (1, 7),
        Policy("x", "policy", A, (ON_8080,), (ON_8081,), (EGRESS, INGRESS)),
    ),
    ("no types and no rules: Ingress alone", (5, 7), Policy("x", "policy", A)),
    ("no types and an ingress rule: Ingress alone", (7,), Policy("x", "policy", A, (ON_8080,))),
    (
        "no types and an egress rule: Egress, and Ingress which then denies all",
        (5, 7),
        Policy("x", "policy", A, (), (ON_8080,)),
    ),
    ("no types and rules of both: both", (7,), Policy("x", "policy", A, (ON_8080,), (ON_8081,))),
    (
        "type Ingress with egress rules alone: they mean nothing",
        (5, 7),
        Policy("x", "policy", A, (), (ON_8080,), (INGRESS,)),
    ),
    (
        "type Egress with ingress rules alone: they mean nothing",
        (5, 7),
        Policy("x", "policy", A, (ON_8080,), (), (EGRESS,)),
    ),
    (
        "type Ingress with rules of both: those of egress mean nothing",
        (7,),
        Policy("x", "policy", A, (ON_8080,), (ON_8081,), (INGRESS,)),
    ),
    (
        "type Egress with rules of both: those of ingress mean nothing",
        (7,),
        Policy("x", "policy", A, (ON_8080,), (ON_8081,), (EGRESS,)),
    ),
    (
        "both types, all ingress allowed: egress denies all",
        (1, 5, 7),
        Policy("x", "policy", A, (ANYTHING,), (), (INGRESS, EGRESS)),
    ),
    (
        "both types, all egress allowed: ingress denies all",
        (1, 5, 7),
        Policy("x", "policy", A, (), (ANYTHING,), (INGRESS, EGRESS)),
    ),
)

TARGETS: tuple[tuple[str, Selector], ...] = (
    ("every pod", EVERY),
    ("pods labelled a", A),
    ("pods labelled a or b", Selector(requirements=(Requirement(POD, Operator.IN, ("a", "b")),))),
    ("pods not labelled a", Selector(requirements=(Requirement(POD, Operator.NOT_IN, ("a",)),))),
    ("pods with a label that all have", Selector(requirements=(Requirement(POD, Operator.EXISTS),))),
    ("pods without a label that none has", Selector(requirements=(Requirement("missing", Operator.DOES_NOT_EXIST),))),
    (
        "pods labelled a or b and not b",
        Selector(requirements=(Requirement(POD, Operator.IN, ("a", "b")), Requirement(POD, Operator.NOT_IN, ("b",)))),
    ),
)
NO_TARGETS: tuple[tuple[str, Selector], ...] = (
    ("pods with a label that none has", Selector(requirements=(Requirement("missing", Operator.EXISTS),))),
    ("pods without a label that all have", Selector(requirements=(Requirement(POD, Operator.DOES_NOT_EXIST),))),
    (
        "pods labelled a and, in the same selector, not a",
        Selector(A.labels, (Requirement(POD, Operator.NOT_IN, ("a",)),)),
    ),
)


def cases() -> Iterator[Case]:
    """All cases of types, targets and rules."""
    for words, points, policy in TYPES:
        yield case("types", f"types: {words}", points, stand(policy))
    for direction in DIRECTIONS:
        yield from _targets(direction)
        yield from _rules(direction)


def _targets(direction: Direction) -> Iterator[Case]:
    way = direction.lower()
    for role in ROLES:
        yield case(
            "targets",
            f"{way} denied to every pod of namespace {role}, and to no other",
            (1, 4, 5),
            stand(isolate(direction, namespace=role, pods=EVERY)),
        )
    for words, pods in TARGETS:
        points = (1, 4, 9) if pods.requirements else (1, 4)
        yield case(
            "targets",
            f"{toward(direction)} namespaces labelled z alone, over {words}",
            points,
            stand(isolate(direction, FROM_Z, pods=pods)),
        )
    for words, pods in NO_TARGETS:
        points = (1, 4, 9)
        yield case(
            "targets", f"{way} denied over {words}: nobody", points, stand(isolate(direction, pods=pods)), inert=True
        )


def _rules(direction: Direction) -> Iterator[Case]:
    way = direction.lower()
    tcp_8080, tcp_8081 = ON_8080.ports[0], ON_8081.ports[0]
    from_b, from_y, from_z = Peer(pods=B), Peer(namespaces=Y), Peer(namespaces=Z)
    one_of_each: tuple[tuple[str, tuple[int, ...], tuple[Rule, ...]], ...] = (
        ("deny all", (1, 5), ()),
        ("allow all", (5, 6), (ANYTHING,)),
        ("allow all beside a narrower rule", (3, 5), (Rule((from_b,), (tcp_8080,)), ANYTHING)),
        (
            "two rules with a peer and a port each do not mix",
            (3, 8, 10),
            (Rule((from_b,), (tcp_8080,)), Rule((from_y,), (tcp_8081,))),
        ),
        ("one rule with two peers and two ports mixes them", (8, 10), (Rule((from_b, from_y), (tcp_8080, tcp_8081)),)),
        (
            "three rules: a peer alone, a port alone, both",
            (3, 5, 8),
            (Rule((from_b,)), ON_8081, Rule((from_z,), (tcp_8080,))),
        ),
        ("the same rule twice", (3,), (ON_8080, ON_8080)),
        ("a rule that matches nobody beside one that does", (3, 8), (Rule((Peer(namespaces=C),)), Rule((from_b,)))),
    )
    for words, points, rules in one_of_each:
        inert = ANYTHING in rules
        yield case("rules", f"{way}: {words}", points, stand(isolate(direction, *rules)), inert=inert)

    def deny_then_allow(cast: Cast) -> list[World]:
        deny, allow = isolate(direction, name="deny"), isolate(direction, ANYTHING, name="allow")
        return [cast.world(deny), cast.world(deny, allow), cast.world(allow)]

    yield case("rules", f"{way}: deny all, then allow all beside it, then alone", (3, 5), deny_then_allow)
