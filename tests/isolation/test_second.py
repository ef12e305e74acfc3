"""The second judge against the rules of docs/network-policy.md, one after the other, in tiny worlds judged by hand.

The methods of the values are forbidden here: what the second judge shares with the model, it cannot check.
"""

from dataclasses import replace
from ipaddress import ip_network
from typing import NamedTuple

import pytest

from harness.errors import UsageError
from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.isolation.second import Second, evaluate
from harness.isolation.verdict import Verdict
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
from harness.kube.selectors import Operator, Requirement, Selector

ALLOW, DENY, UNDEFINED, MIXED = Verdict.ALLOW, Verdict.DENY, Verdict.UNDEFINED, Verdict.MIXED
TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP
INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS

HERE, THERE = Node("here", "192.168.0.1"), Node("there", "192.168.0.2")
OUTSIDE = External("203.0.113.10")
NEXT = External("203.0.113.11")
OUTSIDE_6 = External("2001:db8::10")
PORTS = (ContainerPort(8080, TCP, "web"), ContainerPort(8081, TCP, "alt"), ContainerPort(8080, UDP, "dns"))
SWAPPED = (ContainerPort(8081, TCP, "web"), ContainerPort(8080, TCP, "alt"), ContainerPort(8080, UDP, "dns"))

A = Pod("x", "a", "10.0.0.1", {"app": "a", "tier": "front"}, PORTS, "here")
B = Pod("x", "b", "10.0.0.2", {"app": "b", "both": "yes"}, PORTS, "there")
C = Pod("x", "c", "10.0.0.3", {"app": "c", "both": "yes"}, SWAPPED, "here")
D = Pod("y", "d", "10.0.0.4", {"app": "a"}, PORTS, "there")
SIX = Pod("y", "six", "fd00::5", {"app": "six"}, PORTS, "there")
HOST = Pod("x", "host", "192.168.0.1", {"app": "host", "both": "no"}, PORTS, "here", host_network=True)

TO_B = Service("x", "to-b", "10.96.0.1", {"app": "b"}, (ServicePort(80, "web"), ServicePort(81, 8081)))
TO_BOTH = Service("x", "to-both", "10.96.0.2", {"both": "yes"}, (ServicePort(80, "web"), ServicePort(80, 8080, UDP)))
TO_A = Service("x", "to-a", "10.96.0.3", {"app": "a"}, (ServicePort(80, "web"),))
TO_HOST = Service("x", "to-host", "10.96.0.4", {"app": "host"}, (ServicePort(80, "web"),))

BARE = World(
    namespaces=(Namespace("x", {"team": "x"}), Namespace("y", {"team": "y"})),
    pods=(A, B, C, D, SIX, HOST),
    services=(TO_B, TO_BOTH, TO_A, TO_HOST),
    nodes=(HERE, THERE),
    externals=(OUTSIDE, NEXT, OUTSIDE_6),
)

EVERY = Selector()
ON_A, ON_B, ON_C = (Selector((("app", name),)) for name in "abc")
ANYBODY = Rule()


def block(cidr: str, *excepts: str) -> Peer:
    return Peer(block=IpBlock(ip_network(cidr), tuple(map(ip_network, excepts))))


def label(key: str, value: str) -> Selector:
    return Selector(((key, value),))


def wants(key: str, operator: Operator, *values: str) -> Selector:
    return Selector(requirements=(Requirement(key, operator, values),))


def pods(selector: Selector) -> Rule:
    return Rule((Peer(pods=selector),))


def spaces(selector: Selector) -> Rule:
    return Rule((Peer(namespaces=selector),))


def peers(*several: Peer) -> Rule:
    return Rule(several)


def ports(*several: Port) -> Rule:
    return Rule(ports=several)


def into(selector: Selector, *rules: Rule, namespace: str = "x", types: tuple[Direction, ...] = ()) -> Policy:
    return Policy(namespace, "into", selector, ingress=rules, types=types)


def out_of(selector: Selector, *rules: Rule) -> Policy:
    return Policy("x", "out-of", selector, egress=rules, types=(EGRESS,))


class Cell(NamedTuple):
    """A rule's number, what it says here, the policies, the connection on a port, and its verdict by hand."""

    rule: int
    says: str
    policies: list[Policy]
    source: Source
    destination: Destination
    verdict: Verdict
    port: int = 8080
    protocol: Protocol = TCP


NAMED_80 = Service("x", "named-80", "10.96.0.5", {"app": "b"}, (ServicePort(8080, 9000), ServicePort(8081, 8080)))
UNSELECTING = Service("x", "unselecting", "10.96.0.6", {}, (ServicePort(80, 8080),))
PARTLY_NAMED = Service("x", "partly", "10.96.0.7", {"both": "yes"}, (ServicePort(80, "only-c"),))
ONLY_C = replace(C, ports=(*SWAPPED, ContainerPort(9000, TCP, "only-c")))
HOLE = IpBlock(ip_network("203.0.113.0/24"), (ip_network("203.0.113.0/28"),))
ANY_POD = Rule((Peer(pods=EVERY, namespaces=EVERY),))

CELLS = [
    Cell(1, "without policies all is allowed", [], A, B, ALLOW),
    Cell(1, "ingress alone leaves egress open", [into(ON_A)], A, B, ALLOW),
    Cell(1, "ingress alone closes ingress", [into(ON_A)], B, A, DENY),
    Cell(1, "egress alone leaves ingress open", [out_of(ON_A)], B, A, ALLOW),
    Cell(1, "egress alone closes egress", [out_of(ON_A)], A, B, DENY),
    Cell(2, "both sides allow", [out_of(ON_A, pods(ON_B)), into(ON_B, pods(ON_A))], A, B, ALLOW),
    Cell(2, "egress denies", [out_of(ON_A, pods(ON_C)), into(ON_B, pods(ON_A))], A, B, DENY),
    Cell(2, "ingress denies", [out_of(ON_A, pods(ON_B)), into(ON_B, pods(ON_C))], A, B, DENY),
    Cell(2, "undefined before deny", [out_of(ON_A, peers(block("10.0.0.0/8"))), into(ON_B)], A, B, DENY),
    Cell(2, "deny before undefined", [out_of(ON_A), into(ON_B, peers(block("10.0.0.0/8")))], A, B, DENY),
    Cell(2, "undefined and allow", [out_of(ON_A, peers(block("10.0.0.0/8"))), into(ON_B, ANYBODY)], A, B, UNDEFINED),
    Cell(3, "a second policy adds", [into(ON_B), into(EVERY, pods(ON_A))], A, B, ALLOW),
    Cell(3, "a second rule adds", [into(ON_B, pods(ON_C), pods(ON_A))], A, B, ALLOW),
    Cell(3, "a policy of other pods adds nothing", [into(ON_B), into(ON_C, pods(ON_A))], A, B, DENY),
    Cell(4, "an empty selector is the whole namespace", [into(EVERY)], D, B, DENY),
    Cell(4, "a policy never leaves its namespace", [into(EVERY)], A, D, ALLOW),
    Cell(4, "nor by a label that is there too", [into(ON_A)], B, D, ALLOW),
    Cell(5, "no rules allow nothing", [Policy("x", "none", EVERY)], A, B, DENY),
    Cell(5, "an empty rule allows everything", [into(EVERY, ANYBODY)], D, B, ALLOW, 1, SCTP),
    Cell(5, "without peers: anybody, on the ports", [into(ON_B, ports(Port(TCP, 8080)))], D, B, ALLOW),
    Cell(5, "without peers: only on the ports", [into(ON_B, ports(Port(TCP, 8080)))], D, B, DENY, 8081),
    Cell(5, "without ports: any port", [into(ON_B, pods(ON_A))], A, B, ALLOW, 65535, UDP),
    Cell(6, "any peer is a node, too", [into(ON_A, ANYBODY)], THERE, A, ALLOW),
    Cell(6, "any peer is an address outside, too", [into(ON_A, ANYBODY)], OUTSIDE_6, A, ALLOW),
    Cell(6, "any peer of egress is a node, too", [out_of(ON_A, ANYBODY)], A, HERE, ALLOW),
    Cell(6, "any peer of egress is outside, too", [out_of(ON_A, ANYBODY)], A, OUTSIDE, ALLOW),
    Cell(6, "every pod of every namespace is any pod", [into(ON_A, ANY_POD)], D, A, ALLOW),
    Cell(6, "every pod of every namespace is no node", [into(ON_A, ANY_POD)], THERE, A, DENY),
    Cell(6, "every pod of every namespace is not outside", [into(ON_A, ANY_POD)], OUTSIDE, A, DENY),
    Cell(7, "no types: ingress", [Policy("x", "p", ON_A)], B, A, DENY),
    Cell(7, "no types, no egress rule: not egress", [Policy("x", "p", ON_A)], A, B, ALLOW),
    Cell(7, "no types, an egress rule: egress", [Policy("x", "p", ON_A, egress=(pods(ON_C),))], A, B, DENY),
    Cell(7, "no types, an egress rule: ingress, too", [Policy("x", "p", ON_A, egress=(ANYBODY,))], B, A, DENY),
    Cell(7, "egress alone: not ingress", [Policy("x", "p", ON_A, (pods(ON_C),), types=(EGRESS,))], B, A, ALLOW),
    Cell(7, "egress alone without rules: egress", [Policy("x", "p", ON_A, types=(EGRESS,))], A, B, DENY),
    Cell(7, "ingress alone: not egress", [Policy("x", "p", ON_A, (), (pods(ON_C),), (INGRESS,))], A, B, ALLOW),
    Cell(
        7,
        "rules of another direction add nothing to it",
        [into(ON_B), Policy("x", "p", ON_B, ingress=(ANYBODY,), types=(EGRESS,))],
        A,
        B,
        DENY,
    ),
    Cell(7, "both types: egress", [Policy("x", "p", ON_A, types=(INGRESS, EGRESS))], A, B, DENY),
    Cell(8, "pods alone are of the own namespace", [into(ON_B, pods(ON_A))], A, B, ALLOW),
    Cell(8, "pods alone are not of another", [into(ON_B, pods(ON_A))], D, B, DENY),
    Cell(8, "namespaces alone are all their pods", [into(ON_B, spaces(label("team", "y")))], D, B, ALLOW),
    Cell(8, "namespaces alone are not others", [into(ON_B, spaces(label("team", "y")))], A, B, DENY),
    Cell(8, "both: both match", [into(ON_B, peers(Peer(ON_A, label("team", "y"))))], D, B, ALLOW),
    Cell(8, "both: not the pod", [into(ON_B, peers(Peer(ON_A, label("team", "y"))))], SIX, B, DENY),
    Cell(8, "both: not the namespace", [into(ON_B, peers(Peer(ON_A, label("team", "y"))))], A, B, DENY),
    Cell(8, "several peers: the first", [into(ON_B, peers(Peer(ON_C), Peer(None, label("team", "y"))))], C, B, ALLOW),
    Cell(8, "several peers: the last", [into(ON_B, peers(Peer(ON_C), Peer(None, label("team", "y"))))], D, B, ALLOW),
    Cell(8, "several peers: none", [into(ON_B, peers(Peer(ON_C), Peer(None, label("team", "y"))))], A, B, DENY),
    Cell(8, "peers of egress", [out_of(ON_A, spaces(label("team", "y")))], A, D, ALLOW),
    Cell(8, "other peers of egress", [out_of(ON_A, spaces(label("team", "y")))], A, B, DENY),
    Cell(9, "In: one of", [into(ON_B, pods(wants("app", Operator.IN, "c", "a")))], A, B, ALLOW),
    Cell(9, "In: none of", [into(ON_B, pods(wants("app", Operator.IN, "c", "b")))], A, B, DENY),
    Cell(9, "In: the key is missing", [into(ON_B, pods(wants("tier", Operator.IN, "front")))], C, B, DENY),
    Cell(9, "not in: one of", [into(ON_B, pods(wants("tier", Operator.NOT_IN, "back", "front")))], A, B, DENY),
    Cell(9, "not in: none of", [into(ON_B, pods(wants("tier", Operator.NOT_IN, "back")))], A, B, ALLOW),
    Cell(9, "not in: the key is missing", [into(ON_B, pods(wants("tier", Operator.NOT_IN, "front")))], C, B, ALLOW),
    Cell(9, "Exists: it does", [into(ON_B, pods(wants("tier", Operator.EXISTS)))], A, B, ALLOW),
    Cell(9, "Exists: it does not", [into(ON_B, pods(wants("tier", Operator.EXISTS)))], C, B, DENY),
    Cell(9, "DoesNotExist: it does", [into(ON_B, pods(wants("tier", Operator.DOES_NOT_EXIST)))], A, B, DENY),
    Cell(9, "DoesNotExist: it does not", [into(ON_B, pods(wants("tier", Operator.DOES_NOT_EXIST)))], C, B, ALLOW),
    Cell(9, "all labels match", [into(ON_B, pods(Selector((("app", "a"), ("tier", "front")))))], A, B, ALLOW),
    Cell(9, "one label does not match", [into(ON_B, pods(Selector((("app", "a"), ("tier", "back")))))], A, B, DENY),
    Cell(
        9,
        "a label matches and a requirement does not",
        [into(ON_B, pods(Selector((("app", "a"),), (Requirement("tier", Operator.DOES_NOT_EXIST),))))],
        A,
        B,
        DENY,
    ),
    Cell(
        9,
        "a requirement matches and another does not",
        [
            into(
                ON_B,
                pods(
                    Selector(
                        requirements=(
                            Requirement("tier", Operator.EXISTS),
                            Requirement("app", Operator.NOT_IN, ("a",)),
                        )
                    )
                ),
            )
        ],
        A,
        B,
        DENY,
    ),
    Cell(9, "a namespace has its name", [into(ON_B, spaces(label("kubernetes.io/metadata.name", "y")))], D, B, ALLOW),
    Cell(9, "and no other's", [into(ON_B, spaces(label("kubernetes.io/metadata.name", "y")))], A, B, DENY),
    Cell(9, "policies select by requirements", [into(wants("tier", Operator.DOES_NOT_EXIST))], C, B, DENY),
    Cell(9, "and leave out by them", [into(wants("tier", Operator.DOES_NOT_EXIST))], C, A, ALLOW),
    Cell(10, "TCP where none is written", [into(ON_B, ports(Port(port=8080)))], A, B, ALLOW),
    Cell(10, "and nothing else", [into(ON_B, ports(Port(port=8080)))], A, B, DENY, 8080, UDP),
    Cell(10, "no number: every port of the protocol", [into(ON_B, ports(Port(UDP)))], A, B, ALLOW, 4321, UDP),
    Cell(10, "no number: no other protocol", [into(ON_B, ports(Port(UDP)))], A, B, DENY, 4321),
    Cell(10, "a rule for UDP isolates SCTP", [into(ON_B, ports(Port(UDP, 8080)))], A, B, DENY, 8080, SCTP),
    Cell(10, "several ports: any", [into(ON_B, ports(Port(UDP, 1), Port(TCP, 8080)))], A, B, ALLOW),
    Cell(11, "the first port of a range", [into(ON_B, ports(Port(TCP, 8080, 8081)))], A, B, ALLOW),
    Cell(11, "the last port of a range", [into(ON_B, ports(Port(TCP, 8079, 8080)))], A, B, ALLOW),
    Cell(11, "below a range", [into(ON_B, ports(Port(TCP, 8081, 8090)))], A, B, DENY),
    Cell(11, "above a range", [into(ON_B, ports(Port(TCP, 8070, 8079)))], A, B, DENY),
    Cell(11, "a range is of one protocol", [into(ON_B, ports(Port(UDP, 8079, 8081)))], A, B, DENY),
    Cell(12, "a name of ingress is the own port", [into(ON_B, ports(Port(TCP, "web")))], C, B, ALLOW),
    Cell(12, "a name of ingress is no port of the source", [into(ON_B, ports(Port(TCP, "web")))], C, B, DENY, 8081),
    Cell(12, "a name of egress is the port of the other", [out_of(ON_A, ports(Port(TCP, "web")))], A, C, ALLOW, 8081),
    Cell(12, "a name of egress is not the own port", [out_of(ON_A, ports(Port(TCP, "web")))], A, C, DENY),
    Cell(12, "each pod has its own number: one", [into(EVERY, ports(Port(TCP, "web")))], A, C, ALLOW, 8081),
    Cell(12, "each pod has its own number: another", [into(EVERY, ports(Port(TCP, "web")))], A, B, ALLOW),
    Cell(12, "a name of another protocol", [into(ON_B, ports(Port(UDP, "web")))], A, B, DENY, 8080, UDP),
    Cell(12, "a name of UDP", [into(ON_B, ports(Port(UDP, "dns")))], A, B, ALLOW, 8080, UDP),
    Cell(12, "a name that the pod has not", [into(ON_B, ports(Port(TCP, "none")))], A, B, DENY),
    Cell(12, "no name for a node", [out_of(ON_A, ports(Port(TCP, "web")))], A, THERE, DENY),
    Cell(12, "no name for a pod on the host's network", [out_of(ON_A, ports(Port(TCP, "web")))], A, HOST, DENY),
    Cell(12, "no name for an address outside", [out_of(ON_A, ports(Port(TCP, "web")))], A, OUTSIDE, DENY),
    Cell(
        12,
        "a name with a block of pods is uncertain as the block is",
        [out_of(ON_A, Rule((block("10.0.0.0/8"),), (Port(TCP, "web"),)))],
        A,
        C,
        UNDEFINED,
        8081,
    ),
    Cell(
        12,
        "names outside: a block helps not",
        [out_of(ON_A, Rule((block("0.0.0.0/0"),), (Port(TCP, "web"),)))],
        A,
        OUTSIDE,
        DENY,
    ),
    Cell(13, "a Service's target by name", [into(ON_B, ports(Port(TCP, 8080)))], A, TO_B, ALLOW, 80),
    Cell(13, "a Service's target by number", [into(ON_B, ports(Port(TCP, 8081)))], A, TO_B, ALLOW, 81),
    Cell(13, "a Service's own port is no pod's", [into(ON_B, ports(Port(TCP, 80)))], A, TO_B, DENY, 80),
    Cell(13, "the port of egress is the pod's", [out_of(ON_A, ports(Port(TCP, 8080)))], A, TO_B, ALLOW, 80),
    Cell(13, "all backends deny", [into(EVERY)], A, TO_BOTH, DENY, 80),
    Cell(13, "backends differ", [into(ON_B)], A, TO_BOTH, MIXED, 80),
    Cell(13, "backends have their own ports", [into(EVERY, ports(Port(TCP, 8080)))], A, TO_BOTH, MIXED, 80),
    Cell(13, "one is undefined", [into(ON_B), into(ON_C, peers(block("10.0.0.0/8")))], A, TO_BOTH, UNDEFINED, 80),
    Cell(13, "the protocol is the Service port's", [into(EVERY, ports(Port(UDP)))], A, TO_BOTH, ALLOW, 80, UDP),
    Cell(13, "a port that the Service has not", [], A, TO_B, UNDEFINED, 8080),
    Cell(13, "a protocol that its port has not", [], A, TO_B, UNDEFINED, 80, UDP),
    Cell(13, "no backend", [], A, replace(TO_B, selector={"app": "b", "both": "no"}), UNDEFINED, 80),
    Cell(13, "a Service does not leave its namespace", [], A, replace(TO_B, namespace="y"), UNDEFINED, 80),
    Cell(13, "an empty selector leads nowhere", [], A, UNSELECTING, UNDEFINED, 80),
    Cell(13, "nobody has the target's name", [], A, PARTLY_NAMED, UNDEFINED, 80),
    Cell(
        13,
        "its address in a block, on its port",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(TCP, 80),)))],
        A,
        TO_B,
        UNDEFINED,
        80,
    ),
    Cell(
        13,
        "its address in a block, on the backend's port",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(TCP, 8080),)))],
        A,
        TO_B,
        UNDEFINED,
        80,
    ),
    Cell(
        13,
        "its address in a block, on the backend's port by name",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(TCP, "web"),)))],
        A,
        TO_B,
        UNDEFINED,
        80,
    ),
    Cell(
        13,
        "its address in a block, without ports",
        [out_of(ON_A, peers(block("10.96.0.1/32")))],
        A,
        TO_B,
        UNDEFINED,
        80,
    ),
    Cell(
        13,
        "its address in a block, on another port",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(TCP, 8081),)))],
        A,
        TO_B,
        DENY,
        80,
    ),
    Cell(
        13,
        "its address in a block, on its port of another protocol",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(UDP, 80),)))],
        A,
        TO_B,
        DENY,
        80,
    ),
    Cell(13, "its address in no block", [out_of(ON_A, peers(block("10.97.0.0/16")))], A, TO_B, DENY, 80),
    Cell(13, "its address excepted", [out_of(ON_A, peers(block("10.96.0.0/16", "10.96.0.1/32")))], A, TO_B, DENY, 80),
    Cell(
        13,
        "its address in a block of ingress",
        [out_of(ON_A), into(ON_A, peers(block("10.96.0.0/16")))],
        A,
        TO_B,
        DENY,
        80,
    ),
    Cell(
        13,
        "a block of another rule than the port",
        [out_of(ON_A, peers(block("10.97.0.0/16")), Rule((Peer(ON_C),), (Port(TCP, 80),)))],
        A,
        TO_B,
        DENY,
        80,
    ),
    Cell(
        13,
        "its address in a block, and ingress denies",
        [out_of(ON_A, peers(block("10.96.0.0/16"))), into(ON_B)],
        A,
        TO_B,
        DENY,
        80,
    ),
    Cell(
        13,
        "its address in a block, and egress allows",
        [out_of(ON_A, peers(block("10.96.0.0/16")), ANY_POD)],
        A,
        TO_B,
        ALLOW,
        80,
    ),
    Cell(
        13,
        "its address in a block, and its port is no pod's by name",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(TCP, "web"),)))],
        A,
        NAMED_80,
        DENY,
        8080,
    ),
    Cell(
        13,
        "its address in a block, for one of its backends",
        [out_of(ON_A, Rule((block("10.96.0.0/16"),), (Port(TCP, 8081),)))],
        A,
        TO_BOTH,
        UNDEFINED,
        80,
    ),
    Cell(14, "an address outside in a block", [into(ON_B, peers(block("203.0.113.0/24")))], OUTSIDE, B, ALLOW),
    Cell(
        14,
        "an address outside in a block of egress",
        [out_of(ON_A, peers(block("203.0.113.10/32")))],
        A,
        OUTSIDE,
        ALLOW,
    ),
    Cell(14, "the first address of a block", [into(ON_B, peers(block("203.0.113.10/31")))], OUTSIDE, B, ALLOW),
    Cell(14, "below a block", [into(ON_B, peers(block("203.0.113.11/32")))], OUTSIDE, B, DENY),
    Cell(14, "above a block", [into(ON_B, peers(block("203.0.113.8/31")))], OUTSIDE, B, DENY),
    Cell(14, "the last address of a block", [into(ON_B, peers(block("203.0.113.10/31")))], NEXT, B, ALLOW),
    Cell(14, "the one above the last", [into(ON_B, peers(block("203.0.113.10/32")))], NEXT, B, DENY),
    Cell(14, "all addresses", [into(ON_B, peers(block("0.0.0.0/0")))], OUTSIDE, B, ALLOW),
    Cell(14, "all addresses of the other family", [into(ON_B, peers(block("::/0")))], OUTSIDE, B, DENY),
    Cell(14, "all addresses of version 6", [into(ON_B, peers(block("::/0")))], OUTSIDE_6, B, ALLOW),
    Cell(14, "version 6 is not in version 4", [into(ON_B, peers(block("0.0.0.0/0")))], OUTSIDE_6, B, DENY),
    Cell(14, "a block of version 6", [into(ON_B, peers(block("2001:db8::/64")))], OUTSIDE_6, B, ALLOW),
    Cell(14, "another block of version 6", [into(ON_B, peers(block("2001:db8:0:1::/64")))], OUTSIDE_6, B, DENY),
    Cell(14, "excepted", [into(ON_B, Rule((Peer(block=HOLE),)))], OUTSIDE, B, DENY),
    Cell(
        14, "beside what is excepted", [into(ON_B, peers(block("203.0.113.0/24", "203.0.113.0/29")))], OUTSIDE, B, ALLOW
    ),
    Cell(
        14,
        "between what is excepted",
        [into(ON_B, peers(block("203.0.113.0/24", "203.0.113.11/32", "203.0.113.9/32")))],
        OUTSIDE,
        B,
        ALLOW,
    ),
    Cell(
        14,
        "excepted by the second",
        [into(ON_B, peers(block("0.0.0.0/0", "10.0.0.0/8", "203.0.113.10/32")))],
        OUTSIDE,
        B,
        DENY,
    ),
    Cell(14, "excepted wholly", [into(ON_B, peers(block("203.0.113.10/32", "203.0.113.10/32")))], OUTSIDE, B, DENY),
    Cell(
        14, "excepted of another block", [into(ON_B, peers(Peer(block=HOLE), block("203.0.0.0/16")))], OUTSIDE, B, ALLOW
    ),
    Cell(
        14,
        "excepted of another policy",
        [into(ON_B, Rule((Peer(block=HOLE),))), into(ON_B, ANYBODY)],
        OUTSIDE,
        B,
        ALLOW,
    ),
    Cell(14, "a block with a pod, as source", [into(ON_B, peers(block("10.0.0.1/32")))], A, B, UNDEFINED),
    Cell(14, "a block with a pod, as destination", [out_of(ON_A, peers(block("10.0.0.2/32")))], A, B, UNDEFINED),
    Cell(14, "a block with a pod of version 6", [into(ON_B, peers(block("fd00::/16")))], SIX, B, UNDEFINED),
    Cell(14, "a block without the pod", [into(ON_B, peers(block("10.0.0.3/32")))], A, B, DENY),
    Cell(14, "a block that excepts the pod", [into(ON_B, peers(block("10.0.0.0/8", "10.0.0.1/32")))], A, B, DENY),
    Cell(14, "a block on another port", [into(ON_B, Rule((block("10.0.0.0/8"),), (Port(TCP, 8081),)))], A, B, DENY),
    Cell(14, "a block and a selector", [into(ON_B, peers(block("10.0.0.0/8"), Peer(ON_A)))], A, B, ALLOW),
    Cell(
        14,
        "a block, and a selector of another policy",
        [into(ON_B, peers(block("10.0.0.0/8"))), into(ON_B, ANY_POD)],
        A,
        B,
        ALLOW,
    ),
    Cell(14, "a block with a node, as source", [into(ON_A, peers(block("192.168.0.0/24")))], THERE, A, UNDEFINED),
    Cell(14, "a block with a node, as destination", [out_of(ON_A, peers(block("0.0.0.0/0")))], A, THERE, UNDEFINED),
    Cell(14, "a block without the node", [into(ON_A, peers(block("192.168.0.1/32")))], THERE, A, DENY),
    Cell(15, "its own node", [into(ON_A)], HERE, A, ALLOW),
    Cell(15, "its own node, undefined by a block", [into(ON_A, peers(block("192.168.0.1/32")))], HERE, A, ALLOW),
    Cell(15, "another node", [into(ON_A)], THERE, A, DENY),
    Cell(15, "another node without policies", [], THERE, A, ALLOW),
    Cell(15, "egress to the own node", [out_of(ON_A)], A, HERE, DENY),
    Cell(15, "egress to the own node in a block", [out_of(ON_A, peers(block("192.168.0.1/32")))], A, HERE, UNDEFINED),
    Cell(15, "egress without policies", [into(ON_A)], A, HERE, ALLOW),
    Cell(16, "no policy selects it, as destination", [into(EVERY)], A, HOST, ALLOW),
    Cell(16, "no policy selects it, as source", [out_of(EVERY)], HOST, D, ALLOW),
    Cell(16, "no selector of ingress means it", [into(ON_B, pods(EVERY), ANY_POD)], HOST, B, DENY),
    Cell(16, "no selector of egress means it", [out_of(ON_A, pods(EVERY), ANY_POD)], A, HOST, DENY),
    Cell(16, "any peer is it, too", [into(ON_B, ANYBODY)], HOST, B, ALLOW),
    Cell(16, "it is the node of the pods there", [into(EVERY)], HOST, C, ALLOW),
    Cell(16, "a block with it", [into(ON_B, peers(block("192.168.0.1/32")))], HOST, B, UNDEFINED),
    Cell(16, "a block of egress with it", [out_of(ON_A, peers(block("192.168.0.1/32")))], A, HOST, UNDEFINED),
    Cell(16, "it asks itself", [into(EVERY), out_of(EVERY)], HOST, HOST, ALLOW),
    Cell(16, "it asks a Service on its node", [into(EVERY)], HOST, TO_A, ALLOW, 80),
    Cell(16, "it asks a Service on another node", [into(EVERY)], HOST, TO_B, UNDEFINED, 80),
    Cell(16, "a Service leads to it", [into(EVERY)], A, TO_HOST, ALLOW, 80),
    Cell(16, "a Service leads to it past egress", [out_of(ON_A, ANY_POD)], A, TO_HOST, DENY, 80),
    Cell(16, "it asks a Service that leads to it", [into(EVERY)], HOST, TO_HOST, ALLOW, 80),
    Cell(17, "its own address", [into(EVERY), out_of(EVERY)], A, A, ALLOW),
    Cell(17, "a hairpin that is denied", [into(EVERY), out_of(EVERY)], A, TO_A, UNDEFINED, 80),
    Cell(17, "a hairpin without policies", [], A, TO_A, UNDEFINED, 80),
    Cell(17, "a hairpin beside another backend", [], B, TO_BOTH, UNDEFINED, 80),
    Cell(18, "the asked pod may answer", [out_of(ON_B)], A, B, ALLOW),
    Cell(18, "the asking pod hears the answer", [into(ON_A)], A, B, ALLOW),
    Cell(20, "another node asks an isolated backend", [into(ON_B)], HERE, TO_B, UNDEFINED, 80),
    Cell(20, "an address outside asks an isolated backend", [into(ON_B)], OUTSIDE, TO_B, UNDEFINED, 80),
    Cell(20, "only pods are let in", [into(ON_B, ANY_POD)], OUTSIDE, TO_B, UNDEFINED, 80),
    Cell(
        20,
        "all addresses are let in",
        [into(ON_B, ANY_POD, peers(block("0.0.0.0/0"), block("::/0")))],
        OUTSIDE,
        TO_B,
        UNDEFINED,
        80,
    ),
    Cell(20, "the backend is not isolated", [out_of(ON_B)], OUTSIDE, TO_B, ALLOW, 80),
    Cell(20, "the backend denies nothing", [into(ON_B, ANYBODY)], OUTSIDE, TO_B, ALLOW, 80),
    Cell(20, "it denies nothing on the port", [into(ON_B, ports(Port(TCP, "web")))], HERE, TO_B, ALLOW, 80),
    Cell(20, "it denies on the port", [into(ON_B, ports(Port(TCP, "web")))], HERE, TO_B, UNDEFINED, 81),
    Cell(20, "one of the backends denies", [into(ON_C)], OUTSIDE, TO_BOTH, UNDEFINED, 80),
    Cell(20, "the node of one of the backends", [into(EVERY)], THERE, TO_BOTH, UNDEFINED, 80),
    Cell(20, "the backend's own node", [into(ON_B)], THERE, TO_B, ALLOW, 80),
    Cell(20, "a backend on the host's network", [into(EVERY)], OUTSIDE, TO_HOST, ALLOW, 80),
    Cell(20, "no backend", [], OUTSIDE, UNSELECTING, UNDEFINED, 80),
]
NOT_OF_ONE_CELL = {
    19: "is about when probes are made",
    21: "is about which pods a world has",
    22: "is about what no cell can ask",
}


@pytest.fixture(autouse=True)
def _the_values_methods_are_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the second judge used a method that the model uses")

    methods: list[tuple[type, str]] = [
        (Requirement, "matches"),
        (Selector, "matches"),
        (IpBlock, "contains"),
        (Policy, "rules"),
        (Pod, "resolve"),
        (World, "backends"),
    ]
    for owner, name in methods:
        monkeypatch.setattr(owner, name, forbidden)
    monkeypatch.setattr(Policy, "isolates", property(forbidden))
    monkeypatch.setattr(Namespace, "all_labels", property(forbidden))


@pytest.mark.parametrize("cell", [pytest.param(cell, id=f"rule {cell.rule}: {cell.says}") for cell in CELLS])
def test_the_rules_one_after_the_other(cell: Cell) -> None:
    world = replace(BARE, policies=tuple(cell.policies))

    assert evaluate(world, cell.source, cell.destination, cell.port, cell.protocol) is cell.verdict


def test_every_rule_that_speaks_of_a_cell_has_its_cells() -> None:
    assert {cell.rule for cell in CELLS} | NOT_OF_ONE_CELL.keys() == set(range(1, 23))


@pytest.mark.parametrize("source", [HERE, THERE, HOST, OUTSIDE])
@pytest.mark.parametrize("destination", [HERE, THERE, HOST, OUTSIDE])
def test_no_policy_lies_between_nodes_and_addresses_outside(source: Source, destination: Destination) -> None:
    world = replace(BARE, policies=(into(EVERY), out_of(EVERY)))

    assert evaluate(world, source, destination, 8080, TCP) is ALLOW


def test_the_order_of_policies_rules_and_peers_means_nothing() -> None:
    policies = (into(ON_B, pods(ON_C), peers(block("10.0.0.0/8"), Peer(ON_C))), into(ON_B, ports(Port(UDP)), ANY_POD))
    turned = tuple(replace(policy, ingress=policy.ingress[::-1]) for policy in policies[::-1])

    assert evaluate(replace(BARE, policies=policies), A, B, 8080, TCP) is ALLOW
    assert evaluate(replace(BARE, policies=turned), A, B, 8080, TCP) is ALLOW


def test_a_backend_is_only_who_has_the_targets_name() -> None:
    world = replace(BARE, pods=(A, B, ONLY_C, D), policies=(into(ON_B),))

    assert evaluate(world, A, PARTLY_NAMED, 80, TCP) is ALLOW


def test_a_pod_that_is_not_ready_is_no_backend() -> None:
    unready = replace(BARE, pods=(A, replace(B, ready=False), C, D, SIX, HOST), policies=(into(ON_B),))
    assert evaluate(unready, A, TO_BOTH, 80, TCP) is ALLOW
    assert evaluate(unready, A, TO_B, 80, TCP) is UNDEFINED
    assert evaluate(unready, A, unready.pods[1], 8080, TCP) is DENY


def test_a_namespaces_name_cannot_be_claimed_by_its_labels() -> None:
    liar = Namespace("y", {"kubernetes.io/metadata.name": "x"})
    policies = (into(ON_B, spaces(label("kubernetes.io/metadata.name", "x"))),)
    world = replace(BARE, namespaces=(BARE.namespaces[0], liar), policies=policies)

    assert evaluate(world, D, B, 8080, TCP) is DENY


def test_a_peer_that_names_nobody_means_nobody() -> None:
    assert evaluate(replace(BARE, policies=(into(ON_B, peers(Peer())),)), A, B, 8080, TCP) is DENY


def test_one_judge_answers_many_cells_of_its_world() -> None:
    judge = Second(replace(BARE, policies=(into(ON_B, pods(ON_A)), out_of(ON_A, ANY_POD))))

    asked: list[tuple[Pod, Pod | External]] = [(A, B), (C, B), (A, OUTSIDE), (C, OUTSIDE), (A, B)]
    assert [judge.verdict(source, destination, 8080, TCP) for source, destination in asked] == [
        ALLOW,
        DENY,
        DENY,
        ALLOW,
        ALLOW,
    ]


def test_a_pod_that_the_world_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="x/nobody: the world has no such pod"):
        evaluate(BARE, A, replace(B, name="nobody"), 8080, TCP)
