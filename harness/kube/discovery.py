"""What an API server serves, by its own discovery: resources and subresources with their kinds and verbs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from harness.kube.client import Api, ApiError
from harness.kube.kubectl import JsonObject

KIND: Final = "APIGroupDiscoveryList"
ACCEPT: Final = f"application/json;g=apidiscovery.k8s.io;v=v2;as={KIND},application/json"
"""Aggregated discovery (KEP-3352, Kubernetes 1.30): everything in two answers; an older server gives its plain ones."""


@dataclass(frozen=True)
class Served:
    """A resource, or one of its subresources, in one version of its group. ``group`` is empty for the core API."""

    name: str
    group: str
    version: str
    kind: str = ""
    subresource: str = ""
    verbs: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def path(self) -> str:
        """The path of all its objects, of whatever namespace."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.name}"


@dataclass(frozen=True)
class Discovery:
    """What is served, of each group the preferred version first.

    ``silent`` are the aggregated APIs (``group/version``) whose own server does not answer, and why.
    """

    resources: tuple[Served, ...]
    silent: Mapping[str, str] = field(default_factory=dict)

    def homes(self, kind: str) -> str:
        """Where a kind is served, in words."""
        found = [one for one in self.resources if one.kind == kind and not one.subresource]
        versions = dict.fromkeys("/".join(filter(None, (one.group, one.version))) for one in found)
        return f"this cluster serves {kind} in {' and '.join(versions)}" if versions else f"this cluster has no {kind}"


def discover(api: Api) -> Discovery:
    """Everything that a cluster serves. Raises ApiError."""
    silent: dict[str, str] = {}
    found: list[Served] = []
    for root in ("/api", "/apis"):
        answer = api.get(root, accept=ACCEPT)
        found += _aggregated(answer, silent) if answer["kind"] == KIND else _plain(api, root, answer, silent)
    return Discovery(tuple(found), silent)


def _aggregated(answer: JsonObject, silent: dict[str, str]) -> Iterator[Served]:
    """The resources of one answer of aggregated discovery. Source: k8s.io/api/apidiscovery/v2."""
    for group in answer["items"]:
        name = group["metadata"].get("name", "")
        for served in group["versions"]:
            version = served["version"]
            if served.get("freshness") == "Stale":
                silent[f"{name}/{version}"] = "discovery calls it stale"
            for one in served.get("resources", ()):
                whole = Served(
                    one["resource"],
                    name,
                    version,
                    kind=one.get("responseKind", {}).get("kind", ""),
                    verbs=_verbs(one),
                    namespaced=one["scope"] == "Namespaced",
                )
                yield whole
                for part in one.get("subresources", ()):
                    yield replace(whole, subresource=part["subresource"], verbs=_verbs(part))


def _plain(api: Api, root: str, answer: JsonObject, silent: dict[str, str]) -> Iterator[Served]:
    """The same from a server that only has plain discovery, one answer for each version of each group."""
    for group, version in _versions(answer):
        path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
        try:
            served = api.get(path)
        except ApiError as error:
            silent[f"{group}/{version}"] = error.output
            continue
        for one in served["resources"]:
            name, _, subresource = one["name"].partition("/")
            kind = one.get("kind", "")
            yield Served(name, group, version, kind, subresource, _verbs(one), one["namespaced"])


def _versions(answer: JsonObject) -> Iterator[tuple[str, str]]:
    """Groups with their versions of an ``APIVersions`` or an ``APIGroupList``, the preferred version first."""
    for version in answer.get("versions", ()):
        yield "", version
    for group in answer.get("groups", ()):
        first = group["preferredVersion"]["version"]
        yield group["name"], first
        yield from ((group["name"], one["version"]) for one in group["versions"] if one["version"] != first)


def _verbs(body: JsonObject) -> tuple[str, ...]:
    return tuple(sorted(body.get("verbs", ())))
