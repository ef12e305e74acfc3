"""Deleting objects, and waiting until they are gone, with what holds those that stay."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from harness.kube.client import Api, ApiConflict, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

_EMPTIED: Final = "harness.dev/emptied"


def _slow_to_go(homes: set[str]) -> list[str]:
    return [f"/api/v1/namespaces/{home}/{kind}" for home in homes for kind in ("pods", "persistentvolumeclaims")]


def empty(api: Api, homes: set[str]) -> None:
    """Begin to delete the workloads, pods and claims of namespaces: their controller begins only after 5 s."""
    for home in homes:
        for kind in ("deployments", "statefulsets", "daemonsets", "replicasets"):
            delete(api, f"/apis/apps/v1/namespaces/{home}/{kind}")
    for path in _slow_to_go(homes):
        delete(api, path)


def wait_emptied(api: Api, homes: set[str], seconds: float) -> None:
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


def delete(api: Api, path: str, policy: str = "Background", uid: str = "") -> None:
    """Begin to delete an object. With Foreground, gone means that what it owns is gone too.

    With ``uid``, one of the same name that was made since stays.
    """
    with suppress(ApiNotFound):
        if not uid:
            api.delete(path, propagationPolicy=policy)
            return
        with suppress(ApiConflict):  # the UID is another one
            api.delete(path, propagationPolicy=policy, preconditions={"uid": uid})


def remove(api: Api, bodies: Mapping[str, JsonObject], seconds: float) -> None:
    """Delete objects by their paths with what they own, namespaces with all in them, and wait until they are gone.

    Raises ApiError; WaitTimeout, with what holds them, after ``seconds``.
    """
    homes = {body["metadata"]["name"] for body in bodies.values() if body["kind"] == "Namespace"}
    empty(api, homes)
    for path, body in bodies.items():
        delete(api, path, "Background" if body["kind"] == "Namespace" else "Foreground", body["metadata"]["uid"])
    wait_emptied(api, homes, seconds)
    wait_gone(api, bodies, seconds)


def wait_gone(api: Api, bodies: Mapping[str, JsonObject], seconds: float) -> None:
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
