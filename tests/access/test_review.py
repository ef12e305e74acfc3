"""What the API server's review is asked, and what its answer says."""

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from harness.access.answers import Answer
from harness.access.asking import Call
from harness.access.callers import Caller
from harness.access.matrix import Cell, State, Who
from harness.access.request import Identity, Request
from harness.access.review import PATH, call_of, review, verdict

ANNA = Who("anna", Identity.user("anna", ["team-invoice"]))


def spec(request: Request) -> dict[str, Any]:
    call = call_of(Cell(ANNA, request))
    assert (call.method, call.path) == ("POST", PATH)
    return cast("dict[str, Any]", json.loads(call.body)["spec"])


def test_the_groups_are_filled_in_and_only_what_is_asked_for_is_said() -> None:
    assert spec(Request("patch", "deployments", "apps", "scale", "invoice", "web")) == {
        "user": "anna",
        "groups": ["system:authenticated", "team-invoice"],
        "resourceAttributes": {
            "namespace": "invoice",
            "verb": "patch",
            "group": "apps",
            "resource": "deployments",
            "subresource": "scale",
            "name": "web",
        },
    }
    assert spec(Request("list", "nodes"))["resourceAttributes"] == {"verb": "list", "resource": "nodes"}


def test_a_path_is_no_resource() -> None:
    asked = spec(Request("get", url="/metrics"))

    assert asked["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
    assert "resourceAttributes" not in asked


def said(status: int = 201, **told: Any) -> Answer:  # noqa: ANN401 -- JSON
    return Answer(status, json.dumps({"kind": "SubjectAccessReview", "status": told}).encode())


def test_a_review_says_allowed_or_denied_and_why() -> None:
    assert str(verdict(said(allowed=True, reason="RBAC: allowed by x"))) == "allowed (RBAC: allowed by x)"
    assert str(verdict(said(allowed=False))) == "denied"
    assert verdict(said(allowed=False, denied=True)).state is State.DENIED


@pytest.mark.parametrize(
    "answer",
    [
        said(allowed=False, evaluationError="webhook timed out"),
        said(allowed=True, evaluationError="webhook timed out"),
        said(403),
        said(429),
        Answer(0, why="refused"),
    ],
)
def test_a_review_that_was_not_finished_or_not_given_is_unknown(answer: Answer) -> None:
    assert verdict(answer).state is State.UNKNOWN


class Reviewer:
    """Allows whatever is asked of pods."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, calls: Sequence[Call]) -> list[Answer]:
        self.asked += len(calls)
        return [said(allowed=b'"pods"' in call.body) for call in calls]


def test_callers_share_the_work_and_each_cell_gets_its_own_answer() -> None:
    cells = [Cell(ANNA, Request("get", resource, namespace="x")) for resource in ("pods", "secrets", "nodes")]
    cells.append(Cell(ANNA, Request("list", "pods", namespace="x")))
    reviewers = [Reviewer(), Reviewer(), Reviewer()]

    found = review(cast("list[Caller]", reviewers), cells)

    assert [found[cell].state for cell in cells] == [State.ALLOWED, State.DENIED, State.DENIED, State.ALLOWED]
    assert [one.asked for one in reviewers] == [2, 1, 1]
