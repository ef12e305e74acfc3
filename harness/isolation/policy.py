"""NetworkPolicy v1 as a value: everything that ``NetworkPolicySpec`` can say, and nothing else.

The fields mirror the API (https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#networkpolicyspec-v1-networking-k8s-io).
What the API server would add on creation is not stored but derived, so that a file means the same before it is applied.
``at`` is where something is written, ``file:line``; it takes no part in equality.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TypeAlias

from harness.kube.protocol import Protocol
from harness.kube.selectors import EVERYTHING, Selector

Network: TypeAlias = IPv4Network | IPv6Network

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace has, with its name (KEP-2161)."""


class Direction(StrEnum):
    """What a policy isolates: one or both."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@dataclass(frozen=True)
class IpBlock:
    """Addresses: ``cidr`` without those of ``excepts``, each of which lies in it."""

    cidr: Network
    excepts: tuple[Network, ...] = ()

    def contains(self, address: str) -> bool:
        """Whether it has the address. One of another family is in no block."""
        ip = ip_address(address)
        return ip in self.cidr and not any(ip in network for network in self.excepts)


@dataclass(frozen=True)
class Peer:
    """One item of ``from`` or ``to``: pods, namespaces, both together (AND), or a block, which stands alone.

    ``namespaces`` None with ``pods`` set means the policy's own namespace; ``Selector()`` means every namespace.
    """

    pods: Selector | None = None
    namespaces: Selector | None = None
    block: IpBlock | None = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Port:
    """One item of ``ports``: a number, a range ``port``-``end`` (both included), a name, or None for every port."""

    protocol: Protocol = Protocol.TCP
    port: int | str | None = None
    end: int | None = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Rule:
    """One item of ``ingress`` or ``egress``: any of the peers (none: anybody) on any of the ports (none: every one)."""

    peers: tuple[Peer, ...] = ()
    ports: tuple[Port, ...] = ()
    at: str = field(default="", compare=False)


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy. ``types`` is ``policyTypes`` as written; empty where it is absent."""

    namespace: str
    name: str
    pods: Selector = EVERYTHING
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    types: tuple[Direction, ...] = ()
    at: str = field(default="", compare=False)

    @property
    def isolates(self) -> tuple[Direction, ...]:
        """The directions that it isolates. Absent ``policyTypes`` are Ingress, and Egress where it has egress rules.

        Source: ``SetDefaults_NetworkPolicy`` of Kubernetes; an empty ``egress`` turns nothing on (kubernetes 126184).
        """
        if self.types:
            return self.types
        return (Direction.INGRESS, Direction.EGRESS) if self.egress else (Direction.INGRESS,)

    @property
    def defaulted(self) -> "Policy":
        """The policy as the API server gives it back: with its types written out."""
        return replace(self, types=self.isolates)

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        """What it allows in a direction; None where it does not isolate that: then its rules there mean nothing."""
        if direction not in self.isolates:
            return None
        return self.ingress if direction is Direction.INGRESS else self.egress
