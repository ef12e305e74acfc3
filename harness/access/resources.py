"""What can be asked of an API server: its resources with their verbs, and the requests that make a complete matrix."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.access.request import Request, qualified
from harness.kube.sources import read_file

HERE = Path(__file__).parent
SERVED = HERE / "served.json"
BEYOND = HERE / "beyond.yaml"
BY_NAME = ("delete", "get", "patch", "update")
"""The verbs whose requests name an object in their path."""


@dataclass(frozen=True)
class Resource:
    """A resource or subresource, or a path that is none (``url``), and the verbs that it knows.

    ``names``: what is asked for by name alone, as a signer is. ``source``: where a rule of ours has it from; empty
    for what discovery told. ``version`` is the preferred one of its group.
    """

    name: str = ""
    group: str = ""
    subresource: str = ""
    verbs: tuple[str, ...] = ()
    namespaced: bool = True
    version: str = "v1"
    names: tuple[str, ...] = ()
    url: str = ""
    source: str = ""

    @property
    def what(self) -> str:
        """As tables and messages name it: ``deployments.apps/scale``, ``/metrics``."""
        return self.url or qualified(self.name, self.group, self.subresource)

    def requests(self, namespace: str = "", verbs: Iterable[str] | None = None) -> Iterator[Request]:
        """A request for each verb, and each of ``names``: in a namespace, or in the cluster where that is empty."""
        for verb in self.verbs if verbs is None else verbs:
            for name in self.names or ("",):
                yield Request(verb, self.name, self.group, self.subresource, namespace, name, url=self.url)


@dataclass(frozen=True)
class Question:
    """A request of a complete matrix, and the resource that it is for."""

    request: Request
    resource: Resource


def lying_in(resources: Iterable[Resource], namespace: str) -> Iterator[Resource]:
    """The resources that can be asked for in a namespace, or in the cluster where that is empty.

    A namespace is to authorizers in itself (``RequestInfoFactory`` of k8s.io/apiserver): who has all rights in it may
    delete it. So it is among what lies in it, by its own name.
    """
    for one in resources:
        if (one.namespaced and not one.url) == bool(namespace):
            yield one
        elif namespace and (one.name, one.group) == ("namespaces", ""):
            verbs = tuple(verb for verb in one.verbs if verb in BY_NAME)
            yield replace(one, verbs=verbs, namespaced=True, names=(namespace,))


def questions(resources: Iterable[Resource], namespaces: Iterable[str]) -> Iterator[Question]:
    """The complete matrix: every verb of every resource, in each of the namespaces or once in the cluster."""
    known = tuple(resources)
    for namespace in (*namespaces, ""):
        for one in lying_in(known, namespace):
            yield from (Question(request, one) for request in one.requests(namespace))


@cache
def beyond() -> tuple[Resource, ...]:
    """What no discovery shows, each with its source: verbs that only authorizers know, the kubelet's API, paths."""
    [document] = read_file(BEYOND)
    return tuple(
        Resource(
            name=str(one.get("resource", "")),
            group=str(one.get("group", "")),
            subresource=str(one.get("subresource", "")),
            verbs=tuple(one["verbs"]),
            namespaced=bool(one.get("namespaced", False)),
            names=tuple(one.get("names", ())),
            url=str(one.get("url", "")),
            source=str(one["source"]),
        )
        for one in document.object["rights"]
    )


@cache
def served() -> tuple[Resource, ...]:
    """What discovery tells of a plain cluster of the version that the embedded node is: for use without a cluster."""
    return tuple(
        Resource(**{**one, "verbs": tuple(one["verbs"])}) for one in json.loads(SERVED.read_text(encoding="utf-8"))
    )
