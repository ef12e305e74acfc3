"""What is kept when something fails: events, objects, descriptions, logs, and what is wrong in words. No Secret value.

It is collected at the worst moment, so it never raises: what is unavailable is named in the bundle's ``summary.txt``.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from harness.kube.client import Api, ApiError
from harness.kube.container import containers_of
from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Snapshot, event_count, event_time
from harness.kube.kubectl import JsonObject, Kubectl
from harness.kube.reachable import Reachable
from harness.kube.redact import Redactor, public_words
from harness.kube.snapshot import take, with_logs
from harness.kube.wait import patient

SECONDS: Final = 15.0
"""After so long the bundle is closed with what there is. It takes one to three, but may be wanted on a busy machine."""

FILE_BYTES: Final = 1 << 20
BUNDLE_BYTES: Final = 32 << 20
LOG_LINES: Final = 500
PODS: Final = 60
"""Of more pods than these, logs are kept of those that are not ready."""

_COMPONENTS: Final = "components' logs"
_SEEN: Final[dict[Path, Redactor]] = {}
"""What was secret at the last bundle of a cluster, by its kubeconfig: for the time when its API server is gone."""

_OWNER: Final = "harness.dev/owner"
_SYSTEM: Final = "kube-system"
_WORKERS: Final = 4
_KINDS: Final = (
    "pods,deployments,replicasets,statefulsets,daemonsets,jobs,services,endpointslices,ingresses,networkpolicies,"
    "horizontalpodautoscalers,poddisruptionbudgets,persistentvolumeclaims,configmaps,serviceaccounts,roles,rolebindings"
)
_DESCRIBED: Final = (
    "pods,deployments,replicasets,statefulsets,services,ingresses,networkpolicies,horizontalpodautoscalers,"
    "persistentvolumeclaims"
)
_OF_THE_CLUSTER: Final = {
    "cluster.yaml": ("get", "namespaces,nodes,persistentvolumes,storageclasses,ingressclasses", "-o", "yaml"),
    "rights.yaml": (
        "get",
        "clusterroles,clusterrolebindings",
        "--selector=!kubernetes.io/bootstrapping",
        "-o",
        "yaml",
    ),
    "nodes.txt": ("describe", "nodes"),
}


class Subject(Reachable, Protocol):
    """What a bundle is made of: a cluster, as far as this module needs one."""

    def export_logs(self, folder: Path) -> None:
        """Write the logs of the cluster's own components into ``folder``."""


def collect(cluster: Subject, folder: Path, namespaces: Sequence[str] | None = None) -> None:
    """Fill ``folder`` with all that may tell why something failed, in at most SECONDS or little more, of bounded size.

    ``namespaces`` are by default those that the harness made, and kube-system. The values of their Secrets are removed
    from everything; if they cannot be read, all logs are left out, as nobody could tell what is secret in them. Those
    of the components stay where an earlier bundle of the same cluster has learned the values.
    """
    bundle = _Bundle(folder)
    tasks: dict[str, Callable[[], None]] = {_COMPONENTS: partial(_components, bundle, cluster)}
    pool = ThreadPoolExecutor(_WORKERS)
    with ExitStack() as closing:
        closing.callback(bundle.close)
        closing.callback(pool.shutdown, wait=False, cancel_futures=True)
        learn = partial(_from_api, bundle, cluster, namespaces, tasks)
        bundle.attempt("what the API server knows", learn)
        futures = {pool.submit(bundle.attempt, what, task): what for what, task in tasks.items()}
        _, late = wait(futures, timeout=bundle.seconds)
        bundle.missing += [f"{futures[one]}: not had within {patient(SECONDS):.0f} s" for one in late]


class _Bundle:
    """The folder, its bounds, what is secret, what is wrong and what is missing. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.redact = Redactor()
        self.knows = False
        """Whether what the Secrets hold is known, and so removed."""
        self.found: list[str] = []
        self.missing: list[str] = []
        self._folder = folder
        self._deadline = time.monotonic() + patient(SECONDS)
        self._room = BUNDLE_BYTES
        self._closed = False
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """What is left of the time."""
        return max(0.1, self._deadline - time.monotonic())

    def attempt(self, what: str, task: Callable[[], None]) -> None:
        """Do a part; if it fails, the bundle says so."""
        try:
            task()
        except Exception as error:  # noqa: BLE001 -- a bundle tells of a failure and must not become one
            self.missing.append(f"{what}: {type(error).__name__}: {error}")

    def put(self, name: str, text: str) -> None:
        """Write a file, less what is secret and what is too much. The end is what is kept of a long one."""
        content = self._content(text)
        with self._lock:
            if not self._closed:
                self._keep(name, content)

    def _content(self, text: str) -> bytes:
        content = self.redact(text).encode()
        return content if len(content) <= FILE_BYTES else b"[the beginning is left out]\n" + content[-FILE_BYTES:]

    def _keep(self, name: str, content: bytes) -> None:
        self._room -= len(content)
        if self._room < 0:
            self.missing.append(f"{name}: the bundle is full")
            return
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def close(self) -> None:
        """Write the summary; what comes later is dropped."""
        lines = ["What is wrong:", *(self.found or ["nothing that the harness knows of"])]
        if self.missing:
            lines += ["", "What is not in here:", *self.missing]
        with self._lock:
            self._closed = True
        self._room = max(self._room, FILE_BYTES)  # nobody else takes any of it now
        self.attempt("summary.txt", lambda: self._keep("summary.txt", self._content("\n".join(lines) + "\n")))


def _from_api(
    bundle: _Bundle,
    cluster: Subject,
    namespaces: Sequence[str] | None,
    tasks: dict[str, Callable[[], None]],
) -> None:
    """Learn what is secret and what is wrong, and add the further ``tasks``, each by what it brings."""
    api, kubectl = cluster.api, cluster.kubectl
    known = {one["metadata"]["name"]: one for one in api.items("/api/v1/namespaces", seconds=bundle.seconds / 2)}
    made = [name for name, one in known.items() if name == _SYSTEM or _OWNER in one["metadata"].get("labels", {})]
    chosen = [name for name in (made if namespaces is None else namespaces) if name in known]
    snapshots = {name: take(api, name) for name in chosen}
    bodies = [body for one in snapshots.values() for body in (*one.pods, *one.owners, *(one.services or ()))]
    logs = _learn_secrets(bundle, api, chosen, [*known.values(), *bodies])
    if logs:
        _SEEN[kubectl.kubeconfig] = bundle.redact
    bundle.put("events.txt", _events([event for one in snapshots.values() for event in one.events]))
    for namespace, snapshot in snapshots.items():
        diagnosed = partial(_diagnosed, bundle, api if logs else None, namespace, snapshot)
        bundle.attempt(f"{namespace}: what is wrong", diagnosed)  # what it stumbles over is still worth keeping
        arguments = {
            f"{namespace}/objects.yaml": ("get", _KINDS, "-n", namespace, "-o", "yaml"),
            f"{namespace}/describe.txt": ("describe", _DESCRIBED, "-n", namespace),
        }
        tasks |= {name: partial(_prints, bundle, kubectl, name, command) for name, command in arguments.items()}
        if logs:
            tasks[f"{namespace}/logs"] = partial(_logs, bundle, api, namespace, snapshot)
    for name, command in _OF_THE_CLUSTER.items():
        tasks[name] = partial(_prints, bundle, kubectl, name, command)


def _diagnosed(bundle: _Bundle, api: Api | None, namespace: str, snapshot: Snapshot) -> None:
    """Add what is wrong in a namespace; without ``api`` no log is looked at."""
    told = diagnose(_without_secrets(bundle.redact, with_logs(api, snapshot) if api else snapshot))
    bundle.found += [f"- {namespace}: {one}" for one in told]


def _learn_secrets(bundle: _Bundle, api: Api, namespaces: Iterable[str], bodies: Sequence[JsonObject]) -> bool:
    """Have the bundle remove what Secrets hold. Whether they could be read."""
    try:
        secrets = [one for namespace in namespaces for one in api.items(f"/api/v1/namespaces/{namespace}/secrets")]
    except ApiError as error:
        bundle.missing.append(
            f"pods' logs: the Secrets, whose values would have to be removed, cannot be read: {error}"
        )
        return False
    bundle.redact = Redactor(secrets, public_words([*bodies, *secrets]))
    bundle.knows = True
    bundle.put("secrets.txt", "".join(map(_keys, secrets)))
    return True


def _without_secrets(redact: Redactor, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what programs said redacted: a diagnosis cuts it short, and half a value is found by nobody."""
    return replace(
        snapshot,
        pods=[{**one, "status": redact.tree(one.get("status", {}))} for one in snapshot.pods],
        events=[{**one, "message": redact(str(one.get("message", "")))} for one in snapshot.events],
        logs={of: redact(text) for of, text in (snapshot.logs or {}).items()},
    )


def _keys(secret: JsonObject) -> str:
    meta = secret["metadata"]
    keys = ", ".join(secret.get("data") or {}) or "nothing"
    return f"{meta['namespace']}/{meta['name']} ({secret.get('type', 'Opaque')}): {keys}\n"


def _prints(bundle: _Bundle, kubectl: Kubectl, name: str, command: Sequence[str]) -> None:
    """What kubectl prints, as a file."""
    bundle.put(name, kubectl.run(*command, seconds=bundle.seconds))


def _events(events: Iterable[JsonObject]) -> str:
    """A line for each event, oldest first."""
    return "".join(map(_event, sorted(events, key=event_time)))


def _event(event: JsonObject) -> str:
    about = event.get("involvedObject", {})
    subject = (
        f"{about.get('namespace', '')} {about.get('kind', '')}/{about.get('name', '')} {about.get('fieldPath', '')}"
    )
    message = " ".join(str(event.get("message", "")).split())
    count = event_count(event)
    often = f" (x{count})" if count > 1 else ""
    return (
        f"{event_time(event)} {event.get('type', '')} {subject.strip()} {event.get('reason', '')}: {message}{often}\n"
    )


def _logs(bundle: _Bundle, api: Api, namespace: str, snapshot: Snapshot) -> None:
    """The end of every container's log, and of that of the container before it."""
    pods = sorted(snapshot.pods, key=_is_ready)
    if len(pods) > PODS:
        bundle.missing.append(
            f"{namespace}/logs: of {len(pods) - PODS} pods, which are the ready ones as far as possible"
        )
    for pod in pods[:PODS]:
        name, status = pod["metadata"]["name"], pod.get("status", {})
        lists = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        statuses = {one["name"]: one for kind in lists for one in status.get(kind, ())}
        for container in containers_of(pod):
            state = statuses.get(container, {})
            began = "running" in state.get("state", {}) or "terminated" in state.get("state", {})
            for previous in (False, True):
                if state.get("restartCount") if previous else began or state.get("restartCount"):
                    file = f"{namespace}/logs/{name}.{container}{'.previous' if previous else ''}.log"
                    path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
                    query = {"container": container, "tailLines": str(LOG_LINES), "previous": str(previous).lower()}
                    bundle.attempt(file, partial(_log, bundle, api, file, path, query))


def _log(bundle: _Bundle, api: Api, file: str, path: str, query: Mapping[str, str]) -> None:
    bundle.put(file, api.text(path, seconds=bundle.seconds, timestamps="true", **query))


def _is_ready(pod: JsonObject) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return bool(statuses) and all(one.get("ready") for one in statuses)


def _components(bundle: _Bundle, cluster: Subject) -> None:
    """The components' logs: written elsewhere first, for nothing may lie in the bundle that is not redacted."""
    if not bundle.knows:
        seen = _SEEN.get(cluster.kubectl.kubeconfig)
        if seen is None:
            bundle.missing.append(f"{_COMPONENTS}: what is secret in them is not known without the Secrets")
            return
        bundle.redact = seen
        bundle.missing.append(
            f"{_COMPONENTS}: only what the Secrets held at an earlier failure is removed; what is newer is not known"
        )
    with tempfile.TemporaryDirectory(prefix="harness-") as name:
        folder = Path(name)
        cluster.export_logs(folder)
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            bundle.put(f"components/{file.relative_to(folder)}", _end_of(file))


def _end_of(file: Path) -> str:
    with file.open("rb") as stream:
        skipped = file.stat().st_size - FILE_BYTES
        stream.seek(max(0, skipped))
        content = stream.read()
    if skipped > 0:
        content = content.partition(b"\n")[2]  # of a line that is cut the rest of a secret would not be found
    return content.decode(errors="replace")
