"""CustomResourceDefinitions that stand beside their objects: what they bring, and waiting until it is served."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote

from harness.errors import ManifestError
from harness.kube.client import Api
from harness.kube.conditions import met
from harness.kube.discovery import discover
from harness.kube.fields import Field, of_manifest
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest
from harness.kube.wait import wait_until

KIND: Final = "CustomResourceDefinition"
_GROUP: Final = "apiextensions.k8s.io"
_PATH: Final = f"/apis/{_GROUP}/v1/customresourcedefinitions"
_INTERVAL: Final = 0.2


@dataclass(frozen=True)
class Definition:
    """What one CustomResourceDefinition brings. ``versions`` tells of each whether it is served."""

    manifest: Manifest
    group: str
    kind: str
    plural: str
    namespaced: bool
    versions: Mapping[str, bool]

    @property
    def name(self) -> str:
        """Its ``metadata.name``."""
        return str(self.manifest.object["metadata"]["name"])

    def path_of(self, body: JsonObject, home: str) -> str:
        """The path of an object of the kind; ``home`` is the namespace of one that names none."""
        scope = f"/namespaces/{quote(body['metadata'].get('namespace') or home)}" if self.namespaced else ""
        return f"/apis/{body['apiVersion']}{scope}/{self.plural}/{quote(body['metadata']['name'])}"


Definitions: TypeAlias = Mapping[tuple[str, str], Definition]
"""By group and kind."""


def is_definition(body: JsonObject) -> bool:
    """Whether an object is a CustomResourceDefinition."""
    return bool(body["kind"] == KIND and _group(body) == _GROUP)


def brought(manifests: Iterable[Manifest]) -> Definitions:
    """What the CustomResourceDefinitions among the manifests bring. Raises ManifestError for one that says null."""
    found = [_definition(one) for one in manifests if is_definition(one.object)]
    return {(one.group, one.kind): one for one in found}


def of(body: JsonObject, definitions: Definitions) -> Definition | None:
    """The definition that brings an object's kind, in whatever version."""
    return definitions.get((_group(body), body["kind"]))


def check(manifests: Iterable[Manifest], definitions: Definitions) -> None:
    """Raise ManifestError for objects of a version that the definition beside them does not have or not serve."""
    wrong = []
    for one in manifests:
        definition = of(one.object, definitions)
        version = one.object["apiVersion"].rpartition("/")[2]
        if definition is None or definition.versions.get(version):
            continue
        lacks = "does not serve" if version in definition.versions else "does not have"
        served = " and ".join(name for name, is_served in definition.versions.items() if is_served)
        problem = (
            f"the {KIND} {definition.name}, at {definition.manifest.where()}, {lacks} the version {version}: it serves"
            f" {served or 'none'}"
        )
        wrong.append(ManifestError(one.where(("apiVersion",)), one.subject, problem))
    if wrong:
        raise ManifestError.of(wrong)


def wait_served(api: Api, definitions: Definitions, *, seconds: float) -> None:
    """Wait until the API server serves all that the definitions bring. Raises WaitTimeout with what it lacks, and why.

    Established is not enough: kubectl finds a kind by discovery, which learns of it a moment later.
    """
    if not definitions:
        return

    def missing() -> list[str]:
        waiting = [told for one in definitions.values() if (told := _not_established(api, one))]
        return waiting or list(_not_discovered(api, definitions.values()))

    names = ", ".join(one.name for one in definitions.values())
    wait_until(
        f"the API server to serve what {names} define{'s' if len(definitions) == 1 else ''}",
        lambda: not missing(),
        seconds=seconds,
        interval=_INTERVAL,
        describe=lambda: "; ".join(missing()),
    )


def _definition(manifest: Manifest) -> Definition:
    spec = _given(of_manifest(manifest)["spec"])
    names = _given(spec["names"]).value
    return Definition(
        manifest,
        spec.value["group"],
        names["kind"],
        names["plural"],
        spec.value["scope"] == "Namespaced",
        {one.value["name"]: one.value["served"] for one in map(_given, spec["versions"])},
    )


def _given(field: Field) -> Field:
    """A field that is not null, which the published schemas allow nearly everywhere, and the API server does not."""
    if field.value is None:
        raise field.wrong("is null, and must say something")
    return field


def _group(body: JsonObject) -> str:
    return str(body["apiVersion"].rpartition("/")[0])


def _not_established(api: Api, definition: Definition) -> str:
    """Why a definition is not in force; empty where it is."""
    body = api.find(f"{_PATH}/{quote(definition.name)}")
    if body is None:
        return f"{definition.name} is not there"
    if "Established" in met(body):
        return ""
    conditions = body.get("status", {}).get("conditions") or ()
    told = [f"{one['type']} is {one['status']}: {one.get('message', '')}" for one in conditions]
    return f"{definition.name} is not established ({', '.join(told) or 'no condition is set'})"


def _not_discovered(api: Api, definitions: Iterable[Definition]) -> Iterable[str]:
    """The versions that discovery lacks: the one answer that kubectl reads, and each group's own."""
    known = {(one.group, one.version, one.kind) for one in discover(api).resources}
    for one in definitions:
        for version in (name for name, served in one.versions.items() if served):
            there = api.resource(f"{one.group}/{version}", one.kind, again=True)
            if there is None or (one.group, version, one.kind) not in known:
                yield f"{one.group}/{version} {one.kind} is not in the server's discovery yet"
