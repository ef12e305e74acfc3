"""Services: a policy sees the pod and its own port, not the Service and the Service's."""

from collections.abc import Iterator
from ipaddress import ip_network

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, port_words, stand, toward
from harness.isolation.catalogue.cast import EVERY, POD, ROLES, A, B, Cast, Y, Z, labelled
from harness.isolation.catalogue.changes import add_pods
from harness.isolation.policy import IpBlock, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol

INGRESS, EGRESS = DIRECTIONS
TCP, UDP = Protocol.TCP, Protocol.UDP
OF_SERVICES = (Port(TCP, 80), Port(TCP, 81), Port(UDP, 80), Port(TCP, 80, 81), Port(TCP, 80, 8080))
OF_PODS = (Port(TCP, 8080), Port(TCP, 8081), Port(TCP, "web"), Port(TCP, "alt"), Port(UDP, 8080))
TWIN = labelled("twin", "yes")


def cases() -> Iterator[Case]:
    """All cases of Services."""
    for direction in DIRECTIONS:
        ends = (EVERY, "y") if direction is INGRESS else (A, "x")
        for port in OF_SERVICES:
            yield case(
                "services",
                f"{direction.lower()} on {port_words(port)}, where Services have their ports",
                (11, 13) if port.end else (13,),
                stand(isolate(direction, Rule(ports=(port,)), pods=ends[0], namespace=ends[1])),
            )
        for port in OF_PODS:
            yield case(
                "services",
                f"{toward(direction)} pods labelled b in namespaces labelled y, through Services on {port_words(port)}",
                (12, 13) if isinstance(port.port, str) else (10, 13),
                stand(isolate(direction, Rule((Peer(B, Y),), (port,)))),
            )
    yield case(
        "services",
        "Services of another namespace are reached by the namespace of their pods, on 8081/TCP",
        (8, 10, 13),
        stand(isolate(EGRESS, Rule((Peer(namespaces=Z),), (Port(TCP, 8081),)), pods=EVERY)),
    )
    yield from _service_address()
    yield from _hairpin()
    yield from _two_backends()
    yield from _translated()


def _service_address() -> Iterator[Case]:
    """A block with a Service's own address: it may be seen before or after its translation, so nothing is said."""

    def address(cast: Cast) -> list[World]:
        block = IpBlock(ip_network(f"{cast.service('y', 'a').address}/32"))
        return [cast.world(isolate(EGRESS, Rule((Peer(block=block),))))]

    def address_and_port(cast: Cast) -> list[World]:
        block = IpBlock(ip_network(f"{cast.service('y', 'b').address}/32"))
        return [cast.world(isolate(EGRESS, Rule((Peer(block=block),), (Port(TCP, 80),))))]

    yield case("services", "egress to a Service's own address", (13,), address)
    yield case("services", "egress to a Service's own address and port", (10, 13), address_and_port)


def _hairpin() -> Iterator[Case]:
    yield case(
        "services",
        "pods that may reach nobody ask their own Services, and their own addresses",
        (5, 13, 17),
        stand(Policy("y", "policy", EVERY, types=(INGRESS, EGRESS))),
    )
    yield case(
        "services",
        "a pod that may reach and be reached by itself alone asks its own Service",
        (8, 17),
        stand(Policy("x", "policy", A, (Rule((Peer(pods=A),)),), (Rule((Peer(pods=A),)),), (INGRESS, EGRESS))),
    )


def _two_backends() -> Iterator[Case]:
    """A Service with two pods, of which a policy denies one."""
    for direction, policy in (
        (INGRESS, isolate(INGRESS, pods=TWIN)),
        (EGRESS, isolate(EGRESS, Rule((Peer(A, EVERY),)), namespace="y", pods=B)),
    ):

        def states(cast: Cast, policy: Policy = policy) -> list[World]:
            labels = {"twin": "yes", **({POD: "d"} | dict(cast.service("x", "a").selector))}
            twin = cast.newcomer("x", labels, "twin")
            return [add_pods(cast.world(), twin), add_pods(cast.world(policy), twin), cast.world(policy)]

        yield case("services", f"{direction.lower()}: a Service gets a second pod, which is denied", (13, 21), states)


def _translated() -> Iterator[Case]:
    """Where an address may be translated first, only what needs no address is certain."""
    yield case(
        "services",
        "Services asked from outside, their pods isolated for egress alone",
        (1, 20),
        stand(*(isolate(EGRESS, namespace=role, pods=EVERY) for role in ROLES)),
    )
    yield case(
        "services",
        "Services asked from outside, their pods open to pods alone",
        (15, 20),
        stand(*(isolate(INGRESS, Rule((Peer(namespaces=EVERY),)), namespace=role, pods=EVERY) for role in ROLES)),
    )
    yield case(
        "services",
        "Services asked from outside, their pods open to anybody on 8080/TCP",
        (5, 20),
        stand(*(isolate(INGRESS, Rule(ports=(Port(TCP, 8080),)), namespace=role, pods=EVERY) for role in ROLES)),
    )
