"""A lab: a cluster with all that a proof of access needs on it, and nothing left when it is closed.

It knows what the cluster serves, has a proven credential for each who asks, and makes targets where requests connect.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Self

from harness.access.answers import Answer, classify
from harness.access.asking import CONNECTS, Call, Target, call_of
from harness.access.callers import Caller, at_once, prove
from harness.access.credentials import Credential, credentials, is_outlived
from harness.access.discovery import discovered
from harness.access.matrix import Cell, Compared, Seen, Standing, Who
from harness.access.oracle import Oracle
from harness.access.resources import beyond
from harness.access.review import review
from harness.access.rules import Realm
from harness.access.snapshot import realm_on
from harness.access.targets import targets_in
from harness.clusters.provider import Cluster

AGREE_SECONDS = 5.0
"""How long the ways may differ while roles and bindings are being taken in."""
REVIEWERS = 2
"""Connections on which reviews are asked for: the server answers those of one after the other."""


class Lab:
    """What proofs share on one cluster. ``name`` begins the names of what it makes, ``labels`` are on it.

    Without ``live`` no request is sent that could change anything or connect to a pod.
    """

    def __init__(self, cluster: Cluster, image: str, labels: Mapping[str, str], name: str, *, live: bool) -> None:
        self._closing = ExitStack()
        self.live = live
        self.api = cluster.api
        self._image, self._labels, self._name = image, labels, name
        self._targets: dict[str, Target] = {}
        self.credentials: dict[Who, Credential] = {}
        self._callers: dict[Who, Caller] = {}
        self._reviewers = [Caller(self.api) for _ in range(REVIEWERS)]

    def __enter__(self) -> Self:
        try:
            self.resources = (*discovered(self.api), *beyond())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was made. Safe to repeat."""
        self._closing.close()

    def realm(self) -> Realm:
        """The roles, bindings, ServiceAccounts and namespaces that are on the cluster now."""
        return realm_on(self.api)

    def admit(self, everybody: Iterable[Who]) -> None:
        """Get a credential for each who has none that is good, and prove that it is his.

        Raises ManifestError, ProbeError.
        """
        known = self.credentials
        new = [who for who in everybody if who not in known or is_outlived(self.api, who, known[who])]
        given = credentials(self.api, new)
        callers = {who: Caller(self.api, one) for who, one in given.items()}
        prove(callers)
        self.credentials |= given
        self._callers |= callers

    def compare(self, realm: Realm, cells: Sequence[Cell]) -> list[Compared]:
        """Settle cells by the model of a realm, by review and, where one can be sent, by a real request."""
        self.admit(dict.fromkeys(cell.who for cell in cells))
        oracle = Oracle(realm)
        reviewed, asked = at_once([lambda: review(self._reviewers, cells), lambda: self.ask(cells)])
        return [
            Compared(cell, oracle.decide(cell.who.identity, cell.request), reviewed[cell], asked[cell])
            for cell in cells
        ]

    def settle(self, realm: Realm, cells: Sequence[Cell], seconds: float = AGREE_SECONDS) -> list[Compared]:
        """Compare until the ways of one and the same look agree, or the time is over. Only what differs is asked again.

        Authorizers follow the roles by watching them, and a controller writes the rules of those that aggregate others.
        What is unknown is not asked again: it fails.
        """
        until = time.monotonic() + seconds
        found = self.compare(realm, cells)
        while differing := [one.cell for one in found if one.standing is Standing.DIFFERS]:
            while differing and time.monotonic() < until:
                again = self.compare(realm, differing)
                differing = [one.cell for one in again if one.standing is Standing.DIFFERS]
            if differing:
                break
            found = self.compare(realm, cells)
        return found

    def ask(self, cells: Sequence[Cell]) -> dict[Cell, Seen]:
        """What a real request met for each cell, or why none was sent. Those who ask do so side by side."""
        targets = self._targets_for(cells) if self.live else {}
        kinds = {(one.group, one.name, one.subresource, one.source, one.url): one for one in self.resources}
        seen: dict[Cell, Seen] = {}
        calls: dict[Who, dict[Cell, Call]] = {}
        for cell in cells:
            request = cell.request
            resource = kinds[request.group, request.resource, request.subresource, cell.source, request.url]
            call = call_of(request, resource, targets, live=self.live)
            if isinstance(call, Seen):
                seen[cell] = call
            else:
                calls.setdefault(cell.who, {})[cell] = call
        jobs = [_asking(self._callers[who], list(mine.values())) for who, mine in calls.items()]
        for mine, answers in zip(calls.values(), at_once(jobs), strict=True):
            seen |= {cell: classify(cell.request, answer) for cell, answer in zip(mine, answers, strict=True)}
        return seen

    def _targets_for(self, cells: Iterable[Cell]) -> Mapping[str, Target]:
        """Those of the namespaces of requests that connect, made where there are none yet; they stay until the end."""
        connecting = (cell.request for cell in cells if not cell.request.group and cell.request.kind in CONNECTS)
        if new := {one.namespace for one in connecting if one.namespace} - self._targets.keys():
            made = targets_in(self.api, sorted(new), self._image, self._labels, self._name)
            self._targets |= self._closing.enter_context(made)
        return self._targets


def _asking(caller: Caller, calls: Sequence[Call]) -> Callable[[], list[Answer]]:
    return lambda: caller.ask(calls)
