"""What policies act on: namespaces, pods, Services, nodes, addresses outside. Values, made from files or a cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from harness.isolation.policy import NAME_LABEL, Policy
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector


@dataclass(frozen=True)
class Namespace:
    """A namespace. ``labels`` need not name it: ``all_labels`` do."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    @cached_property
    def all_labels(self) -> Mapping[str, str]:
        """Its labels with ``kubernetes.io/metadata.name``, which the API server sets and keeps."""
        return {**self.labels, NAME_LABEL: self.name}


@dataclass(frozen=True)
class ContainerPort:
    """A port that a container declares; the name may be empty."""

    number: int
    protocol: Protocol = Protocol.TCP
    name: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod with its address. One on the host's network has the address of its node.

    Only while it is ``ready`` do Services lead to it.
    """

    namespace: str
    name: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    ports: tuple[ContainerPort, ...] = ()
    node: str = "node1"
    host_network: bool = False
    ready: bool = True

    @cached_property
    def id(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def resolve(self, name: str, protocol: Protocol) -> list[int]:
        """The numbers of its ports of that name and protocol."""
        return [port.number for port in self.ports if (port.name, port.protocol) == (name, protocol)]


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service, and the port of its pods that it leads to: a number, or a name that each pod resolves."""

    port: int
    target: int | str
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True)
class Service:
    """A Service with a ClusterIP that leads to the pods of its namespace that have the labels of ``selector``."""

    namespace: str
    name: str
    address: str
    selector: Mapping[str, str] = field(default_factory=dict, hash=False)
    ports: tuple[ServicePort, ...] = ()

    @cached_property
    def id(self) -> str:
        """``service namespace/name``."""
        return f"service {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Node:
    """A node, by an address of its own network."""

    name: str
    address: str

    @cached_property
    def id(self) -> str:
        """``node name``."""
        return f"node {self.name}"


@dataclass(frozen=True)
class External:
    """An address outside the cluster."""

    address: str

    @cached_property
    def id(self) -> str:
        """``outside address``."""
        return f"outside {self.address}"


@dataclass(frozen=True)
class Foreign:
    """A policy of another API than NetworkPolicy, which no model knows: it may decide all that its pods do.

    These are the pods of ``namespace`` (empty: of every namespace), of those as far as they are selected by
    ``namespaces`` and ``pods``, where they can be told. ``what`` names it; ``at`` is where it is written.
    """

    what: str
    namespace: str = ""
    namespaces: Selector | None = None
    pods: Selector | None = None
    at: str = ""

    def may_mean(self, pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
        """Whether a pod, in a namespace with these labels, may be one of its own."""
        return (
            self.namespace in ("", pod.namespace)
            and (self.namespaces is None or self.namespaces.matches(namespace_labels))
            and (self.pods is None or self.pods.matches(pod.labels))
        )


Source: TypeAlias = Pod | Node | External
Destination: TypeAlias = Pod | Service | Node | External


@dataclass(frozen=True)
class World:
    """Everything that a verdict depends on. Each pod's and policy's namespace must be one of ``namespaces``.

    ``foreign`` is what the models know nothing of.
    """

    namespaces: tuple[Namespace, ...] = ()
    pods: tuple[Pod, ...] = ()
    policies: tuple[Policy, ...] = ()
    services: tuple[Service, ...] = ()
    nodes: tuple[Node, ...] = ()
    externals: tuple[External, ...] = ()
    foreign: tuple[Foreign, ...] = ()

    def __post_init__(self) -> None:
        known = {namespace.name for namespace in self.namespaces}
        parts: tuple[Pod | Policy | Service, ...] = (*self.pods, *self.policies, *self.services)
        for one in parts:
            if one.namespace not in known:
                raise ValueError(f"{one.namespace}/{one.name} lies in a namespace that the world does not have")

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything that connections can begin at."""
        return (*self.pods, *self.nodes, *self.externals)

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Everything that connections can lead to."""
        return (*self.pods, *self.services, *self.nodes, *self.externals)

    def backends(self, service: Service, port: ServicePort) -> Iterator[tuple[Pod, int]]:
        """The ready pods that a Service's port leads to, each with its own port. An empty selector leads nowhere."""
        for pod in self.pods:
            chosen = service.selector and pod.namespace == service.namespace and pod.ready
            if chosen and all(pod.labels.get(key) == value for key, value in service.selector.items()):
                targets = [port.target] if isinstance(port.target, int) else pod.resolve(port.target, port.protocol)
                yield from ((pod, target) for target in targets[:1])
