"""Drawn policies: each is one that the API server takes, and together they are all of NetworkPolicySpec."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network

import pytest
from api_validation import faults, rules_of

from harness.isolation.agreement import drawn
from harness.isolation.draw import RandomDraw
from harness.isolation.grammar import UNKNOWN_PORT, Grammar, neighbour, network
from harness.isolation.policy import NAME_LABEL, Direction, IpBlock, Peer, Policy, Port, Rule
from harness.isolation.world import External, Namespace, Pod, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS


@pytest.fixture(scope="module")
def worlds() -> Sequence[World]:
    return [drawn(5, index, 0)[0] for index in range(600)]


def policies_of(worlds: Iterable[World]) -> Iterator[tuple[World, Policy]]:
    return ((world, policy) for world in worlds for policy in world.policies)


# ------------------------------------------------------------------------------------------------------- all are valid


def test_the_api_server_would_take_every_policy(worlds: Sequence[World]) -> None:
    assert [(policy, list(faults(policy))) for _, policy in policies_of(worlds) if any(faults(policy))] == []


@pytest.mark.parametrize(
    "rule",
    [
        Rule(ports=(Port(port="web", end=9),)),
        Rule(ports=(Port(end=9),)),
        Rule(ports=(Port(port=9, end=8),)),
        Rule(ports=(Port(port=0),)),
        Rule(ports=(Port(port="a--b"),)),
        Rule(ports=(Port(port="longer-than-fifteen"),)),
        Rule(peers=(Peer(),)),
        Rule(peers=(Peer(pods=Selector(), block=IpBlock(ip_network("10.0.0.0/8"))),)),
        Rule(peers=(Peer(block=IpBlock(ip_network("10.0.0.0/8"), (ip_network("10.0.0.0/8"),))),)),
        Rule(peers=(Peer(block=IpBlock(ip_network("10.0.0.0/8"), (ip_network("11.0.0.0/24"),))),)),
    ],
    ids=str,
)
def test_what_the_api_server_refuses_would_be_noticed(rule: Rule) -> None:
    assert list(faults(Policy("here", "p0", ingress=(rule,))))


# ------------------------------------------------------------------------------------------------- all of it is drawn


def test_every_combination_of_types_and_rules_is_drawn(worlds: Sequence[World]) -> None:
    def amount(rules: tuple[Rule, ...]) -> str:
        return "none" if not rules else "everything" if rules == (Rule(),) else "some"

    seen = {(policy.types, amount(policy.ingress), amount(policy.egress)) for _, policy in policies_of(worlds)}
    amounts = ("none", "everything", "some")
    for types in ((), (INGRESS,), (EGRESS,), (INGRESS, EGRESS)):
        assert {(types, ingress, egress) for ingress in amounts for egress in amounts} <= seen


def test_every_form_of_selector_is_drawn_in_every_place(worlds: Sequence[World]) -> None:
    def forms(selector: Selector) -> Iterator[str]:
        if selector == Selector():
            yield "empty"
        if selector.labels:
            yield "labels"
        if len(selector.labels) > 1:
            yield "several labels"
        if selector.labels and selector.requirements:
            yield "labels and requirements"
        yield from (f"{one.operator} {len(one.values)}" for one in selector.requirements)

    every = {"empty", "labels", "several labels", "labels and requirements", "Exists 0", "DoesNotExist 0"}
    every |= {f"{operator} {count}" for operator in ("In", "NotIn") for count in (1, 2, 3)}
    peers = [peer for _, policy in policies_of(worlds) for rule in rules_of(policy) for peer in rule.peers]
    for place in (
        [policy.pods for _, policy in policies_of(worlds)],
        [peer.pods for peer in peers if peer.pods is not None],
        [peer.namespaces for peer in peers if peer.namespaces is not None],
    ):
        assert every <= {form for selector in place for form in forms(selector)}


def test_peers_are_drawn_in_every_form_and_number(worlds: Sequence[World]) -> None:
    rules = [rule for _, policy in policies_of(worlds) for rule in rules_of(policy)]
    assert {len(rule.peers) for rule in rules} == {0, 1, 2, 3}
    peers = [peer for rule in rules for peer in rule.peers]
    assert {(peer.pods is not None, peer.namespaces is not None, peer.block is not None) for peer in peers} == {
        (True, False, False),
        (False, True, False),
        (True, True, False),
        (False, False, True),
    }


def test_namespaces_are_selected_by_their_names_too(worlds: Sequence[World]) -> None:
    keys = {
        key
        for _, policy in policies_of(worlds)
        for rule in rules_of(policy)
        for peer in rule.peers
        if peer.namespaces is not None
        for key in (*dict(peer.namespaces.labels), *(one.key for one in peer.namespaces.requirements))
    }
    assert keys == {NAME_LABEL, "team", "env", "zone"}


def test_blocks_lie_around_everything_that_has_an_address(worlds: Sequence[World]) -> None:
    seen, sizes, excepts = set(), set(), set()
    for world, policy in policies_of(worlds):
        for block in (peer.block for rule in rules_of(policy) for peer in rule.peers if peer.block):
            sizes.add(str(block.cidr) if block.cidr.prefixlen == 0 else f"/{block.cidr.prefixlen}")
            excepts.add(len(block.excepts))
            for one in (*world.sources, *world.services):
                if ip_address(one.address) in block.cidr:
                    seen.add(type(one).__name__ if block.contains(one.address) else f"not {type(one).__name__}")
    assert {"Pod", "Node", "Service", "External", "not Pod", "not Node", "not Service", "not External"} <= seen
    assert {"0.0.0.0/0", "::/0", "/8", "/16", "/24", "/32", "/128"} <= sizes
    assert excepts == {0, 1, 2}


def test_ports_are_drawn_in_every_form_and_number(worlds: Sequence[World]) -> None:
    rules = [rule for _, policy in policies_of(worlds) for rule in rules_of(policy)]
    ports = [port for rule in rules for port in rule.ports]
    assert {len(rule.ports) for rule in rules} == {0, 1, 2, 3}
    assert {(type(one.port).__name__, one.end is not None, one.protocol) for one in ports} == {
        (kind, ranged, protocol)
        for kind, ranged in (("NoneType", False), ("int", False), ("int", True), ("str", False))
        for protocol in Protocol
    }
    assert {"web", "alt", "dns", UNKNOWN_PORT} <= {one.port for one in ports}
    ranges = [(one.port, one.end) for one in ports if isinstance(one.port, int) and one.end]
    assert any(low <= 8080 and high >= 8081 for low, high in ranges)  # both are in it
    assert any(low <= 8080 and high == 8080 for low, high in ranges)  # it ends between the two
    assert any(low == 8081 and high >= 8081 for low, high in ranges)  # it begins between them


def test_half_of_the_selectors_of_policies_and_more_match_a_pod(worlds: Sequence[World]) -> None:
    matching = [
        any(pod.namespace == policy.namespace and policy.pods.matches(pod.labels) for pod in world.pods)
        for world, policy in policies_of(worlds)
        if policy.pods != Selector()
    ]
    assert 0.5 < sum(matching) / len(matching) < 0.95


# ---------------------------------------------------------------------------------------------------------- odd worlds


@pytest.mark.parametrize(
    "world",
    [
        World((Namespace("here"),)),
        World((Namespace("here"),), (Pod("here", "pod", "fd00::9"),), externals=(External("2001:db8::10"),)),
        World((Namespace("here"), Namespace("there")), (Pod("there", "pod", "10.244.1.9"),)),
    ],
    ids=["without pods", "of the other family", "without pods in one namespace"],
)
def test_valid_policies_are_drawn_for_odd_worlds_too(world: World) -> None:
    for seed in range(200):
        policy = Grammar(RandomDraw.seeded(str(seed)), world).policy("here", "p0")
        assert list(faults(policy)) == []


def test_a_network_lies_around_its_address_and_its_neighbour_beside_it() -> None:
    assert str(network("10.244.1.9", 24)) == "10.244.1.0/24"
    assert str(neighbour(network("10.244.1.9", 24))) == "10.244.0.0/24"
    assert str(neighbour(network("10.244.0.9", 24))) == "10.244.1.0/24"
