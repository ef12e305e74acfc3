"""Pruning: what an earlier deployment of the same folder made, and its manifests hold no more.

Each object carries the name of the folder that it came from. What may hold data, or everything else, is never pruned:
namespaces, claims, volumes and definitions of kinds stay until ``destroy``.
"""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

from harness.kube import going
from harness.kube.changes import LABELS, Change, gone
from harness.kube.client import Api, ApiError
from harness.kube.discovery import Served, discover
from harness.kube.kubectl import JsonObject

SOURCE: Final = f"{LABELS}source"
"""The label that says which folder of manifests an object came from."""

KEPT: Final = frozenset({"namespaces", "persistentvolumeclaims", "persistentvolumes", "customresourcedefinitions"})
"""What is never pruned, by its plural."""

OF_PODS: Final = frozenset({"ConfigMap", "Secret", "ServiceAccount"})
"""Kinds that pods of the version before still need, until the new one has taken their place."""

MANAGER: Final = "harness"
"""The field manager of all that is applied."""

_NEEDED: Final = {"list", "delete"}
_REFUSED: Final = {403, 404, 405, 503}  # not for us, gone since it was discovered, or its own server does not answer
_LONGEST: Final = 63
_AT_ONCE: Final = 8


def source_of(folder: Path) -> str:
    """The label's value for a folder: its name, or, of one that no label may have, what is left of it and a digest."""
    name = folder.resolve().name
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) and len(name) <= _LONGEST:
        return name
    left = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    return f"{left}-{sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


def made_from(sources: Iterable[str]) -> str:
    """The selector of what was made from some folders."""
    return f"{SOURCE} in ({','.join(sorted(sources))})"


def left_behind(api: Api, selector: str, current: Iterable[JsonObject]) -> dict[str, JsonObject]:
    """What a selector of labels finds that was applied by us and is none of the ``current`` objects, with its path.

    What may hold data is left out, and so are kinds that may not be listed. What is being deleted already is left to
    go. Raises ApiError.
    """
    kinds = {(one.group, one.name): one for one in reversed(discover(api).resources) if _may_go(one)}
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = pool.map(lambda one: _items(api, one, selector), kinds.values())
        known = {one["metadata"]["uid"] for one in current}
        left: dict[str, JsonObject] = {}
        for kind, bodies in zip(kinds.values(), found, strict=True):
            for body in bodies:
                meta = body["metadata"]
                if meta["uid"] in known or "deletionTimestamp" in meta or not _applied(meta):
                    continue
                known.add(meta["uid"])  # some are served by two groups
                left[_path(kind, meta)] = body
    return left


def prune(api: Api, left: Mapping[str, JsonObject], *, seconds: float) -> list[Change]:
    """Delete what was left behind, wait until it is gone, and say so. Raises ApiError, WaitTimeout."""
    going.remove(api, left, seconds)
    return [gone("pruned", body) for body in left.values()]


def _may_go(kind: Served) -> bool:
    return not kind.subresource and _NEEDED.issubset(kind.verbs) and kind.name not in KEPT


def _applied(meta: JsonObject) -> bool:
    """Whether the harness applied an object itself: controllers copy labels, as those of a Service to its Endpoints."""
    managers = [one.get("manager") for one in meta.get("managedFields") or () if one.get("operation") == "Apply"]
    return MANAGER in managers and not meta.get("ownerReferences")


def _items(api: Api, kind: Served, selector: str) -> list[JsonObject]:
    try:
        return api.items(kind.path, labelSelector=selector)
    except ApiError as error:
        if error.status in _REFUSED:
            return []
        raise


def _path(kind: Served, meta: JsonObject) -> str:
    root, _, plural = kind.path.rpartition("/")
    scope = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{root}{scope}/{plural}/{meta['name']}"
