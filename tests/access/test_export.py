"""An export is a file of expectations that says just what is allowed, and reads as people would write it."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.access.expectations import parse
from harness.access.export import WIDTH, Right, asked, exported
from harness.access.matrix import Cell, Who
from harness.access.request import Identity
from harness.access.resources import Resource
from harness.access.table import expected
from harness.kube.sources import read_text

PODS = Resource("pods", verbs=("create", "delete", "get", "list", "watch"))
LOG = Resource("pods", subresource="log", verbs=("get",))
SECRETS = Resource("secrets", verbs=("create", "get", "list", "watch"))
BIND = Resource("roles", "rbac.authorization.k8s.io", verbs=("bind",), source="docs")
ROLES = Resource("roles", "rbac.authorization.k8s.io", verbs=("get", "list"))
SIGNERS = Resource(
    "signers", "certificates.k8s.io", verbs=("sign",), namespaced=False, names=("a/b", "a/c"), source="k"
)
SERVING = Resource("signers", "certificates.k8s.io", verbs=("attest",), namespaced=False, names=("a/s",), source="k")
HEALTH = Resource(url="/healthz", verbs=("get",), namespaced=False, source="paths")
SERVED = (PODS, LOG, SECRETS, ROLES, BIND, SIGNERS, SERVING, HEALTH)
TEAM = Who("team", Identity.user("anna", ["team-a", "yes", "a:b"]), home=frozenset({"shop"}))
APP = Who("app", Identity.account("shop", "app"))
MORE = (Who("stranger", Identity.user("on"), unbound=True, home=frozenset()), Who("nobody", Identity.anonymous()))


def written(subjects: Sequence[Who], allowed: Collection[str], namespaces: Sequence[str] = ("shop",)) -> str:
    return exported(subjects, SERVED, namespaces, lambda cell: str(cell) in allowed)


def table(text: str, corner: str) -> list[list[str]]:
    """The rows of the first table with a corner."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.strip().startswith(corner))
    return [line.split() for line in lines[first : lines.index("", first) if "" in lines[first:] else None]]


def test_only_rows_with_something_allowed_are_written_and_last_the_one_of_everything_else() -> None:
    text = written([TEAM, APP], {"team: get pods in shop", "app: get pods/log in shop", "team: get /healthz"})

    assert table(text, "namespace:shop") == [
        ["namespace:shop", "team", "app"],
        ["pods", "get", "-"],
        ["pods/log", "-", "get"],
        ["*", "-", "-"],
    ]
    assert table(text, "cluster") == [["cluster", "team"], ["/healthz", "get"], ["*", "-"]]


def test_who_has_nothing_of_his_own_in_a_place_stands_in_a_table_of_one_row() -> None:
    text = written([TEAM, APP], {"team: get pods in shop"})

    assert "  - |\n    namespace:shop  team\n    pods            get\n    *               -\n" in text
    assert "  - |\n    namespace:shop  app\n    *               -\n" in text


@pytest.mark.parametrize(
    ("verbs", "known", "said"),
    [
        ((), ("get", "list"), "-"),
        (("get",), ("get",), "get"),
        (("get", "list"), ("get", "list"), "read"),
        (("get", "list"), ("create", "get", "list"), "read"),
        (("get", "list"), ("get", "list", "watch"), "get,list"),
        (("watch", "delete", "get", "list"), ("delete", "get", "list", "patch", "watch"), "read,delete"),
        (("delete", "create", "approve"), ("approve", "create", "delete", "get"), "approve,create,delete"),
        (("a", "b", "c"), ("a", "b", "c"), "a,b,c"),
        (("a", "b", "c", "d"), ("a", "b", "c", "d"), "all"),
    ],
)
def test_verbs_are_told_in_the_words_of_a_table(verbs: tuple[str, ...], known: tuple[str, ...], said: str) -> None:
    assert str(Right(frozenset(verbs), known)) == said


def test_who_may_do_nearly_everything_has_it_in_the_last_row() -> None:
    everything = {str(cell) for cell in asked([TEAM], SERVED, ["shop"])} - {"team: get pods/log in shop"}

    assert table(written([TEAM], everything), "namespace:shop") == [
        ["namespace:shop", "team"],
        ["pods/log", "-"],
        ["*", "all"],
    ]


def test_columns_are_aligned() -> None:
    text = written([TEAM, APP], {"team: get pods in shop", "app: get pods/log in shop"})

    assert "    namespace:shop  team  app\n    pods            get   -\n    pods/log        -     get\n" in text


def test_subjects_that_do_not_fit_into_one_table_go_into_several() -> None:
    many = [Who(f"a-subject-with-a-long-name-{number}", Identity.user(f"u{number}")) for number in range(9)]
    allowed = {f"{who.name}: get pods in shop" for who in many}

    text = written(many, allowed)

    assert max(map(len, text.splitlines())) <= WIDTH + 4
    assert text.count("namespace:shop") > 1
    assert {str(cell) for cell in allowed_in(text)} == allowed


def test_names_that_are_alike_are_one_row_and_others_are_told_one_by_one() -> None:
    both = {f"team: sign signers.certificates.k8s.io {name} in the cluster" for name in ("a/b", "a/c")}
    same = both | {"team: attest signers.certificates.k8s.io a/s in the cluster"}

    assert ["signers.certificates.k8s.io[a/b]", "sign"] in table(written([TEAM], both), "cluster")
    assert {str(cell) for cell in allowed_in(written([TEAM], same))} == same


def test_an_object_that_differs_from_its_resource_gets_a_row_of_its_own() -> None:
    named = {("shop", "secrets"): ["db", "web"]}

    text = exported(
        [TEAM], SERVED, ["shop"], lambda cell: cell.request.name == "db" and cell.request.verb == "get", named=named
    )

    assert table(text, "namespace:shop") == [["namespace:shop", "team"], ["secrets[db]", "get"], ["*", "-"]]


def test_subjects_are_written_as_they_are_read_whatever_their_names_are() -> None:
    subjects = [TEAM, APP, *MORE, Who("on", Identity.user("system:node:x", ["1", "null"]))]
    allowed = {f"{who.name}: get /healthz" for who in subjects}

    [source] = read_text(written(subjects, allowed), Path("f.yaml"))

    assert list(parse(source).subjects.values()) == subjects


def test_the_head_is_a_comment() -> None:
    text = exported([TEAM], SERVED, [], lambda _: True, head="Who may do what.\n\nToday.")

    assert text.startswith("# Who may do what.\n#\n# Today.\nsubjects:\n")


def parsed(text: str) -> dict[Cell, bool]:
    [source] = read_text(text, Path("f.yaml"))
    return {one.cell: one.allowed for one in expected(parse(source), SERVED)}


def allowed_in(text: str) -> set[Cell]:
    return {cell for cell, is_allowed in parsed(text).items() if is_allowed}


CELLS = asked([TEAM, APP, *MORE], SERVED, ["shop", "bank"])
HEALTHY = frozenset(cell for cell in CELLS if cell.request.url)
"""Everybody is to have something: a file is refused otherwise."""


@given(st.sets(st.sampled_from(CELLS)), st.lists(st.sampled_from([PODS, SECRETS, ROLES, BIND, SIGNERS]), max_size=3))
def test_what_is_exported_is_read_again_as_the_same_cells(few: set[Cell], whole: list[Resource]) -> None:
    of_whole = {cell for cell in CELLS for one in whole if one.name == cell.request.resource and cell.who is TEAM}
    allowed = few | of_whole | HEALTHY

    text = exported([TEAM, APP, *MORE], SERVED, ["shop", "bank"], allowed.__contains__)

    assert parsed(text) == {cell: cell in allowed for cell in CELLS}
