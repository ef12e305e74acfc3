"""Which cells of a world are asked about."""

from harness.isolation.cells import breakpoints, cells, sample_cells
from harness.isolation.draw import RandomDraw
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Policy, Port, Rule
from harness.isolation.verdict import Verdict
from harness.isolation.world import ContainerPort, External, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.protocol import Protocol

POD = Pod("here", "pod", "10.244.1.9", {"app": "web"}, (ContainerPort(8080, name="web"),))
SERVICE = Service("here", "web", "10.96.0.9", {"app": "web"}, (ServicePort(80, "web"), ServicePort(81, 9090)))
RANGE = Policy("here", "p0", ingress=(Rule(ports=(Port(port=7000, end=7005), Port(port="web"))),))
WORLD = World(
    (Namespace("here"),), (POD,), (RANGE,), (SERVICE,), (Node("node1", "192.168.7.1"),), (External("203.0.113.10"),)
)


def test_ports_are_those_written_anywhere_and_those_beside_them_and_the_ends() -> None:
    assert breakpoints(WORLD) == sorted(
        {1, 65535} | {number + step for number in (80, 81, 7000, 7005, 8080, 9090) for step in (-1, 0, 1)}
    )


def test_no_port_lies_beyond_the_ends() -> None:
    ends = Policy("here", "p0", egress=(Rule(ports=(Port(port=1, end=65535),)),))
    assert breakpoints(World((Namespace("here"),), policies=(ends,))) == [1, 2, 65534, 65535]


def test_between_two_breakpoints_no_verdict_changes() -> None:
    oracle = Oracle(WORLD)
    seen: dict[int, Verdict] = {}
    for port in range(1, 10_000):
        seen[port] = oracle.verdict(External("203.0.113.10"), POD, port, Protocol.TCP).verdict
    changes = {port for port in range(2, 10_000) if seen[port] != seen[port - 1]}
    assert changes == {7000, 7006, 8080, 8081}
    assert changes <= set(breakpoints(WORLD))


def test_every_cell_is_every_source_destination_port_and_protocol_once() -> None:
    every = list(cells(WORLD))
    assert len(set(every)) == len(every) == 3 * 4 * len(breakpoints(WORLD)) * 3
    assert {cell.source.id for cell in every} == {"here/pod", "node node1", "outside 203.0.113.10"}
    assert {cell.destination.id for cell in every} == {
        "here/pod",
        "service here/web",
        "node node1",
        "outside 203.0.113.10",
    }


def test_a_sample_is_of_those_cells_and_asks_mostly_what_listens() -> None:
    every = set(cells(WORLD))
    sample = sample_cells(RandomDraw.seeded("cells"), WORLD, 500)
    assert len(sample) == 500
    assert set(sample) <= every
    assert {type(cell.source) for cell in sample} == {Pod, Node, External}
    assert {type(cell.destination) for cell in sample} == {Pod, Service, Node, External}
    to_pod = [cell for cell in sample if cell.destination == POD]
    assert sum(cell.port == 8080 and cell.protocol is Protocol.TCP for cell in to_pod) > 0.8 * len(to_pod)
    assert any(cell.port not in (8080, 80, 81) for cell in sample)


def test_a_world_without_pods_has_nothing_to_ask() -> None:
    assert sample_cells(RandomDraw.seeded("cells"), World(nodes=WORLD.nodes, externals=WORLD.externals), 5) == []


def test_a_world_of_pods_alone_can_be_asked() -> None:
    alone = World((Namespace("here"),), (POD,))
    assert {cell.destination for cell in sample_cells(RandomDraw.seeded("cells"), alone, 40)} == {POD}
