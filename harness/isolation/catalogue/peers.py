"""Who is meant: every kind of peer alone, every two of them together, and each with a port."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TypeAlias

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, port_words, toward
from harness.isolation.catalogue.cast import EVERY, A, C, Cast, Y
from harness.isolation.policy import Direction, Peer, Port, Rule
from harness.kube.protocol import Protocol

Kind: TypeAlias = tuple[str, Callable[[Cast], Peer]]


def _always(peer: Peer) -> Callable[[Cast], Peer]:
    return lambda _cast: peer


PODS: tuple[Kind, ...] = (
    ("every pod of its own namespace", _always(Peer(pods=EVERY))),
    ("pods labelled c of its own namespace", _always(Peer(pods=C))),
    ("every namespace", _always(Peer(namespaces=EVERY))),
    ("every pod in every namespace", _always(Peer(pods=EVERY, namespaces=EVERY))),
    ("pods labelled c in every namespace", _always(Peer(pods=C, namespaces=EVERY))),
    ("namespaces labelled y", _always(Peer(namespaces=Y))),
    ("every pod in namespaces labelled y", _always(Peer(pods=EVERY, namespaces=Y))),
    ("pods labelled c in namespaces labelled y", _always(Peer(pods=C, namespaces=Y))),
)
AROUND: Kind = ("the block around the outside address", lambda cast: Peer(block=cast.block(24)))
EXCEPTED: Kind = ("the block around the outside address except it", lambda cast: Peer(block=cast.block(24, 32)))
KINDS = (*PODS, AROUND, EXCEPTED)
ALL_PODS = (PODS[2], PODS[3])

PORTS = (Port(Protocol.TCP, 8080), Port(Protocol.TCP, "alt"), Port(Protocol.UDP, 8080))


def cases() -> Iterator[Case]:
    """All cases of peers: of pod ``x/a``, in both directions."""
    for direction in DIRECTIONS:
        for kind in KINDS:
            yield _of(direction, kind)
        for first, second in combinations(KINDS, 2):
            yield _of(direction, first, second)
        for kind in PODS:
            for port in PORTS:
                yield _of(direction, kind, port=port)


def _of(direction: Direction, *kinds: Kind, port: Port | None = None) -> Case:
    who = " or ".join(words for words, _ in kinds)
    points = [1, 2]
    if any(kind in PODS for kind in kinds):
        points += [6, 8]
    if AROUND in kinds or EXCEPTED in kinds:
        points.append(14)
    if port is not None:
        points.append(12 if isinstance(port.port, str) else 10)
    # Nobody is left then who could not come in: the pod's own node is always let in.
    everybody = not kinds or (
        direction is Direction.INGRESS and AROUND in kinds and any(kind in ALL_PODS for kind in kinds)
    )
    return case(
        "peers",
        f"{toward(direction)} {who}" + (f", port {port_words(port)}" if port else ""),
        tuple(points),
        lambda cast: [
            cast.world(
                isolate(
                    direction,
                    Rule(tuple(peer(cast) for _, peer in kinds), (port,) if port else ()),
                    pods=A,
                )
            )
        ],
        inert=everybody and port is None,
    )
