"""Ports that are named where they are used: some container must have one of that name.

The API server takes any name. A Service whose ``targetPort`` no pod has leads nowhere, and a probe of a port that its
container does not have fails for ever.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from harness.errors import ManifestError
from harness.kube.fields import Field
from harness.kube.protocol import Protocol
from harness.kube.templates import containers_of, kind_of, labels_of, template_of

ELSEWHERE: Final = "harness.dev/leads-elsewhere"
"""The annotation of a Service whose ports are meant for other pods than those beside it."""

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS: Final = ("postStart", "preStop")
_FIX: Final = "name one that is there, or give the number"


def of_object(body: Field) -> Iterator[ManifestError]:
    """The named ports of probes and of hooks that their own container does not have."""
    template = template_of(body)
    for container in containers_of(template) if template else ():
        for port in asked_of(container):
            names = [one["name"].value for one in container["ports"] if one["name"].value]
            if isinstance(port.value, str) and port.value not in names:
                yield port.wrong(f"{port.value} is no port of its container, which has {_listed(names)}: {_FIX}")


def of_folder(bodies: Sequence[Field]) -> Iterator[ManifestError]:
    """The named ports of Services that none of the pods have that the Service selects.

    Of a Service whose pods are not among the objects nothing is said: they may come from elsewhere. So may those of one
    that is marked ``ELSEWHERE``.
    """
    templates = [(_home(body), template) for body in bodies if (template := template_of(body))]
    for body in bodies:
        if kind_of(body) != ("v1", "Service") or body["spec"]["type"].value == "ExternalName":
            continue
        selector = body["spec"]["selector"].value
        if not selector or body["metadata"]["annotations"][ELSEWHERE].value == "true":
            continue
        selected = [one for home, one in templates if home == _home(body) and _matches(selector, labels_of(one))]
        for port in body["spec"]["ports"] if selected else ():
            target, protocol = port["targetPort"], port["protocol"].value or Protocol.TCP
            names = list(chain.from_iterable(_offered(one, protocol) for one in selected))
            if isinstance(target.value, str) and target.value and target.value not in names:
                told = _listed(dict.fromkeys(names), "" if protocol == Protocol.TCP else f" of {protocol}")
                yield target.wrong(f"{target.value} is no port of the pods it selects, which have {told}: {_FIX}")


def asked_of(container: Field) -> Iterator[Field]:
    """The ports by which the kubelet asks a container for its health, or tells it something."""
    for name in _PROBES:
        yield from (container[name][way]["port"] for way in ("httpGet", "tcpSocket", "grpc"))
    for name in _HOOKS:
        yield from (container["lifecycle"][name][way]["port"] for way in ("httpGet", "tcpSocket"))


def _offered(template: Field, protocol: str) -> Iterator[str]:
    """The names of the ports that a Service can lead to: those of containers, and of sidecars."""
    sidecars = (one for one in template["spec"]["initContainers"] if one["restartPolicy"].value == "Always")
    for container in chain(template["spec"]["containers"], sidecars):
        for port in container["ports"]:
            if port["name"].value and (port["protocol"].value or Protocol.TCP) == protocol:
                yield port["name"].value


def _matches(selector: dict[str, str | None], labels: dict[str, str]) -> bool:
    return all(labels.get(key) == (value or "") for key, value in selector.items())


def _home(body: Field) -> str:
    """The namespace that an object names; of one that names none it is the same for all."""
    return str(body["metadata"]["namespace"].value or "")


def _listed(names: "Sequence[str] | dict[str, None]", of: str = "") -> str:
    return ", ".join(names) + of if names else f"no named port{of}"
