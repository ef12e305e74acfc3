"""The default roles and bindings from their file: what every cluster gives to everybody, and no noise."""

from pathlib import Path

import pytest

from harness.access.defaults import FILE, HOMES, defaults, plain, written
from harness.access.oracle import Oracle, aggregated
from harness.access.request import Identity, Request
from harness.kube.sources import read_file, read_text

ANNA = Identity.user("anna")
REVIEW = Request("create", "selfsubjectaccessreviews", "authorization.k8s.io")


@pytest.mark.parametrize(
    ("who", "request_", "allowed"),
    [
        (ANNA, REVIEW, True),
        (ANNA, Request("get", url="/apis/apps"), True),
        (ANNA, Request("get", url="/metrics"), False),
        (ANNA, Request("list", "namespaces"), False),
        (Identity.anonymous(), Request("get", url="/healthz"), True),
        (Identity.anonymous(), REVIEW, False),
        (Identity.account("a", "b"), Request("get", url="/openid/v1/jwks"), True),
        (ANNA, Request("get", url="/openid/v1/jwks"), False),
        (Identity("x", frozenset({"system:masters"})), Request("delete", "nodes"), True),
    ],
)
def test_everybody_has_what_every_cluster_gives(who: Identity, request_: Request, allowed: bool) -> None:  # noqa: FBT001 -- a case
    assert Oracle(defaults()).decide(who, request_).allowed is allowed


def test_the_aggregated_roles_have_the_rules_of_what_they_select() -> None:
    rules = {role.name: set(role.rules) for role in aggregated(defaults().roles)}

    assert set() < rules["view"] < rules["edit"] < rules["admin"]


def test_the_namespaces_that_every_cluster_has_are_there() -> None:
    assert {home.name for home in defaults().homes} == set(HOMES)


def test_places_name_the_file_as_it_lies_in_the_package() -> None:
    assert defaults().roles[0].at.startswith("harness/access/defaults.yaml:")


def test_the_file_is_what_it_would_be_written_as() -> None:
    assert written(one.object for one in reversed(read_file(FILE))) == FILE.read_text(encoding="utf-8")


def test_what_differs_from_cluster_to_cluster_is_left_out() -> None:
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "true",
            "uid": "1",
            "annotations": {"a": "b"},
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", "rbac.authorization.k8s.io/x": "true"},
        },
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "1"}}]},
        "rules": [{"verbs": ["get"]}],
    }
    bare = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "true", "labels": {"rbac.authorization.k8s.io/x": "true"}},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "1"}}]},
    }

    assert plain(body) == bare
    assert [one.object for one in read_text(written([body]), Path("f.yaml"))] == [bare]
