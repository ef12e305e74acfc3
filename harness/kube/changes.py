"""What applying changed, object by object, by comparing each before and after. Pure.

``kubectl apply --server-side`` says "serverside-applied" of everything, and a resourceVersion moves whenever a
controller writes a status: so what is compared is what the object says, less what others write into it.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from harness.kube.kubectl import JsonObject

LABELS: Final = "harness.dev/"
"""What the harness itself writes on its objects: a new run's labels are no change of the object."""

_BY_CONTROLLERS: Final = ("deployment.kubernetes.io/", "pv.kubernetes.io/", "autoscaling.alpha.kubernetes.io/")
_BY_THE_SERVER: Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


@dataclass(frozen=True)
class Change:
    """What became of one object. ``name`` is ``kind/name``; ``namespace`` is empty for a cluster-scoped one."""

    verb: Literal["created", "configured", "unchanged", "deleted", "pruned"]
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.name} {self.verb}" + (f" in {self.namespace}" if self.namespace else "")


def change(manifest: JsonObject, before: JsonObject | None, after: JsonObject) -> Change:
    """What applying ``manifest`` did: ``before`` is None if the object was not there."""
    meta = after["metadata"]
    name, namespace = f"{manifest['kind'].lower()}/{meta['name']}", meta.get("namespace", "")
    if before is None or before["metadata"]["uid"] != meta["uid"]:
        return Change("created", name, namespace)
    same = _said(manifest, before) == _said(manifest, after)
    return Change("unchanged" if same else "configured", name, namespace)


def gone(verb: Literal["deleted", "pruned"], body: JsonObject) -> Change:
    """What became of an object that is no more."""
    meta = body["metadata"]
    return Change(verb, f"{body['kind'].lower()}/{meta['name']}", meta.get("namespace", ""))


def _said(manifest: JsonObject, body: JsonObject) -> JsonObject:
    """What an object says: its status, the server's bookkeeping and the controllers' notes left out."""
    said = {key: copy.copy(value) for key, value in body.items() if key not in {"status", "apiVersion", "kind"}}
    meta = {key: value for key, value in body["metadata"].items() if key not in _BY_THE_SERVER}
    meta["labels"] = _without(meta.get("labels"), (LABELS,))
    meta["annotations"] = _without(meta.get("annotations"), _BY_CONTROLLERS)
    said["metadata"] = meta
    if isinstance(body.get("spec"), dict) and (manifest.get("spec") or {}).get("replicas") is None:
        said["spec"] = {key: value for key, value in body["spec"].items() if key != "replicas"}  # an autoscaler's
    return said


def _without(notes: Mapping[str, str] | None, prefixes: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, value in (notes or {}).items() if not key.startswith(prefixes)}
