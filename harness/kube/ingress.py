"""Why an Ingress answers 404 or 503: its class, its Services, their ports and their endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.kube.diagnosis import Diagnosis, Snapshot
from harness.kube.endpoints import SERVICE_NAME, is_ready, ports_for
from harness.kube.kubectl import JsonObject


@dataclass(frozen=True)
class _Route:
    """One way in: ``host/path``, and the Service and port (name or number) it leads to."""

    path: str
    service: str
    port: str


def ingress_diagnoses(snapshot: Snapshot, ingress: JsonObject) -> Iterator[Diagnosis]:
    """What keeps each of an Ingress' backends from answering. What the snapshot does not have is not judged."""
    yield from _class_diagnoses(snapshot, ingress)
    if snapshot.services is None:
        return
    namespace = _namespace(ingress)
    services = {one["metadata"]["name"]: one for one in snapshot.services if _namespace(one) == namespace}
    told: set[tuple[str, str]] = set()
    for route in _routes(ingress):
        if (route.service, route.port) in told:
            continue
        told.add((route.service, route.port))
        if route.service not in services:
            yield _says(
                ingress,
                f"no service {route.service}",
                f"{route.path} leads to the Service {route.service}, which does not exist in the namespace {namespace}"
                f" ({_there(services)})",
                "create the Service, or correct backend.service.name",
            )
            continue
        yield from _port_diagnoses(snapshot, ingress, route, services[route.service])


def _says(ingress: JsonObject, rule: str, cause: str, fix: str) -> Diagnosis:
    """A hint: others may yet deploy the Service, the pods or the controller that it needs."""
    return Diagnosis(f"ingress/{ingress['metadata']['name']}", "", "", cause, fix, rule=rule)


def _namespace(body: JsonObject) -> str:
    return str(body["metadata"].get("namespace") or "default")


def _there(names: object) -> str:
    known = ", ".join(sorted(map(str, names))) if isinstance(names, dict | list) else ""
    return f"there are: {known or 'none'}"


def _class_diagnoses(snapshot: Snapshot, ingress: JsonObject) -> Iterator[Diagnosis]:
    if snapshot.ingress_classes is None:
        return
    known = {one["metadata"]["name"]: one["metadata"].get("annotations", {}) for one in snapshot.ingress_classes}
    wanted = ingress.get("spec", {}).get("ingressClassName")
    if wanted and wanted not in known:
        yield _says(
            ingress,
            "no such class",
            f"its ingressClassName {wanted} is unknown to the cluster, and so served by none ({_there(known)})",
            "name a class that exists, or install the controller of that class",
        )
    annotated = ingress["metadata"].get("annotations", {}).get("kubernetes.io/ingress.class")
    default = any(notes.get("ingressclass.kubernetes.io/is-default-class") == "true" for notes in known.values())
    if not wanted and not annotated and not default:
        yield _says(
            ingress,
            "no class",
            f"it names no ingressClassName, and the cluster has no default class ({_there(known)})",
            "set spec.ingressClassName",
        )


def _routes(ingress: JsonObject) -> Iterator[_Route]:
    """Every route to a Service. Backends that are other resources are their controller's own matter."""

    def route(path: str, backend: JsonObject) -> Iterator[_Route]:
        if service := backend.get("service"):
            port = service.get("port", {})
            yield _Route(path, service["name"], str(port.get("name") or port.get("number", "")))

    spec = ingress.get("spec", {})
    yield from route("its default backend", spec.get("defaultBackend", {}))
    for rule in spec.get("rules", ()):
        for path in rule.get("http", {}).get("paths", ()):
            yield from route(f"{rule.get('host', '*')}{path.get('path', '/')}", path.get("backend", {}))


def _port_diagnoses(snapshot: Snapshot, ingress: JsonObject, route: _Route, service: JsonObject) -> Iterator[Diagnosis]:
    ports = service.get("spec", {}).get("ports", ())
    port = next((one for one in ports if route.port in {one.get("name"), str(one.get("port"))}), None)
    if port is None:
        known = [f"{one.get('name', '')} {one['port']}".strip() for one in ports]
        yield _says(
            ingress,
            f"no port {route.service}:{route.port}",
            f"{route.path} leads to port {route.port} of the Service {route.service}, which has no such port"
            f" ({_there(known)})",
            "correct backend.service.port, or add the port to the Service",
        )
        return
    if snapshot.slices is None or service["spec"].get("type") == "ExternalName":
        return
    slices = [
        one
        for one in snapshot.slices
        if one["metadata"].get("labels", {}).get(SERVICE_NAME) == route.service
        and _namespace(one) == _namespace(service)
    ]
    if any(_ready(one) for one in slices if ports_for(one, port)):
        return
    rule = f"no endpoint {route.service}:{route.port}"
    unanswered = f"{route.path} gets no answer: "
    if any(map(_ready, slices)):
        yield _says(
            ingress,
            rule,
            f"{unanswered}no ready pod of the Service {route.service} has its port {port.get('targetPort')}",
            "correct targetPort, or give the container's port that name",
        )
    elif count := sum(len(one.get("endpoints") or ()) for one in slices):
        yield _says(
            ingress,
            rule,
            f"{unanswered}the Service {route.service} has {count} endpoints, and none is ready",
            "see why its pods are not ready",
        )
    else:
        selector = ",".join(f"{key}={value}" for key, value in sorted((service["spec"].get("selector") or {}).items()))
        yield _says(
            ingress,
            rule,
            f"{unanswered}the Service {route.service} has no endpoints: no pod matches its selector"
            f" {selector or '(none)'}",
            "correct the Service's selector or the pods' labels, or deploy the pods",
        )


def _ready(one: JsonObject) -> bool:
    """Whether a slice has a ready endpoint."""
    return any(map(is_ready, one.get("endpoints") or ()))
