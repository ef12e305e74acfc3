"""The words in which the cases are written, and who plays them in a bare world.

The cases speak of namespaces x, y, z and of pods a, b, c in each. On a cluster these have any names: namespaces are
known by their label ``ns``, pods by their label ``pod``. A policy is written for namespace ``x``, and gets the real
name when it is put into a world. ``NEW`` stands for a namespace that a case makes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_network

from harness.errors import UsageError
from harness.isolation.policy import IpBlock, Policy
from harness.isolation.world import Pod, Service, World
from harness.kube.selectors import Selector

NS = "ns"
"""The fixed label of a namespace: x, y or z."""
POD = "pod"
"""The fixed label of a pod: a, b or c."""
NEW = "new"
"""Stands for the namespace that a case makes."""
ROLES = ("x", "y", "z")
PARTS = ("a", "b", "c")
NEIGHBOURS = ip_network("198.51.100.0/24")
"""Addresses where nothing is (RFC 5737)."""


def labelled(key: str, value: str) -> Selector:
    """Everything with one label."""
    return Selector(labels=((key, value),))


EVERY = Selector()
A, B, C = (labelled(POD, part) for part in PARTS)
X, Y, Z = (labelled(NS, role) for role in ROLES)


@dataclass(frozen=True)
class Cast:
    """A bare world, its parts by the words of the catalogue. Raises UsageError where it lacks one that is asked for."""

    bare: World

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The real name of each namespace: of ``x``, ``y``, ``z``, and the one that ``NEW`` gets."""
        names = {namespace.labels.get(NS, ""): namespace.name for namespace in reversed(self.bare.namespaces)}
        if missing := [role for role in ROLES if role not in names]:
            raise UsageError(
                f"the bare world has no namespace labelled {NS}: {missing[0]}; the catalogue needs x, y and z"
            )
        return {**{role: names[role] for role in ROLES}, NEW: f"{self.bare.namespaces[0].name}-new"}

    def pod(self, role: str, part: str) -> Pod:
        """One of the bare pods: ``pod("x", "a")``."""
        for pod in self.bare.pods:
            if pod.namespace == self.names[role] and pod.labels.get(POD) == part and not pod.host_network:
                return pod
        raise UsageError(f"the bare world has no pod labelled {POD}: {part} in namespace {self.names[role]}")

    def service(self, role: str, part: str) -> Service:
        """The Service that leads to one of the bare pods, and to it alone."""
        pod = self.pod(role, part)
        for service in self.bare.services:
            if service.namespace == pod.namespace and all(
                pod.labels.get(key) == value for key, value in service.selector.items()
            ):
                return service
        raise UsageError(f"the bare world has no Service that leads to pod {pod.id}")

    @property
    def host(self) -> Pod:
        """A pod on the host's network."""
        for pod in self.bare.pods:
            if pod.host_network:
                return pod
        raise UsageError("the bare world has no pod on the host's network; the catalogue needs one")

    @property
    def outside(self) -> str:
        """The address outside the cluster."""
        if not self.bare.externals:
            raise UsageError("the bare world has no address outside the cluster; the catalogue needs one")
        return self.bare.externals[0].address

    def block(self, prefix: int, *excepts: int) -> IpBlock:
        """The block of that prefix length which holds the outside address, less those of longer prefixes.

        So ``block(24)`` holds it, and ``block(24, 32)`` holds all of its neighbours and not the address itself.
        """
        around = [ip_network(f"{self.outside}/{length}", strict=False) for length in (prefix, *excepts)]
        return IpBlock(around[0], tuple(around[1:]))

    def world(self, *policies: Policy) -> World:
        """The bare world with policies; their namespaces are ``x``, ``y``, ``z``, ``NEW`` or real names."""
        real = tuple(
            replace(policy, namespace=self.names.get(policy.namespace, policy.namespace)) for policy in policies
        )
        return replace(self.bare, policies=real)

    def newcomer(self, role: str, labels: Mapping[str, str], name: str = "d") -> Pod:
        """A pod that the bare world does not have, with the ports of ``x/a``. It has no address before it is made."""
        first = self.pod("x", "a")
        return replace(first, namespace=self.names[role], name=name, address="", labels=labels)
