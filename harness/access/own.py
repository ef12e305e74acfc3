"""A user's own roles and bindings on a cluster: what is missing there is made for the proof, and removed after it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.access.parse import BINDINGS, ROLES, realm_of
from harness.access.rules import Realm
from harness.kube.client import Api, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import until_none_is_going
from harness.kube.manifests import Manifest, Render, load

MADE: Final = ("Namespace", "ServiceAccount", *ROLES, *BINDINGS)
"""What of the manifests is made, in this order."""


@dataclass(frozen=True)
class Own:
    """What somebody's manifests say of access. ``objects`` are those of the kinds ``MADE``, in their order."""

    realm: Realm
    objects: Sequence[JsonObject]

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces that they are about: in these, only what is written counts."""
        realm = self.realm
        places = [one.name for one in realm.homes]
        for things in (realm.roles, realm.bindings, realm.accounts):
            places += [one.namespace for one in things if one.namespace]
        return frozenset(places)


def read(folder: Path, render: Render) -> Own:
    """The manifests of a folder or file. Raises ManifestError."""
    return of_manifests(load(folder, render))


def of_manifests(manifests: Sequence[Manifest]) -> Own:
    """The same of manifests. Raises ManifestError."""
    mine = [one.object for one in manifests if one.object["kind"] in MADE]
    return Own(realm_of(manifests), sorted(mine, key=lambda one: MADE.index(one["kind"])))


@contextmanager
def staged(api: Api, written: Own, labels: dict[str, str]) -> Iterator[list[str]]:
    """Make what of somebody's roles, bindings, ServiceAccounts and namespaces is missing; the names of what was made.

    What is there stays as it is, also if it differs. Raises ApiError.
    """
    until_none_is_going(api, written.namespaces)
    made: list[str] = []
    try:
        for body in (*_homes(written), *written.objects):
            path = api.path_of(body)
            if path is None or api.find(path) is not None:
                continue
            meta = {**body["metadata"], "labels": {**labels, **(body["metadata"].get("labels") or {})}}
            api.post(path.rpartition("/")[0], {**body, "metadata": meta})
            made.append(path)
        yield made
    finally:
        for path in reversed(made):
            try:
                api.delete(path)
            except ApiNotFound:
                continue  # it went with its namespace


def _homes(written: Own) -> Iterator[JsonObject]:
    """Namespaces that are spoken of, and not written."""
    there = {one["metadata"]["name"] for one in written.objects if one["kind"] == "Namespace"}
    for name in sorted(written.namespaces - there):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
