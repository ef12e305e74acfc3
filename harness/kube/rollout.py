"""Waiting for workloads to be rolled out, and giving up as soon as it is known that they will not be."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from harness.errors import UsageError, WaitTimeout, WorkloadNotReady
from harness.kube.client import Api, ApiUnreachable
from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Diagnosis, Snapshot, workload_of
from harness.kube.kubectl import JsonObject
from harness.kube.progress import is_current, missing, of_current_version, restarts, unserved
from harness.kube.reachable import Reachable
from harness.kube.snapshot import pods_and_owners, take, with_logs
from harness.kube.wait import patient

_POLL_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 2.0
"""How often it is asked why: a dozen lists, where the workload itself is one object."""

SETTLE_SECONDS: Final = 5.0
"""How long a container that has restarted must run before its workload counts as rolled out."""

_LATELY_SECONDS: Final = 60
"""Who has run for so long by this machine's clock is past that."""

_PATHS: Final[Mapping[str, str]] = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
    "DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}",
}
_AUTOSCALERS: Final = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
KINDS: Final = frozenset(_PATHS)
"""The kinds that can be waited for. An Ingress is rolled out when each of its backends has a ready endpoint."""


@dataclass(frozen=True)
class Workload:
    """What is waited for: ``kind`` is one of KINDS."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def named(cls, text: str, namespace: str) -> "Workload":
        """``deployment/invoice-app`` as a Workload. Raises UsageError for another kind."""
        kind, _, name = text.partition("/")
        kinds = {known.lower(): known for known in KINDS}
        if kind.lower() not in kinds or not name:
            raise UsageError(f"{text!r} cannot be waited for: give kind/name, where kind is {', '.join(sorted(kinds))}")
        return cls(kinds[kind.lower()], namespace, name)

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


def wait_for_rollout(cluster: Reachable, workload: str, namespace: str, *, seconds: float) -> None:
    """Wait until ``workload`` (``deployment/invoice-app``) is rolled out: see ``wait_for_rollouts``."""
    wait_for_rollouts(cluster, [Workload.named(workload, namespace)], seconds=seconds)


def wait_for_rollouts(cluster: Reachable, workloads: Iterable[Workload], *, seconds: float) -> None:
    """Wait until every one of the workloads is rolled out, all at once.

    Raises WorkloadNotReady, with container, cause and fix in words, as soon as waiting longer would not help, or when
    ``seconds`` have passed and something is known to be wrong; WaitTimeout when nothing is. Pods of an earlier version
    and pods that are going away are not looked at.
    """
    watch = _Watch(cluster.api, list(workloads))
    seconds = patient(seconds)
    deadline = time.monotonic() + seconds
    while watch.poll():
        if time.monotonic() > deadline:
            watch.give_up(seconds)
        time.sleep(_POLL_SECONDS)


@dataclass
class _Watch:
    """What is still waited for, and since when each thing has been wrong with it."""

    api: Api
    pending: list[Workload]
    lacks: dict[Workload, str] = field(default_factory=dict)
    since: dict[tuple[str, ...], float] = field(default_factory=dict)
    began: dict[tuple[str, str, int], float] = field(default_factory=dict)
    looked: float = -_LOOK_SECONDS

    def poll(self) -> bool:
        """Look once; whether anything is still waited for. Raises WorkloadNotReady."""
        try:
            self.lacks = self._lacking()
            self.pending = list(self.lacks)
            if self.pending and time.monotonic() - self.looked >= _LOOK_SECONDS:
                self._judge()
                self.looked = time.monotonic()
        except ApiUnreachable as error:
            self.lacks = dict.fromkeys(self.pending, f"the API server does not answer: {error.output}")
        return bool(self.pending)

    def give_up(self, seconds: float) -> None:
        """The time is over. Raises WorkloadNotReady or WaitTimeout."""
        last = "; ".join(f"{workload}: {told}" for workload, told in self.lacks.items())
        try:
            found = [one for namespace in self._namespaces() for one in self._diagnoses(namespace, logs=True)]
        except ApiUnreachable:
            found = []
        names = ", ".join(map(str, self.pending))
        if found:
            raise WorkloadNotReady(f"{names} not ready after {seconds:.0f} s ({last}):\n" + _listed(found))
        raise WaitTimeout(f"the rollout of {names}", seconds, last)

    def _lacking(self) -> dict[Workload, str]:
        """What each pending workload still lacks. Raises WorkloadNotReady for one that does not exist."""
        lacking: dict[Workload, str] = {}
        autoscalers: dict[str, Sequence[JsonObject]] = {}
        for workload in self.pending:
            place = {"namespace": workload.namespace, "name": workload.name}
            body = self.api.find(_PATHS[workload.kind].format(**place))
            if body is None:
                raise WorkloadNotReady(f"{workload} does not exist in the namespace {workload.namespace}")
            if workload.kind == "Ingress":
                told = unserved(take(self.api, workload.namespace), body)
            else:
                if workload.namespace not in autoscalers:
                    autoscalers[workload.namespace] = self.api.items(_AUTOSCALERS.format(**place))
                told = missing(body, autoscalers[workload.namespace]) or self._restless(workload)
            if told:
                lacking[workload] = told
        return lacking

    def _restless(self, workload: Workload) -> str:
        """Which container of a workload that is ready has only just restarted; empty once it has run for a while."""
        snapshot = only(pods_and_owners(self.api, workload.namespace), [str(workload)])
        now, lately = time.monotonic(), datetime.now(UTC) - timedelta(seconds=_LATELY_SECONDS)
        restarted = restarts(snapshot.pods, lately)
        for key in restarted:
            self.began.setdefault(key, now)
        return next((told for key, told in restarted.items() if now - self.began[key] < SETTLE_SECONDS), "")

    def _judge(self) -> None:
        """Raise WorkloadNotReady if anything has been wrong for as long as it may be."""
        now = time.monotonic()
        found = [(namespace, one) for namespace in self._namespaces() for one in self._diagnoses(namespace, logs=False)]
        keys = {(namespace, *one.key) for namespace, one in found}
        self.since = {key: self.since.get(key, now) for key in keys}
        hopeless = [namespace for namespace, one in found if now - self.since[namespace, *one.key] >= one.fatal_after]
        if hopeless:
            told = [one for namespace in dict.fromkeys(hopeless) for one in self._diagnoses(namespace, logs=True)]
            if told:  # else it healed between the two looks
                names = ", ".join(dict.fromkeys(one.workload for one in told))
                raise WorkloadNotReady(f"{names} cannot become ready:\n" + _listed(told))

    def _namespaces(self) -> list[str]:
        return list(dict.fromkeys(workload.namespace for workload in self.pending))

    def _diagnoses(self, namespace: str, *, logs: bool) -> list[Diagnosis]:
        """What is wrong with the pending workloads of a namespace."""
        wanted = {str(workload) for workload in self.pending if workload.namespace == namespace}
        snapshot = only(take(self.api, namespace), wanted)
        return diagnose(with_logs(self.api, snapshot) if logs else snapshot)


def only(snapshot: Snapshot, workloads: Iterable[str]) -> Snapshot:
    """The snapshot less what is not of ``workloads`` (``kind/name``), or of an earlier version of them."""
    wanted, owners = set(workloads), snapshot.owners
    return replace(
        snapshot,
        pods=[pod for pod in snapshot.pods if workload_of(pod, owners) in wanted and of_current_version(pod, owners)],
        owners=[one for one in owners if workload_of(one, owners) in wanted and is_current(one, owners)],
        ingresses=[one for one in snapshot.ingresses if f"ingress/{one['metadata']['name']}" in wanted],
    )


def _listed(found: Sequence[Diagnosis]) -> str:
    return "\n".join(f"  {one}" for one in sorted(found, key=lambda one: one.fatal_after))
