"""The cells of a table, over what is served; and whether its subjects and namespaces are there."""

from pathlib import Path

import pytest

from harness.access.expectations import Expectations, parse
from harness.access.resources import Resource
from harness.access.rules import Account, Binding, Home, Kind, Realm, Subject
from harness.access.table import Expected, expected, unknown_namespaces, unknown_subjects, with_custom
from harness.errors import ManifestError
from harness.kube.sources import read_text

PODS = Resource("pods", verbs=("create", "delete", "get", "list", "watch"))
LOG = Resource("pods", subresource="log", verbs=("get",))
EXEC = Resource("pods", subresource="exec", verbs=("create", "get"))
SCALE = Resource("deployments", "apps", "scale", ("get", "patch"))
NODES = Resource("nodes", verbs=("get", "list"), namespaced=False)
ROLES = Resource("roles", "rbac.authorization.k8s.io", verbs=("get",))
BIND = Resource("roles", "rbac.authorization.k8s.io", verbs=("bind",), source="the docs")
SIGNERS = Resource(
    "signers", "certificates.k8s.io", verbs=("sign",), namespaced=False, names=("a/b", "a/c"), source="k"
)
SERVING = Resource("signers", "certificates.k8s.io", verbs=("attest",), namespaced=False, names=("a/s",), source="k")
HEALTH = Resource(url="/healthz", verbs=("get",), namespaced=False, source="paths")
SERVED = (PODS, LOG, EXEC, SCALE, NODES, ROLES, BIND, SIGNERS, SERVING, HEALTH)


def table(*lines: str, subjects: str = "team: {user: anna, groups: [team]}") -> Expectations:
    """One table, which begins in line 3."""
    text = "".join(f"  {line}\n" for line in lines)
    return parse(read_text(f"subjects: {{{subjects}}}\nrights: |\n{text}", Path("f.yaml"))[0])


def cells(*lines: str) -> dict[str, bool]:
    found = expected(table(*lines), SERVED)
    return {str(one.cell).removeprefix("team: "): one.allowed for one in found}


def allowed(*lines: str) -> list[str]:
    return [cell for cell, is_allowed in cells(*lines).items() if is_allowed]


def test_a_row_allows_the_verbs_that_it_names_and_denies_the_others_of_its_resource() -> None:
    assert cells("namespace:shop  team", "pods  read,delete") == {
        "create pods in shop": False,
        "delete pods in shop": True,
        "get pods in shop": True,
        "list pods in shop": True,
        "watch pods in shop": True,
    }


def test_a_row_speaks_of_no_subresource_of_its_resource() -> None:
    assert cells("namespace:shop  team", "pods/log  read") == {"get pods/log in shop": True}


def test_the_last_row_speaks_of_everything_else_that_lies_in_a_namespace() -> None:
    found = cells("namespace:shop  team", "pods  get", "*  -")

    assert [cell for cell, is_allowed in found.items() if is_allowed] == ["get pods in shop"]
    assert len(found) == sum(len(one.verbs) for one in SERVED if one.namespaced)
    assert "bind roles.rbac.authorization.k8s.io in shop" in found


def test_the_last_row_of_the_cluster_speaks_of_its_resources_special_rights_and_paths() -> None:
    assert cells("cluster  team", "/healthz  get", "*  -") == {
        "get nodes in the cluster": False,
        "list nodes in the cluster": False,
        "sign signers.certificates.k8s.io a/b in the cluster": False,
        "sign signers.certificates.k8s.io a/c in the cluster": False,
        "attest signers.certificates.k8s.io a/s in the cluster": False,
        "get /healthz": True,
    }


def test_the_last_row_can_allow_too_as_far_as_a_resource_has_the_verbs() -> None:
    assert allowed("namespace:shop  team", "pods  -", "*  read") == [
        "get pods/log in shop",
        "get pods/exec in shop",
        "get deployments.apps/scale in shop",
        "get roles.rbac.authorization.k8s.io in shop",
    ]


def test_where_nothing_is_said_nothing_is_expected_not_even_by_the_last_row() -> None:
    found = cells("namespace:shop  team", "pods  ?", "pods/log  get", "*  -")

    assert not any("pods in shop" in cell for cell in found)


def test_a_row_can_name_an_object_and_what_is_yet_to_be_made_has_no_name() -> None:
    assert cells("namespace:shop  team", "pods[db]  get,delete") == {
        "delete pods db in shop": True,
        "get pods db in shop": True,
        "list pods db in shop": False,
        "watch pods db in shop": False,
    }
    assert allowed("namespace:shop  team", "pods/exec[db]  create") == ["create pods/exec db in shop"]


def test_an_object_that_a_row_names_is_asked_for_beside_its_resource() -> None:
    assert allowed("namespace:shop  team", "pods[db]  get", "pods  list") == [
        "list pods in shop",
        "get pods db in shop",
    ]


def test_the_last_row_of_an_object_speaks_of_its_name_in_everything_that_has_no_row() -> None:
    found = cells("namespace:shop  team", "pods  get", "*[db]  get", "*  -")

    assert found["get deployments.apps/scale db in shop"]
    assert not found["patch deployments.apps/scale db in shop"]
    assert not found["get deployments.apps/scale in shop"]
    assert not [cell for cell in found if "pods db" in cell]


def test_what_is_asked_for_by_name_alone_can_be_said_together_or_one_by_one() -> None:
    together = cells("cluster  team", "signers.certificates.k8s.io  sign,attest")
    one = cells("cluster  team", "signers.certificates.k8s.io[a/c]  sign", "*  -")

    assert list(together.values()) == [True, True, True]
    assert [cell for cell, is_allowed in one.items() if is_allowed] == [
        "sign signers.certificates.k8s.io a/c in the cluster"
    ]
    assert not [cell for cell in one if "attest" in cell and "a/s" not in cell]


def test_verbs_of_discovery_and_of_other_sources_are_one_row_and_each_cell_keeps_its_source() -> None:
    found = expected(table("namespace:shop  team", "roles.rbac.authorization.k8s.io  all"), SERVED)

    assert [(one.cell.request.verb, one.allowed, one.cell.source) for one in found] == [
        ("get", True, ""),
        ("bind", True, "the docs"),
    ]


def test_a_cell_is_told_with_what_is_expected_and_where() -> None:
    [one] = expected(table("namespace:shop  team", "pods/log  get"), SERVED)

    assert str(one) == "team: get pods/log in shop is expected to be allowed (f.yaml:4)"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["namespace:shop team", "pod get"], "row pod: is nothing that the API serves; did you mean pods?"),
        (["namespace:shop team", "deployments/scale.apps get"], "did you mean deployments.apps/scale?"),
        (["namespace:shop team", "deployments/scale get"], "did you mean deployments.apps/scale?"),
        (["cluster team", "/helthz get"], "row /helthz: is nothing that the API serves; did you mean /healthz?"),
        (
            ["namespace:shop team", "nodes get"],
            "row nodes: lies in no namespace: say it in a table that begins with clu",
        ),
        (["namespace:shop team", "/healthz get"], "row /healthz: lies in no namespace"),
        (["cluster team", "pods get"], "row pods: lies in namespaces: say it in a table that begins with namespace:"),
        (["namespace:shop team", "pods/log list"], "row pods/log: has no verb list: there are get"),
        (["namespace:shop team", "pods gte"], "row pods: has no verb gte; did you mean get?"),
        (["namespace:shop team", "* escalates,get"], "row *: has no verb escalates"),
        (["cluster team", "signers.certificates.k8s.io read"], "can not be read: it has sign, attest"),
        (["cluster team", "signers.certificates.k8s.io[a/s] sign"], "has no verb sign: there are attest"),
        (["namespace:shop team", "pods[db] create"], "names one object, and what is yet to be made has no name"),
    ],
)
def test_a_row_that_speaks_of_what_is_not_there_is_an_error_with_its_line(lines: list[str], problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        expected(table(*lines), SERVED)

    assert raised.value.where == "f.yaml:4"
    assert problem in str(raised.value)


def test_all_that_is_wrong_is_told_at_once_and_once_for_a_row() -> None:
    both = "a: {user: a}, b: {user: b}"

    with pytest.raises(ManifestError) as raised:
        expected(table("namespace:shop  a  b", "pod  get  get", "nodes  get  -", subjects=both), SERVED)

    assert [line.partition(": row")[0] for line in str(raised.value).splitlines()] == ["f.yaml:4", "f.yaml:5"]


def test_a_custom_resource_can_be_said_where_only_a_plain_cluster_is_known() -> None:
    said = table("namespace:shop  team", "orders.shop.example  read,approve", "orders.shop.example/status  get")

    found = expected(said, with_custom(SERVED, said.entries))

    assert {str(one.cell.request) for one in found if one.allowed} == {
        "approve orders.shop.example in shop",
        "get orders.shop.example in shop",
        "list orders.shop.example in shop",
        "watch orders.shop.example in shop",
        "get orders.shop.example/status in shop",
    }


def test_a_slip_in_a_group_that_is_served_is_no_custom_resource() -> None:
    said = table("namespace:shop  team", "deployment.apps  get")

    assert with_custom(SERVED, said.entries) == SERVED


# ------------------------------------------------------------------------------------------------ subjects, namespaces

BINDING = Binding("b", "r", (Subject(Kind.GROUP, "team"), Subject(Kind.USER, "anna")), "shop", "shop", at="b.yaml:1")
EVERYBODY = Binding(
    "e", "r", (Subject(Kind.GROUP, "system:authenticated"), Subject(Kind.GROUP, "system:serviceaccounts"))
)
REALM = Realm(bindings=(EVERYBODY, BINDING), accounts=(Account("shop", "app"),), homes=(Home("shop"), Home("bank")))


def problems(subject: str) -> list[str]:
    said = table("cluster  x", "/healthz  get", subjects=f"x: {subject}")
    return [str(error).removeprefix("f.yaml:1: subject x: ") for error in unknown_subjects(said, REALM)]


@pytest.mark.parametrize(
    "subject",
    [
        "{user: anna}",
        "{user: bob, groups: [team]}",
        "{user: bob, unbound: true}",
        "{service-account: shop/app}",
        "{service-account: shop/app, unbound: true}",
        "anonymous",
    ],
)
def test_whom_a_binding_names_or_who_is_said_to_be_unbound_is_known(subject: str) -> None:
    assert problems(subject) == []


def test_a_misspelt_group_is_told_with_the_one_that_is_bound() -> None:
    [problem] = problems("{user: bob, groups: [taem]}")

    assert problem == (
        "no binding names user bob: there are anna, nor group taem; did you mean team? (should it be so, write "
        "unbound: true)"
    )


def test_a_second_group_that_no_binding_names_is_told_beside_one_that_is_bound() -> None:
    [problem] = problems("{user: bob, groups: [team, taem]}")

    assert problem == "no binding names group taem; did you mean team? (or leave it out)"


def test_a_misspelt_user_is_told_with_the_one_that_is_bound() -> None:
    assert "no binding names user ana; did you mean anna? (should" in problems("{user: ana}")[0]


def test_what_everybody_is_in_binds_nobody() -> None:
    assert problems("{user: bob, groups: ['system:authenticated']}") != []


def test_an_account_that_is_not_there_is_told_with_the_one_that_is() -> None:
    assert problems("{service-account: shop/ap}") == ["there is no ServiceAccount shop/ap; did you mean shop/app?"]


def test_who_is_said_to_be_unbound_and_is_not_is_told_with_the_binding() -> None:
    assert problems("{user: anna, unbound: true}") == [
        "is said to be unbound, but RoleBinding shop/b (b.yaml:1) names User anna"
    ]
    assert "names Group team" in problems("{user: bob, groups: [team], unbound: true}")[0]


def test_a_namespace_that_is_not_there_is_told_once_with_the_one_that_is() -> None:
    said = table("namespace:shp  team", "pods  get", "pods/log  get", subjects="team: {user: anna, home: [bnk]}")

    assert [str(error) for error in unknown_namespaces(said, REALM)] == [
        "f.yaml:4: namespace:shp: there is no such namespace; did you mean shop?",
        "f.yaml:1: subject team: is at home in bnk, which is no namespace; did you mean bank?",
    ]
    assert unknown_namespaces(table("namespace:shop  team", "pods  get"), REALM) == []


def test_cells_come_by_subject_then_place_then_resource() -> None:
    text = "subjects: {a: {user: a}, b: {user: b}}\nrights:\n  - |\n    namespace:x  b  a\n    pods/log  get  get\n"
    text += "  - |\n    cluster  b  a\n    /healthz  get  get\n"

    found: list[Expected] = expected(parse(read_text(text, Path("f.yaml"))[0]), SERVED)

    assert [str(one.cell) for one in found] == [
        "a: get /healthz",
        "a: get pods/log in x",
        "b: get /healthz",
        "b: get pods/log in x",
    ]
