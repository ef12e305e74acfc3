"""Who asks, and for what, in the words of an authorizer."""

import pytest

from harness.access.request import Identity, Request


def test_a_service_account_is_known_by_its_namespace_and_name() -> None:
    identity = Identity.account("shop", "till")

    assert identity.name == "system:serviceaccount:shop:till"
    assert identity.as_account == ("shop", "till")
    assert str(identity) == "ServiceAccount shop/till"


@pytest.mark.parametrize("name", ["jane", "system:serviceaccount:shop", "system:serviceaccount:shop:", "system:node:a"])
def test_a_user_is_no_service_account(name: str) -> None:
    assert Identity.user(name).as_account is None
    assert str(Identity.user(name)) == f"user {name}"


def test_the_groups_that_are_implied_are_there() -> None:
    assert Identity.user("jane", ["shop"]).groups == {"shop", "system:authenticated"}
    assert Identity.account("shop", "till").groups == {
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        "system:authenticated",
    }
    assert Identity.anonymous().groups == {"system:unauthenticated"}


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request("get", "pods", namespace="shop"), "get pods in shop"),
        (Request("get", "pods", "", "log", "shop", "web"), "get pods/log web in shop"),
        (Request("patch", "deployments", "apps", "scale", "shop"), "patch deployments.apps/scale in shop"),
        (Request("list", "nodes"), "list nodes in the cluster"),
        (Request("get", url="/metrics"), "get /metrics"),
    ],
    ids=str,
)
def test_a_request_is_told_as_tables_name_it(request_: Request, told: str) -> None:
    assert str(request_) == told


def test_a_rule_names_a_subresource_without_the_group_between() -> None:
    assert Request("patch", "deployments", "apps", "scale").kind == "deployments/scale"
