"""Which permissions of a run a user lacks, and for which step."""

from typing import cast

import pytest

from harness.clusters.rights import NEEDS, Need, lacking, roles, told
from harness.kube.client import Api
from harness.kube.kubectl import JsonObject


class Reviews:
    """An API server that allows whatever is not in ``denied``."""

    def __init__(self, *denied: tuple[str, str, str, str, str]) -> None:
        self.denied = denied

    @property
    def api(self) -> Api:
        return cast("Api", self)

    def post(self, path: str, body: JsonObject) -> JsonObject:
        assert path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        asked = body["spec"]["resourceAttributes"]
        key = tuple(asked[name] for name in ("verb", "group", "resource", "subresource", "namespace"))
        return {"status": {"allowed": key not in self.denied}}


def test_whoever_may_everything_lacks_nothing() -> None:
    assert lacking(Reviews().api) == []
    assert told([]) == []


def test_what_is_lacking_is_told_by_step_and_resource() -> None:
    denied = (
        ("create", "", "namespaces", "", ""),
        ("delete", "", "namespaces", "", ""),
        ("get", "apps", "statefulsets", "scale", ""),
        ("list", "coordination.k8s.io", "leases", "", "default"),
    )

    assert told(lacking(Reviews(*denied).api)) == [
        "not allowed, for being seen by others: list leases.coordination.k8s.io in the namespace default",
        "not allowed, for namespaces for tests: create, delete namespaces",
        "not allowed, for chaos: get statefulsets/scale.apps",
    ]


@pytest.mark.parametrize(
    ("resource", "group", "plural", "subresource"),
    [
        ("pods", "", "pods", ""),
        ("pods/exec", "", "pods", "exec"),
        ("leases.coordination.k8s.io", "coordination.k8s.io", "leases", ""),
        ("statefulsets/scale.apps", "apps", "statefulsets", "scale"),
    ],
)
def test_a_resource_is_written_as_kubectl_does(resource: str, group: str, plural: str, subresource: str) -> None:
    asked = Need("x", "get", resource).review()["spec"]["resourceAttributes"]

    assert (asked["group"], asked["resource"], asked["subresource"]) == (group, plural, subresource)


def test_no_permission_is_asked_for_twice_within_a_step() -> None:
    assert len(set(NEEDS)) == len(NEEDS)


def test_the_roles_hold_what_is_needed_and_nothing_else() -> None:
    held = {
        (verb, resource, rule["apiGroups"][0], body["metadata"].get("namespace", ""))
        for body in roles()
        for rule in body["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert held == {
        (one.verb, one.resource.partition(".")[0], one.resource.partition(".")[2], one.namespace) for one in NEEDS
    }
    assert [(body["kind"], body["metadata"]) for body in roles("tests")] == [
        ("ClusterRole", {"name": "tests"}),
        ("Role", {"name": "tests", "namespace": "default"}),
    ]
