"""Ports and protocols: numbers, names, ranges, one or two of them, and those that nothing listens on.

The policies stand over every pod of x, or of all that it reaches, so that a name is looked up on pods where it means
8080 and on pods where it means 8081.
"""

from collections.abc import Iterator

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, port_words, stand
from harness.isolation.catalogue.cast import EVERY
from harness.isolation.policy import Direction, Port, Rule
from harness.kube.protocol import Protocol

TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP

NUMBERS = tuple(Port(protocol, number) for protocol in Protocol for number in (None, 8080, 8081))
NAMES = (Port(TCP, "web"), Port(TCP, "alt"), Port(UDP, "dns"))
RANGES = tuple(
    Port(protocol, first, last)
    for protocol in Protocol
    for first, last in ((8080, 8080), (8080, 8081), (8000, 8080), (8081, 9000), (1, 65535), (9000, 9010))
)
OTHER_PROTOCOL = (Port(UDP, "web"), Port(SCTP, "web"), Port(TCP, "dns"), Port(SCTP, "dns"))
NOWHERE = tuple(Port(protocol, port) for protocol in Protocol for port in ("nowhere", 7981))

PAIRS = (
    (Port(TCP), Port(TCP, 8080)),
    (Port(TCP), Port(TCP, "web")),
    (Port(UDP), Port(TCP, 8080)),
    (Port(TCP), Port(SCTP)),
    (Port(TCP, 8080), Port(TCP, 8081)),
    (Port(TCP, 8080), Port(TCP, "alt")),
    (Port(TCP, "web"), Port(TCP, "alt")),
    (Port(TCP, 8080), Port(UDP, 8081)),
    (Port(TCP, 8081), Port(UDP, "dns")),
    (Port(UDP, 8080), Port(UDP, "dns")),
    (Port(TCP, 8080), Port(SCTP, 8080)),
    (Port(TCP, "web"), Port(TCP, "nowhere")),
    (Port(TCP, 8000, 8079), Port(TCP, 8081, 8090)),
    (Port(TCP, 8000, 8080), Port(TCP, 8080, 8081)),
    (Port(TCP, 8080, 8081), Port(UDP, 8081, 8081)),
)


def cases() -> Iterator[Case]:
    """All cases of ports, in both directions."""
    for direction in DIRECTIONS:
        yield _of(direction, (), (5,), inert=True)
        yield _of(direction, tuple(Port(protocol) for protocol in Protocol), (10,), inert=True)
        for port in NUMBERS:
            yield _of(direction, (port,), (10,))
        for port in NAMES:
            yield _of(direction, (port,), (10, 12))
        for port in RANGES:
            yield _of(direction, (port,), (10, 11))
        for port in OTHER_PROTOCOL:
            yield _of(direction, (port,), (10, 12), ", a name of another protocol")
        for port in NOWHERE:
            yield _of(direction, (port,), (10, 12 if isinstance(port.port, str) else 13), ", which no pod has")
        for pair in PAIRS:
            yield _of(direction, pair, _points(pair))
        yield from _several_rules(direction)


def _several_rules(direction: Direction) -> Iterator[Case]:
    """The same items apart: in two rules of one policy, and in two policies."""
    for pair in PAIRS:
        words = " and ".join(port_words(port) for port in pair)
        rules = [Rule(ports=(port,)) for port in pair]
        yield case(
            "ports",
            f"{direction.lower()} on {words}, in two rules",
            (3, *_points(pair)),
            stand(isolate(direction, *rules, pods=EVERY)),
        )


def _points(ports: tuple[Port, ...]) -> tuple[int, ...]:
    named = any(isinstance(port.port, str) for port in ports)
    ranged = any(port.end is not None for port in ports)
    return (10, *((11,) if ranged else ()), *((12,) if named else ()))


def _of(
    direction: Direction, ports: tuple[Port, ...], points: tuple[int, ...], why: str = "", *, inert: bool = False
) -> Case:
    words = " or ".join(port_words(port) for port in ports) or "any port of any protocol"
    return case(
        "ports",
        f"{direction.lower()} on {words}{why}",
        points,
        stand(isolate(direction, Rule(ports=ports), pods=EVERY)),
        inert=inert,
    )
