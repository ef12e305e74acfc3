"""Waiting for workloads to be rolled out, and giving up early only where nothing but a change could help.

What may yet heal is a hint, however long it lasts: it is shown while it is waited for, and told at the deadline.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from harness.errors import WaitTimeout, WorkloadNotReady
from harness.kube.client import Api, ApiUnreachable
from harness.kube.diagnose import diagnose
from harness.kube.diagnosis import Diagnosis, Snapshot, workload_of
from harness.kube.held_up import held_up_diagnoses
from harness.kube.kubectl import JsonObject
from harness.kube.progress import UNSEEN, is_current, missing, of_current_version, unserved, unsettled
from harness.kube.reachable import Reachable
from harness.kube.snapshot import pods_and_owners, take, with_logs
from harness.kube.wait import LongWait, patient
from harness.kube.workload import Workload

_POLL_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 2.0
"""How often it is asked why: a dozen lists, where the workload itself is one object."""

HINT_SECONDS: Final = 10.0
"""How long something must have been wrong before it is shown: most of it passes while a workload starts."""

SETTLE_SECONDS: Final = 5.0
"""How long a container must run that has restarted, or has no readiness probe, before its workload is rolled out."""

_LATELY_SECONDS: Final = 60
"""Who has run for so long by this machine's clock is past that."""

_AUTOSCALERS: Final = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"

OnHint: TypeAlias = Callable[[Diagnosis], None]
"""Is told what is wrong and may yet heal, once for each cause, while it is waited for. What it raises ends the wait."""


def unheeded(_hint: Diagnosis) -> None:
    """Where nobody wants hints before the deadline."""


def wait_for_rollout(
    cluster: Reachable, workload: str, namespace: str, *, seconds: float, on_hint: OnHint = unheeded
) -> None:
    """Wait until ``workload`` (``deployment/invoice-app``) is rolled out: see ``wait_for_rollouts``."""
    wait_for_rollouts(cluster, [Workload.named(workload, namespace)], seconds=seconds, on_hint=on_hint)


def wait_for_rollouts(
    cluster: Reachable, workloads: Iterable[Workload], *, seconds: float, on_hint: OnHint = unheeded
) -> None:
    """Wait until every one of the workloads is rolled out, all at once.

    Raises WorkloadNotReady, with container, cause and fix in words, as soon as only a change by the user could help, or
    when ``seconds`` have passed and something is known to be wrong; WaitTimeout when nothing is. What may yet heal goes
    to ``on_hint`` meanwhile. Pods of an earlier version and pods that are going away are not looked at.
    """
    watch = _Watch(cluster.api, list(workloads), on_hint)
    seconds = patient(seconds)
    deadline = time.monotonic() + seconds
    long = LongWait("the rollout")
    while watch.poll():
        if time.monotonic() > deadline:
            watch.give_up(seconds)
        long.look(watch.told)
        time.sleep(_POLL_SECONDS)


@dataclass
class _Watch:
    """What is still waited for, and since when each thing has been wrong with it."""

    api: Api
    pending: list[Workload]
    on_hint: OnHint
    lacks: dict[Workload, str] = field(default_factory=dict)
    since: dict[tuple[str, ...], float] = field(default_factory=dict)
    shown: set[tuple[str, ...]] = field(default_factory=set)
    began: dict[tuple[str, str, int], float] = field(default_factory=dict)
    seen_jobs: set[Workload] = field(default_factory=set)
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

    def told(self) -> str:
        """What each workload still lacks, in words."""
        return "; ".join(f"{workload}: {told}" for workload, told in self.lacks.items())

    def give_up(self, seconds: float) -> None:
        """The time is over. Raises WorkloadNotReady or WaitTimeout."""
        last = self.told()
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
            body = self.api.find(workload.path)
            if body is None and workload in self.seen_jobs:
                continue  # it was complete, and has been cleared away (ttlSecondsAfterFinished)
            if body is None:
                raise WorkloadNotReady(f"{workload} does not exist in the namespace {workload.namespace}")
            if workload.kind == "Ingress":
                told = unserved(take(self.api, workload.namespace), body)
            elif workload.kind == "Job":
                self.seen_jobs.add(workload)
                told = missing(body)
            else:
                if workload.namespace not in autoscalers:
                    path = _AUTOSCALERS.format(namespace=workload.namespace)
                    autoscalers[workload.namespace] = self.api.items(path)
                told = missing(body, autoscalers[workload.namespace]) or self._restless(workload)
            if told:
                lacking[workload] = told
        return lacking

    def _restless(self, workload: Workload) -> str:
        """Which container of a workload that is ready may soon end; empty once all have run for a while."""
        snapshot = only(pods_and_owners(self.api, workload.namespace), [str(workload)])
        now, lately = time.monotonic(), datetime.now(UTC) - timedelta(seconds=_LATELY_SECONDS)
        young = unsettled(snapshot.pods, lately)
        for key in young:
            self.began.setdefault(key, now)
        return next((told for key, told in young.items() if now - self.began[key] < SETTLE_SECONDS), "")

    def _judge(self) -> None:
        """Raise WorkloadNotReady if anything is final, and hand on the hints that have lasted a while."""
        now = time.monotonic()
        found = [(namespace, one) for namespace in self._namespaces() for one in self._diagnoses(namespace, logs=False)]
        keys = {(namespace, *one.key) for namespace, one in found}
        self.since = {**dict.fromkeys(keys, now), **self.since}  # a crash loop is not wrong while it runs
        if hopeless := [namespace for namespace, one in found if one.final]:
            told = [one for namespace in dict.fromkeys(hopeless) for one in self._diagnoses(namespace, logs=True)]
            if told:  # else it healed between the two looks
                names = ", ".join(dict.fromkeys(one.workload for one in told))
                raise WorkloadNotReady(f"{names} cannot become ready:\n" + _listed(told))
        new = {key for key in keys - self.shown if now - self.since[key] >= HINT_SECONDS}
        for namespace in sorted({key[0] for key in new}):
            for hint in self._diagnoses(namespace, logs=True):
                if (key := (namespace, *hint.key)) in new:
                    self.shown.add(key)
                    self.on_hint(hint)

    def _namespaces(self) -> list[str]:
        return list(dict.fromkeys(workload.namespace for workload in self.pending))

    def _diagnoses(self, namespace: str, *, logs: bool) -> list[Diagnosis]:
        """What is wrong with the pending workloads of a namespace.

        Of one whose controller has not seen the change yet, what is there is of the version before.
        """
        seen = [workload for workload in self.pending if self.lacks.get(workload) != UNSEEN]
        wanted = {str(workload) for workload in seen if workload.namespace == namespace}
        everything = take(self.api, namespace)
        snapshot = only(everything, wanted)
        held_up = [one for one in held_up_diagnoses(everything) if one.workload in wanted]
        return [*held_up, *diagnose(with_logs(self.api, snapshot) if logs else snapshot)]


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
    return "\n".join(f"  {one}" for one in sorted(found, key=lambda one: not one.final))
