import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from harness.errors import UsageError
from harness.isolation.catalogue import CASES, NAMED, NOT_SHOWN, Case
from harness.isolation.catalogue.bare import catalogue_bare
from harness.isolation.catalogue.cast import Cast
from harness.isolation.catalogue.features import Feature, features
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Peer, Policy, Port, Rule
from harness.isolation.verdict import Verdict
from harness.isolation.world import Destination, Service, Source, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Selector

TCP, UDP = Protocol.TCP, Protocol.UDP
BARE = catalogue_bare("w3")
BY_NAME = {case.name: case for case in CASES}
PORTS = ((80, TCP), (81, TCP), (80, UDP), (8080, TCP), (8081, TCP), (8080, UDP), (8081, UDP))

# What cyclonus 12f646f generates, by its own families and tags.
CYCLONUS_FAMILIES = {
    "peers": 112,
    "ports": 70,
    "conflicts": 16,
    "upstream": 13,
    "actions": 6 + 1,  # its example is of this kind
    "targets": 6,
    "rules": 4,
    "namespaces": 2,
}
CYCLONUS_TAGS = {
    Feature.INGRESS: 105,
    Feature.EGRESS: 103,
    Feature.MULTI_PEER: 90,
    Feature.ALL_PODS: 84,
    Feature.ALL_NAMESPACES: 58,
    Feature.PODS_BY_LABEL: 54,
    Feature.NAMESPACES_BY_LABEL: 54,
    Feature.POLICY_NAMESPACE: 38,
    Feature.NAMESPACES_BY_NAME: 2,
    Feature.BLOCK: 20,
    Feature.BLOCK_WITH_EXCEPT: 20,
    Feature.NUMBERED_PORT: 40,
    Feature.NAMED_PORT: 25,
    Feature.EVERY_PORT: 14,
    Feature.END_PORT: 12,
    Feature.TCP: 20,
    Feature.UDP: 20,
    Feature.SCTP: 14,
    Feature.MULTI_PORT: 14,
    Feature.DENY_ALL: 13,
    Feature.ALLOW_ALL: 7,
    Feature.UNSERVED_PORT: 6,
    Feature.POLICY_CREATED: 2,
    Feature.POLICY_UPDATED: 1,
    Feature.POLICY_DELETED: 2,
    Feature.POD_CREATED: 1,
    Feature.POD_RELABELLED: 1,
    Feature.POD_DELETED: 1,
    Feature.NAMESPACE_CREATED: 1,
    Feature.NAMESPACE_RELABELLED: 1,
    Feature.NAMESPACE_DELETED: 1,
}


@cache
def states_of(name: str) -> Sequence[World]:
    """The states of a case, with addresses for the pods that it makes."""
    return [
        replace(
            world,
            pods=tuple(replace(pod, address=pod.address or f"10.244.9.{at}") for at, pod in enumerate(world.pods)),
        )
        for world in BY_NAME[name].build(BARE)
    ]


def entities(world: World) -> dict[str, Source | Destination]:
    """What a cell begins or ends at, by the words of these tests: ``x/a``, ``service x/a``, ``node``, ``outside``."""
    named: dict[str, Source | Destination] = {"node": world.nodes[0], "outside": world.externals[0]}
    named |= {pod.id.removeprefix("w3-"): pod for pod in world.pods}
    named |= {service.id.replace("w3-", ""): service for service in world.services}
    return named


def said(name: str, source: str, destination: str, port: int, protocol: Protocol = TCP, *, state: int = -1) -> Verdict:
    """The verdict in one state of a case: the last one, where none is named."""
    world = states_of(name)[state]
    known = entities(world)
    asker, asked = known[source], known[destination]
    assert not isinstance(asker, Service)
    return Oracle(world).verdict(asker, asked, port, protocol).verdict


def certain_changes(world: World) -> Iterator[str]:
    """The cells whose verdict policies change, from one that is certain to another."""
    judged, open_ = Oracle(world), Oracle(replace(world, policies=()))
    for source, destination, (port, protocol) in product(world.sources, world.destinations, PORTS):
        before = open_.verdict(source, destination, port, protocol).verdict
        after = judged.verdict(source, destination, port, protocol).verdict
        if after is not before and after is not Verdict.UNDEFINED:
            yield f"{source.id} -> {destination.id} {port}/{protocol}: {before}, then {after}"


def policies_of(case: Case) -> Iterator[Policy]:
    for world in case.build(BARE):
        yield from world.policies


def rules_of(case: Case) -> Iterator[Rule]:
    for policy in policies_of(case):
        yield from (*policy.ingress, *policy.egress)


# ----------------------------------------------------------------------------------------------------------- the whole


def test_there_are_more_cases_than_cyclonus_generates() -> None:
    assert len(CASES) >= 600


def test_no_name_is_given_twice() -> None:
    assert len(BY_NAME) == len(CASES)


def test_names_are_lines_of_plain_text() -> None:
    assert [name for name in BY_NAME if not re.fullmatch(r"[A-Za-z0-9][ -~]{8,119}", name)] == []


def test_no_two_cases_are_the_same() -> None:
    def content(world: World) -> str:  # less the names of policies, which change nothing
        policies = sorted(repr(replace(policy, name="")) for policy in world.policies)
        return repr((world.namespaces, world.pods, policies))

    same = Counter(tuple(content(world) for world in case.build(BARE)) for case in CASES)
    assert max(same.values()) == 1


def test_the_catalogue_is_the_same_in_the_same_order_for_every_bare_world() -> None:
    other = catalogue_bare("w4")
    for case in CASES:
        renamed = [repr(world).replace("w4-", "w3-") for world in case.build(other)]
        assert renamed == [repr(world) for world in case.build(BARE)], case.name


def test_each_family_of_cyclonus_has_as_many_cases_here() -> None:
    groups = Counter(case.group for case in CASES)
    assert {family: groups[family] for family, count in CYCLONUS_FAMILIES.items() if groups[family] < count} == {}


def test_each_tag_of_cyclonus_has_as_many_cases_here() -> None:
    tags = Counter(feature for case in CASES for feature in features(case.build(BARE)))
    assert {tag: tags[tag] for tag, count in CYCLONUS_TAGS.items() if tags[tag] < count} == {}


def test_every_feature_occurs() -> None:
    found = {feature for case in CASES for feature in features(case.build(BARE))}
    assert found == set(Feature)


def test_every_rule_has_a_case_or_a_reason_why_none_can_show_it() -> None:
    shown = {point for case in CASES for point in case.points}
    assert shown == set(range(1, 23)) - NOT_SHOWN.keys()


def test_every_rule_has_a_case_that_runs_always() -> None:
    shown = {point for case in CASES if case.named for point in case.points}
    assert shown == set(range(1, 23)) - NOT_SHOWN.keys()


def test_each_case_names_its_rules_once_and_in_order() -> None:
    assert [case.name for case in CASES if not case.points or list(case.points) != sorted(set(case.points))] == []


def test_the_cases_that_run_always_are_a_part_and_all_exist() -> None:
    assert {case.name for case in CASES if case.named} == NAMED
    assert 35 <= len(NAMED) <= 50


def test_a_case_that_runs_always_changes_something() -> None:
    assert [case.name for case in CASES if case.named and case.inert] == []


# ------------------------------------------------------------------------------------------------------- what they do


@pytest.mark.parametrize("name", [case.name for case in CASES if not case.inert])
def test_a_case_changes_a_verdict(name: str) -> None:
    assert any(True for world in states_of(name) for _ in certain_changes(world))


@pytest.mark.parametrize("name", [case.name for case in CASES if case.inert])
def test_an_inert_case_changes_no_verdict_that_is_certain(name: str) -> None:
    assert [change for world in states_of(name) for change in certain_changes(world)] == []


def test_only_what_a_case_made_is_removed_or_without_an_address() -> None:
    fixed = {pod.id: pod for pod in BARE.pods}
    for case in CASES:
        for world in case.build(BARE):
            assert (world.services, world.nodes, world.externals) == (BARE.services, BARE.nodes, BARE.externals), (
                case.name
            )
            pods = {pod.id: pod for pod in world.pods}
            assert fixed.keys() <= pods.keys(), case.name
            for pod in pods.values():
                bare = fixed.get(pod.id)
                if bare is None:
                    assert not pod.address
                    assert not pod.host_network
                else:
                    assert pod == replace(bare, labels=pod.labels), case.name
                    assert bare.labels.items() <= pod.labels.items(), case.name


def test_only_namespaces_that_a_case_made_are_removed_and_they_are_named_after_the_first() -> None:
    fixed = {namespace.name: namespace for namespace in BARE.namespaces}
    for case in CASES:
        for world in case.build(BARE):
            names = {namespace.name: namespace.labels for namespace in world.namespaces}
            assert fixed.keys() <= names.keys() <= fixed.keys() | {"w3-x-new"}, case.name
            assert all(fixed[name].labels.items() <= names[name].items() for name in fixed), case.name


def test_no_block_has_the_address_of_a_pod_that_a_case_makes() -> None:
    for case in CASES:
        made = any(not pod.address for world in case.build(BARE) for pod in world.pods)
        assert not (made and any(peer.block for rule in rules_of(case) for peer in rule.peers)), case.name


# --------------------------------------------------------------------------------------- what the API server would take


def test_a_policy_has_a_name_of_its_own_in_its_namespace() -> None:
    for case in CASES:
        for world in case.build(BARE):
            names = [(policy.namespace, policy.name) for policy in world.policies]
            assert len(set(names)) == len(names), case.name
            assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) for _, name in names), case.name


def test_an_address_block_stands_alone_and_excepts_only_parts_of_itself() -> None:
    for case in CASES:
        for peer in (peer for rule in rules_of(case) for peer in rule.peers):
            assert peer != Peer(), case.name
            if peer.block is not None:
                assert (peer.pods, peer.namespaces) == (None, None), case.name
                for network in peer.block.excepts:
                    assert network.version == peer.block.cidr.version, case.name
                    assert network.prefixlen > peer.block.cidr.prefixlen, case.name
                    assert network[0] in peer.block.cidr, case.name


def test_a_range_of_ports_begins_with_a_number_and_ends_no_lower() -> None:
    for case in CASES:
        for port in (port for rule in rules_of(case) for port in rule.ports):
            if isinstance(port.port, str):
                assert re.fullmatch(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?", port.port), case.name
                assert port.end is None, case.name
            elif port.port is None:
                assert port.end is None, case.name
            else:
                assert 1 <= port.port <= (port.end or port.port) <= 65535, case.name


def test_an_operator_has_values_where_it_takes_them_and_only_there() -> None:
    for case in CASES:
        rules = list(rules_of(case))
        selectors = [policy.pods for policy in policies_of(case)]
        selectors += [
            one or Selector() for rule in rules for peer in rule.peers for one in (peer.pods, peer.namespaces)
        ]
        for requirement in (requirement for selector in selectors for requirement in selector.requirements):
            assert bool(requirement.values) is (requirement.operator in (Operator.IN, Operator.NOT_IN)), case.name


# ---------------------------------------------------------------------------------- verdicts that were written by hand


def test_deny_all_denies_pods_and_outside_but_not_the_own_node_or_itself() -> None:
    name = "ingress: deny all"
    assert said(name, "x/b", "x/a", 8080) is Verdict.DENY
    assert said(name, "outside", "x/a", 8080) is Verdict.DENY
    assert said(name, "node", "x/a", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "x/a", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "y/b", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "x/b", 8080) is Verdict.ALLOW


def test_two_rules_do_not_lend_each_other_peers_or_ports() -> None:
    name = "egress: two rules with a peer and a port each do not mix"
    assert said(name, "x/a", "x/b", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "x/b", 8081) is Verdict.DENY
    assert said(name, "x/a", "y/c", 8081) is Verdict.ALLOW
    assert said(name, "x/a", "y/c", 8080) is Verdict.DENY


def test_an_egress_rule_without_types_isolates_ingress_too() -> None:
    name = "types: no types and an egress rule: Egress, and Ingress which then denies all"
    assert said(name, "x/b", "x/a", 8080) is Verdict.DENY
    assert said(name, "x/a", "z/a", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "z/a", 8081) is Verdict.DENY


def test_ingress_rules_of_a_policy_for_egress_mean_nothing() -> None:
    name = "types: type Egress with ingress rules alone: they mean nothing"
    assert said(name, "x/b", "x/a", 8081) is Verdict.ALLOW
    assert said(name, "x/a", "x/b", 8080) is Verdict.DENY


def test_both_selectors_of_an_item_must_match_and_any_of_two_items() -> None:
    both = "ingress from pods labelled b and in namespaces labelled y"
    either = "ingress from pods labelled b here, or anything in namespaces labelled y"
    askers = ("y/b", "y/a", "x/b", "z/b")
    assert [said(both, one, "x/a", 8080) is Verdict.ALLOW for one in askers] == [True, False, False, False]
    assert [said(either, one, "x/a", 8080) is Verdict.ALLOW for one in askers] == [True, True, True, False]


def test_not_in_matches_a_pod_without_the_label() -> None:
    name = "ingress from pods not of a red team, or of none, in every namespace"
    assert said(name, "x/b", "x/a", 8080) is Verdict.DENY  # red
    assert said(name, "x/c", "x/a", 8080) is Verdict.ALLOW  # blue
    assert said(name, "y/c", "x/a", 8080) is Verdict.ALLOW  # of no team
    assert said("egress to namespaces without a team", "x/a", "y/a", 8080) is Verdict.DENY
    assert said("egress to namespaces without a team", "x/a", "x/b", 8080) is Verdict.ALLOW


def test_a_named_port_has_the_number_of_the_pod_that_is_asked() -> None:
    assert said("ingress on web/TCP", "y/b", "x/a", 8080) is Verdict.ALLOW
    assert said("ingress on web/TCP", "y/b", "x/b", 8080) is Verdict.DENY
    assert said("ingress on web/TCP", "y/b", "x/b", 8081) is Verdict.ALLOW
    assert said("egress on alt/TCP", "x/a", "y/a", 8081) is Verdict.ALLOW
    assert said("egress on alt/TCP", "x/a", "y/b", 8081) is Verdict.DENY


@pytest.mark.parametrize("port", [8080, 8081])
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_name_that_no_pod_has_matches_nothing(port: int, protocol: Protocol) -> None:
    assert said("ingress on nowhere/TCP, which no pod has", "y/a", "x/a", port, protocol) is Verdict.DENY
    assert said("egress on web/UDP, a name of another protocol", "x/a", "y/a", port, protocol) is Verdict.DENY


def test_a_rule_of_udp_alone_denies_tcp() -> None:
    assert said("ingress on 8080/UDP", "y/a", "x/a", 8080, UDP) is Verdict.ALLOW
    assert said("ingress on 8080/UDP", "y/a", "x/a", 8080, TCP) is Verdict.DENY
    assert said("ingress on 8080/UDP", "y/a", "x/a", 8081, UDP) is Verdict.DENY


def test_a_range_has_both_its_ends() -> None:
    assert said("ingress on 8080-8080/TCP", "y/a", "x/a", 8080) is Verdict.ALLOW
    assert said("ingress on 8080-8080/TCP", "y/a", "x/a", 8081) is Verdict.DENY
    assert said("egress on 8080-8081/TCP", "x/a", "y/a", 8081) is Verdict.ALLOW
    assert said("ingress on 8000-8079/TCP or 8081-8090/TCP", "y/a", "x/a", 8080) is Verdict.DENY
    assert said("ingress on 8000-8079/TCP or 8081-8090/TCP", "y/a", "x/a", 8081) is Verdict.ALLOW


def test_the_port_of_a_service_is_not_what_a_rule_means() -> None:
    theirs = "egress on 80/TCP, where Services have their ports"
    pods = "egress to pods labelled b in namespaces labelled y, through Services on 8080/TCP"
    assert said(theirs, "x/a", "service y/b", 80) is Verdict.DENY
    # web of y/b is 8081, so the Service's port 80 leads there; no port of it but UDP leads to 8080
    assert said(pods, "x/a", "service y/b", 80) is Verdict.DENY
    assert said(pods.replace("8080", "8081"), "x/a", "service y/b", 80) is Verdict.ALLOW
    assert said(pods.replace("8080/TCP", "8080/UDP"), "x/a", "service y/b", 80, UDP) is Verdict.ALLOW


def test_a_service_of_a_pod_that_may_reach_nobody() -> None:
    name = "pods that may reach nobody ask their own Services, and their own addresses"
    assert said(name, "y/a", "service y/a", 80) is Verdict.UNDEFINED
    assert said(name, "y/a", "y/a", 8080) is Verdict.ALLOW
    assert said(name, "y/a", "service y/b", 80) is Verdict.DENY


def test_a_service_whose_pods_differ_is_mixed() -> None:
    name = "ingress: a Service gets a second pod, which is denied"
    assert [said(name, "z/a", "service x/a", 80, state=state) for state in (0, 1, 2)] == [
        Verdict.ALLOW,
        Verdict.MIXED,
        Verdict.ALLOW,
    ]


def test_what_one_block_excepts_another_allows() -> None:
    name = "egress to two blocks that overlap, the address excepted from the wider"
    assert said(name, "x/a", "outside", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "y/a", 8080) is Verdict.DENY
    again = "egress: what a block excepts, another policy allows, as long as it is there"
    assert [said(again, "x/a", "outside", 8080, state=state) for state in (0, 1, 2)] == [
        Verdict.DENY,
        Verdict.ALLOW,
        Verdict.DENY,
    ]


def test_a_block_of_everything_is_certain_of_outside_alone() -> None:
    name = "egress: deny all, then 0.0.0.0/0"
    assert said(name, "x/a", "outside", 8080, state=0) is Verdict.DENY
    assert said(name, "x/a", "outside", 8080) is Verdict.ALLOW
    assert said(name, "x/a", "y/a", 8080) is Verdict.UNDEFINED
    assert said(name, "x/a", "node", 8080) is Verdict.UNDEFINED


def test_a_node_reaches_its_pods_and_they_do_not_reach_it() -> None:
    assert said("a node reaches its pods, though every namespace denies ingress", "node", "z/c", 8080) is Verdict.ALLOW
    assert said("a pod that may reach nobody does not reach its own node", "y/a", "node", 8080) is Verdict.DENY


def test_a_pod_on_the_hosts_network_is_not_isolated_and_no_peer() -> None:
    isolated = "namespaces deny everything, a pod on the host's network in them stays open"
    assert said(isolated, "y/a", "hosts/host", 8080) is Verdict.ALLOW
    assert said(isolated, "hosts/host", "y/a", 8080) is Verdict.ALLOW
    assert said(isolated, "y/a", "x/a", 8080) is Verdict.DENY
    meant = "egress to all pods of a namespace does not mean its pod on the host's network"
    assert said(meant, "x/a", "x/b", 8080) is Verdict.ALLOW
    assert said(meant, "x/a", "hosts/host", 8080) is Verdict.DENY


def test_the_pod_on_the_hosts_network_may_lie_in_any_namespace() -> None:
    moved = replace(BARE, pods=tuple(replace(pod, namespace="w3-x") if pod.host_network else pod for pod in BARE.pods))
    for case in CASES:
        worlds = case.build(moved)
        names = [[(one.namespace, one.name) for one in world.policies] for world in worlds]
        assert all(len(set(one)) == len(one) for one in names), case.name
        if case.group == "nodes":
            changed = any(True for world in worlds for _ in certain_changes(world))
            assert changed is not case.inert, case.name


def test_a_pod_is_a_peer_while_it_has_the_label() -> None:
    name = "ingress from a pod that gets the label, and loses it"
    assert [said(name, "y/b", "x/a", 8080, state=state) for state in (0, 1, 2)] == [
        Verdict.DENY,
        Verdict.ALLOW,
        Verdict.DENY,
    ]


def test_a_pod_of_a_namespace_that_was_just_created_is_a_peer() -> None:
    name = "ingress from a namespace that is created and deleted"
    assert said(name, "x-new/a", "x/a", 8080, state=2) is Verdict.ALLOW
    assert said(name, "z/a", "x/a", 8080, state=2) is Verdict.DENY


# ---------------------------------------------------------------------------------------------- a bare world that lacks


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        (replace(BARE, namespaces=(), pods=(), services=()), "no namespace labelled ns: x; the catalogue needs"),
        (replace(BARE, pods=()), "no pod labelled pod: a in namespace w3-x"),
        (replace(BARE, services=()), "no Service that leads to pod w3-x/a"),
    ],
)
def test_what_a_bare_world_lacks_is_named(lacking: World, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Cast(lacking).service("x", "a")


def test_a_bare_world_without_an_outside_address_or_a_host_is_refused() -> None:
    with pytest.raises(UsageError, match="no address outside the cluster"):
        Cast(replace(BARE, externals=())).block(24)
    with pytest.raises(UsageError, match="no pod on the host's network"):
        _ = Cast(replace(BARE, pods=BARE.pods[:-1])).host


# ----------------------------------------------------------------------------------------------------------- features


def test_a_name_that_only_another_protocol_has_is_a_port_that_no_pod_has() -> None:
    def found(port: Port) -> frozenset[Feature]:
        return features([replace(BARE, policies=(Policy("w3-x", "policy", ingress=(Rule(ports=(port,)),)),))])

    assert Feature.UNSERVED_PORT in found(Port(UDP, "web"))
    assert Feature.UNSERVED_PORT not in found(Port(TCP, "web"))
    assert Feature.UNSERVED_PORT in found(Port(TCP, 9000, 9010))
    assert Feature.UNSERVED_PORT not in found(Port(TCP, 1, 9010))


def test_rules_of_a_direction_that_is_not_isolated_are_no_feature() -> None:
    policy = Policy("w3-x", "policy", egress=(Rule(),), types=())
    assert Feature.ALLOW_ALL in features([replace(BARE, policies=(policy,))])
    ignored = BY_NAME["types: type Ingress with egress rules alone: they mean nothing"]
    assert features(ignored.build(BARE)) == {Feature.INGRESS, Feature.DENY_ALL}
