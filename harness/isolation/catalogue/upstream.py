"""The situations of Kubernetes' own end-to-end tests of NetworkPolicy (test/e2e/network/netpol), in our own words."""

from collections.abc import Iterator

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, stand
from harness.isolation.catalogue.cast import EVERY, NS, POD, A, B, C, Cast, X, Y, Z, labelled
from harness.isolation.catalogue.changes import label_namespace, label_pod
from harness.isolation.catalogue.selectors import having
from harness.isolation.policy import NAME_LABEL, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Selector

INGRESS, EGRESS = DIRECTIONS
TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP
DNS = Rule(ports=(Port(UDP, 53), Port(TCP, 53)))
UPDATED = labelled("updated", "yes")


def cases() -> Iterator[Case]:
    """All situations: first those of one state, then those that change."""
    for words, points, policies in (*_denials(), *_selections(), *_ports(), *_directions()):
        yield case("upstream", words, points, stand(*policies))
    yield from _changes()
    yield from _addresses()


Standing = tuple[str, tuple[int, ...], tuple[Policy, ...]]


def _denials() -> Iterator[Standing]:
    yield (
        "two namespaces deny all ingress by default",
        (1, 5),
        tuple(isolate(INGRESS, namespace=role, pods=EVERY) for role in ("x", "y")),
    )
    yield (
        "a namespace denies everything by default, but lets names be looked up",
        (1, 5, 10),
        (Policy("x", "policy", EVERY, (), (DNS,), (INGRESS, EGRESS)),),
    )
    yield (
        "three namespaces deny everything",
        (1, 5),
        tuple(Policy(role, "deny", EVERY, types=(INGRESS, EGRESS)) for role in ("x", "y", "z")),
    )


def _selections() -> Iterator[Standing]:
    yield "ingress from clients of the namespace y", (8,), (isolate(INGRESS, Rule((Peer(namespaces=Y),)), pods=EVERY),)
    yield "ingress from clients b of its own namespace", (8,), (isolate(INGRESS, Rule((Peer(pods=B),)), pods=C),)
    not_x, b_or_c = having(NS, Operator.NOT_IN, "x"), having(POD, Operator.IN, "b", "c")
    yield "ingress from namespaces by expressions", (8, 9), (isolate(INGRESS, Rule((Peer(namespaces=not_x),))),)
    yield "ingress from b and c in all namespaces but x", (8, 9), (isolate(INGRESS, Rule((Peer(b_or_c, not_x),))),)
    yield (
        "ingress from b of its own namespace, or from all of namespace z",
        (8,),
        (isolate(INGRESS, Rule((Peer(pods=B), Peer(namespaces=Z))), pods=EVERY),),
    )
    yield (
        "egress to b in all namespaces, or to anything in z",
        (8,),
        (isolate(EGRESS, Rule((Peer(B, EVERY), Peer(namespaces=Z))), pods=EVERY),),
    )


def _ports() -> Iterator[Standing]:
    from_y_81 = isolate(INGRESS, Rule((Peer(namespaces=Y),), (Port(TCP, 8081),)))
    yield "ingress from namespace y on one port", (8, 10), (from_y_81,)
    yield (
        "ingress from anybody on one named port",
        (10, 12),
        (isolate(INGRESS, Rule(ports=(Port(TCP, "alt"),)), pods=C),),
    )
    yield (
        "egress to anybody on one named port, and to look up names",
        (10, 12),
        (isolate(EGRESS, Rule(ports=(Port(TCP, "web"),)), DNS, pods=EVERY),),
    )
    yield (
        "ingress on a named port from namespaces x and y",
        (8, 12),
        (isolate(INGRESS, Rule((Peer(namespaces=X), Peer(namespaces=Y)), (Port(TCP, "web"),)), pods=EVERY),),
    )
    others = Rule(ports=(Port(UDP, 8080), Port(SCTP, 8080)))
    yield "ingress on UDP and SCTP alone denies TCP", (10,), (isolate(INGRESS, others, pods=EVERY),)
    yield "egress on UDP and SCTP alone denies TCP", (10,), (isolate(EGRESS, others, pods=EVERY),)


def _directions() -> Iterator[Standing]:
    yield (
        "ingress and egress in one policy",
        (1, 2, 10),
        (
            Policy(
                "x",
                "policy",
                A,
                (Rule((Peer(pods=B),)),),
                (Rule(ports=(Port(TCP, 8080), Port(UDP, 53))),),
                (INGRESS, EGRESS),
            ),
        ),
    )
    from_xa = Rule((Peer(A, X),))
    yield (
        "egress is denied to the client, though the server allows it",
        (2, 8),
        (
            isolate(EGRESS, Rule((Peer(A, Y),)), name="to-ya"),
            isolate(INGRESS, from_xa, namespace="y", pods=A, name="a-from-xa"),
            isolate(INGRESS, from_xa, namespace="y", pods=B, name="b-from-xa"),
        ),
    )


def _changes() -> Iterator[Case]:
    def stacked(cast: Cast) -> list[World]:
        first, second = (
            isolate(INGRESS, Rule((Peer(namespaces=Y),), (Port(TCP, number),)), name=f"on-{number}")
            for number in (8081, 8080)
        )
        return [cast.world(first), cast.world(first, second)]

    def deleted(cast: Cast) -> list[World]:
        return [cast.world(Policy("x", "deny", EVERY, types=(INGRESS, EGRESS))), cast.world()]

    def allowed_then_denied(cast: Cast) -> list[World]:
        return [cast.world(isolate(INGRESS, Rule(), pods=EVERY)), cast.world(isolate(INGRESS, pods=EVERY))]

    def namespace_updated(cast: Cast) -> list[World]:
        world = cast.world(isolate(INGRESS, Rule((Peer(namespaces=UPDATED),))))
        return [world, label_namespace(world, cast.names["y"], {"updated": "yes"})]

    def client_updated(cast: Cast) -> list[World]:
        world = cast.world(isolate(INGRESS, Rule((Peer(pods=Selector(B.labels + UPDATED.labels)),))))
        return [world, label_pod(world, cast.pod("x", "b"), {"updated": "yes"})]

    def server_updated(cast: Cast) -> list[World]:
        world = cast.world(isolate(INGRESS, pods=UPDATED))
        return [world, label_pod(world, cast.pod("x", "a"), {"updated": "yes"})]

    def by_name(cast: Cast) -> list[World]:
        peer = Peer(namespaces=Selector(((NAME_LABEL, cast.names["y"]),)))
        return [cast.world(isolate(INGRESS, Rule((peer,))))]

    yield case("upstream", "a second policy beside the first opens a second port", (3, 10), stacked)
    yield case("upstream", "a deleted policy denies no more", (1, 19), deleted)
    yield case("upstream", "a policy that allowed all is updated and denies all", (5, 19), allowed_then_denied)
    yield case("upstream", "ingress from a namespace once it is labelled", (8, 9), namespace_updated)
    yield case("upstream", "ingress from a client once it is labelled", (8, 9), client_updated)
    yield case("upstream", "ingress is denied to a server once it is labelled", (1, 4), server_updated)
    yield case("upstream", "ingress from a namespace by the label that names it", (8, 9), by_name)


def _addresses() -> Iterator[Case]:
    def to_a_block(cast: Cast) -> list[World]:
        return [cast.world(isolate(EGRESS, Rule((Peer(block=cast.block(24)),)), pods=EVERY))]

    def to_a_block_except(cast: Cast) -> list[World]:
        return [cast.world(isolate(EGRESS, Rule((Peer(block=cast.block(24, 30)),)), pods=EVERY))]

    def overlapping(cast: Cast) -> list[World]:
        wide = isolate(EGRESS, Rule((Peer(block=cast.block(24, 32)),)), name="wide")
        narrow = isolate(EGRESS, Rule((Peer(block=cast.block(32)),)), name="narrow")
        return [cast.world(wide), cast.world(wide, narrow)]

    def pods_and_a_block(cast: Cast) -> list[World]:
        rules = (Rule((Peer(pods=C),)), Rule((Peer(block=cast.block(24)),), (Port(TCP, 8080),)))
        return [cast.world(isolate(EGRESS, *rules))]

    yield case("upstream", "egress to a block and nothing else", (14,), to_a_block)
    yield case("upstream", "egress to a block less the server", (14,), to_a_block_except)
    yield case("upstream", "egress to a server that one policy excepts and a second allows", (3, 14), overlapping)
    yield case("upstream", "egress to clients, and to a block on one port", (3, 8, 10, 14), pods_and_a_block)
