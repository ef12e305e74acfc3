"""A journal on the cluster itself, for clusters that no process of ours keeps alive: ConfigMaps, and a pod that heals.

Everything of a journal is in a namespace of its own, with a ClusterRole beside it; all of it goes when the journal is
closed. What a killed run leaves stays for as long as it may be needed: ``harness heal`` performs it and takes it away.
"""

import re
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from harness.chaos import healer
from harness.chaos.fault import FaultError
from harness.chaos.undo import Request, Undo, persistently
from harness.clusters.undo import Undos
from harness.kube.client import Api, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import HEALER, RUN
from harness.kube.reachable import Reachable
from harness.kube.rollout import wait_for_rollouts
from harness.kube.wait import wait_until
from harness.kube.workload import Workload

READY_SECONDS: Final = 120.0
GONE_SECONDS: Final = 60.0
USER: Final = 10003
_NAMESPACES: Final = "/api/v1/namespaces"
_RBAC: Final = "rbac.authorization.k8s.io"
_VERBS: Final = {"patch": "patch", "post": "create", "delete": "delete"}

RIGHTS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "pods"): ("delete",),
    ("apps", "deployments"): ("patch",),
    ("apps", "deployments/scale"): ("patch",),
    ("apps", "statefulsets"): ("patch",),
    ("apps", "statefulsets/scale"): ("patch",),
    ("litmuschaos.io", "chaosengines"): ("delete",),
    ("litmuschaos.io", "chaosexperiments"): ("delete",),
    ("networking.k8s.io", "networkpolicies"): ("create", "delete", "patch"),
}
"""What the healer may do, in all namespaces: what undoing the faults needs that are done by requests."""

_PATH: Final = re.compile(r"/api(?:s/([^/]+))?/[^/]+/namespaces/[^/]+/([^/]+)(?:/[^/]+(/[^/]+)?)?")


class ClusterJournal:
    """The journal of one process of a run. ``labels`` are the run's, ``image`` has Python and is on the nodes.

    It is opened before the first fault and closed after the last. ``home`` is the namespace that everything is in.
    """

    def __init__(self, cluster: Reachable, labels: Mapping[str, str], image: str) -> None:
        self._cluster, self._api, self._labels, self._image = cluster, cluster.api, labels, image
        self.home = f"harness-chaos-{Undos.new_id()}"  # the run's id would not do: each worker of it has a healer

    def open(self) -> None:
        """Create the healer, and wait until it has been seen to work. On failure nothing is left.

        Raises WorkloadNotReady, WaitTimeout or ApiError.
        """
        try:
            for path, body in objects(self.home, self._labels, self._image):
                self._api.post(path, body)
            wait_for_rollouts(self._cluster, [Workload("Deployment", self.home, HEALER)], seconds=READY_SECONDS)
            trial = self.register(Undo(fault="nothing: a trial of the healer"), 0)
            wait_until(
                "the healer to take a trial undo",
                lambda: self._api.find(self._path(trial)) is None,
                seconds=READY_SECONDS,
            )
        except BaseException:
            remove(self._api, self.home)
            raise

    def register(self, undo: Undo, seconds: float) -> str:
        """Have it done in so many seconds; what it is cancelled by.

        Raises FaultError for what a pod cannot undo, WaitTimeout or ApiError where it could not be written down.
        """
        if undo.components or undo.thaw:
            raise FaultError(f"{undo.fault} could not be undone by a pod: it needs the node")
        for request in undo.requests:
            if not _allowed(request):
                raise FaultError(f"{undo.fault} could not be undone: the healer may not {request.verb} {request.path}")
        name = f"undo-{Undos.new_id()}"

        def write() -> None:
            note = {healer.DEADLINE: str(time.time() + seconds)}
            meta = {"name": name, "namespace": self.home, "labels": dict(self._labels), "annotations": note}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}}
            body["data"] = {healer.UNDO: undo.model_dump_json()}
            if self._api.find(self._path(name)) is None:
                self._api.post(self._path(""), body)

        persistently(f"the API server, to write down how to undo {undo.fault}", write)
        return name

    def cancel(self, entry: str) -> None:
        """It is done. Safe to repeat."""
        persistently("the API server, to cancel an undo", lambda: forget(self._api, self._path(entry)))

    def close(self) -> None:
        """Take everything away, unless something could not be undone: then the healer stays, to try it again."""
        pending: list[JsonObject] = []

        def look() -> None:
            pending[:] = self._api.items(self._path(""), labelSelector=healer.OWNER_LABEL)

        persistently("the API server, to see that nothing is left to undo", look)
        if not pending:
            remove(self._api, self.home)

    def _path(self, entry: str) -> str:
        return f"{_NAMESPACES}/{self.home}/configmaps" + (f"/{entry}" if entry else "")


def _allowed(request: Request) -> bool:
    found = _PATH.fullmatch(request.path)
    if found is None:
        return False
    group, plural, part = found.groups("")
    return _VERBS[request.verb] in RIGHTS.get((group, plural + part), ())


def registered(api: Api) -> dict[str, str]:
    """The undos of all runs on a cluster, as text, by the paths of their ConfigMaps."""
    found = {}
    for body in api.items("/api/v1/configmaps", labelSelector=healer.OWNER_LABEL):
        meta = body["metadata"]
        path = f"{_NAMESPACES}/{meta['namespace']}/configmaps/{meta['name']}"
        found[path] = str((body.get("data") or {}).get(healer.UNDO))
    return found


def homes(api: Api, living: Collection[str]) -> list[str]:
    """The namespaces of healers whose run is none of these."""
    metas = [one["metadata"] for one in api.items(_NAMESPACES, labelSelector=healer.OWNER_LABEL)]
    return [meta["name"] for meta in metas if meta["labels"].get(RUN) not in living]


def remove(api: Api, home: str) -> None:
    """Remove a healer, and wait until nothing of it is left. Raises WaitTimeout or ApiError."""
    rbac = f"/apis/{_RBAC}/v1"
    # The pod first: a namespace takes its time, since its controller waits for pods that end at leisure.
    paths = (
        f"/apis/apps/v1/namespaces/{home}/deployments/{HEALER}",
        f"{_NAMESPACES}/{home}",
        f"{rbac}/clusterrolebindings/{home}",
        f"{rbac}/clusterroles/{home}",
    )
    for path in paths:
        persistently("the API server, to remove the healer", partial(forget, api, path))
    wait_until(f"namespace {home} to be gone", lambda: api.find(paths[1]) is None, seconds=GONE_SECONDS)


def forget(api: Api, path: str) -> None:
    """Delete what is at a path. Safe to repeat."""
    with suppress(ApiNotFound):
        api.delete(path)


def objects(home: str, labels: Mapping[str, str], image: str) -> list[tuple[str, JsonObject]]:
    """What a healer is made of, in order, each with the path of its collection."""
    rules = [
        {"apiGroups": [group], "resources": [kind], "verbs": list(verbs)} for (group, kind), verbs in RIGHTS.items()
    ]
    own = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "delete"]}]
    subjects = [{"kind": "ServiceAccount", "name": HEALER, "namespace": home}]

    def body(version: str, kind: str, name: str, **rest: Any) -> JsonObject:  # noqa: ANN401 -- JSON
        place = {} if kind in ("Namespace", "ClusterRole", "ClusterRoleBinding") else {"namespace": home}
        meta = {"name": name, "labels": {**labels, **rest.pop("labels", {})}, **place}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **rest}

    def reference(kind: str, name: str) -> JsonObject:
        return {"apiGroup": _RBAC, "kind": kind, "name": name}

    rbac, apps = f"/apis/{_RBAC}/v1", "/apis/apps/v1"
    here = f"/namespaces/{home}"
    secure = {"pod-security.kubernetes.io/enforce": "restricted"}
    return [
        (_NAMESPACES, body("v1", "Namespace", home, labels=secure)),
        (f"/api/v1{here}/serviceaccounts", body("v1", "ServiceAccount", HEALER)),
        (f"{rbac}{here}/roles", body(f"{_RBAC}/v1", "Role", HEALER, rules=own)),
        (
            f"{rbac}{here}/rolebindings",
            body(f"{_RBAC}/v1", "RoleBinding", HEALER, roleRef=reference("Role", HEALER), subjects=subjects),
        ),
        (f"{rbac}/clusterroles", body(f"{_RBAC}/v1", "ClusterRole", home, rules=rules)),
        (
            f"{rbac}/clusterrolebindings",
            body(f"{_RBAC}/v1", "ClusterRoleBinding", home, roleRef=reference("ClusterRole", home), subjects=subjects),
        ),
        (f"{apps}{here}/deployments", body("apps/v1", "Deployment", HEALER, spec=_deployment(labels, image))),
    ]


def _deployment(labels: Mapping[str, str], image: str) -> JsonObject:
    selector = {"app": HEALER}
    container = {
        "name": HEALER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-uc", Path(healer.__file__).read_text(encoding="utf-8")],
        "resources": {"requests": {"cpu": "10m"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    pod = {
        "serviceAccountName": HEALER,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    return {
        "replicas": 1,
        "selector": {"matchLabels": selector},
        "template": {"metadata": {"labels": {**labels, **selector}}, "spec": pod},
    }
