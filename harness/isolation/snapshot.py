"""A running cluster as a world: its namespaces, pods, Services, nodes and policies as they are now."""

from collections.abc import Iterable, Mapping
from typing import Final

from harness.isolation.parse import policy_of_object
from harness.isolation.policy import Policy
from harness.isolation.world import ContainerPort, External, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.protocol import Protocol

_HEADLESS: Final = ("None", "", None)


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


def _as_written(policy: Policy, file: Policy | None) -> Policy:
    return file if file and file.defaulted == policy.defaulted else policy


def runs(body: JsonObject) -> bool:
    """Whether a pod runs, has an address, and is not being deleted."""
    status = body.get("status", {})
    return (
        status.get("phase") == "Running" and bool(status.get("podIP")) and "deletionTimestamp" not in body["metadata"]
    )


def node_of(body: JsonObject) -> Node:
    """A node with the address by which its own pods know it."""
    addresses = {one["type"]: one["address"] for one in body["status"].get("addresses", ())}
    return Node(body["metadata"]["name"], addresses.get("InternalIP", ""))


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
        ready=any((one["type"], one["status"]) == ("Ready", "True") for one in body["status"].get("conditions") or ()),
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
