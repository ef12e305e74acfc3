"""Deploying folders of manifests, and taking them away again: only what the harness made is ever changed or deleted."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from harness.errors import CommandError, ManifestError, UsageError
from harness.kube import definitions, going, homes, prune
from harness.kube.changes import Change, change, gone
from harness.kube.client import Api, ApiError
from harness.kube.discovery import discover
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest, kustomize, load
from harness.kube.reachable import Reachable
from harness.kube.refused import Sent, refused
from harness.kube.rollout import OnHint, unheeded, wait_for_rollouts
from harness.kube.schemas import misplaced
from harness.kube.workload import Workload, is_workload

T = TypeVar("T")

OWNER: Final = "harness.dev/owner"
"""The label that says that the harness made an object."""

_ITSELF: Final = "harness"
_APPLY_SECONDS: Final = 120.0
_VOLUMES: Final = "/api/v1/persistentvolumes"
_MADE_BY_THE_SERVER: Final = {("ServiceAccount", "default")}  # in every namespace, and anybody's to configure


@dataclass(frozen=True)
class _Placed:
    """A manifest, its path on the API server, and what is there now (None: nothing)."""

    manifest: Manifest
    path: str
    body: JsonObject | None


def deploy(
    cluster: Reachable,
    folders: Sequence[Path],
    images: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    seconds: float,
    pruned: bool = False,
    on_hint: OnHint = unheeded,
) -> list[str]:
    """Apply the manifests of the folders, and wait until every workload in them is rolled out, all at once.

    A Job must complete, and a bare Pod become ready or succeed: what fails there fails the deployment.

    ``images`` are full references with tags, each by the image's name: it takes the place of that image, whatever its
    tag, wherever the manifests name it. ``labels`` are put on every object's metadata, ``harness.dev/owner`` and
    ``harness.dev/source``, the folder's name, in any case. With ``pruned``, what an earlier deployment of a folder of
    the same name made and the manifests hold no more is deleted, but for what may hold data (``prune.KEPT``).

    Returns a line for each object that was created, configured or pruned: safe to repeat, and empty then. Raises
    ManifestError or UsageError before anything is changed, ObjectsRefused where the API server takes only some of the
    objects, WorkloadNotReady with the cause, WaitTimeout after ``seconds``. Meanwhile ``on_hint`` is told what is wrong
    and may yet heal.
    """
    applied = apply(cluster, folders, images, labels, seconds=seconds, pruned=pruned)
    wait_for_rollouts(cluster, applied.workloads, seconds=seconds, on_hint=on_hint)
    changes = [*applied.changes, *prune.prune(cluster.api, applied.outlived, seconds=seconds)]
    return [str(one) for one in changes if one.verb != "unchanged"]


def look(cluster: Reachable, folders: Sequence[Path]) -> list[tuple[Manifest, bool]]:
    """The objects that ``deploy`` would apply, in its order, and whether each is there. Changes nothing.

    Raises as ``deploy`` does before anything is changed.
    """
    manifests = _load(cluster, folders, {}, {})
    return [
        (one.manifest, one.body is not None) for one in _place(cluster.api, manifests, definitions.brought(manifests))
    ]


@dataclass(frozen=True)
class Applied:
    """What applying did, and the workloads that now roll out.

    ``outlived`` is what is to be pruned once they are: what pods of the version before may need to be started again.
    """

    changes: Sequence[Change]
    workloads: Sequence[Workload]
    outlived: Mapping[str, JsonObject]


def apply(
    cluster: Reachable,
    folders: Sequence[Path],
    images: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    seconds: float,
    pruned: bool = False,
) -> Applied:
    """As ``deploy``, without waiting for the rollout.

    ``seconds`` bounds the wait for what is being deleted, and that for the kinds which the manifests themselves define.
    What is pruned goes when all else is there: at once, since it may be what holds the rollout up, as a NetworkPolicy;
    but for what is ``outlived``.
    """
    manifests = _load(cluster, folders, images, {OWNER: _ITSELF, **labels})
    defined = definitions.brought(manifests)
    definitions.check(manifests, defined)
    before = _place(cluster.api, manifests, defined)
    unknown = [one.manifest for one in before if not one.path]
    if unknown:
        raise ManifestError.of([_not_served(cluster.api, one) for one in unknown])
    homes.check(cluster.api, manifests, {one.path: one.manifest for one in before if one.body is None})
    _refuse_strangers(before)
    leaving = {one.path: one.body for one in before if one.body and "deletionTimestamp" in one.body["metadata"]}
    going.wait_gone(cluster.api, leaving, seconds)
    objects = [one.object for one in manifests]
    if defined:
        first = sum(map(_is_first, objects))
        _apply(cluster, before[:first], later=len(before) - first)
        definitions.wait_served(cluster.api, defined, seconds=seconds)
        _apply(cluster, before[first:])
    else:
        _apply(cluster, before)
    after = _at_once(cluster.api.get, [one.path for one in before])
    changes = [change(one.manifest.object, one.body, body) for one, body in zip(before, after, strict=True)]
    outlived: dict[str, JsonObject] = {}
    if pruned:
        sources = {prune.source_of(folder) for folder in folders}
        selector = f"{OWNER}={labels.get(OWNER, _ITSELF)},{prune.made_from(sources)}"
        left = prune.left_behind(cluster.api, selector, after)
        outlived = {path: body for path, body in left.items() if body["kind"] in prune.OF_PODS}
        at_once = {path: body for path, body in left.items() if path not in outlived}
        changes += prune.prune(cluster.api, at_once, seconds=seconds)
    rolled = [one for one in objects if is_workload(one)]
    spaces = [one["metadata"].get("namespace") or cluster.api.namespace for one in rolled]
    places = zip(rolled, spaces, strict=True)
    return Applied(changes, [Workload(one["kind"], home, one["metadata"]["name"]) for one, home in places], outlived)


def _apply(cluster: Reachable, placed: Sequence[_Placed], *, later: int = 0) -> None:
    """Send objects to the API server; ``later`` others follow. Raises ObjectsRefused."""
    if not placed:
        return
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": [one.manifest.object for one in placed]})
    options = ("--server-side", "--force-conflicts", f"--field-manager={prune.MANAGER}")
    try:
        cluster.kubectl.run("apply", *options, "-f", "-", stdin=document, seconds=_APPLY_SECONDS)
    except CommandError as error:
        told = refused(error, [Sent(one.manifest, one.path) for one in placed], later)
        if told is None:  # it is about no object: the server is gone, or may not be asked
            raise
        raise told from error


def destroy(cluster: Reachable, folders: Sequence[Path], *, seconds: float) -> list[str]:
    """Delete what ``deploy`` made of the folders, and wait until it is gone, with the volumes of its namespaces.

    A namespace goes with everything in it, and a CustomResourceDefinition with every object of its kind: it goes last,
    so that whoever attends to those objects can still do so. Returns a line for each object deleted (of a namespace,
    the namespace alone): safe to repeat, and empty then. Raises UsageError, before anything is deleted, if something
    there was not made by the harness; WaitTimeout, with what remains and what holds it, after ``seconds``.
    """
    manifests = _load(cluster, folders, {}, {})
    api = cluster.api
    roots = _roots(_place(api, manifests, definitions.brought(manifests)))
    _refuse_strangers(roots)
    bodies = {one.path: one.body for one in roots if one.body}
    spaces = {body["metadata"]["name"] for body in bodies.values() if body["kind"] == "Namespace"}
    volumes = {f"{_VOLUMES}/{one['metadata']['name']}": one for one in _volumes(api, spaces)}
    kinds = {path: body for path, body in bodies.items() if definitions.is_definition(body)}
    objects = {path: body for path, body in bodies.items() if path not in kinds}
    going.remove(api, objects, seconds)
    for path in kinds:
        going.delete(api, path)
    going.wait_gone(api, kinds, seconds)
    for path, body in volumes.items():
        if body["spec"].get("persistentVolumeReclaimPolicy") == "Retain":
            going.delete(api, path)  # its claim was ours, and nobody else deletes it
    going.wait_gone(api, volumes, seconds)
    return [str(gone("deleted", body)) for body in bodies.values()]


def _load(
    cluster: Reachable, folders: Sequence[Path], images: Mapping[str, str], labels: Mapping[str, str]
) -> list[Manifest]:
    """The manifests of all folders: namespaces first, then the definitions of kinds."""
    render = kustomize(cluster.kubectl)

    def of(folder: Path) -> list[Manifest]:
        marked = {**labels, prune.SOURCE: prune.source_of(folder)} if labels else {}
        return load(folder, render, images=images, labels=marked, served=lambda kind: _homes(cluster.api, kind))

    with ThreadPoolExecutor(max_workers=2) as pool:
        loaded = pool.map(of, folders)
        return sorted(
            (one for part in loaded for one in part),
            key=lambda one: (not _is_first(one.object), one.object["kind"] != "Namespace"),
        )


def _is_first(body: JsonObject) -> bool:
    return bool(body["kind"] == "Namespace") or definitions.is_definition(body)


def _homes(api: Api, kind: str) -> str:
    try:
        return discover(api).homes(kind)
    except ApiError as error:  # what it would add to is the error that counts
        return f"where this cluster serves {kind} could not be asked ({error.output.strip()})"


def _not_served(api: Api, manifest: Manifest) -> ManifestError:
    version, kind = manifest.object["apiVersion"], manifest.object["kind"]
    fix = "install its CustomResourceDefinition first, or put it beside this"
    if not misplaced(manifest.object):
        fix = "it is Kubernetes' own, which this cluster is too old for or has switched off"
    problem = f"the cluster does not know {version} {kind}: {fix}; {_homes(api, kind)}"
    return ManifestError(manifest.where(("apiVersion",)), manifest.subject, problem)


def _place(api: Api, manifests: Iterable[Manifest], defined: definitions.Definitions) -> list[_Placed]:
    """Each manifest with its path, empty where neither cluster nor manifests have its kind, and what is there."""
    paths = []
    for one in manifests:
        definition = definitions.of(one.object, defined)
        path = definition.path_of(one.object, api.namespace) if definition else api.path_of(one.object)
        paths.append((one, path or ""))
    there = _at_once(lambda path: api.find(path) if path else None, [path for _, path in paths])
    return [_Placed(one, path, body) for (one, path), body in zip(paths, there, strict=True)]


def _at_once(ask: Callable[[str], T], paths: Iterable[str]) -> list[T]:
    """What is answered for each path, a few of them at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(ask, paths))


def _refuse_strangers(placed: Iterable[_Placed]) -> None:
    """Raise UsageError if something is there that the harness did not make."""
    for one in placed:
        if one.body is None or OWNER in one.body["metadata"].get("labels", {}):
            continue
        meta = one.body["metadata"]
        if (one.body["kind"], meta["name"]) in _MADE_BY_THE_SERVER:
            continue
        where = f" in the namespace {meta['namespace']}" if meta.get("namespace") else ""
        raise UsageError(
            f"{one.manifest.subject}{where} is there already, and the harness did not make it (no label {OWNER}):"
            " it is left as it is, and nothing was changed. Rename one of the two, or remove it yourself"
        )


def _roots(placed: Sequence[_Placed]) -> list[_Placed]:
    """What must be deleted by itself: all that is there, less what goes with one of the namespaces."""
    there = [one for one in placed if one.body is not None]
    spaces = {one.manifest.object["metadata"]["name"] for one in there if one.manifest.object["kind"] == "Namespace"}
    return [one for one in there if one.body and one.body["metadata"].get("namespace") not in spaces]


def _volumes(api: Api, spaces: set[str]) -> list[JsonObject]:
    """The PersistentVolumes claimed from namespaces; none for a user who may not see them."""
    try:
        volumes = api.items(_VOLUMES) if spaces else []
    except ApiError:
        return []
    return [one for one in volumes if one["spec"].get("claimRef", {}).get("namespace") in spaces]
