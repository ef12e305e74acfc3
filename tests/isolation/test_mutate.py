"""Mutants are every single slip of the hand: each a policy that the API would take, none of them twice."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from harness.isolation.mutate import NOBODY, mutants
from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector

WEB = Selector((("app", "web"),))
SHOP = Selector((("team", "shop"),))
IN = Requirement("env", Operator.IN, ("dev", "test"))
OUTSIDE = IpBlock(ip_network("203.0.113.0/24"), (ip_network("203.0.113.8/30"), ip_network("203.0.113.64/26")))
BOTH = (Direction.INGRESS, Direction.EGRESS)
FROM_SHOP = Rule((Peer(WEB, SHOP, at="f:8"),), (Port(Protocol.TCP, 80, at="f:9"),), at="f:7")
RICH = [
    Policy("a", "deny", types=BOTH, at="f:1"),
    Policy(
        "a",
        "web",
        WEB,
        ingress=(FROM_SHOP, Rule((Peer(Selector((("app", "db"),), (IN,))), Peer(block=OUTSIDE)))),
        egress=(Rule(ports=(Port(Protocol.UDP, 53), Port(Protocol.SCTP), Port(port="http"), Port(port=1, end=2))),),
        at="f:5",
    ),
    Policy("b", "web", Selector(requirements=(Requirement("x", Operator.EXISTS),)), ingress=(Rule(),), at="g:1"),
]


def changes(policy: Policy, *others: Policy) -> dict[str, Policy]:
    """What comes of one policy, by what was done to it; a deleted one is left out."""
    name = f"policy {policy.namespace}/{policy.name} "
    return {
        mutant.what.removeprefix(name): mutant.policies[0]
        for mutant in mutants([policy, *others])
        if mutant.what.startswith(name) and len(mutant.policies) > len(others)
    }


def rule_changes(rule: Rule) -> dict[str, Rule]:
    """What comes of the one ingress rule of a policy, by what was done to it."""
    found = changes(Policy("a", "p", ingress=(rule,)))
    begin = "ingress rule 1 "
    return {
        what.removeprefix(begin): one.ingress[0]
        for what, one in found.items()
        if what.startswith(begin) and one.ingress
    }


def peer_changes(peer: Peer) -> dict[str, Peer]:
    """What comes of one of two peers, by what was done to it."""
    found = rule_changes(Rule((peer, Peer(Selector((("other", "peer"),))))))
    return {what.removeprefix("from 1 "): one.peers[0] for what, one in found.items() if what.startswith("from 1 ")}


def port_changes(port: Port) -> dict[str, Port]:
    """What comes of one of two ports, by what was done to it."""
    found = rule_changes(Rule(ports=(port, Port(Protocol.SCTP, 7777))))
    begins = {what: what.partition(") ")[2] for what in found if what.startswith("port 1 ")}
    return {short: found[what].ports[0] for what, short in begins.items() if short != "is deleted"}


def test_every_part_of_a_policy_is_mutated_and_told_by_its_own_place() -> None:
    policy = Policy("a", "web", WEB, ingress=(FROM_SHOP,), types=BOTH, at="f:1")

    assert [(mutant.what.removeprefix("policy a/web "), mutant.at) for mutant in mutants([policy])] == [
        ("is deleted", "f:1"),
        ("podSelector becomes {}", "f:1"),
        ("podSelector asks for app=web-x, not web", "f:1"),
        ("no longer isolates Ingress", "f:1"),
        ("no longer isolates Egress", "f:1"),
        ("ingress allows everything, by a rule {}", "f:1"),
        ("ingress rule 1 is deleted", "f:7"),
        ("ingress rule 1 has no from: any peer", "f:7"),
        ("ingress rule 1 has no ports: every port of every protocol", "f:7"),
        ("ingress rule 1 from 1 loses its namespaceSelector", "f:8"),
        ("ingress rule 1 from 1 loses its podSelector", "f:8"),
        ("ingress rule 1 from 1 namespaceSelector becomes {}", "f:8"),
        ("ingress rule 1 from 1 namespaceSelector asks for team=shop-x, not shop", "f:8"),
        ("ingress rule 1 from 1 podSelector asks for app=web-x, not web", "f:8"),
        ("ingress rule 1 port 1 (TCP 80) becomes UDP", "f:9"),
        ("ingress rule 1 port 1 (TCP 80) becomes SCTP", "f:9"),
        ("ingress rule 1 port 1 (TCP 80) becomes every port", "f:9"),
        ("ingress rule 1 port 1 (TCP 80) becomes 81", "f:9"),
        ("ingress rule 1 port 1 (TCP 80) becomes 80-81", "f:9"),
        ("egress allows everything, by a rule {}", "f:1"),
    ]


def test_each_mutant_is_all_policies_with_one_of_them_changed() -> None:
    for mutant in mutants(RICH):
        untouched = [policy for policy in mutant.policies if policy in RICH]
        assert len(untouched) == len(RICH) - 1, mutant.what
        assert len(mutant.policies) == len(RICH) - ("is deleted" in mutant.what and "rule" not in mutant.what)


def test_mutants_are_the_same_every_time_and_none_comes_twice() -> None:
    once, again = list(mutants(RICH)), list(mutants(RICH))

    assert once == again
    assert len({mutant.what for mutant in once}) == len(once)
    assert len({mutant.policies for mutant in once}) == len(once)
    assert tuple(RICH) not in {mutant.policies for mutant in once}


def test_no_mutant_is_what_the_api_would_refuse() -> None:
    def rules() -> Iterator[tuple[str, Rule]]:
        for mutant in mutants(RICH):
            yield from ((mutant.what, rule) for one in mutant.policies for rule in (*one.ingress, *one.egress))

    for what, rule in rules():
        for peer in rule.peers:
            assert (peer.block is None) is (peer.pods is not None or peer.namespaces is not None), what
            if peer.block is not None:
                bare = IpBlock(peer.block.cidr)
                assert all(bare.contains(str(one.network_address)) for one in peer.block.excepts), what
            for selector in filter(None, (peer.pods, peer.namespaces)):
                assert all(bool(one.values) is ("In" in one.operator) for one in selector.requirements), what
        for port in rule.ports:
            assert not isinstance(port.port, int) or 1 <= port.port <= (port.end or port.port) <= 65535, what
            assert port.end is None or isinstance(port.port, int), what


def test_a_direction_that_is_not_isolated_can_be_and_its_rules_mean_nothing_until_then() -> None:
    found = changes(Policy("a", "p", ingress=(Rule(),), types=(Direction.EGRESS,)))

    assert found["isolates Ingress, too"].types == (Direction.EGRESS, Direction.INGRESS)
    assert not [what for what in found if what.startswith("ingress")]


def test_no_policy_types_is_another_thing_than_one_of_them() -> None:
    found = changes(Policy("a", "p", egress=(Rule(),), types=(Direction.EGRESS,)))

    assert "has no policyTypes" not in found  # it isolates Ingress, too: that mutant is there already
    assert changes(Policy("a", "p", types=(Direction.EGRESS,)))["has no policyTypes"].isolates == (Direction.INGRESS,)


def test_a_first_egress_rule_without_policy_types_turns_egress_on() -> None:
    found = changes(Policy("a", "p"))["egress allows everything, by a rule {}"]

    assert found.isolates == BOTH


def test_the_default_deny_becomes_an_allow_all_in_each_direction() -> None:
    found = changes(Policy("a", "deny", types=BOTH))

    assert found["ingress allows everything, by a rule {}"].ingress == (Rule(),)
    assert found["egress allows everything, by a rule {}"].egress == (Rule(),)


def test_a_policy_moves_to_each_other_namespace_that_has_one() -> None:
    found = changes(Policy("a", "p", WEB), Policy("b", "q"), Policy("c", "q"))

    moved = {what: one.namespace for what, one in found.items() if what.startswith("moves")}
    assert moved == {"moves to namespace b": "b", "moves to namespace c": "c"}


def test_a_list_that_loses_its_only_item_is_emptied_which_is_not_to_lose_the_rule() -> None:
    found = changes(Policy("a", "p", ingress=(FROM_SHOP,)))

    assert found["ingress rule 1 has no from: any peer"].ingress == (replace(FROM_SHOP, peers=()),)
    assert found["ingress rule 1 has no ports: every port of every protocol"].ingress == (replace(FROM_SHOP, ports=()),)
    assert found["ingress rule 1 is deleted"].ingress == ()
    assert not [what for what in found if what.endswith(("from 1 is deleted", "port 1 (TCP 80) is deleted"))]


def test_one_of_two_peers_and_one_of_two_ports_can_be_lost() -> None:
    first, second = Peer(WEB), Peer(SHOP)
    udp, tcp = Port(Protocol.UDP, 53), Port(Protocol.TCP, 53)

    found = rule_changes(Rule((first, second), (udp, tcp)))

    assert found["from 1 is deleted"].peers == (second,)
    assert found["port 2 (TCP 53) is deleted"].ports == (udp,)
    assert "port 2 (TCP 53) becomes UDP" not in found  # the same as to delete it


@pytest.mark.parametrize(
    ("peer", "what", "mutated"),
    [
        (Peer(WEB, SHOP), "loses its namespaceSelector", Peer(WEB)),
        (Peer(WEB, SHOP), "loses its podSelector", Peer(namespaces=SHOP)),
        (Peer(WEB, SHOP), "namespaceSelector becomes {}", Peer(WEB, Selector())),
        (Peer(WEB), "gets namespaceSelector {}", Peer(WEB, Selector())),
        (Peer(WEB), "podSelector becomes {}", Peer(Selector())),
        (Peer(namespaces=Selector()), "namespaceSelector {} matches nobody", Peer(namespaces=NOBODY)),
        (Peer(Selector()), "podSelector {} matches nobody", Peer(NOBODY)),
    ],
)
def test_a_peer_loses_or_widens_one_of_its_selectors(peer: Peer, what: str, mutated: Peer) -> None:
    assert peer_changes(peer)[what] == mutated


def test_no_pod_selector_beside_a_namespace_selector_means_the_same_as_an_empty_one() -> None:
    assert "podSelector becomes {}" not in peer_changes(Peer(WEB, SHOP))


def test_a_selector_loses_and_changes_each_of_its_parts() -> None:
    selector = Selector((("app", "web"), ("tier", "1")), (IN, Requirement("old", Operator.DOES_NOT_EXIST)))

    assert {what for what in peer_changes(Peer(selector)) if what.startswith("podSelector")} == {
        "podSelector becomes {}",
        "podSelector loses app=web",
        "podSelector asks for app=web-x, not web",
        "podSelector loses tier=1",
        "podSelector asks for tier=1-x, not 1",
        "podSelector loses `env In dev, test`",
        "podSelector says `env NotIn dev, test`, not `env In dev, test`",
        "podSelector says `env In test`, not `env In dev, test`",
        "podSelector says `env In dev`, not `env In dev, test`",
        "podSelector loses `old DoesNotExist`",
        "podSelector says `old Exists`, not `old DoesNotExist`",
    }


def test_a_block_loses_each_except_and_widens_by_a_bit() -> None:
    cidr, (first, second) = OUTSIDE.cidr, OUTSIDE.excepts

    assert {what: one.block for what, one in peer_changes(Peer(block=OUTSIDE)).items() if what != "is deleted"} == {
        f"ipBlock loses except {first}": IpBlock(cidr, (second,)),
        f"ipBlock loses except {second}": IpBlock(cidr, (first,)),
        "ipBlock widens from 203.0.113.0/24 to 203.0.112.0/23": IpBlock(ip_network("203.0.112.0/23"), (first, second)),
    }
    assert not [what for what in peer_changes(Peer(block=IpBlock(ip_network("0.0.0.0/0")))) if "widens" in what]


@pytest.mark.parametrize(
    ("port", "mutated"),
    [
        (Port(port=80), {"UDP", "SCTP", "every port", "81", "80-81"}),
        (Port(port=65535), {"UDP", "SCTP", "every port"}),
        (Port(port=80, end=90), {"UDP", "SCTP", "every port", "80-91", "80-89", "79-90", "81-90"}),
        (Port(port=1, end=2), {"UDP", "SCTP", "every port", "1-3", "1", "2"}),
        (Port(Protocol.UDP), {"TCP", "SCTP"}),
    ],
)
def test_a_port_changes_its_protocol_and_its_numbers_within_bounds(port: Port, mutated: set[str]) -> None:
    found = port_changes(port)

    assert {what.removeprefix("becomes ") for what in found if what.startswith("becomes ")} == mutated


def test_a_port_of_any_number_becomes_one_and_a_named_one_asks_for_another_name() -> None:
    assert port_changes(Port(Protocol.UDP))["is port 1 alone"] == Port(Protocol.UDP, 1)
    assert port_changes(Port(port="http"))["asks for another name"] == Port(port="nobody")
    assert port_changes(Port(port=1, end=2))["becomes 1"] == Port(port=1)


def test_of_two_policies_that_say_the_same_one_may_go() -> None:
    twins = [Policy("a", "one", WEB, (Rule(),)), Policy("a", "other", WEB, (Rule(),))]

    assert "policy a/one is deleted" not in {mutant.what for mutant in mutants(twins)}
