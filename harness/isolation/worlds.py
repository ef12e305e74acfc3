"""Worlds drawn at random: a bare world gets labels and policies. A seed and an index give the same world for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.isolation.draw import Draw, RandomDraw
from harness.isolation.grammar import NAMESPACE_LABELS, POD_LABELS, Grammar
from harness.isolation.world import (
    ContainerPort,
    External,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
    World,
)
from harness.kube.protocol import Protocol

OUTSIDE = ("203.0.113.10", "198.51.100.20", "2001:db8::10")
"""The addresses outside the cluster of ``sample_bare``, of networks kept for documentation (RFC 5737 and 3849)."""

_POLICIES = (1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5)
_WEB, _ALT = 8080, 8081


def draw_world(draw: Draw, bare: World) -> World:
    """A bare world with labels drawn for its pods and namespaces, and none to five policies, named ``p0``, ``p1``, ….

    Labels that pods and namespaces have in ``bare`` stay as they are; everything else of it does, too.
    """
    labelled = replace(
        bare,
        namespaces=tuple(replace(one, labels=_labels(draw, NAMESPACE_LABELS, one.labels)) for one in bare.namespaces),
        pods=tuple(replace(one, labels=_labels(draw, POD_LABELS, one.labels)) for one in bare.pods),
    )
    grammar = Grammar(draw, labelled)
    count = draw.choice(_POLICIES) if bare.namespaces and not draw.chance(1, 64) else 0
    places = [draw.choice(bare.namespaces).name for _ in range(count)]
    policies = tuple(grammar.policy(place, f"p{places[:index].count(place)}") for index, place in enumerate(places))
    return replace(labelled, policies=policies)


def world_of(seed: int, index: int, bare: World) -> World:
    """World number ``index`` of a seed: the same in every process and version of Python, as ``RandomDraw`` says."""
    return draw_world(RandomDraw.seeded(f"{seed}/{index}"), bare)


def sample_bare(draw: Draw) -> World:
    """A bare world as a cluster would have it: two or three namespaces, one to three pods each, one or two nodes.

    Each pod has a Service of its own. Often there is a pod on its node's network, a Service with several backends, one
    whose backends depend on the labels that are drawn, and one that leads nowhere.
    """
    nodes = tuple(Node(f"node{number}", f"192.168.7.{number}") for number in range(1, draw.integer(1, 2) + 1))
    names = [f"w0-{letter}" for letter in "abc"[: draw.integer(2, 3)]]
    pods: list[Pod] = []
    services: list[Service] = []
    for name in names:
        for slot in range(draw.choice((1, 2, 2, 3, 3))):
            pods.append(_pod(draw, name, slot, nodes, len(pods) + 10))
            services.append(_service(name, f"s{slot}", {"slot": f"{slot}"}, len(services)))
    if draw.chance(1, 2):
        pods.append(_pod(draw, draw.choice(names), len(pods), nodes, None))
    for selector, odds in (({"stage": "w0"}, 4), ({"app": "web"}, 2), ({"tier": "front"}, 1), ({"slot": "none"}, 1)):
        if draw.chance(odds, 6):
            name = f"of-{'-'.join(selector)}"
            services.append(_service(draw.choice(names), name, selector, len(services)))
    return World(
        namespaces=tuple(Namespace(name) for name in names),
        pods=tuple(pods),
        services=tuple(services),
        nodes=nodes,
        externals=tuple(External(address) for address in OUTSIDE[: draw.integer(1, 3)]),
    )


def _labels(draw: Draw, vocabulary: Mapping[str, Sequence[str]], fixed: Mapping[str, str]) -> dict[str, str]:
    """Fixed labels, and of the vocabulary those keys that are not fixed: two of three have a value."""
    drawn = {key: draw.choice(values) for key, values in vocabulary.items() if key not in fixed and draw.chance(2, 3)}
    return {**fixed, **drawn}


def _pod(draw: Draw, namespace: str, slot: int, nodes: Sequence[Node], host: int | None) -> Pod:
    """A pod that declares ``web`` and ``alt``, whose numbers differ between pods, and ports that only some have."""
    node = draw.choice(nodes)
    web, alt = (_WEB, _ALT) if slot == 0 else (_ALT, _WEB)
    ports = [ContainerPort(web, name="web"), ContainerPort(_WEB, Protocol.UDP, "dns")]
    if not draw.chance(1, 4):
        ports.append(ContainerPort(alt, name="alt"))
    if draw.chance(1, 4):
        ports.append(ContainerPort(_WEB, Protocol.SCTP, "web" if draw.chance(1, 2) else "sig"))
    number = nodes.index(node) + 1
    return Pod(
        namespace,
        f"p{slot}",
        node.address if host is None else f"10.244.{number}.{host}",
        {"slot": f"{slot}", "stage": "w0"},
        tuple(ports),
        node.name,
        host_network=host is None,
    )


def _service(namespace: str, name: str, selector: Mapping[str, str], number: int) -> Service:
    ports = (ServicePort(80, "web"), ServicePort(81, _ALT), ServicePort(80, _WEB, Protocol.UDP))
    return Service(namespace, name, f"10.96.0.{number + 20}", selector, ports)
