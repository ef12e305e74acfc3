"""The smallest bare world that plays every case: what a cluster must have for the live part, with made-up addresses."""

from harness.isolation.catalogue.cast import NS, PARTS, POD, ROLES
from harness.isolation.world import ContainerPort, External, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.protocol import Protocol

SLOT = "slot"
"""The fixed label by which a Service finds its pod. No case selects by it."""

_SERVICE_PORTS = (ServicePort(80, "web"), ServicePort(81, 8081), ServicePort(80, 8080, Protocol.UDP))


def catalogue_bare(prefix: str = "w0") -> World:
    """Namespaces ``<prefix>-x``, ``-y`` and ``-z`` (label ``ns``) of pods a, b, c (labels ``pod`` and ``slot``).

    Each pod has a Service. On the first pod of a namespace ``web`` is 8080 and ``alt`` 8081; on the others it is the
    reverse. A pod on the host's network, ``host``, lies in a namespace of its own, the last: ``<prefix>-hosts``.
    One node, and one address outside.
    """
    names = {role: f"{prefix}-{role}" for role in ROLES}
    node = Node("node1", "172.18.0.2")
    pods = [
        Pod(
            names[role],
            part,
            f"10.244.{row}.{column + 10}",
            {POD: part, SLOT: part},
            _ports("web", "alt") if column == 0 else _ports("alt", "web"),
            node.name,
        )
        for row, role in enumerate(ROLES)
        for column, part in enumerate(PARTS)
    ]
    services = [
        Service(pod.namespace, pod.name, f"10.96.0.{index + 10}", {SLOT: pod.labels[SLOT]}, _SERVICE_PORTS)
        for index, pod in enumerate(pods)
    ]
    host = Pod(f"{prefix}-hosts", "host", node.address, {"role": "node"}, node=node.name, host_network=True)
    return World(
        namespaces=(*(Namespace(name, {NS: role}) for role, name in names.items()), Namespace(host.namespace)),
        pods=(*pods, host),
        services=tuple(services),
        nodes=(node,),
        externals=(External("203.0.113.10"),),
    )


def _ports(on_8080: str, on_8081: str) -> tuple[ContainerPort, ...]:
    return (
        ContainerPort(8080, Protocol.TCP, on_8080),
        ContainerPort(8081, Protocol.TCP, on_8081),
        ContainerPort(8080, Protocol.UDP, "dns"),
        ContainerPort(8081, Protocol.UDP),
    )
