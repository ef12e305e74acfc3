"""The cells of a world that are worth asking about: where a verdict can change from one port to the next."""

from collections.abc import Iterator, Sequence

from harness.isolation.draw import Draw
from harness.isolation.matrix import Cell
from harness.isolation.world import Destination, External, Node, Pod, Service, Source, World
from harness.kube.protocol import Protocol

_FIRST, _LAST = 1, 65535


def breakpoints(world: World) -> list[int]:
    """The ports at which a verdict may change, in order: each number that is written, those beside it, the ends."""
    written = {port.number for pod in world.pods for port in pod.ports}
    for service in world.services:
        for port in service.ports:
            written.add(port.port)
            written.update([port.target] if isinstance(port.target, int) else ())
    for policy in world.policies:
        for rule in (*policy.ingress, *policy.egress):
            for one in rule.ports:
                written.update(number for number in (one.port, one.end) if isinstance(number, int))
    beside = {number + step for number in written for step in (-1, 0, 1)}
    return sorted(number for number in beside | {_FIRST, _LAST} if _FIRST <= number <= _LAST)


def cells(world: World) -> Iterator[Cell]:
    """Every source, destination, breakpoint and protocol of a world: easily 10,000 and more."""
    ports = breakpoints(world)
    for source in world.sources:
        for destination in world.destinations:
            for port in ports:
                for protocol in Protocol:
                    yield Cell(source, destination, port, protocol)


def sample_cells(draw: Draw, world: World, count: int) -> list[Cell]:
    """``count`` cells, some perhaps twice. Most of them ask a port that the destination has, and begin or end at a pod.

    Empty for a world without pods, where there is nothing to ask.
    """
    if not world.pods:
        return []
    ports = breakpoints(world)
    return [_cell(draw, world, ports) for _ in range(count)]


def _cell(draw: Draw, world: World, ports: Sequence[int]) -> Cell:
    addresses: list[Node | External] = [*world.nodes, *world.externals]
    source: Source = draw.choice(world.pods)
    destination: Destination = draw.choice(world.pods)
    match draw.integer(0, 9):
        case 0 | 1 if addresses:
            source = draw.choice(addresses)
        case 2 if addresses:
            destination = draw.choice(addresses)
        case 3 | 4 if world.services:
            destination = draw.choice(world.services)
        case 5:
            source, destination = draw.choice(world.sources), draw.choice(world.destinations)
    known = _known_ports(destination)
    if known and draw.chance(7, 8):
        return Cell(source, destination, *draw.choice(known))
    return Cell(source, destination, draw.choice(ports), draw.choice(tuple(Protocol)))


def _known_ports(destination: Destination) -> list[tuple[int, Protocol]]:
    """The ports that a pod declares or a Service has; none of a node or an outside address."""
    match destination:
        case Pod():
            return [(port.number, port.protocol) for port in destination.ports]
        case Service():
            return [(port.port, port.protocol) for port in destination.ports]
        case Node() | External():
            return []
