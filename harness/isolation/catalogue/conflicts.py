"""Policies that seem to contradict one another: they only add, so whatever one of them allows is allowed."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, stand
from harness.isolation.catalogue.cast import EVERY, NEIGHBOURS, POD, A, B, Cast, Y, labelled
from harness.isolation.policy import Direction, IpBlock, Peer, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

Rules: TypeAlias = Callable[[Cast], tuple[Rule, ...]]

INGRESS, EGRESS = DIRECTIONS

DENIES: tuple[tuple[str, Rules], ...] = (
    ("no rule", lambda _cast: ()),
    ("only a block in which nothing is", lambda _cast: (Rule((Peer(block=IpBlock(NEIGHBOURS)),)),)),
    ("only namespaces that there are not", lambda _cast: (Rule((Peer(namespaces=labelled("missing", "yes")),)),)),
)
ALLOWS: tuple[tuple[str, Rules], ...] = (
    ("everything", lambda _cast: (Rule(),)),
    ("every pod", lambda _cast: (Rule((Peer(namespaces=EVERY),)),)),
    ("the outside address", lambda cast: (Rule((Peer(block=cast.block(32)),)),)),
)
A_OR_B = Selector(requirements=(Requirement(POD, Operator.IN, ("a", "b")),))


def cases() -> Iterator[Case]:
    """All cases of several policies over one pod, or over both ends of a connection."""
    for direction in DIRECTIONS:
        for denied, deny in DENIES:
            for allowed, allow in ALLOWS:
                yield case(
                    "conflicts",
                    f"{direction.lower()}: one policy allows {denied}, another allows {allowed}",
                    (3, 5, 14) if allowed == "the outside address" else (3, 5),
                    _beside(direction, deny, allow),
                    inert=allowed == "everything",
                )
        alone, nobody = DENIES[-1]
        yield case(
            "conflicts", f"{direction.lower()}: one policy alone, allows {alone}", (5, 8), _beside(direction, nobody)
        )
        yield from _overlaps(direction)
    yield from _both_ends()


def _beside(direction: Direction, *rules: Rules) -> Callable[[Cast], list[World]]:
    return lambda cast: [
        cast.world(*(isolate(direction, *each(cast), name=f"policy-{index}") for index, each in enumerate(rules)))
    ]


def _overlaps(direction: Direction) -> Iterator[Case]:
    """Selections that overlap: a pod that two select has what both allow, and the others what one does."""
    way = direction.lower()
    from_y, on_8080, on_8081 = Rule((Peer(namespaces=Y),)), _on(8080), _on(8081)
    yield case(
        "conflicts",
        f"{way}: 8080/TCP for a and b, 8081/TCP for a",
        (3,),
        stand(
            isolate(direction, on_8080, pods=A_OR_B, name="wide"),
            isolate(direction, on_8081, pods=A, name="narrow"),
        ),
    )
    yield case(
        "conflicts",
        f"{way}: deny all for the namespace, 8080/TCP for a",
        (3, 5),
        stand(isolate(direction, pods=EVERY, name="deny"), isolate(direction, on_8080, pods=A, name="allow")),
    )
    yield case(
        "conflicts",
        f"{way}: allow all for the namespace, deny all for a",
        (3, 5),
        stand(isolate(direction, Rule(), pods=EVERY, name="allow"), isolate(direction, pods=A, name="deny")),
        inert=True,
    )
    yield case(
        "conflicts",
        f"{way}: a peer in one policy and a port in another do not narrow each other",
        (3, 5),
        stand(isolate(direction, from_y, name="peer"), isolate(direction, on_8080, name="port")),
    )
    yield case(
        "conflicts",
        f"{way}: three policies, a protocol each",
        (3, 10),
        stand(
            *(
                isolate(direction, Rule(ports=(Port(protocol, 8080),)), name=f"only-{protocol.lower()}")
                for protocol in Protocol
            )
        ),
    )
    yield case(
        "conflicts",
        f"{way}: the same policy under two names",
        (3,),
        stand(isolate(direction, on_8080, name="one"), isolate(direction, on_8080, name="other")),
    )
    yield case(
        "conflicts",
        f"{way}: a policy of namespace y allows nothing to a pod of namespace x",
        (3, 4),
        stand(isolate(direction, pods=A, name="deny"), isolate(direction, Rule(), namespace="y", pods=A, name="allow")),
    )


def _both_ends() -> Iterator[Case]:
    """A connection needs the egress of its source and the ingress of its destination."""
    egress, ingress = isolate(EGRESS, name="egress"), isolate(INGRESS, namespace="y", pods=B, name="ingress")
    all_out = isolate(EGRESS, Rule(), name="egress")
    all_in = isolate(INGRESS, Rule(), namespace="y", pods=B, name="ingress")
    to_y = isolate(EGRESS, Rule((Peer(namespaces=Y),), _on(8080).ports), name="egress")
    from_a = isolate(INGRESS, Rule((Peer(A, EVERY),), _on(8081).ports), namespace="y", pods=B, name="ingress")
    both = (
        ("the source may reach nobody, the destination lets all in", (2, 5), (egress, all_in)),
        ("the source may reach all, the destination lets nobody in", (2, 5), (all_out, ingress)),
        ("neither", (2, 5), (egress, ingress)),
        ("the source may on 8080/TCP, the destination lets in on 8081/TCP", (2, 10), (to_y, from_a)),
        ("the destination lets in on 8081/TCP, the source says nothing", (1, 2, 10), (from_a,)),
    )
    for words, points, policies in both:
        yield case("conflicts", f"both ends: {words}", points, stand(*policies))
    yield case("conflicts", "both ends: each allows all", (2, 5), stand(all_out, all_in), inert=True)
    yield case(
        "conflicts",
        "both directions of one pod: ingress from b alone, egress to namespace y alone",
        (1, 2, 18),
        stand(
            isolate(INGRESS, Rule((Peer(pods=B),)), name="ingress"),
            isolate(EGRESS, Rule((Peer(namespaces=Y),)), name="egress"),
        ),
    )


def _on(number: int) -> Rule:
    return Rule(ports=(Port(Protocol.TCP, number),))
