"""Blocks of addresses: with and without exceptions, wide and narrow, one over the other, and beside pods.

They are shown on the address outside, where a block is certain; on the address of a pod or a node it is not.
"""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import TypeAlias

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, port_words, toward
from harness.isolation.catalogue.cast import EVERY, NEIGHBOURS, A, B, Cast
from harness.isolation.policy import Direction, IpBlock, Peer, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol

Blocks: TypeAlias = Callable[[Cast], tuple[IpBlock, ...]]

ANY = IpBlock(ip_network("0.0.0.0/0"))
HALVES = tuple(IpBlock(ip_network(half)) for half in ("0.0.0.0/1", "128.0.0.0/1"))
OTHER_FAMILY = IpBlock(ip_network("2001:db8::/32"))


def _any_except(cast: Cast) -> IpBlock:
    return IpBlock(ANY.cidr, (cast.block(24).cidr,))


def _neighbour(cast: Cast) -> IpBlock:
    """The half of the outside address's /31 that it is not in."""
    both, own = cast.block(31).cidr, cast.block(32).cidr
    return IpBlock(next(half for half in both.subnets() if half != own))


FORMS: tuple[tuple[str, Blocks], ...] = (
    ("the outside address alone, /32", lambda cast: (cast.block(32),)),
    ("a wide block, /8", lambda cast: (cast.block(8),)),
    ("the neighbour of the outside address alone", lambda cast: (_neighbour(cast),)),
    ("a block in which nothing is", lambda _cast: (IpBlock(NEIGHBOURS),)),
    ("a block of the other family", lambda _cast: (OTHER_FAMILY,)),
    ("a block of the other family, or that around the outside address", lambda cast: (OTHER_FAMILY, cast.block(24))),
    (
        "a block except a part in which the address is not",
        lambda cast: (IpBlock(cast.block(24).cidr, (_neighbour(cast).cidr,)),),
    ),
    ("a block except a wider part in which the address is", lambda cast: (cast.block(16, 24),)),
    ("a block with two exceptions, one in the other", lambda cast: (cast.block(16, 24, 32),)),
    (
        "a block with two exceptions, the second takes the address",
        lambda cast: (IpBlock(cast.block(24).cidr, (_neighbour(cast).cidr, cast.block(32).cidr)),),
    ),
    ("a block except the address, which a second item allows again", lambda cast: (cast.block(24, 32), cast.block(32))),
    ("two blocks that overlap, the address excepted from the wider", lambda cast: (cast.block(16, 32), cast.block(24))),
    ("two blocks that overlap, the address excepted from both", lambda cast: (cast.block(16, 32), cast.block(24, 32))),
    ("two blocks that overlap", lambda cast: (cast.block(16), cast.block(24))),
)
PORTS = (Port(Protocol.TCP, 8080), Port(Protocol.UDP), Port(Protocol.TCP, 8081, 8090), Port(Protocol.TCP, "web"))


def cases() -> Iterator[Case]:
    """All cases of blocks: of pod ``x/a``, in both directions."""
    for direction in DIRECTIONS:
        for words, blocks in FORMS:
            yield case(
                "blocks",
                f"{toward(direction)} {words}",
                (3, 8, 14) if " or " in words or "two blocks" in words else (14,),
                _over(direction, blocks),
            )
        for port in PORTS:
            # A name means nothing on an address outside: to it such a rule allows nothing.
            yield case(
                "blocks",
                f"{toward(direction)} the block around the outside address, port {port_words(port)}",
                (12, 14) if isinstance(port.port, str) else (10, 14),
                _over(direction, lambda cast: (cast.block(24),), port),
            )
        yield from _everywhere(direction)
        yield from _allowed_again(direction)


def _over(direction: Direction, blocks: Blocks, *ports: Port) -> Callable[[Cast], list[World]]:
    return lambda cast: [
        cast.world(isolate(direction, Rule(tuple(Peer(block=block) for block in blocks(cast)), ports)))
    ]


def _everywhere(direction: Direction) -> Iterator[Case]:
    """0.0.0.0/0 has the addresses of pods, too, of which nothing is said; that of outside is certain."""
    for words, blocks in (("0.0.0.0/0", (ANY,)), ("0.0.0.0/1 and 128.0.0.0/1", HALVES)):
        peers = tuple(Peer(block=block) for block in blocks)

        def states(cast: Cast, peers: tuple[Peer, ...] = peers) -> list[World]:
            return [cast.world(isolate(direction)), cast.world(isolate(direction, Rule(peers)))]

        yield case("blocks", f"{direction.lower()}: deny all, then {words}", (5, 14), states)
    yield case(
        "blocks",
        f"{toward(direction)} 0.0.0.0/0 except the block around the outside address",
        (14,),
        _over(direction, lambda cast: (_any_except(cast),)),
    )
    yield case(
        "blocks",
        f"{toward(direction)} 0.0.0.0/0, port 8080/TCP",
        (10, 14),
        _over(direction, lambda _cast: (ANY,), Port(Protocol.TCP, 8080)),
    )

    def with_pods(cast: Cast) -> list[World]:
        rule = Rule((Peer(block=_any_except(cast)), Peer(namespaces=EVERY)))
        return [cast.world(isolate(direction, rule))]

    yield case(
        "blocks",
        f"{toward(direction)} every pod, or 0.0.0.0/0 except the block around the outside address",
        (3, 8, 14),
        with_pods,
    )


def _allowed_again(direction: Direction) -> Iterator[Case]:
    """What a block excepts is not denied: another rule or policy may allow it."""

    def by_rule(cast: Cast) -> list[World]:
        rules = [Rule((Peer(block=block),)) for block in (cast.block(24, 32), cast.block(32))]
        return [cast.world(isolate(direction, *rules))]

    def by_policy(cast: Cast) -> list[World]:
        first = isolate(direction, Rule((Peer(block=cast.block(24, 32)),)), name="except")
        second = isolate(direction, Rule((Peer(block=cast.block(32)),)), name="again")
        return [cast.world(first), cast.world(first, second), cast.world(first)]

    def by_policy_of_another_pod(cast: Cast) -> list[World]:
        first = isolate(direction, Rule((Peer(block=cast.block(24, 32)),)), pods=A, name="except")
        second = isolate(direction, Rule((Peer(block=cast.block(32)),)), pods=B, name="again")
        return [cast.world(first, second)]

    def on_one_port(cast: Cast) -> list[World]:
        again = Rule((Peer(block=cast.block(32)),), (Port(Protocol.TCP, 8081),))
        return [cast.world(isolate(direction, Rule((Peer(block=cast.block(24, 32)),)), again))]

    way = direction.lower()
    yield case("blocks", f"{way}: what a block excepts, another rule allows", (3, 14), by_rule)
    yield case(
        "blocks", f"{way}: what a block excepts, another policy allows, as long as it is there", (3, 14), by_policy
    )
    yield case(
        "blocks",
        f"{way}: what a block excepts, a policy of another pod does not allow",
        (1, 14),
        by_policy_of_another_pod,
    )
    yield case("blocks", f"{way}: what a block excepts, another rule allows on 8081/TCP", (3, 10, 14), on_one_port)
