"""The namespaces that objects are put in: each must be in the manifests or in the cluster already.

The API server says of a namespace that it is not there, and not which object wants it; by then others are applied.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from harness.errors import ManifestError
from harness.kube.client import Api, ApiError
from harness.kube.fields import DEFAULT_NAMESPACE
from harness.kube.manifests import Manifest
from harness.kube.strict import did_you_mean

_NAMESPACES: Final = "/api/v1/namespaces"


def home_of(path: str) -> str:
    """The namespace of the object at a path; empty for one that is in none, as a Namespace."""
    *_, above, home, _, _ = ("", "", "", *path.split("/"))
    return home if above == "namespaces" else ""


def check(api: Api, manifests: Iterable[Manifest], new: Mapping[str, Manifest]) -> None:
    """Raise ManifestError for each object whose namespace neither the manifests nor the cluster have.

    ``new`` are those of the manifests that are not there yet, by their paths. A namespace that the user may not look at
    is taken for one that is there.
    """
    written = {one.object["metadata"]["name"] for one in manifests if _is_namespace(one)}
    wanted = {home_of(path) for path in new} - written - {"", DEFAULT_NAMESPACE}
    missing = {home for home in wanted if not _may_be_there(api, home)}
    if missing:
        known = sorted(written | set(_known(api)))
        raise ManifestError.of(list(_homeless(new, missing, known)))


def _homeless(new: Mapping[str, Manifest], missing: set[str], known: Iterable[str]) -> Iterator[ManifestError]:
    for path, one in new.items():
        home = home_of(path)
        if home in missing:
            fix = did_you_mean(home, known) or ": put its Namespace beside it"
            problem = f"metadata.namespace: neither the manifests nor the cluster have the namespace {home}{fix}"
            yield ManifestError(one.where(("metadata", "namespace")), one.subject, problem)


def _is_namespace(manifest: Manifest) -> bool:
    return bool(manifest.object["kind"] == "Namespace" and manifest.object["apiVersion"] == "v1")


def _may_be_there(api: Api, home: str) -> bool:
    try:
        return api.find(f"{_NAMESPACES}/{home}") is not None
    except ApiError:
        return True


def _known(api: Api) -> Iterator[str]:
    """The names of the cluster's namespaces; none for a user who may not see them."""
    try:
        found = api.items(_NAMESPACES)
    except ApiError:
        return
    yield from (one["metadata"]["name"] for one in found)
