"""Roles, bindings and their subjects as values; what they mean together is in test_points.py."""

import pytest

from harness.access.request import Identity, Request
from harness.access.rules import Binding, Kind, Role, Rule, Subject

POD = Request("get", "pods", namespace="shop", name="web")


def test_where_something_is_written_makes_no_difference() -> None:
    assert Rule(("get",), ("",), ("pods",), at="a.yaml:1") == Rule(("get",), ("",), ("pods",), at="b.yaml:9")
    assert Role("worker", at="a.yaml:1") == Role("worker", at="b.yaml:9")


def test_a_rule_covers_what_it_is_about_whatever_the_verb() -> None:
    rule = Rule(("list",), ("",), ("pods",))

    assert rule.covers(POD)
    assert not rule.allows(POD)


def test_a_role_can_be_looked_up_though_its_labels_cannot_be_hashed() -> None:
    known = {Role("worker", labels={"to": "view"}): "worker"}

    assert known[Role("worker", labels={"to": "view"})] == "worker"


@pytest.mark.parametrize(
    ("subject", "identity"),
    [
        (Subject(Kind.USER, "jane"), Identity.user("jane")),
        (Subject(Kind.GROUP, "shop"), Identity.user("jane", ["shop"])),
        (Subject(Kind.ACCOUNT, "till", "shop"), Identity.account("shop", "till")),
    ],
    ids=str,
)
def test_a_subject_is_who_it_names_and_nobody_else(subject: Subject, identity: Identity) -> None:
    assert subject.is_one(identity)
    assert not subject.is_one(Identity.user("somebody else"))


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (Role("worker", namespace="shop"), "Role shop/worker"),
        (Role("worker"), "ClusterRole worker"),
        (Binding("those", "worker", namespace="shop"), "RoleBinding shop/those"),
        (Binding("those", "worker"), "ClusterRoleBinding those"),
        (Subject(Kind.GROUP, "shop"), "Group shop"),
        (Subject(Kind.ACCOUNT, "till", "shop"), "ServiceAccount shop/till"),
    ],
)
def test_things_are_told_by_kind_and_name(thing: Role | Binding | Subject, told: str) -> None:
    assert str(thing) == told
