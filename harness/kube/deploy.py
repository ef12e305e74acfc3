"""Deploying folders of manifests, and taking them away again: only what the harness made is ever changed or deleted."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from harness.errors import ManifestError, UsageError
from harness.kube.changes import Change, change
from harness.kube.client import Api, ApiError, ApiNotFound
from harness.kube.discovery import discover
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest, kustomize, load
from harness.kube.reachable import Reachable
from harness.kube.rollout import KINDS, OnHint, Workload, unheeded, wait_for_rollouts
from harness.kube.wait import wait_until

T = TypeVar("T")

OWNER: Final = "harness.dev/owner"
"""The label that says that the harness made an object."""

_EMPTIED: Final = "harness.dev/emptied"
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
    on_hint: OnHint = unheeded,
) -> list[str]:
    """Apply the manifests of the folders, and wait until every workload in them is rolled out, all at once.

    The values of ``images`` are full references (``harness.dev/invoice-app:4f2a``): each replaces the tag of its image
    wherever the manifests name it. ``labels`` are put on every object's metadata, ``harness.dev/owner`` in any case.

    Returns a line for each object that was created or configured: safe to repeat, and empty then. Raises ManifestError
    or UsageError before anything is changed, WorkloadNotReady with the cause, WaitTimeout after ``seconds``. Meanwhile
    ``on_hint`` is told what is wrong and may yet heal.
    """
    changes = apply(cluster, folders, images, labels, seconds=seconds)
    wait_for_rollouts(cluster, changes.workloads, seconds=seconds, on_hint=on_hint)
    return [str(one) for one in changes.changes if one.verb != "unchanged"]


@dataclass(frozen=True)
class Applied:
    """What applying did, and the workloads that now roll out."""

    changes: Sequence[Change]
    workloads: Sequence[Workload]


def apply(
    cluster: Reachable,
    folders: Sequence[Path],
    images: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    seconds: float,
) -> Applied:
    """As ``deploy``, without waiting for the rollout. ``seconds`` bounds the wait for what is being deleted."""
    tags = dict(map(_name_and_tag, images.values()))
    manifests = _load(cluster, folders, tags, {OWNER: "harness", **labels})
    before = _place(cluster.api, manifests)
    unknown = [one.manifest for one in before if not one.path]
    if unknown:
        raise ManifestError.of([_not_served(cluster.api, one) for one in unknown])
    _refuse_strangers(before)
    leaving = {one.path: one.body for one in before if one.body and "deletionTimestamp" in one.body["metadata"]}
    _wait_gone(cluster.api, leaving, seconds)
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": [one.object for one in manifests]})
    options = ("--server-side", "--force-conflicts", "--field-manager=harness")
    cluster.kubectl.run("apply", *options, "-f", "-", stdin=document, seconds=_APPLY_SECONDS)
    after = _at_once(cluster.api.get, [one.path for one in before])
    changes = [change(one.manifest.object, one.body, body) for one, body in zip(before, after, strict=True)]
    bodies = [one.object for one in manifests if one.object["kind"] in KINDS]
    places = [
        (one["kind"], one["metadata"].get("namespace") or cluster.api.namespace, one["metadata"]["name"])
        for one in bodies
    ]
    return Applied(changes, [Workload(*place) for place in places])


def destroy(cluster: Reachable, folders: Sequence[Path], *, seconds: float) -> list[str]:
    """Delete what ``deploy`` made of the folders, and wait until it is gone, with the volumes of its namespaces.

    A namespace goes with everything in it. Returns a line for each object deleted (of a namespace, the namespace
    alone): safe to repeat, and empty then. Raises UsageError, before anything is deleted, if something there was not
    made by the harness; WaitTimeout, with what remains and what holds it, after ``seconds``.
    """
    manifests = _load(cluster, folders, {}, {})
    api = cluster.api
    going = _roots(_place(api, manifests))
    _refuse_strangers(going)
    bodies = {one.path: one.body for one in going if one.body}
    homes = {body["metadata"]["name"] for body in bodies.values() if body["kind"] == "Namespace"}
    volumes = {f"{_VOLUMES}/{one['metadata']['name']}": one for one in _volumes(api, homes)}
    _empty(api, homes)
    for path, body in bodies.items():
        _delete(api, path, "Background" if body["kind"] == "Namespace" else "Foreground")
    _wait_emptied(api, homes, seconds)
    _wait_gone(api, bodies, seconds)
    for path, body in volumes.items():
        if body["spec"].get("persistentVolumeReclaimPolicy") == "Retain":
            _delete(api, path)  # its claim was ours, and nobody else deletes it
    _wait_gone(api, volumes, seconds)
    metas = [(body["kind"].lower(), body["metadata"]) for body in bodies.values()]
    return [str(Change("deleted", f"{kind}/{meta['name']}", meta.get("namespace", ""))) for kind, meta in metas]


def _load(
    cluster: Reachable, folders: Sequence[Path], tags: Mapping[str, str], labels: Mapping[str, str]
) -> list[Manifest]:
    """The manifests of all folders, namespaces first."""
    render = kustomize(cluster.kubectl)

    def of(folder: Path) -> list[Manifest]:
        return load(folder, render, images=tags, labels=labels, served=lambda kind: _homes(cluster.api, kind))

    with ThreadPoolExecutor(max_workers=2) as pool:
        loaded = pool.map(of, folders)
        return sorted((one for part in loaded for one in part), key=lambda one: one.object["kind"] != "Namespace")


def _homes(api: Api, kind: str) -> str:
    try:
        return discover(api).homes(kind)
    except ApiError as error:  # what it would add to is the error that counts
        return f"where this cluster serves {kind} could not be asked ({error.output.strip()})"


def _not_served(api: Api, manifest: Manifest) -> ManifestError:
    version, kind = manifest.object["apiVersion"], manifest.object["kind"]
    problem = f"the cluster does not know {version} {kind}: install its CustomResourceDefinition first, or put it"
    problem += f" beside this; {_homes(api, kind)}"
    return ManifestError(manifest.where(("apiVersion",)), manifest.subject, problem)


def _name_and_tag(reference: str) -> tuple[str, str]:
    name, _, tag = reference.rpartition(":")
    if not name or "/" in tag:
        raise UsageError(f"the image {reference!r} has no tag: give it as name:tag")
    return name, tag


def _place(api: Api, manifests: Iterable[Manifest]) -> list[_Placed]:
    """Each manifest with its path, empty where the cluster does not serve its kind, and what is there."""
    paths = [(one, api.path_of(one.object) or "") for one in manifests]
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
    homes = {one.manifest.object["metadata"]["name"] for one in there if one.manifest.object["kind"] == "Namespace"}
    return [one for one in there if one.body and one.body["metadata"].get("namespace") not in homes]


def _volumes(api: Api, homes: set[str]) -> list[JsonObject]:
    """The PersistentVolumes claimed from namespaces; none for a user who may not see them."""
    try:
        volumes = api.items(_VOLUMES) if homes else []
    except ApiError:
        return []
    return [one for one in volumes if one["spec"].get("claimRef", {}).get("namespace") in homes]


def _slow_to_go(homes: set[str]) -> list[str]:
    return [f"/api/v1/namespaces/{home}/{kind}" for home in homes for kind in ("pods", "persistentvolumeclaims")]


def _empty(api: Api, homes: set[str]) -> None:
    """Begin to delete the workloads, pods and claims of namespaces: their controller begins only after 5 s."""
    for home in homes:
        for kind in ("deployments", "statefulsets", "daemonsets", "replicasets"):
            _delete(api, f"/apis/apps/v1/namespaces/{home}/{kind}")
    for path in _slow_to_go(homes):
        _delete(api, path)


def _wait_emptied(api: Api, homes: set[str], seconds: float) -> None:
    """Wait until the pods and claims of deleted namespaces are gone, and have the namespace controller look again.

    It would look only after half of the longest grace period that it met, or of the 15 s that it allows a finalizer,
    however soon they ended (pkg/controller/namespace/deletion/namespaced_resources_deleter.go); a change of the
    namespace makes it look after 5 s (namespace_controller.go).
    """
    awaited = _slow_to_go(homes)

    def remaining() -> list[str]:
        return [f"{path.rpartition('/')[2]} {one['metadata']['name']}" for path in awaited for one in api.items(path)]

    names = ", ".join(sorted(homes))
    wait_until(
        f"the pods and claims of {names} to be gone",
        lambda: not remaining(),
        seconds=seconds,
        describe=lambda: ", ".join(remaining()),
    )
    for home in homes:
        with suppress(ApiNotFound):
            api.patch(f"/api/v1/namespaces/{home}", {"metadata": {"annotations": {_EMPTIED: "true"}}})


def _delete(api: Api, path: str, policy: str = "Background") -> None:
    """Begin to delete an object. With Foreground, gone means that what it owns is gone too."""
    try:
        api.delete(path, propagationPolicy=policy)
    except ApiNotFound:
        return


def _wait_gone(api: Api, bodies: Mapping[str, JsonObject], seconds: float) -> None:
    """Wait until none of the objects is there; one of the same name that was made since does not count."""
    remaining = dict(bodies)

    def gone() -> bool:
        for path, body in bodies.items():
            now = api.find(path) if path in remaining else None
            if now is None or now["metadata"]["uid"] != body["metadata"]["uid"]:
                remaining.pop(path, None)
            else:
                remaining[path] = now
        return not remaining

    def describe() -> str:
        return "; ".join(_held(api, body) for body in remaining.values())

    if bodies:
        names = ", ".join(f"{body['kind'].lower()}/{body['metadata']['name']}" for body in bodies.values())
        wait_until(f"{names} to be gone", gone, seconds=seconds, describe=describe)


def _held(api: Api, body: JsonObject) -> str:
    """What keeps an object that is being deleted: finalizers, and in a namespace what remains there."""
    name = f"{body['kind'].lower()}/{body['metadata']['name']}"
    holds = [f"finalizer {one}" for one in body["metadata"].get("finalizers", ())]
    status = body.get("status", {})
    if status.get("message"):
        holds.append(status["message"])
    if body["kind"] == "Namespace":
        told = [one for one in status.get("conditions", ()) if one.get("status") == "True"]
        holds += [str(one.get("message", "")) for one in told]
        pods = api.items(f"/api/v1/namespaces/{body['metadata']['name']}/pods")
        holds += [f"pod {one['metadata']['name']} is {one['status'].get('phase', 'there')}" for one in pods]
    return f"{name} is held by " + (", ".join(holds) or status.get("phase", "nothing that it names"))
