"""Nodes, pods on the host's network, a pod's own address, and answers: where policies have no say, or a narrow one."""

from collections.abc import Iterator
from ipaddress import ip_network

from harness.isolation.catalogue.case import DIRECTIONS, Case, case, isolate, stand, toward
from harness.isolation.catalogue.cast import EVERY, ROLES, A, B, C, Cast
from harness.isolation.policy import NAME_LABEL, Direction, IpBlock, Peer, Policy, Port, Rule
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector

INGRESS, EGRESS = DIRECTIONS


def cases() -> Iterator[Case]:
    """All cases of nodes, hosts and answers."""
    yield from _own_node()
    yield from _host_network()
    yield from _itself()


def _own_node() -> Iterator[Case]:
    yield case(
        "nodes",
        "a node reaches its pods, though every namespace denies ingress",
        (5, 15),
        stand(*(isolate(INGRESS, namespace=role, pods=EVERY) for role in ROLES)),
    )
    yield case(
        "nodes",
        "a pod that may reach nobody does not reach its own node",
        (5, 15),
        stand(isolate(EGRESS, namespace="y", pods=A)),
    )
    yield case(
        "nodes",
        "pods that may reach every pod do not reach their own node",
        (6, 15),
        stand(*(isolate(EGRESS, Rule((Peer(EVERY, EVERY),)), namespace=role, pods=EVERY) for role in ROLES)),
    )
    yield case(
        "nodes",
        "a pod that may reach anybody on 8080/TCP reaches its own node there",
        (6, 10, 15),
        stand(isolate(EGRESS, Rule(ports=(Port(Protocol.TCP, 8080),)), pods=C)),
    )
    yield case(
        "nodes",
        "a named port means nothing on a node, nor outside",
        (6, 12),
        stand(
            *(isolate(EGRESS, Rule(ports=(Port(Protocol.TCP, "web"),)), namespace=role, pods=EVERY) for role in ROLES)
        ),
    )
    for direction in DIRECTIONS:

        def block(cast: Cast, direction: Direction = direction) -> list[World]:
            address = IpBlock(ip_network(f"{cast.bare.nodes[0].address}/32"))
            return [cast.world(isolate(direction, Rule((Peer(block=address),))))]

        yield case("nodes", f"{toward(direction)} the block of the node's own address", (14, 15), block)

        def pod_block(cast: Cast, direction: Direction = direction) -> list[World]:
            address = IpBlock(ip_network(f"{cast.pod('y', 'b').address}/32"))
            return [cast.world(isolate(direction, Rule((Peer(block=address),))))]

        yield case("nodes", f"{toward(direction)} the block of one pod's address", (14,), pod_block)


def _host_network() -> Iterator[Case]:
    """A pod on the host's network is its node: no policy selects it, and no peer means it."""

    def selected(cast: Cast) -> list[World]:
        policy = Policy(cast.host.namespace, "policy", _labels(cast), types=(INGRESS, EGRESS))
        return [cast.world(policy)]

    def all_denied(cast: Cast) -> list[World]:
        homes = dict.fromkeys((cast.names["x"], cast.host.namespace))  # which may be the same one
        return [cast.world(*(Policy(home, "policy", EVERY, types=(INGRESS, EGRESS)) for home in homes))]

    yield case("nodes", "a policy that selects a pod on the host's network: nobody", (16,), selected, inert=True)
    yield case(
        "nodes", "namespaces deny everything, a pod on the host's network in them stays open", (5, 16), all_denied
    )
    for direction in DIRECTIONS:

        def as_peer(cast: Cast, direction: Direction = direction) -> list[World]:
            return [cast.world(isolate(direction, Rule((Peer(_labels(cast), EVERY),)), pods=EVERY))]

        yield case(
            "nodes",
            f"{toward(direction)} the labels of a pod on the host's network: nobody",
            (8, 16),
            as_peer,
        )

        def its_namespace(cast: Cast, direction: Direction = direction) -> list[World]:
            home = Peer(namespaces=Selector(((NAME_LABEL, cast.host.namespace),)))
            return [cast.world(isolate(direction, Rule((home, Peer(pods=EVERY))), pods=EVERY))]

        yield case(
            "nodes",
            f"{toward(direction)} all pods of a namespace does not mean its pod on the host's network",
            (8, 16),
            its_namespace,
        )


def _labels(cast: Cast) -> Selector:
    return Selector(tuple(sorted(cast.host.labels.items())))


def _itself() -> Iterator[Case]:
    yield case(
        "nodes",
        "a pod reaches its own address, though its namespace denies everything",
        (5, 17),
        stand(Policy("z", "policy", EVERY, types=(INGRESS, EGRESS))),
    )
    yield case(
        "nodes",
        "answers come back to a pod that lets nobody in",
        (1, 2, 18),
        stand(isolate(INGRESS, namespace="y", pods=C)),
    )
    yield case(
        "nodes",
        "answers leave a pod that may reach nobody",
        (1, 2, 18),
        stand(isolate(EGRESS, namespace="y", pods=B)),
    )
    yield case(
        "nodes",
        "answers pass between a that may only ask and b that may only be asked",
        (2, 18),
        stand(
            isolate(INGRESS, pods=A, name="a"),
            isolate(EGRESS, Rule((Peer(pods=B),)), pods=A, name="a-to-b"),
            isolate(EGRESS, pods=B, name="b"),
            isolate(INGRESS, Rule((Peer(pods=A),)), pods=B, name="b-from-a"),
        ),
    )
