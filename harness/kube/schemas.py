"""Checking objects against Kubernetes' published schemas, offline and strictly: an unknown field is an error."""

import difflib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import jsonschema
from kubernetes_validate import utils as published
from referencing import Registry, Resource

from harness.kube import names, quantities
from harness.kube.kubectl import JsonObject
from harness.kube.moved import gone
from harness.kube.sources import FieldPath

KUBERNETES: Final = "1.36"

_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_FORMATS: Final = jsonschema.FormatChecker(formats=())
"""What the schemas call the format of a text, as far as it is checked: a quantity's, which is our word for it."""


class UnknownKind(Exception):
    """Not one of Kubernetes' own kinds: a custom resource, which no published schema describes."""


def misplaced(body: JsonObject) -> bool:
    """Whether an object has a version and a kind, and Kubernetes no such kind in that version."""
    place = (body.get("apiVersion"), body.get("kind"))
    return all(isinstance(one, str) and one for one in place) and place not in _kinds()


def problems(body: JsonObject) -> Iterator[tuple[FieldPath, str]]:
    """What is wrong with an object: (the field, what is wrong with it). Nothing for a sound one.

    Raises UnknownKind where its API group is not one of Kubernetes' own.
    """
    for name in ("apiVersion", "kind"):
        if not isinstance(body.get(name), str) or not body[name]:
            yield (name,), f"has no {name}" if body.get(name) is None else f"{name} is not text"
            return
    meta = body.get("metadata")
    if not isinstance(meta, dict) or not meta.get("name"):
        yield ("metadata",), "has no metadata.name"
        return
    for field in ("name", "namespace"):
        if not isinstance(meta.get(field) or "", str):  # of a custom resource, too
            yield ("metadata", field), f"metadata.{field}: {meta[field]!r} is not text: put quotes around it"
            return
    definition = _kinds().get((body["apiVersion"], body["kind"]))
    if definition is None:
        old = gone(body["apiVersion"], body["kind"])
        yield ("apiVersion",) if old else ("kind",), old or _unknown(body["apiVersion"], body["kind"])
        return
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"{_definitions()['$id']}#/$defs/{definition}"}, registry=_registry(), format_checker=_FORMATS
    )
    for error in sorted(validator.iter_errors(body), key=lambda one: list(map(str, one.absolute_path))):
        yield tuple(error.absolute_path), _told(error)
    yield from names.problems(body)


@cache
def _definitions() -> JsonObject:
    content: JsonObject = published.schema_contents(
        f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict/_definitions.json", KUBERNETES
    )
    quantity = {"type": ["string", "number", "null"], "format": "quantity"}  # oneOf there, which null is twice
    return {**content, "$defs": {**content["$defs"], _QUANTITY: quantity}}


@_FORMATS.checks("quantity", raises=ValueError)
def _is_quantity(value: object) -> bool:
    """Whether a value can be a quantity, as every number can. Raises ValueError with what is wrong."""
    if isinstance(value, str) and (told := quantities.problem(value)):
        raise ValueError(told)
    return True


@cache
def _registry() -> "Registry[Any]":
    return Resource.from_contents(_definitions()) @ Registry()


@cache
def _kinds() -> dict[tuple[str, str], str]:
    """(apiVersion, kind) -> the name of its definition."""
    return {
        ("/".join(filter(None, (one["group"], one["version"]))), one["kind"]): name
        for name, definition in _definitions()["$defs"].items()
        for one in definition.get("x-kubernetes-group-version-kind", ())
        if len(definition["x-kubernetes-group-version-kind"]) == 1  # DeleteOptions and such are in every group
    }


def _unknown(api_version: str, kind: str) -> str:
    """What is wrong with a kind that the schemas do not have. Raises UnknownKind if it may be a custom one."""
    group = api_version.rpartition("/")[0]
    custom = "." in group  # the API server takes no CustomResourceDefinition whose group has no dot
    if custom and group not in {known.rpartition("/")[0] for known, _ in _kinds()}:
        raise UnknownKind(f"{api_version} {kind}")
    homes = sorted(known for known, name in _kinds() if name == kind)
    if homes:
        return f"Kubernetes {KUBERNETES} has no {kind} in {api_version}: it is in {' and '.join(homes)}"
    return f"Kubernetes {KUBERNETES} has no kind {kind} in {api_version}{_near(kind, {name for _, name in _kinds()})}"


def _near(word: str, known: "set[str] | Sequence[str]") -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _told(error: jsonschema.ValidationError) -> str:
    """A schema's complaint in words, with the field's path."""
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    path = path.lstrip(".")
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        unknown = sorted(set(error.instance) - set(known))
        fields = ", ".join(f"{path}.{name}".lstrip(".") + _near(name, list(known)) for name in unknown)
        return f"unknown field {fields}"
    if error.validator == "required":
        return f"{path or 'it'} lacks {error.message.removesuffix(' is a required property')}"
    return f"{path}: {error.cause or error.message}"
