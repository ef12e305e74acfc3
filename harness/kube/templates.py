"""Where Kubernetes' own kinds have the template of their pods, and the containers in it."""

from collections.abc import Iterator, Mapping
from typing import Final

from harness.kube.fields import Field
from harness.kube.sources import FieldPath

TEMPLATES: Final[Mapping[tuple[str, str], FieldPath]] = {
    ("v1", "Pod"): (),
    ("v1", "ReplicationController"): ("spec", "template"),
    ("apps/v1", "Deployment"): ("spec", "template"),
    ("apps/v1", "StatefulSet"): ("spec", "template"),
    ("apps/v1", "DaemonSet"): ("spec", "template"),
    ("apps/v1", "ReplicaSet"): ("spec", "template"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""By apiVersion and kind. A Pod is its own."""

_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")


def kind_of(body: Field) -> tuple[str, str]:
    """The apiVersion and the kind of an object."""
    return body["apiVersion"].value, body["kind"].value


def template_of(body: Field) -> Field | None:
    """The Pod, or the template of the pods that an object makes; None where it makes none."""
    path = TEMPLATES.get(kind_of(body))
    return None if path is None else body.below(path)


def labels_of(template: Field) -> dict[str, str]:
    """The labels of a template, as they are read: null is the empty text."""
    return {key: value or "" for key, value in (template["metadata"]["labels"].value or {}).items()}


def containers_of(template: Field) -> Iterator[Field]:
    """The containers of every kind."""
    for kind in _CONTAINERS:
        yield from template["spec"][kind]
