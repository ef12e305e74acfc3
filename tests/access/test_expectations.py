"""A file of expectations is read strictly, and what is wrong with it is said by file, line and place in the table."""

from pathlib import Path

import pytest

from harness.access.expectations import Entry, Expectations, parse, read
from harness.access.matrix import Who
from harness.access.request import Identity
from harness.errors import ManifestError
from harness.kube.sources import read_text
from harness.mutation import Argument

FILE = Path("expected.yaml")
SUBJECTS = """\
subjects:
  team: {user: anna, groups: [team-a, team-b], home: [shop]}
  app: {service-account: shop/app}
  stranger: {user: mallory, unbound: true}
  nobody: anonymous
"""
RIGHTS = """\
rights: |
  namespace:shop  team  app     stranger  nobody
  pods            read  get     get       get
"""


def expectations(text: str = SUBJECTS + RIGHTS) -> Expectations:
    return parse(read_text(text, FILE)[0])


def with_subject(line: str) -> Expectations:
    return expectations(f"{SUBJECTS}  {line}\n{RIGHTS}")


def with_table(*lines: str) -> Expectations:
    """One table of team and app, which begins in line 5."""
    table = "".join(f"  {line}\n" for line in lines)
    return expectations(f"subjects:\n  team: {{user: anna}}\n  app: {{service-account: shop/app}}\nrights: |\n{table}")


def test_subjects_are_users_with_groups_accounts_and_the_anonymous() -> None:
    assert dict(expectations().subjects) == {
        "team": Who("team", Identity.user("anna", ["team-a", "team-b"]), home=frozenset({"shop"})),
        "app": Who("app", Identity.account("shop", "app")),
        "stranger": Who("stranger", Identity.user("mallory"), unbound=True),
        "nobody": Who("nobody", Identity.anonymous()),
    }
    assert [who.at for who in expectations().subjects.values()] == [f"expected.yaml:{line}" for line in (2, 3, 4, 5)]


def test_a_cell_says_verbs_or_none_or_nothing_at_all() -> None:
    found = with_table("namespace:shop  team          app", "pods  read,delete  -", "secrets[db]  ?  all").entries

    assert found == (
        Entry("shop", "pods", "", "team", ("read", "delete")),
        Entry("shop", "pods", "", "app", ()),
        Entry("shop", "secrets", "db", "team", None),
        Entry("shop", "secrets", "db", "app", ("all",)),
    )
    assert [entry.at for entry in found] == ["expected.yaml:6"] * 2 + ["expected.yaml:7"] * 2


def test_a_table_is_of_a_namespace_or_of_the_cluster() -> None:
    lines = ("namespace:shop  team  app", "pods  get  get")
    both = "rights:\n  - |\n    namespace:shop  team\n    pods  get\n  - |\n    cluster  team\n    /healthz  get\n"

    assert with_table(*lines).namespaces == ("shop",)
    assert [entry.namespace for entry in expectations(f"subjects: {{team: {{user: a}}}}\n{both}").entries] == [
        "shop",
        "",
    ]


def test_read_is_what_a_resource_has_of_get_list_and_watch_and_all_is_every_verb() -> None:
    known = ("create", "get", "list")

    assert Entry("", "x", "", "team", ("read", "patch")).verbs(known) == {"get", "list"}
    assert Entry("", "x", "", "team", ("all",)).verbs(known) == set(known)
    assert Entry("", "x", "", "team", ("create",)).verbs(known) == {"create"}
    assert Entry("", "x", "", "team", ()).verbs(known) == Entry("", "x", "", "team", None).verbs(known) == set()


def test_verbs_that_only_authorizers_know_can_be_said() -> None:
    [entry, _] = with_table(
        "cluster  team  app", "nodes.authentication.k8s.io  impersonate:arbitrary-node  get"
    ).entries

    assert entry.words == ("impersonate:arbitrary-node",)


def test_arguments_for_equivalent_mutants_are_read() -> None:
    text = "equivalent:\n  - {mutant: Role a/b is deleted, because: c}\n"

    assert expectations(SUBJECTS + RIGHTS + text).equivalent == (Argument("Role a/b is deleted", "c"),)


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("x: {user: ''}", "subjects.x.user: must be text"),
        ("x: {user: a, group: b}", "subjects.x.group: is not known here: there are user, groups, home, unbound"),
        ("x: {user: a, groups: b}", "subjects.x.groups: must be a list"),
        ("x: {user: a, unbound: 'no'}", "subject x: unbound must be true or false"),
        ("x: {user: a, home: shop}", "subjects.x.home: must be a list"),
        ("x: {user: a, service-account: b/c}", "subject x: must be `{user: "),
        ("x: {groups: [a]}", "subject x: must be `{user: "),
        (
            "x: anonym",
            "subject x: must be `{user: …, groups: […]}`, `{service-account: namespace/name}` or `anonymous`",
        ),
        ("x: {service-account: app}", "subject x: 'app' is no ServiceAccount: write namespace/name"),
        ("x: {service-account: shop/app, groups: [a]}", "subjects.x.groups: is not known here"),
        ("x: {user: 'system:serviceaccount:shop:app'}", "write service-account: namespace/name, or anonymous"),
        ("x: {user: 'system:anonymous'}", "system:anonymous is no user with a name of his own"),
        ("x: {user: anna, groups: [team-b, team-a]}", "subject x: is the same as team, at expected.yaml:2: name one"),
        ("'x y': {user: a}", "x y: is no name for a subject"),
        ("x: {user: a}", "subject x: is nowhere allowed anything: a typo would pass for a denial"),
    ],
)
def test_what_is_wrong_with_a_subject_is_said_with_its_line(subject: str, problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        with_subject(subject)

    assert raised.value.where == "expected.yaml:6"
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "where", "problem"),
    [
        (["cluster team aap", "x get get"], 5, "column aap: is no subject; did you mean app?"),
        (["cluster team team", "x get get"], 5, "column team: stands twice in this table"),
        (["shop team app", "x get get"], 5, "a table begins with namespace:NAME or cluster and its subjects, not with"),
        (["namespace: team app", "x get get"], 5, "a table begins with namespace:NAME or cluster"),
        (["cluster team app", "x get"], 6, "row x: has 1 cells under 2 subjects"),
        (["cluster team app", "x get, list get"], 6, "write verbs with commas and no blanks"),
        (["cluster team app", "x get,get get"], 6, "row x, column team: says get twice"),
        (["cluster team app", "x get,- get"], 6, "row x, column team: '-' in 'get,-' is no verb"),
        (["cluster team app", "x GET get"], 6, "row x, column team: 'GET' in 'GET' is no verb"),
        (["cluster team app", "x * get"], 6, "'*' in '*' is no verb: write verbs with commas between them, read, all"),
        (["cluster team app", "x[] get get"], 6, "row x[]: is no row: write resource,"),
        (["cluster team app", "/x[y] get get"], 6, "row /x[y]: is no row"),
        (["cluster team app", "x get get", "x - -"], 7, "row x, column team: is said already, at expected.yaml:6"),
        (["cluster team app", "x get -", "y - ?"], 3, "subject app: is nowhere allowed anything"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line_row_and_column(
    lines: list[str], where: int, problem: str
) -> None:
    with pytest.raises(ManifestError) as raised:
        with_table(*lines)

    assert raised.value.where == f"expected.yaml:{where}"
    assert problem in str(raised.value)


def test_what_one_table_says_of_a_namespace_no_other_may_say_again() -> None:
    again = "rights:\n  - |\n    cluster  team\n    x  get\n  - |\n    cluster  team\n    x  list\n"

    with pytest.raises(ManifestError, match=r"row x, column team: is said already, at expected\.yaml:5: say it once"):
        expectations(f"subjects: {{team: {{user: a}}}}\n{again}")


def test_another_name_of_the_same_resource_is_another_row() -> None:
    found = with_table("namespace:shop team app", "secrets - -", "secrets[a] get -", "secrets[b] - get").entries

    assert len(found) == 6


def test_a_table_that_nobody_asks_by_is_an_error() -> None:
    with pytest.raises(ManifestError, match=r"expected\.yaml:1.*: is empty: name at least one who asks"):
        expectations("subjects: {}\nrights: |\n  namespace:shop\n  *\n")


def test_a_file_is_one_document(tmp_path: Path) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text(f"{SUBJECTS}{RIGHTS}---\n{SUBJECTS}")

    with pytest.raises(ManifestError, match="holds 2 documents, and must hold one: subjects, rights"):
        read(file)
