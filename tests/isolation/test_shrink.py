"""A world is made as small as it can be while it still shows something, in few and valid steps."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest
from api_validation import faults

from harness.isolation.agreement import drawn
from harness.isolation.policy import Direction, IpBlock, Network, Peer, Policy, Port, Rule
from harness.isolation.shrink import shrink, steps
from harness.isolation.world import ContainerPort, External, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

HERE, THERE = Namespace("here", {"team": "red"}), Namespace("there")
POD = Pod("here", "pod", "10.244.1.9", {"app": "web", "slot": "0"}, (ContainerPort(8080, name="web"),))
OTHER = Pod("there", "other", "10.244.1.10", {"app": "db"}, (ContainerPort(8081, name="web"),))
BARE = World(
    (HERE, THERE),
    (POD, OTHER),
    services=(Service("here", "web", "10.96.0.9", {"slot": "0"}, (ServicePort(80, "web"),)),),
    nodes=(Node("node1", "192.168.7.1"), Node("node2", "192.168.7.2")),
    externals=(External("203.0.113.10"),),
)
Predicate = Callable[[World], bool]


def ports(world: World) -> list[Port]:
    return [port for policy in world.policies for rule in (*policy.ingress, *policy.egress) for port in rule.ports]


def peers(world: World) -> list[Peer]:
    return [peer for policy in world.policies for rule in (*policy.ingress, *policy.egress) for peer in rule.peers]


def with_rule(rule: Rule) -> World:
    return replace(BARE, policies=(Policy("here", "p0", ingress=(rule,)),))


def only_rule(world: World) -> Rule:
    [policy] = world.policies
    [rule] = policy.ingress
    return rule


# ---------------------------------------------------------------------------------------------------- what is left


def test_where_everything_shows_it_nothing_is_left() -> None:
    assert shrink(drawn(1, 1, 0)[0], lambda _: True) == World()


def test_where_nothing_smaller_shows_it_the_world_stays() -> None:
    world = drawn(1, 1, 0)[0]
    assert shrink(world, lambda _: False) == world


def test_only_the_parts_that_are_needed_are_left() -> None:
    def shows(world: World) -> bool:
        named = any(policy.name == "p7" and policy.egress for policy in world.policies)
        return named and any(pod.name == "other" for pod in world.pods)

    rule = Rule((Peer(pods=Selector((("app", "web"),))),), (Port(port=8080), Port(port="web")))
    many = tuple(Policy("here", f"p{number}", Selector(), (rule,), (rule, rule)) for number in range(10))
    assert shrink(replace(BARE, policies=many), shows) == World(
        (Namespace("here"), THERE),
        (replace(OTHER, labels={}),),
        (Policy("here", "p7", egress=(Rule(),)),),
        nodes=(Node("node1", "192.168.7.1"),),
    )


def test_a_range_becomes_one_of_its_ends_where_any_port_is_too_much() -> None:
    world = with_rule(Rule(ports=(Port(Protocol.UDP, 7000, 7005),)))
    assert only_rule(shrink(world, lambda one: any(port.port for port in ports(one)))).ports == (Port(port=7000),)
    last = shrink(world, lambda one: any(port.port and (port.end or port.port) == 7005 for port in ports(one)))
    assert only_rule(last).ports == (Port(port=7005),)


def test_a_name_becomes_a_number_that_it_has_on_a_pod() -> None:
    world = with_rule(Rule(ports=(Port(port="web"),)))
    small = shrink(world, lambda one: POD in one.pods and any(port.port for port in ports(one)), bare=BARE)
    assert only_rule(small).ports == (Port(port=8080),)


def test_a_requirement_becomes_a_label_where_it_can() -> None:
    requirement = Requirement("app", Operator.IN, ("db", "web"))
    world = with_rule(Rule(peers=(Peer(pods=Selector((("team", "red"),), (requirement,))),)))

    def means_web_only(one: World) -> bool:
        return any(peer.pods and peer.pods.matches({**POD.labels, "team": "red"}) for peer in peers(one)) and not any(
            peer.pods and peer.pods.matches({"team": "red"}) for peer in peers(one)
        )

    assert only_rule(shrink(world, means_web_only)).peers == (Peer(pods=Selector((("app", "web"),))),)


def test_of_the_values_of_a_requirement_one_stays() -> None:
    requirement = Requirement("app", Operator.NOT_IN, ("db", "web", "cache"))
    world = replace(BARE, policies=(Policy("here", "p0", Selector((), (requirement,))),))
    small = shrink(world, lambda one: any(policy.pods.requirements for policy in one.policies))
    [policy] = small.policies
    [left] = policy.pods.requirements
    assert (left.operator, len(left.values)) == (Operator.NOT_IN, 1)


@pytest.mark.parametrize(("address", "widest"), [("203.0.113.10", "203.0.113.0/24"), ("203.0.0.1", "203.0.0.0/16")])
def test_a_block_becomes_as_wide_as_it_may(address: str, widest: str) -> None:
    around: Network = ip_network(widest)
    world = with_rule(Rule(peers=(Peer(block=IpBlock(ip_network(address))),)))

    def within(one: World) -> bool:
        return any(peer.block and peer.block.cidr.subnet_of(around) for peer in peers(one))  # type: ignore[arg-type]

    assert only_rule(shrink(world, within)).peers == (Peer(block=IpBlock(around)),)


def test_excepts_go_and_types_go() -> None:
    block = IpBlock(ip_network("10.0.0.0/8"), (ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16")))
    policy = Policy("here", "p0", egress=(Rule((Peer(block=block),)),), types=tuple(Direction))
    small = shrink(
        replace(BARE, policies=(policy,)),
        lambda one: any(peer.block and not peer.block.contains("10.2.0.1") for peer in peers(one)),
    )
    [left] = small.policies
    assert left.types == ()
    assert left.egress == (Rule((Peer(block=IpBlock(ip_network("0.0.0.0/0"), (ip_network("10.2.0.0/16"),))),)),)


def test_labels_of_the_bare_world_stay() -> None:
    drawn_labels = tuple(replace(pod, labels={**pod.labels, "tier": "front"}) for pod in BARE.pods)
    world = replace(BARE, pods=drawn_labels, namespaces=(replace(HERE, labels={"team": "red", "env": "prod"}), THERE))
    small = shrink(world, lambda one: len(one.pods) == 2, bare=BARE)
    assert small.pods == BARE.pods
    assert small.namespaces == BARE.namespaces
    assert [dict(pod.labels) for pod in shrink(world, lambda one: len(one.pods) == 2).pods] == [{}, {}]


def test_a_node_stays_as_long_as_a_pod_runs_on_it_and_a_namespace_as_long_as_something_lies_in_it() -> None:
    small = shrink(BARE, lambda one: POD.id in {pod.id for pod in one.pods})
    assert [node.name for node in small.nodes] == ["node1"]
    assert [one.name for one in small.namespaces] == ["here"]


# ---------------------------------------------------------------------------------------------------- how it asks


def has_range(world: World) -> bool:
    return any(port.end for port in ports(world))


def has_two_peers_in_one_rule(world: World) -> bool:
    return any(len(rule.peers) > 1 for policy in world.policies for rule in (*policy.ingress, *policy.egress))


def selects_a_labelled_pod(world: World) -> bool:
    return any(
        policy.pods != Selector() and policy.pods.matches(pod.labels) and policy.namespace == pod.namespace
        for policy in world.policies
        for pod in world.pods
    )


def has_an_except_and_a_service(world: World) -> bool:
    return bool(world.services) and any(peer.block and peer.block.excepts for peer in peers(world))


PREDICATES = (has_range, has_two_peers_in_one_rule, selects_a_labelled_pod, has_an_except_and_a_service)


@pytest.mark.parametrize("shows", PREDICATES, ids=lambda shows: shows.__name__.replace("_", " "))
def test_no_single_step_from_the_smallest_world_still_shows_it(shows: Predicate) -> None:
    candidates = [world for world in (drawn(8, index, 0)[0] for index in range(60)) if shows(world)][:12]
    assert len(candidates) == 12
    for world in candidates:
        small = shrink(world, shows)
        assert shows(small)
        assert [one for one in steps(small) if one != small and shows(one)] == []


@pytest.mark.parametrize("shows", PREDICATES, ids=lambda shows: shows.__name__.replace("_", " "))
def test_only_valid_worlds_are_asked_about_and_none_twice(shows: Predicate) -> None:
    world = next(world for world in (drawn(9, index, 0)[0] for index in range(60)) if shows(world))
    asked: list[World] = [world]

    def ask(candidate: World) -> bool:
        asked.append(candidate)
        return shows(candidate)

    shrink(world, ask)
    assert len(asked) == len(set(asked)) > 10
    assert [list(faults(policy)) for one in asked for policy in one.policies if any(faults(policy))] == []


def test_the_same_answers_give_the_same_world() -> None:
    world = next(world for world in (drawn(9, index, 0)[0] for index in range(60)) if has_range(world))
    assert shrink(world, has_range) == shrink(world, has_range)


def test_one_of_many_policies_is_found_in_few_questions() -> None:
    asked: list[World] = []

    def shows(world: World) -> bool:
        asked.append(world)
        return any(policy.name == "p41" for policy in world.policies)

    world = World((THERE,), policies=tuple(Policy("there", f"p{number}") for number in range(64)))
    assert [policy.name for policy in shrink(world, shows).policies] == ["p41"]
    assert len(asked) < 2 * 6 + 6


def test_each_smaller_world_is_told() -> None:
    world = next(world for world in (drawn(9, index, 0)[0] for index in range(60)) if has_range(world))
    told: list[World] = []
    small = shrink(world, has_range, found=told.append)
    assert told[-1] == small
    assert all(map(has_range, told))
    assert len(str(told[0])) > len(str(told[-1]))


def test_when_stopped_it_asks_no_more_and_gives_the_smallest_so_far() -> None:
    world = next(world for world in (drawn(9, index, 0)[0] for index in range(60)) if has_range(world))
    told: list[World] = []
    asked: list[World] = []

    def ask(candidate: World) -> bool:
        asked.append(candidate)
        return has_range(candidate)

    small = shrink(world, ask, found=told.append, stop=lambda: len(told) == 3)
    assert small == told[-1]
    assert len(told) == 3
    assert asked[-1] == small
