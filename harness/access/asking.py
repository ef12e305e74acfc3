"""From a request as authorizers see it to a real one that changes nothing.

Pure. A request is authorized before anything else is looked at (``DefaultBuildHandlerChain`` of k8s.io/apiserver), so
that whatever a server says of an object that is not there, or of a body that is none, it says only to who may ask.

Three locks keep it from changing anything: it is a dry run; it names what does not exist; and a body is of a kind that
no API has, which no decoder lets pass. So an API that does not know dry runs is safe, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from harness.access.matrix import Seen, State
from harness.access.request import Request
from harness.access.resources import Resource
from harness.kube.client import MERGE
from harness.prober.pod import CONTAINER

MISSING: Final = "harness-access-nobody"
"""The name of what does not exist."""
PORT: Final = 8000
"""Where a target answers HTTP."""
CONNECTS: Final = frozenset(
    {"pods/attach", "pods/ephemeralcontainers", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"}
)
"""What reaches into a pod, and so goes to none but one that was made for it."""
JSON: Final = "application/json"
READS: Final = frozenset({"get", "list", "watch"})

_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
_DRY: Final = {"dryRun": "All"}
_NO_KIND: Final = json.dumps({"apiVersion": "harness.dev/v1", "kind": "Nothing"}).encode()
_BODIES: Final = {"create": (_NO_KIND, JSON), "update": (_NO_KIND, JSON), "patch": (b"{}", MERGE)}
_NO_WATCH: Final = {"watch": "1", "resourceVersionMatch": "Exact", "timeoutSeconds": "1"}
"""Not legal together (``ValidateListOptions``), and so answered at once; an older server ends it after a second."""
_NOTHING: Final = {"labelSelector": f"harness.dev/nobody={MISSING}", "fieldSelector": f"metadata.name={MISSING}"}
_METADATA: Final = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
"""Asks for less than is there (KEP-2334): what lies in Secrets does not leave the server."""
_QUERIES: Final = {
    "pods/exec": {"command": "true", "container": CONTAINER, "stdout": "true"},
    "pods/attach": {"container": CONTAINER, "stdout": "true"},
    "pods/portforward": {"ports": str(PORT)},
}


@dataclass(frozen=True)
class Call:
    """One HTTP request. ``path`` holds its query, too."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON
    accept: str = JSON


@dataclass(frozen=True)
class Target:
    """The pod and the Service in one namespace that were made to be connected to."""

    pod: str
    service: str


def call_of(
    request: Request, resource: Resource, targets: Mapping[str, Target] | None = None, *, live: bool
) -> Call | Seen:
    """The call that settles whether a request is authorized, or UNTESTED with the reason why none is sent.

    ``targets`` are those of some namespaces. Without ``live`` nothing is sent that could change anything, or connects.
    """
    if why := _unasked(request, resource, targets or {}, live=live):
        return Seen(State.UNTESTED, f"two ways only: {why}")
    prefix = f"/apis/{request.group}/{resource.version}" if request.group else f"/api/{resource.version}"
    scope = f"/namespaces/{quote(request.namespace)}" if request.namespace and not of_namespaces(request) else ""
    collection = f"{prefix}{scope}/{request.resource}"
    if _connects(request):
        return _connect(request, collection, (targets or {})[request.namespace])
    inside = f"/{request.subresource}" if request.subresource else ""
    item = f"{collection}/{quote(request.name or MISSING, safe='')}{inside}"
    named = {"fieldSelector": f"metadata.name={request.name}"} if request.name else {}
    body, content = _BODIES.get(request.verb, (b"", JSON))
    match request.verb:
        case "get":
            path, accept = item, _METADATA.format("")
        case "list":
            path, accept = _with(collection, {**named, "limit": "1"}), _METADATA.format("List")
        case "watch":
            path, accept = _with(collection, {**named, **_NO_WATCH}), JSON
        case "create" if not inside:
            path, accept = _with(collection, _DRY), JSON
        case "deletecollection":
            path, accept = _with(collection, {**_DRY, **_NOTHING}), JSON
        case _:
            path, accept = _with(item, _DRY), JSON
    return Call(_METHODS[request.verb], path, body, content, accept)


NOT_LIVE: Final = "without --access-live nothing is sent that could change anything, or connects"


def _unasked(request: Request, resource: Resource, targets: Mapping[str, Target], *, live: bool) -> str:
    """Why no real request settles it; empty where one does."""
    touches = request.verb not in READS or _connects(request)
    where = f"in {request.namespace}" if request.namespace else "for all namespaces at once"
    reasons = (
        (bool(resource.source or request.url), "no discovery shows it"),
        (request.verb not in _METHODS, f"no request of HTTP has the verb {request.verb}"),
        ((request.kind, request.group) == ("nodes/proxy", ""), "it would reach the kubelet"),
        (touches and not live, NOT_LIVE),
        (touches and bool(request.name), "a request by this name could meet what has it"),
        (_connects(request) and request.namespace not in targets, f"no target was made {where}"),
        (of_namespaces(request) and request.namespace != request.name, "a namespace lies in none but itself"),
    )
    return next((why for holds, why in reasons if holds), "")


def _connects(request: Request) -> bool:
    return not request.group and request.kind in CONNECTS


def of_namespaces(request: Request) -> bool:
    """Whether it is about namespaces, each of which is to the API server in itself."""
    return (request.resource, request.group) == ("namespaces", "")


def _connect(request: Request, collection: str, target: Target) -> Call:
    """The call to a target. Without an Upgrade none of them opens a stream: 400 says that it was let as far as that.

    An ephemeral container is what an empty patch does not add. The other ways know no dry run.
    """
    method = _METHODS[request.verb]
    if request.subresource == "proxy":
        one = target.pod if request.resource == "pods" else target.service
        return Call(method, f"{collection}/{one}:{PORT}/proxy/")
    path = f"{collection}/{target.pod}/{request.subresource}"
    if request.subresource == "ephemeralcontainers" and request.verb in _BODIES:
        return Call(method, _with(path, _DRY), *_BODIES[request.verb])
    return Call(method, _with(path, _QUERIES.get(request.kind, {})))


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
