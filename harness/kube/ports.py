"""Ports as the API server takes them (``k8s.io/kubernetes/pkg/apis``): schemas say of one that it is a number or text.

Where 0 is as good as nothing, or stands for another port, it is taken.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from harness.errors import ManifestError
from harness.kube.fields import Field
from harness.kube.named_ports import asked_of
from harness.kube.templates import containers_of, kind_of, template_of


def problems(body: Field) -> Iterator[ManifestError]:
    """What is wrong with the ports of an object; nothing of a kind that is not known to have any."""
    template = template_of(body)
    strict, lenient = _of_pods(template) if template else _BY_KIND.get(kind_of(body), _none)(body)
    for port in strict:
        yield from _problem(port)
    for port in lenient:
        if port.value not in (0, ""):
            yield from _problem(port)


def _problem(port: Field) -> Iterator[ManifestError]:
    try:
        if isinstance(port.value, str):
            port.port_name()
        elif port.value is not None:
            port.port_number()
    except ManifestError as wrong:
        yield wrong


_Ports = tuple[Iterator[Field], Iterator[Field]]
"""Ports that must be some, and those that may be 0 or empty."""


def _none(_body: Field) -> _Ports:
    return iter(()), iter(())


def _of_pods(template: Field) -> _Ports:
    containers = list(containers_of(template))
    ports = [port for container in containers for port in container["ports"]]
    asked = chain.from_iterable(map(asked_of, containers))
    return chain((one["containerPort"] for one in ports), asked), (one["hostPort"] for one in ports)


def _of_service(body: Field) -> _Ports:
    ports = list(body["spec"]["ports"])
    lenient = chain.from_iterable((one["targetPort"], one["nodePort"]) for one in ports)
    return (one["port"] for one in ports), lenient


def _of_policy(body: Field) -> _Ports:
    rules = chain(body["spec"]["ingress"], body["spec"]["egress"])
    ports = chain.from_iterable(rule["ports"] for rule in rules)
    return chain.from_iterable((one["port"], one["endPort"]) for one in ports), iter(())


def _of_ingress(body: Field) -> _Ports:
    paths = chain.from_iterable(rule["http"]["paths"] for rule in body["spec"]["rules"])
    backends = chain((body["spec"]["defaultBackend"],), (path["backend"] for path in paths))
    return iter(()), (one["service"]["port"]["number"] for one in backends)


_BY_KIND: Final = {
    ("v1", "Service"): _of_service,
    ("networking.k8s.io/v1", "NetworkPolicy"): _of_policy,
    ("networking.k8s.io/v1", "Ingress"): _of_ingress,
}
