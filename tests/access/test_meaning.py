"""Realms that mean the same grant the same, and what is written otherwise but grants the same means the same."""

from dataclasses import replace

import pytest
from hypothesis import given

from harness.access.meaning import Meanings
from harness.access.oracle import Oracle
from harness.access.request import Request
from harness.access.resources import Resource, questions
from harness.access.rules import Binding, Kind, Realm, Role, Rule, Subject

from .realms import IDENTITIES, Drawing, drawings

PODS = Resource("pods", verbs=("create", "get", "list", "patch"))
LOG = Resource("pods", subresource="log", verbs=("get",))
SCALE = Resource("deployments", "apps", "scale", ("get", "patch"))
DEPLOYMENTS = Resource("deployments", "apps", verbs=("create", "get", "list", "patch"))
NODES = Resource("nodes", verbs=("get",), namespaced=False)
PATHS = tuple(
    Resource(url=url, verbs=("get", "patch"), namespaced=False) for url in ("/healthz", "/healthz/etcd", "/metrics")
)
SERVED = (PODS, LOG, SCALE, DEPLOYMENTS, NODES, *PATHS)
MEANINGS = Meanings(SERVED)
TEAM = Subject(Kind.GROUP, "team")


def realm(*rules: Rule, namespace: str = "shop") -> Realm:
    role = Role("r", rules, namespace)
    return Realm((role,), (Binding("b", "r", (TEAM,), namespace, namespace),))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([Rule(("get", "list"), ("",), ("pods",))], [Rule(("list", "get", "get"), ("",), ("pods",))]),
        (
            [Rule(("get", "list"), ("",), ("pods",))],
            [Rule(("get",), ("",), ("pods",)), Rule(("list",), ("",), ("pods",))],
        ),
        ([Rule(("*",), ("",), ("pods/log",))], [Rule(("get",), ("",), ("pods/log",))]),
        ([Rule(("get", "watch"), ("",), ("pods",))], [Rule(("get",), ("",), ("pods",))]),
        ([Rule(("get",), ("*",), ("pods",))], [Rule(("get",), ("",), ("pods",))]),
        ([Rule(("get",), ("",), ("*",))], [Rule(("get",), ("",), ("pods", "pods/log"))]),
        ([Rule(("get",), ("apps",), ("*/scale",))], [Rule(("get",), ("apps",), ("deployments/scale",))]),
        ([Rule(("get",), ("",), ("pods", "nodes"))], [Rule(("get",), ("",), ("pods",))]),
        ([Rule(("get",), ("",), ("pods/*",))], []),
        ([Rule(("get",), ("x",), ("orders",))], []),
    ],
)
def test_what_grants_the_same_of_what_is_served_means_the_same(one: list[Rule], other: list[Rule]) -> None:
    assert MEANINGS.of(realm(*one)) == MEANINGS.of(realm(*other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Rule(("get",), ("",), ("pods",)), Rule(("list",), ("",), ("pods",))),
        (Rule(("get",), ("",), ("pods",)), Rule(("get",), ("",), ("pods/log",))),
        (Rule(("get",), ("",), ("pods",)), Rule(("get",), ("apps",), ("pods",))),
        (Rule(("get",), ("",), ("pods",)), Rule(("get",), ("",), ("pods",), ("db",))),
        (Rule(("get",), ("",), ("pods",), ("db",)), Rule(("get",), ("",), ("pods",), ("web",))),
    ],
)
def test_what_grants_something_else_means_something_else(one: Rule, other: Rule) -> None:
    assert MEANINGS.of(realm(one)) != MEANINGS.of(realm(other))


def test_paths_count_only_where_the_binding_is_of_the_cluster() -> None:
    rule = Rule(("get",), urls=("/healthz*",))

    assert MEANINGS.of(realm(rule)) == frozenset()
    assert MEANINGS.of(realm(rule, namespace="")) == MEANINGS.of(
        realm(Rule(("get",), urls=("/healthz", "/healthz/etcd")), namespace="")
    )


def test_a_role_that_nobody_is_bound_to_means_nothing() -> None:
    bound = realm(Rule(("get",), ("",), ("pods",)))

    assert MEANINGS.of(replace(bound, bindings=())) == frozenset()


def test_a_rule_that_speaks_of_nothing_that_is_served_is_known() -> None:
    assert MEANINGS.reaches_nothing(Rule(("get",), ("shop.example",), ("orders",)))
    assert MEANINGS.reaches_nothing(Rule(("watch",), ("",), ("pods/log",)))
    assert not MEANINGS.reaches_nothing(Rule(("get",), ("*",), ("*",)))


@given(drawings)
def test_realms_that_mean_the_same_decide_every_request_alike(draw: Drawing) -> None:
    first = draw.realm()
    other = draw.one(
        replace(first, bindings=first.bindings[1:]),
        replace(first, roles=tuple(replace(one, rules=one.rules[:1]) for one in first.roles)),
        replace(first, roles=first.roles[1:]),
    )
    requests = [question.request for question in questions(SERVED, ("one", "two"))]
    requests += [Request("get", "pods", "", "", "one", name) for name in ("web", "db")]

    if MEANINGS.of(first) == MEANINGS.of(other):
        before, after = Oracle(first), Oracle(other)
        for who in IDENTITIES:
            assert [before.decide(who, one).allowed for one in requests] == [
                after.decide(who, one).allowed for one in requests
            ]
