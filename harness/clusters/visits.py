"""Who uses a cluster that the harness did not make, as the cluster itself knows it: a Lease for each process of a run.

Colleagues on other machines share no lock with us. So each process renews a Lease there, and what a run made may be
removed once none of its Leases is renewed any more. How old a Lease is, is told by the server's own clock alone: the
time that it writes beside each change (``managedFields``). The clocks of two machines may differ.
"""

import os
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from harness.errors import UsageError
from harness.kube.client import SERVER_SIDE_APPLY, Api, ApiConflict, ApiError, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.leftovers import LEASES, PLACE, RUN

CLAIM: Final = "harness.dev/namespace"
"""The label of a Lease that says whose a namespace is: of which."""

EXPIRES_SECONDS: Final = 120
"""Whoever has not renewed his Lease for so long counts as dead."""
RENEW_SECONDS: Final = 10.0
_PROCESSES: Final = f"{PLACE},!{CLAIM}"


@dataclass(frozen=True)
class Visitor:
    """A process of a run that lives: it renews its Lease. ``holder`` is its user, machine and process."""

    run: str
    place: str
    holder: str


class Visit:
    """One process of the run ``run``, from ``begin`` to ``end``. ``labels`` are those of what a run makes.

    ``place`` is the same for all processes that see each other's locks.
    """

    def __init__(self, api: Api, run: str, place: str, labels: Mapping[str, str]) -> None:
        self._api = api
        self.run, self.place = run, place
        self._labels = {**labels, RUN: run, PLACE: place}
        self._path = f"{LEASES}/harness-{run}-{place}-{os.getpid()}"
        self._over = threading.Event()
        self._renewing: threading.Thread | None = None

    def begin(self) -> None:
        """Make the Lease, and renew it until the end. Raises ApiError."""
        self._touch()
        self._renewing = threading.Thread(target=self._renew, name="harness-lease", daemon=True)
        self._renewing.start()

    def living(self) -> list[Visitor]:
        """The processes that live, this one among them. Raises ApiError."""
        return [_visitor(one) for one in self._leases()[0]]

    def forget_dead(self) -> list[str]:
        """Delete the Leases that have expired; the runs that nobody holds any more. Raises ApiError."""
        fresh, expired = self._leases()
        for one in expired:
            with suppress(ApiNotFound):
                self._api.delete(f"{LEASES}/{one['metadata']['name']}")
        return sorted({_visitor(one).run for one in expired} - {_visitor(one).run for one in fresh})

    def _leases(self) -> tuple[list[JsonObject], list[JsonObject]]:
        """The Leases of processes: those that are renewed, and those that have expired."""
        now = _changed(self._touch())
        fresh: list[JsonObject] = []
        expired: list[JsonObject] = []
        for one in self._api.items(LEASES, labelSelector=_PROCESSES):
            (fresh if (now - _changed(one)).total_seconds() < EXPIRES_SECONDS else expired).append(one)
        return fresh, expired

    def claim(self, namespaces: Iterable[str]) -> None:
        """Have namespaces to this place until it leaves the cluster. Safe to repeat.

        Raises UsageError where somebody has one whose run lives, at another place; ApiError.
        """
        for name in sorted(set(namespaces)):
            while not self._claimed(name):
                pass  # somebody was faster: look again at whose it is

    def _claimed(self, namespace: str) -> bool:
        """Try to have one namespace; False where it changed hands meanwhile."""
        path = f"{LEASES}/harness-namespace-{namespace}"
        claim = self._lease(path, {CLAIM: namespace})
        found = self._api.find(path)
        if found is not None and found["metadata"]["labels"].get(PLACE) != self.place:
            owner = _visitor(found)
            if owner.place in {one.place for one in self.living()}:
                raise UsageError(
                    f"the namespace {namespace} is in use: {owner.holder} has deployed something there, in run"
                    f" {owner.run}, and is still at work on this cluster. Wait until that run ends"
                )
        try:
            if found is None:
                self._api.post(LEASES, claim)
            else:
                self._api.put(path, {**claim, "metadata": {**found["metadata"], **claim["metadata"]}})
        except (ApiConflict, ApiNotFound):
            return False
        return True

    def end(self) -> None:
        """Take the Lease back. Safe to repeat. Raises ApiError."""
        self._over.set()
        if self._renewing is not None:
            self._renewing.join()
        with suppress(ApiNotFound):
            self._api.delete(self._path)

    @property
    def _holder(self) -> str:
        return f"{os.environ.get('USER', 'somebody')}@{socket.gethostname()}, process {os.getpid()}"

    def _renew(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            with suppress(ApiError):  # the next time: it is good for two minutes
                self._touch()

    def _touch(self) -> JsonObject:
        """Make the Lease or renew it: it as it is then."""
        return self._api.patch(
            self._path, self._lease(self._path), SERVER_SIDE_APPLY, fieldManager="harness", force="true"
        )

    def _lease(self, path: str, labels: Mapping[str, str] | None = None) -> JsonObject:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": path.rpartition("/")[2], "labels": {**self._labels, **(labels or {})}},
            "spec": {"holderIdentity": self._holder, "leaseDurationSeconds": EXPIRES_SECONDS, "renewTime": now},
        }


def _visitor(lease: JsonObject) -> Visitor:
    labels = lease["metadata"]["labels"]
    return Visitor(labels.get(RUN, ""), labels[PLACE], str(lease["spec"].get("holderIdentity", "")))


def _changed(lease: JsonObject) -> datetime:
    """When a Lease was changed last, by the server's clock."""
    meta = lease["metadata"]
    times = [one["time"] for one in meta.get("managedFields") or () if "time" in one]
    return max(map(datetime.fromisoformat, [*times, meta["creationTimestamp"]]))
