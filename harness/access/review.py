"""What the API server's own review says of cells: SubjectAccessReview, asked by an administrator.

It asks every authorizer that the server has, not RBAC alone, and fills in no groups of its own: they are named.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Final

from harness.access.answers import Answer
from harness.access.asking import Call
from harness.access.callers import Caller, at_once
from harness.access.matrix import Cell, Seen, State

PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

_CREATED: Final = 201


def review(callers: Sequence[Caller], cells: Sequence[Cell]) -> dict[Cell, Seen]:
    """What the server's review says of each cell. The callers, who must be administrators, share the work."""
    shares = [cells[number :: len(callers)] for number in range(len(callers))]
    answers = at_once(
        partial(caller.ask, [call_of(one) for one in share]) for caller, share in zip(callers, shares, strict=True)
    )
    return {
        cell: verdict(answer)
        for share, given in zip(shares, answers, strict=True)
        for cell, answer in zip(share, given, strict=True)
    }


def call_of(cell: Cell) -> Call:
    """The review of a cell as a call."""
    request, identity = cell.request, cell.who.identity
    if request.url:
        about = {"nonResourceAttributes": {"path": request.url, "verb": request.verb}}
    else:
        fields = {
            "namespace": request.namespace,
            "verb": request.verb,
            "group": request.group,
            "resource": request.resource,
            "subresource": request.subresource,
            "name": request.name,
        }
        about = {"resourceAttributes": {key: value for key, value in fields.items() if value}}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": identity.name, "groups": sorted(identity.groups), **about},
    }
    return Call("POST", PATH, json.dumps(body).encode())


def verdict(answer: Answer) -> Seen:
    """What a review says. One that an authorizer could not come to the end of is unknown, whatever it says."""
    if answer.status != _CREATED:
        said = answer.body[:300].decode(errors="replace") if answer.status else answer.why
        return Seen(State.UNKNOWN, f"no review: {answer.status or 'no answer'}: {said}")
    status = json.loads(answer.body)["status"]
    if error := status.get("evaluationError"):
        return Seen(State.UNKNOWN, f"the review could not be finished: {error}")
    return Seen(State.ALLOWED if status.get("allowed") else State.DENIED, status.get("reason", ""))
