"""What the oracle adds to its rules (test_points.py): its reasons, and what it remembers between two ports."""

from ipaddress import ip_network

import pytest

from harness.isolation.oracle import Oracle
from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import (
    ContainerPort,
    Destination,
    External,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
    Source,
    World,
)
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector

TCP, UDP = Protocol.TCP, Protocol.UDP
ALLOW, DENY, UNDEFINED, MIXED = Verdict.ALLOW, Verdict.DENY, Verdict.UNDEFINED, Verdict.MIXED
INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS

WEB = Pod("shop", "web", "10.0.0.1", {"app": "web"}, (ContainerPort(8080, TCP, "http"),))
DB = Pod("shop", "db", "10.0.0.2", {"app": "db"}, (ContainerPort(5432, TCP, "sql"),))
NODE = Node("node1", "192.168.0.1")
OUTSIDE = External("203.0.113.10")
SERVICE = Service(
    "shop", "all", "10.96.0.1", {}, (ServicePort(80, 8080), ServicePort(81, 8080), ServicePort(443, 5432))
)

EVERY_POD = Selector()


def of(name: str, *rules: Rule, pods: Selector = EVERY_POD, direction: Direction = INGRESS) -> Policy:
    """A policy of namespace shop at ``{name}.yaml:1``, its rules of one direction."""
    ingress, egress = (rules, ()) if direction is INGRESS else ((), rules)
    return Policy("shop", name, pods, ingress, egress, (direction,), at=f"{name}.yaml:1")


def ask(
    policies: tuple[Policy, ...], source: Source, destination: Destination, port: int, protocol: Protocol = TCP
) -> Decision:
    world = World((Namespace("shop"),), (WEB, DB), policies, (SERVICE,), (NODE,), (OUTSIDE,))
    return Oracle(world).verdict(source, destination, port, protocol)


ONLY_WEB = Peer(pods=Selector((("app", "web"),)))
ONLY_DB = Selector((("app", "db"),))


# -------------------------------------------------------------------------------------------------------------- reasons


def test_an_allowed_connection_names_every_rule_that_allows_it() -> None:
    first = of("first", Rule((ONLY_WEB,), (), at="first.yaml:9"))
    second = of("second", Rule((), (Port(port=5432),), at="second.yaml:9"))

    decision = ask((first, second), WEB, DB, 5432)

    assert decision.verdict is ALLOW
    assert {"first.yaml:9", "second.yaml:9"} <= {reason.at for reason in decision.reasons}
    assert "policy shop/first allows ingress with shop/web (first.yaml:9)" in str(decision)
    assert "policy shop/second allows ingress with any peer (second.yaml:9)" in str(decision)


def test_an_allowed_connection_says_of_each_side_that_is_open_why() -> None:
    decision = ask((), WEB, DB, 5432)

    assert [reason.text for reason in decision.reasons] == [
        "egress of shop/web is not isolated: no policy selects the pod",
        "ingress of shop/db is not isolated: no policy selects the pod",
    ]


def test_a_denied_connection_names_every_policy_that_isolates_and_nothing_of_the_side_that_allows() -> None:
    decision = ask((of("one"), of("two", pods=ONLY_DB), of("third", pods=Selector((("app", "web"),)))), WEB, DB, 5432)

    assert [reason.at for reason in decision.reasons] == ["one.yaml:1", "two.yaml:1", ""]
    assert decision.reasons[-1].text == "no rule allows the peer on any port"


def test_a_connection_that_both_sides_deny_names_both() -> None:
    decision = ask((of("in", pods=ONLY_DB), of("out", direction=EGRESS)), WEB, DB, 5432)

    assert [reason.at for reason in decision.reasons if reason.at] == ["out.yaml:1", "in.yaml:1"]


def test_a_denied_connection_names_the_ports_on_which_its_peer_would_be_let_in() -> None:
    rules = (Rule((ONLY_WEB,), (Port(port=80),), at="p.yaml:5"), Rule((), (Port(port=90, end=99),), at="p.yaml:8"))

    decision = ask((of("p", *rules),), WEB, DB, 5432)

    assert [(reason.text.partition(", ")[2], reason.at) for reason in decision.reasons[1:]] == [
        ("but only on port 80", "p.yaml:5"),
        ("but only on ports 90 to 99", "p.yaml:8"),
    ]


def test_a_rule_for_another_peer_or_protocol_is_no_reason() -> None:
    others = Rule((Peer(pods=ONLY_DB),), (), at="p.yaml:5")
    datagrams = Rule((ONLY_WEB,), (Port(UDP, 5432),), at="p.yaml:8")

    assert [reason.at for reason in ask((of("p", others, datagrams),), WEB, DB, 5432).reasons] == ["p.yaml:1", ""]


def test_an_undefined_connection_says_what_is_not_said() -> None:
    block = Rule((Peer(block=IpBlock(ip_network("10.0.0.0/8"))),), at="p.yaml:5")

    decision = ask((of("p", block),), WEB, DB, 5432)

    assert decision.verdict is UNDEFINED
    assert str(decision).endswith("with shop/web by a block with its address (undefined) (p.yaml:5)")


def test_a_rule_that_means_the_peer_for_certain_outweighs_a_block_that_may() -> None:
    rule = Rule((Peer(block=IpBlock(ip_network("10.0.0.0/8"))), ONLY_WEB), at="p.yaml:5")

    assert ask((of("p", rule),), WEB, DB, 5432).verdict is ALLOW


# ------------------------------------------------------------------------------------------------------------- look-ups


@pytest.mark.parametrize(
    ("port", "verdict"),
    [(1, DENY), (79, DENY), (80, ALLOW), (81, DENY), (89, DENY), (90, ALLOW), (99, ALLOW), (100, DENY), (65535, DENY)],
)
def test_a_verdict_changes_at_the_first_port_of_a_range_and_behind_its_last(port: int, verdict: Verdict) -> None:
    policy = of("p", Rule((), (Port(port=80), Port(port=90, end=99))))

    assert ask((policy,), WEB, DB, port).verdict is verdict


def test_ranges_that_touch_and_overlap_are_one() -> None:
    policy = of("p", Rule((), (Port(port=80, end=89), Port(port=90, end=95), Port(port=93, end=99))))

    assert [ask((policy,), WEB, DB, port).verdict for port in (79, 89, 90, 93, 95, 96, 99, 100)] == [
        DENY,
        *[ALLOW] * 6,
        DENY,
    ]


def test_a_range_to_the_last_port_ends_there() -> None:
    policy = of("p", Rule((), (Port(port=65535),)))

    assert ask((policy,), WEB, DB, 65535).verdict is ALLOW
    assert ask((policy,), WEB, DB, 65534).verdict is DENY


def test_what_is_remembered_of_one_protocol_is_not_said_of_another() -> None:
    world = World((Namespace("shop"),), (WEB, DB), (of("p", Rule((), (Port(UDP, 53),))),))
    oracle = Oracle(world)

    said = [oracle.verdict(WEB, DB, 53, protocol).verdict for protocol in (UDP, TCP, UDP)]

    assert said == [ALLOW, DENY, ALLOW]


def test_what_is_remembered_of_one_direction_is_not_said_of_the_other() -> None:
    world = World((Namespace("shop"),), (WEB, DB), (of("p", pods=ONLY_DB),))
    oracle = Oracle(world)

    assert [oracle.verdict(*pair, 80, TCP).verdict for pair in ((WEB, DB), (DB, WEB))] == [DENY, ALLOW]


def test_only_the_ports_of_a_service_lead_anywhere_also_those_side_by_side() -> None:
    service = Service("shop", "db", "10.96.0.2", {"app": "db"}, SERVICE.ports)
    world = World((Namespace("shop"),), (WEB, DB), (of("p", Rule((), (Port(port=8080),))),), (service,))
    oracle = Oracle(world)

    said = {port: oracle.verdict(WEB, service, port, TCP) for port in (1, 79, 80, 81, 82, 442, 443, 444, 65535)}

    assert {port: decision.verdict for port, decision in said.items() if decision.verdict is not UNDEFINED} == {
        80: ALLOW,
        81: ALLOW,
        443: DENY,
    }
    assert str(said[82]) == "undefined: service shop/db has no such TCP port"


def test_backends_that_differ_are_told_with_the_reasons_of_each() -> None:
    web_too = Pod("shop", "web-2", "10.0.0.9", {"app": "web"})
    both = Service("shop", "both", "10.96.0.3", {"tier": "x"}, (ServicePort(80, 8080),))
    one, other = (
        Pod("shop", name, address, {"tier": "x", "is": name})
        for name, address in (("a", "10.1.0.1"), ("b", "10.1.0.2"))
    )
    policy = of("p", pods=Selector((("is", "a"),)))
    world = World((Namespace("shop"),), (web_too, one, other), (policy,), (both,))

    decision = Oracle(world).verdict(web_too, both, 80, TCP)

    assert decision.verdict is MIXED
    assert "p.yaml:1" in [reason.at for reason in decision.reasons]
    assert "ingress of shop/b is not isolated: no policy selects the pod" in str(decision)
