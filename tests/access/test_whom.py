"""Whom an export asks for: as the command line names them, or as the cluster's bindings do."""

import pytest

from harness.access.matrix import Who
from harness.access.request import Identity
from harness.access.resources import Resource
from harness.access.rules import Account, Binding, Home, Kind, Realm, Role, Rule, Subject
from harness.access.whom import default_subjects, given, named_objects, places_of, subject_of, written_subjects
from harness.errors import UsageError

HOMES = tuple(map(Home, ("default", "kube-system", "local-path-storage", "shop", "bank")))
TEAM = Subject(Kind.GROUP, "team")
REALM = Realm(
    bindings=(
        Binding("a", "r", (TEAM, Subject(Kind.USER, "anna"), Subject(Kind.ACCOUNT, "robot", "tools")), "shop", "shop"),
        Binding("b", "r", (TEAM, Subject(Kind.GROUP, "system:authenticated")), "shop", "shop"),
        Binding("c", "r", (Subject(Kind.USER, "system:serviceaccount:bank:teller"),), "shop", "shop"),
        Binding("d", "r", (Subject(Kind.USER, "joan"),), "bank", "bank"),
        Binding("e", "r", (Subject(Kind.USER, "root"),)),
    ),
    accounts=(Account("shop", "default"), Account("shop", "app"), Account("bank", "default")),
    homes=HOMES,
)


def test_a_user_is_given_with_his_groups() -> None:
    assert subject_of("team=user:anna,group:team-a,group:oidc:team") == Who(
        "team", Identity.user("anna", ["team-a", "oidc:team"])
    )


def test_accounts_the_anonymous_and_the_unbound_are_given() -> None:
    assert subject_of("app=service-account:shop/app") == Who("app", Identity.account("shop", "app"))
    assert subject_of("nobody=anonymous") == Who("nobody", Identity.anonymous())
    assert subject_of("x=user:mallory,unbound") == Who("x", Identity.user("mallory"), unbound=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("team", "'' is not understood: write NAME=user:"),
        ("=user:anna", "is not one subject with a name"),
        ("a b=user:anna", "is not one subject with a name"),
        ("team=usr:anna", "'usr:anna' is not understood"),
        ("team=user:", "'user:' is not understood"),
        ("team=group:a", "is not one subject with a name"),
        ("team=user:a,user:b", "is not one subject with a name"),
        ("team=user:a,service-account:b/c", "is not one subject"),
        ("team=user:a,anonymous", "is not one subject"),
        ("team=service-account:b/c,group:a", "only a user is given groups"),
        ("team=service-account:app", "'app' is no ServiceAccount"),
    ],
)
def test_what_is_wrong_with_a_subject_is_said_with_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        subject_of(text)

    assert str(raised.value).startswith(f"--subject={text}: ")
    assert problem in str(raised.value)


def test_a_subject_that_is_nobody_on_the_cluster_is_an_error_with_who_may_be_meant() -> None:
    with pytest.raises(UsageError, match=r"--subject=x=user:bob,group:taem: .*group taem; did you mean team\?"):
        given(REALM, ["x=user:bob,group:taem"])
    with pytest.raises(UsageError, match="there is no ServiceAccount shop/ap; did you mean shop/app"):
        given(REALM, ["x=service-account:shop/ap"])


def test_two_subjects_of_one_name_are_an_error() -> None:
    with pytest.raises(UsageError, match="--subject=x=user:joan: there is another subject x"):
        given(REALM, ["x=user:anna", "x=user:joan"])


def test_everybody_whom_bindings_of_the_namespaces_name_and_their_accounts_are_asked_for() -> None:
    assert default_subjects(REALM, ["shop"]) == [
        Who("team", Identity.user("team-member", ["team"])),
        Who("anna", Identity.user("anna")),
        Who("tools/robot", Identity.account("tools", "robot")),
        Who("bank/teller", Identity.account("bank", "teller")),
        Who("shop/default", Identity.account("shop", "default")),
        Who("shop/app", Identity.account("shop", "app")),
    ]


def test_a_user_and_a_group_of_the_same_name_get_names_of_their_own_that_a_table_can_have() -> None:
    subjects = (Subject(Kind.GROUP, "Team A"), Subject(Kind.USER, "Team A"), Subject(Kind.USER, "--"))
    realm = Realm(bindings=(Binding("a", "r", subjects, "shop"),))

    assert [who.name for who in default_subjects(realm, ["shop"])] == ["Team-A", "Team-A-2", "somebody"]


def test_by_default_all_namespaces_are_asked_for_that_are_not_the_clusters_own() -> None:
    assert places_of(REALM, []) == ["bank", "shop"]
    assert places_of(REALM, ["shop", "kube-system", "shop"]) == ["shop", "kube-system"]


def test_a_namespace_that_is_not_there_is_an_error_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(UsageError, match=r"--namespace=shp: there is no such namespace; did you mean shop\?"):
        places_of(REALM, ["shp"])


def test_objects_that_a_rule_of_somebody_names_are_asked_for_by_name_where_the_rule_holds() -> None:
    rules = (Rule(("get",), ("",), ("secrets", "nodes"), ("db", "web")), Rule(("get",), ("",), ("pods",)))
    realm = Realm(
        (Role("here", rules, "shop"), Role("everywhere", rules[:1])),
        (Binding("a", "here", (TEAM,), "shop", "shop"), Binding("b", "everywhere", (Subject(Kind.USER, "joan"),))),
    )
    served = (Resource("secrets"), Resource("pods"), Resource("nodes", namespaced=False))
    team, joan = Who("team", Identity.user("x", ["team"])), Who("joan", Identity.user("joan"))

    assert named_objects(realm, served, ["shop", "bank"], [team]) == {("shop", "secrets"): ["db", "web"]}
    assert named_objects(realm, served, ["shop", "bank"], [joan]) == {
        ("shop", "secrets"): ["db", "web"],
        ("bank", "secrets"): ["db", "web"],
        ("", "nodes"): ["db", "web"],
    }


def test_whom_somebody_binds_himself_is_asked_for_be_it_in_the_cluster_or_a_group_of_the_system() -> None:
    everybody = [str(who.identity) for who in written_subjects(REALM, ["bank"])]

    assert everybody == ["user joan", "user root", "ServiceAccount bank/default"]
    system = Realm(bindings=(Binding("x", "r", (Subject(Kind.GROUP, "system:unauthenticated"),)),))
    assert [who.identity for who in written_subjects(system, [])] == [Identity.anonymous()]


def test_a_rule_of_all_resources_names_its_objects_in_each(realm_of_names: Realm) -> None:
    served = [Resource("secrets", verbs=("get",)), Resource("pods", verbs=("get",))]
    team = Who("team", Identity.user("anna", ["team"]))

    assert named_objects(realm_of_names, served, ["shop"], [team]) == {
        ("shop", "secrets"): ["db"],
        ("shop", "pods"): ["db"],
    }


@pytest.fixture
def realm_of_names() -> Realm:
    rule = Rule(("get",), ("",), ("*",), ("db",))
    return Realm((Role("r", (rule,), "shop"),), (Binding("b", "r", (TEAM,), "shop", "shop"),), homes=HOMES)
