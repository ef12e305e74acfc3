"""Which pods are behind a port of a Service, from its EndpointSlices (``discovery.k8s.io/v1``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from harness.errors import ForwardError
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject
from harness.kube.protocol import Protocol

SERVICE_NAME: Final = "kubernetes.io/service-name"
"""The label of an EndpointSlice that names its Service."""


@dataclass(frozen=True, order=True)
class Endpoint:
    """A port of a pod."""

    pod: str
    port: int


def endpoints_of(api: Api, namespace: str, service: str, port: int | str) -> list[Endpoint]:
    """The ready pods behind a Service's TCP port, which is given by its number or its name, each with its own port.

    A targetPort that is a name may be another number in each pod: the slices have it resolved. Where no pod is ready,
    those that still serve while they end are taken, as kube-proxy does (KEP-1669). Addresses that are no pods are left
    out: nothing can be forwarded to them.

    Raises ForwardError where the Service has no such port, ApiNotFound where there is no such Service, and ApiError.
    """
    found = api.get(f"/api/v1/namespaces/{quote(namespace)}/services/{quote(service)}")
    ports = [one for one in found["spec"].get("ports") or () if _is_tcp(one)]
    wanted = next((one for one in ports if str(port) in {str(one["port"]), one.get("name")}), None)
    if wanted is None:
        known = ", ".join(f"{one['port']} {one.get('name', '')}".strip() for one in ports)
        raise ForwardError(f"service {namespace}/{service}, port {port}", f"it has no such port; it has {known or '-'}")
    slices = api.get(
        f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace)}/endpointslices",
        labelSelector=f"{SERVICE_NAME}={service}",
    )
    return _usable(slices.get("items") or (), wanted)


def is_ready(endpoint: JsonObject) -> bool:
    """Whether an endpoint of a slice is ready: one that does not say is (EndpointConditions)."""
    return endpoint.get("conditions", {}).get("ready") is not False


def ports_for(one: JsonObject, port: JsonObject) -> list[JsonObject]:
    """A slice's entries for a Service's port: none where that is a name which no pod of the slice declares."""
    return [have for have in one.get("ports") or () if (have.get("name") or "") == (port.get("name") or "")]


def _usable(slices: Sequence[JsonObject], port: JsonObject) -> list[Endpoint]:
    ready: set[Endpoint] = set()
    ending: set[Endpoint] = set()
    for one in slices:
        numbers = [have["port"] for have in ports_for(one, port) if have.get("port") and _is_tcp(have)]
        for end in one.get("endpoints") or ():
            target = end.get("targetRef") or {}
            if target.get("kind") == "Pod":
                here = {Endpoint(target["name"], number) for number in numbers}
                ready |= here if is_ready(end) else set()
                ending |= here if end.get("conditions", {}).get("serving") else set()
    return sorted(ready or ending)


def _is_tcp(port: JsonObject) -> bool:
    return bool(port.get("protocol", Protocol.TCP) == Protocol.TCP)
