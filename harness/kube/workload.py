"""What can be waited for until it is rolled out, by kind and name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from harness.errors import UsageError
from harness.kube.kubectl import JsonObject

_PATHS: Final[Mapping[str, str]] = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
    "DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}",
    "Job": "/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
    "Pod": "/api/v1/namespaces/{namespace}/pods/{name}",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}",
}
_SHORT: Final = {"Deployment": "deploy", "StatefulSet": "sts", "DaemonSet": "ds", "Pod": "po", "Ingress": "ing"}
KINDS: Final = frozenset(_PATHS)
"""The kinds that can be waited for.

A Job is rolled out when it is complete, a Pod when it is ready or has succeeded, an Ingress when each of its backends
has a ready endpoint.
"""


def _group(path: str) -> str:
    return path.split("/")[2] if path.startswith("/apis/") else ""


def _spellings() -> Iterator[tuple[str, str]]:
    """Each name by which kubectl knows a kind, and the kind: ``deploy``, ``deployments.apps``, ``sts.v1.apps``."""
    for kind, path in _PATHS.items():
        *_, version, _, _, plural, _ = path.split("/")
        group = _group(path)
        ends = ("", f".{group}", f".{version}.{group}") if group else ("",)
        for name in filter(None, (kind.lower(), plural, _SHORT.get(kind))):
            yield from ((f"{name}{end}", kind) for end in ends)


_KIND_OF: Final = dict(_spellings())


def is_workload(body: JsonObject) -> bool:
    """Whether an object can be waited for: of one of KINDS, and not of a custom kind that has the same name."""
    kind = body["kind"]
    return kind in KINDS and body["apiVersion"].rpartition("/")[0] == _group(_PATHS[kind])


@dataclass(frozen=True)
class Workload:
    """What is waited for: ``kind`` is one of KINDS."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def named(cls, text: str, namespace: str) -> "Workload":
        """``deployment/invoice-app`` as a Workload, the kind as kubectl knows it. Raises UsageError for another."""
        spelled, _, name = text.partition("/")
        kind = _KIND_OF.get(spelled.lower())
        if kind is None or not name or "/" in name:
            known = ", ".join(
                f"{one.lower()} ({_SHORT[one]})" if one in _SHORT else one.lower() for one in sorted(KINDS)
            )
            raise UsageError(f"{text!r} cannot be waited for: give kind/name, where kind is {known}")
        return cls(kind, namespace, name)

    @property
    def path(self) -> str:
        """Where the API serves it."""
        return _PATHS[self.kind].format(namespace=self.namespace, name=self.name)

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"
