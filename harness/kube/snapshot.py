"""Taking a snapshot of namespaces for a diagnosis: a dozen small requests over one connection."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from harness.kube.client import Api, ApiError, ApiUnreachable
from harness.kube.container import containers_of
from harness.kube.diagnosis import Snapshot
from harness.kube.kubectl import JsonObject

_LOG_LINES: Final = 10
_OWNERS: Final = ("replicasets", "statefulsets", "daemonsets")


def take(api: Api, namespace: str | None) -> Snapshot:
    """What a namespace (None: every one) holds now. What the user may not read is None in it.

    Raises ApiUnreachable.
    """

    def objects(group: str, resource: str) -> Sequence[JsonObject] | None:
        scope = f"/namespaces/{namespace}" if namespace else ""
        return _read(api, f"{group}{scope}/{resource}")

    core, apps, batch, networking = "/api/v1", "/apis/apps/v1", "/apis/batch/v1", "/apis/networking.k8s.io/v1"
    return Snapshot(
        pods=objects(core, "pods") or (),
        events=objects(core, "events") or (),
        owners=[*(one for kind in _OWNERS for one in objects(apps, kind) or ()), *(objects(batch, "jobs") or ())],
        claims=objects(core, "persistentvolumeclaims"),
        nodes=_read(api, f"{core}/nodes"),
        storage_classes=_read(api, "/apis/storage.k8s.io/v1/storageclasses"),
        services=objects(core, "services"),
        slices=objects("/apis/discovery.k8s.io/v1", "endpointslices"),
        ingresses=objects(networking, "ingresses") or (),
        ingress_classes=_read(api, f"{networking}/ingressclasses"),
    )


def pods_and_owners(api: Api, namespace: str) -> Snapshot:
    """The pods of a namespace and what made them, only."""
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    return Snapshot(
        pods=api.items(f"/api/v1/namespaces/{namespace}/pods"),
        owners=[one for kind in _OWNERS for one in api.items(f"{apps}/{kind}")],
    )


def with_logs(api: Api, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the last lines of every container that has ended. A log that is unavailable is left out."""
    logs: dict[tuple[str, str, str], str] = {}
    for pod in snapshot.pods:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        for status in _ended(pod):
            # A container that waits to be started again is itself the one that ended.
            previous = "running" in status.get("state", {})
            path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
            query = {"container": status["name"], "tailLines": str(_LOG_LINES), "previous": str(previous).lower()}
            try:
                logs[namespace, name, status["name"]] = api.text(path, **query)
            except ApiError:
                continue
    return replace(snapshot, logs=logs)


def _ended(pod: JsonObject) -> list[JsonObject]:
    known = set(containers_of(pod))
    lists = ("initContainerStatuses", "containerStatuses")
    statuses = [one for kind in lists for one in pod.get("status", {}).get(kind, ()) if one["name"] in known]
    return [one for one in statuses if one.get("restartCount") or "terminated" in one.get("state", {})]


def _read(api: Api, path: str) -> Sequence[JsonObject] | None:
    try:
        return api.items(path)
    except ApiUnreachable:
        raise
    except ApiError:
        return None  # forbidden, or a group that this cluster does not serve
