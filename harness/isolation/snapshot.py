"""A running cluster as a world: its namespaces, pods, Services, nodes and policies as they are now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.errors import ClusterError
from harness.isolation.foreign import foreign_of, is_foreign
from harness.isolation.parse import policy_of_object
from harness.isolation.policy import Policy
from harness.isolation.world import ContainerPort, External, Foreign, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.client import Api, ApiError
from harness.kube.conditions import is_ready
from harness.kube.discovery import discover
from harness.kube.fields import of_object
from harness.kube.kubectl import JsonObject
from harness.kube.protocol import Protocol

_HEADLESS: Final = ("None", "", None)
_WITHOUT: Final = "metrics.k8s.io"
"""How groups end that have metrics, and no policy: their servers are late on a young cluster."""
_TOLD: Final = 5
"""How many policies of other APIs are named."""


def take(api: Api, written: Iterable[Policy] = (), externals: Iterable[External] = ()) -> World:
    """The world that a cluster is now: its pods are those that run and have an address, ready or not.

    A policy that is also among those ``written`` in files, and says the same there, keeps the place where it is
    written, so that a verdict's reasons name file and line. Raises ApiError, and ManifestError for a policy that the
    model does not know.
    """
    files = {(policy.namespace, policy.name): policy for policy in written}
    policies = [
        policy_of_object(body, "policy {namespace}/{name}".format(**body["metadata"]))
        for body in api.items("/apis/networking.k8s.io/v1/networkpolicies")
    ]
    return World(
        tuple(_namespace(body) for body in api.items("/api/v1/namespaces")),
        tuple(_pod(body) for body in api.items("/api/v1/pods") if runs(body)),
        tuple(_as_written(one, files.get((one.namespace, one.name))) for one in policies),
        tuple(
            _service(body)
            for body in api.items("/api/v1/services")
            if body["spec"].get("clusterIP") not in _HEADLESS and body["spec"].get("type") != "ExternalName"
        ),
        tuple(node_of(body) for body in api.items("/api/v1/nodes")),
        tuple(externals),
    )


@dataclass(frozen=True)
class Others:
    """The policies of other APIs on a cluster, and what could not be found out about them, in sentences."""

    policies: tuple[Foreign, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What there is to tell of them."""
        names = [one.what for one in self.policies[:_TOLD]]
        more = len(self.policies) - len(names)
        listed = ", ".join(names) + (f" and {more} more" if more else "")
        told = [f"policies that have no model: {listed}. What they may decide is undefined"] if names else []
        return [*told, *self.unread]


def others_on(api: Api) -> Others:
    """Find the policies of other APIs that a cluster has, by its own discovery. Raises ApiError.

    Those that cannot be listed, as where the user may not, may be there: that is told, and where they decide, the
    proofs say that the cluster deviates.
    """
    served = discover(api)
    kinds = [one for one in served.resources if not one.subresource and is_foreign(one.group, one.kind)]
    first = {(one.group, one.name): one for one in reversed(kinds)}  # of the preferred version
    found: list[Foreign | None] = []
    silent = {one: why for one, why in served.silent.items() if not one.partition("/")[0].endswith(_WITHOUT)}
    unread = [f"whether the API {one} has policies is unknown: {why}" for one, why in silent.items()]
    for one in first.values():
        try:
            bodies = api.items(one.path)
        except ApiError as error:
            if not error.status:
                raise
            unread.append(f"policies of kind {one.kind}.{one.group} are unknown: {error.output}")
            continue
        named = {"apiVersion": f"{one.group}/{one.version}", "kind": one.kind}
        found += [foreign_of(of_object({**body, **named}, f"{one.path} on the cluster")) for body in bodies]
    return Others(tuple(filter(None, found)), tuple(unread))


def _as_written(policy: Policy, file: Policy | None) -> Policy:
    return file if file and file.defaulted == policy.defaulted else policy


def runs(body: JsonObject) -> bool:
    """Whether a pod runs, has an address, and is not being deleted."""
    status = body.get("status", {})
    return (
        status.get("phase") == "Running" and bool(status.get("podIP")) and "deletionTimestamp" not in body["metadata"]
    )


def node_of(body: JsonObject) -> Node:
    """A node with the address by which its own pods know it: the first, where it has one of each family.

    Raises ClusterError for one without any.
    """
    name, addresses = body["metadata"]["name"], body["status"].get("addresses", ())
    for kind in ("InternalIP", "ExternalIP"):
        for one in addresses:
            if one["type"] == kind:
                return Node(name, one["address"])
    raise ClusterError(f"node {name} has no address yet: wait until it is ready")


def _namespace(body: JsonObject) -> Namespace:
    return Namespace(body["metadata"]["name"], _labels(body))


def _pod(body: JsonObject) -> Pod:
    spec = body["spec"]
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    ports = [port for container in (*spec["containers"], *sidecars) for port in container.get("ports") or ()]
    return Pod(
        body["metadata"]["namespace"],
        body["metadata"]["name"],
        body["status"]["podIP"],
        _labels(body),
        tuple(
            ContainerPort(port["containerPort"], Protocol(port.get("protocol", "TCP")), port.get("name", ""))
            for port in ports
        ),
        spec.get("nodeName", ""),
        host_network=bool(spec.get("hostNetwork")),
        ready=is_ready(body),
    )


def _service(body: JsonObject) -> Service:
    spec = body["spec"]
    ports = tuple(
        ServicePort(port["port"], port.get("targetPort") or port["port"], Protocol(port.get("protocol", "TCP")))
        for port in spec.get("ports") or ()
    )
    meta = body["metadata"]
    return Service(meta["namespace"], meta["name"], spec["clusterIP"], spec.get("selector") or {}, ports)


def _labels(body: JsonObject) -> Mapping[str, str]:
    return dict(body["metadata"].get("labels") or {})
