"""From manifests to a world: namespaces, one pod for each workload, Services, policies.

Addresses are made up, in the order of the manifests, unless an object has them (``status.podIP``, ``status.hostIP``,
``spec.clusterIP``). A pod has the labels of its template, and those that its controller adds and whose values are known
beforehand; never ``pod-template-hash`` and other hashes. A workload of no replicas has a pod all the same: it may be
scaled up at any time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from harness.isolation.parse import policies_of
from harness.isolation.world import ContainerPort, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.fields import Field, of_manifest
from harness.kube.manifests import Manifest
from harness.kube.templates import TEMPLATES

NODE: Final = "node1"
"""The node of a pod that names none."""

_POD_ADDRESSES: Final = "10.1.0.0"
_SERVICE_ADDRESSES: Final = "10.96.0.0"
_NODE_ADDRESSES: Final = "172.16.0.0"


@dataclass(frozen=True)
class _Workload:
    """An object that makes pods: its fields, and those of the pod or of the template."""

    body: Field
    pod: Field
    name: str
    namespace: str

    @property
    def kind(self) -> str:
        return str(self.body["kind"].value)

    @property
    def node(self) -> str:
        return self.pod["spec"]["nodeName"].value or NODE


class Addresses:
    """Made-up addresses one after the other, without those that are taken; by default those of pods."""

    def __init__(self, base: str = _POD_ADDRESSES, taken: Iterable[str] = ()) -> None:
        self._last = IPv4Address(base)
        self._taken = set(taken)

    def next(self) -> str:
        """The next free one."""
        self._last += 1
        while str(self._last) in self._taken:
            self._last += 1
        return str(self._last)


def makers_of(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests that make pods, in the order of the pods of ``world_of``."""
    return [one for one in manifests if (one.object["apiVersion"], one.object["kind"]) in TEMPLATES]


def world_of(manifests: Sequence[Manifest]) -> World:
    """What the manifests would make on a cluster, as far as policies see it; the same for the same manifests.

    Namespaces that are only used have no labels. Headless Services and those of type ExternalName are left out: they
    have no address of their own, and the pods behind them are destinations themselves. ``externals`` is empty, since
    manifests name none. Raises ManifestError with ``file:line`` where a policy, a label, a port or a name is wrong.
    """
    workloads = list(_workloads(manifests))
    nodes = _nodes(workloads)
    pods = _pods(workloads, nodes)
    services = _services(manifests)
    policies = policies_of(manifests)
    labels: dict[str, dict[str, str]] = {}
    for manifest in manifests:
        if _is(manifest, "v1", "Namespace"):
            body = of_manifest(manifest)
            labels[body.object_name()] = dict(body["metadata"]["labels"].labels())
    for namespace in (one.namespace for group in (pods, services, policies) for one in group):
        labels.setdefault(namespace, {})
    return World(
        namespaces=tuple(Namespace(name, own) for name, own in labels.items()),
        pods=pods,
        policies=policies,
        services=services,
        nodes=tuple(nodes.values()),
    )


def _is(manifest: Manifest, api_version: str, kind: str) -> bool:
    return (manifest.object["apiVersion"], manifest.object["kind"]) == (api_version, kind)


def _workloads(manifests: Sequence[Manifest]) -> Iterator[_Workload]:
    for manifest in manifests:
        path = TEMPLATES.get((manifest.object["apiVersion"], manifest.object["kind"]))
        if path is not None:
            body = of_manifest(manifest)
            yield _Workload(body, body.below(path), body.object_name(), body.namespace())


def _nodes(workloads: Sequence[_Workload]) -> dict[str, Node]:
    """The nodes that pods name, by name, or the one that every pod without a node is on."""
    known = {one.node: address for one in workloads if (address := one.pod["status"]["hostIP"].address())}
    addresses = Addresses(_NODE_ADDRESSES, known.values())
    names = sorted({one.node for one in workloads} or {NODE})
    return {name: Node(name, known.get(name) or addresses.next()) for name in names}


def _pods(workloads: Sequence[_Workload], nodes: dict[str, Node]) -> tuple[Pod, ...]:
    """One pod for each workload. Workloads of one name in a namespace get their kind behind it."""
    owners = Counter((one.namespace, one.name) for one in workloads)
    known = [one.pod["status"]["podIP"].address() for one in workloads]
    addresses = Addresses(taken=filter(None, known))
    pods = []
    for workload, address in zip(workloads, known, strict=True):
        shared = owners[workload.namespace, workload.name] > 1
        host_network = bool(workload.pod["spec"]["hostNetwork"].value)
        pods.append(
            Pod(
                namespace=workload.namespace,
                name=f"{workload.name}-{workload.kind.lower()}" if shared else workload.name,
                address=address or (nodes[workload.node].address if host_network else addresses.next()),
                labels={**dict(workload.pod["metadata"]["labels"].labels()), **_added_labels(workload)},
                ports=tuple(_container_ports(workload.pod["spec"])),
                node=workload.node,
                host_network=host_network,
            )
        )
    return tuple(pods)


def _added_labels(workload: _Workload) -> dict[str, str]:
    """The labels that a controller adds to its pods, of which the values are known; of several pods the first one's."""
    match workload.kind:
        case "Job":
            return {"batch.kubernetes.io/job-name": workload.name, "job-name": workload.name}
        case "StatefulSet":
            index = workload.body["spec"]["ordinals"]["start"].value or 0
            return {
                "apps.kubernetes.io/pod-index": str(index),
                "statefulset.kubernetes.io/pod-name": f"{workload.name}-{index}",
            }
        case _:
            return {}


def _container_ports(spec: Field) -> Iterator[ContainerPort]:
    """The ports of containers, then of sidecars: the order in which Kubernetes looks up a Service's named port."""
    sidecars = (one for one in spec["initContainers"] if one["restartPolicy"].value == "Always")
    for container in (*spec["containers"], *sidecars):
        names: set[str] = set()
        for port in container["ports"]:
            name = port["name"].port_name() if port["name"].value else ""
            if name in names:
                raise port["name"].wrong(f"{name!r} stands twice in one container: give each port a name of its own")
            names |= {name} if name else set()
            yield ContainerPort(port["containerPort"].port_number(), port["protocol"].protocol(), name)


def _services(manifests: Sequence[Manifest]) -> tuple[Service, ...]:
    found = [of_manifest(manifest) for manifest in manifests if _is(manifest, "v1", "Service")]
    own = [
        body
        for body in found
        if body["spec"]["clusterIP"].value != "None" and body["spec"]["type"].value != "ExternalName"
    ]
    known = [body["spec"]["clusterIP"].address() for body in own]
    addresses = Addresses(_SERVICE_ADDRESSES, filter(None, known))
    return tuple(
        Service(
            namespace=body.namespace(),
            name=body.object_name(),
            address=address or addresses.next(),
            selector=dict(body["spec"]["selector"].labels()),
            ports=tuple(map(_service_port, body["spec"]["ports"])),
        )
        for body, address in zip(own, known, strict=True)
    )


def _service_port(port: Field) -> ServicePort:
    number, target = port["port"].port_number(), port["targetPort"]
    if not target.value:  # absent, 0 and "" are all the Service's own port (SetDefaults_Service)
        return ServicePort(number, number, port["protocol"].protocol())
    named = isinstance(target.value, str)
    return ServicePort(number, target.port_name() if named else target.port_number(), port["protocol"].protocol())
