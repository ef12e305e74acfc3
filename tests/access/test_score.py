"""The mutation score of roles: a table notices a mutant by a cell that it no longer meets; the case's notices all."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from harness.access.defaults import defaults
from harness.access.expectations import Expectations, parse, read
from harness.access.matrix import Cell, Who
from harness.access.mutate import mutants
from harness.access.oracle import Oracle
from harness.access.parse import joined, realm_of
from harness.access.resources import Resource, beyond, questions, served
from harness.access.rules import Binding, Home, Kind, Realm, Role, Rule, Subject
from harness.access.score import Judge, main, score, unreached
from harness.access.table import Expected, expected
from harness.errors import ManifestError, SettingsError
from harness.kube.manifests import load
from harness.kube.sources import read_text
from harness.mutation import Argument, Score, details

from .realms import IDENTITIES, Drawing, drawings

CHECKOUT = Path(__file__).parents[2]
PODS = Resource("pods", verbs=("create", "delete", "get", "list"))
LOG = Resource("pods", subresource="log", verbs=("get",))
SECRETS = Resource("secrets", verbs=("get", "list"))
NODES = Resource("nodes", verbs=("get",), namespaced=False)
HEALTH = Resource(url="/healthz", verbs=("get",), namespaced=False)
SERVED = (PODS, LOG, SECRETS, NODES, HEALTH)
ROLE = Role(
    "team",
    (Rule(("get", "list"), ("",), ("pods",), at="f:4"), Rule(("get",), ("",), ("secrets",), ("db",), at="f:5")),
    "shop",
    at="f:1",
)
BINDING = Binding("team", "team", (Subject(Kind.GROUP, "team", at="f:9"),), "shop", "shop", at="f:7")
REALM = Realm((ROLE,), (BINDING,), homes=(Home("shop"), Home("bank")))
EVERYBODY = Realm(
    (Role("public", (Rule(("get",), urls=("/healthz",)),)),),
    (
        Binding(
            "public",
            "public",
            (Subject(Kind.GROUP, "system:authenticated"), Subject(Kind.GROUP, "system:unauthenticated")),
        ),
    ),
)
FULL = """\
subjects:
  team: {user: anna, groups: [team]}
  stranger: {user: mallory, unbound: true}
  nobody: anonymous
rights:
  - |
    namespace:shop  team      stranger  nobody
    pods            get,list  -         -
    secrets[db]     get       -         -
    *[db]           -         -         -
    *               -         -         -
  - |
    namespace:bank  team      stranger  nobody
    *               -         -         -
  - |
    cluster         team      stranger  nobody
    /healthz        get       get       get
    *               -         -         -
"""


def table(text: str = FULL, more: str = "") -> Expectations:
    return parse(read_text(text + more, Path("expected.yaml"))[0])


def scored(expectations: Expectations, realm: Realm = REALM) -> Score:
    cells = expected(expectations, SERVED)
    return score(realm, cells, expectations.equivalent, around=EVERYBODY, resources=SERVED)


def survivors(of: Score) -> list[str]:
    return [one.mutant.what for one in of.of("survived")]


def unsaid(*rows: str) -> Expectations:
    """The table that expects nothing in the rows that begin so."""
    lines = [f"    {line.split()[0]}  ?  ?  ?" if line.split()[0] in rows else line for line in FULL.splitlines()]
    return table("\n".join(lines) + "\n")


def without_nobody() -> Expectations:
    """The table without its last column."""
    lines = [line for line in FULL.splitlines() if "nobody: " not in line]
    cut = [line.rsplit(None, 1)[0] if line.startswith("    ") else line for line in lines]
    return table("\n".join(cut) + "\n")


def test_a_table_of_everything_notices_every_mutant() -> None:
    said = scored(table())

    assert survivors(said) == []
    assert len(said.of("killed")) > 15


def test_a_table_without_a_column_for_the_anonymous_does_not_notice_what_is_granted_to_them() -> None:
    assert survivors(scored(without_nobody())) == [NOBODY]


@pytest.mark.parametrize(
    ("rows", "survivor"),
    [
        (["pods"], "Role shop/team rule 1 gets verb delete"),
        (["*", "*[db]"], "Role shop/team rule 1 gets pods/log"),
        (["*[db]"], "Role shop/team rule 2 has * in place of secrets"),
        (["secrets[db]"], "Role shop/team rule 2 is deleted"),
        (["*"], "Role shop/team rule 2 has no resourceNames: every object"),
        (["*"], "RoleBinding shop/team becomes a ClusterRoleBinding"),
    ],
)
def test_without_its_row_a_slip_goes_unnoticed(rows: list[str], survivor: str) -> None:
    assert survivor in survivors(scored(unsaid(*rows)))


def test_a_killed_mutant_is_told_by_the_cell_and_the_rule() -> None:
    [judged] = [one for one in scored(table()).judged if one.mutant.what == "Role shop/team rule 1 gets verb delete"]

    assert judged.breach == (
        "team: delete pods in shop is expected to be denied (expected.yaml:8), but the roles say allow: "
        "RoleBinding shop/team (f:7) binds Group team to Role shop/team, which allows it (f:4)"
    )


def test_a_survivor_is_told_with_a_request_that_a_cell_could_speak_of() -> None:
    told = list(details(scored(unsaid("*", "*[db]"))))

    assert (
        "survived  f:4: Role shop/team rule 1 gets pods/log\n"
        "          no cell notices that team: get pods/log in shop is allowed, not denied"
    ) in told


def test_a_survivor_of_whom_no_column_speaks_is_told_by_whom_it_is_granted_to() -> None:
    [survivor] = scored(without_nobody()).of("survived")

    assert survivor.hint == (
        "no cell notices that Group system:unauthenticated: get pods in shop is allowed, not denied"
    )


def test_a_survivor_that_only_an_object_shows_is_told_so() -> None:
    [survivor] = [
        one
        for one in scored(unsaid("secrets[db]")).of("survived")
        if one.mutant.what == "Role shop/team rule 2 is deleted"
    ]

    assert survivor.hint.startswith("no request without the name of an object changes: say it of the object")


def test_the_roles_themselves_must_meet_the_table_and_every_cell_that_they_miss_is_told_with_reasons() -> None:
    with pytest.raises(ManifestError) as raised:
        scored(table(FULL.replace("get,list  -", "get,delete list")))

    first, *told = str(raised.value).splitlines()
    assert first == "expected.yaml:8: the roles do not meet the expectations:"
    assert [line.partition(", but")[0] for line in told] == [
        "team: delete pods in shop is expected to be allowed (expected.yaml:8)",
        "team: list pods in shop is expected to be denied (expected.yaml:8)",
        "stranger: list pods in shop is expected to be allowed (expected.yaml:8)",
    ]
    assert "Role shop/team has pods, but only to get, list (f:4)" in told[0]


NOBODY = "RoleBinding shop/team is for Group system:unauthenticated, too"


def test_a_survivor_can_be_argued_and_an_argument_for_none_is_stale() -> None:
    argued = replace(without_nobody(), equivalent=(Argument(NOBODY, "nobody gets through"),))
    said = scored(argued)
    stale = scored(replace(argued, equivalent=(*argued.equivalent, Argument("Role x is deleted", "why not", "f:8"))))

    assert said.complete
    assert str(said).endswith("0 survived, 1 argued to be equivalent")
    assert not stale.complete
    assert list(details(stale))[-1].startswith("stale     f:8: argues for 'Role x is deleted'")


def test_rules_that_speak_of_nothing_that_is_served_are_told() -> None:
    custom = Role("custom", (Rule(("get",), ("shop.example",), ("orders",), at="f:20"),), "shop")

    assert list(unreached(Realm((ROLE, custom)), SERVED)) == [
        "f:20: Role shop/custom rule 1: a plain cluster serves nothing that it speaks of"
    ]


@given(drawings)
def test_the_judge_finds_what_the_oracle_finds_cell_by_cell(draw: Drawing) -> None:
    first, other = draw.realm(), draw.realm()
    asked = [question.request for question in questions(SERVED, ("one", "two"))]
    before, after = Oracle(first), Oracle(other)
    cells = [
        Expected(Cell(Who(who.name, who), request), before.decide(who, request).allowed)
        for who in IDENTITIES
        for request in asked
    ]

    judge = Judge(cells)

    assert not list(judge.breaches(before))
    wrong = [one for one in cells if after.decide(one.cell.who.identity, one.cell.request).allowed is not one.allowed]
    assert [one.expected for one in judge.breaches(after)] == wrong
    assert [one.expected for one in judge.breaches(after, before)] == wrong


def case() -> Realm:
    """The realm of the case's files, as they stand."""
    files = [file for file in sorted((CHECKOUT / "manifests").glob("*/*.yaml")) if file.name != "kustomization.yaml"]
    return realm_of([manifest for file in files for manifest in load(file)])


def test_the_case_s_own_table_notices_every_mutant_of_its_roles() -> None:
    expectations, everything = read(CHECKOUT / "scenarios" / "access" / "expected.yaml"), (*served(), *beyond())

    said = score(
        case(), expected(expectations, everything), expectations.equivalent, around=defaults(), resources=everything
    )

    assert survivors(said) == []
    assert said.stale == ()
    assert len(said.of("killed")) > 150


def test_the_case_s_own_table_speaks_of_every_right_of_its_subjects_in_its_namespaces_and_the_cluster() -> None:
    expectations, everything = read(CHECKOUT / "scenarios" / "access" / "expected.yaml"), (*served(), *beyond())
    asked = {question.request for question in questions(everything, ("invoice", "payments"))}

    found = expected(expectations, everything)

    assert {(one.cell.who.name, one.cell.request) for one in found} == {
        (name, request) for name in expectations.subjects for request in asked
    }
    oracle = Oracle(joined(case(), defaults()))
    assert [one for one in found if oracle.decide(one.cell.who.identity, one.cell.request).allowed != one.allowed] == []


@pytest.mark.parametrize(
    ("slip", "cell", "rule"),
    [
        (
            "Role invoice/team-invoice rule 10 gets verb deletecollection",
            "team-invoice: deletecollection pods in invoice is expected to be denied",
            "binds Group team-invoice to Role invoice/team-invoice, which allows it",
        ),
        (
            "RoleBinding payments/team-payments is for Group team-invoice in place of Group team-payments",
            "team-invoice: create configmaps in payments is expected to be denied",
            "binds Group team-invoice to Role payments/team-payments, which allows it",
        ),
        (
            "Role invoice/team-invoice rule 1 has * in place of pods",
            "team-invoice: get limitranges in invoice is expected to be denied",
            "to Role invoice/team-invoice, which allows it",
        ),
        (
            "Role invoice/team-invoice rule 1 loses pods/log",
            "team-invoice: get pods/log in invoice is expected to be allowed",
            "Role invoice/team-invoice allows pods, which is not pods/log",
        ),
        (
            "RoleBinding invoice/team-invoice becomes a ClusterRoleBinding",
            "team-invoice: create configmaps in payments is expected to be denied",
            "binds Group team-invoice to ClusterRole team-invoice, which allows it",
        ),
    ],
)
def test_a_slip_in_the_case_is_told_by_the_cell_and_the_rule(slip: str, cell: str, rule: str) -> None:
    expectations, everything = read(CHECKOUT / "scenarios" / "access" / "expected.yaml"), (*served(), *beyond())
    cells = expected(expectations, everything)

    [mutant] = [one for one in mutants(case(), defaults(), everything) if one.what == slip]
    [first, *_] = Judge(cells).breaches(Oracle(joined(mutant.realm, defaults())))

    assert str(first).startswith(f"{cell} (")
    assert "scenarios/access/expected.yaml:" in str(first)
    assert rule in str(first)
    assert "/access.yaml:" in str(first)


def test_a_label_that_widens_an_aggregated_role_is_told_by_the_cell_and_the_rule() -> None:
    secrets = Role("secrets", (Rule(("get",), ("",), ("secrets",), at="s.yaml:8"),), at="s.yaml:1")
    viewers = Binding("viewers", "view", (Subject(Kind.GROUP, "team"),), "shop", at="s.yaml:10")
    written = Realm((secrets,), (viewers,), homes=(Home("shop"),))
    text = (
        "subjects: {team: {user: anna, groups: [team]}}\nrights: |\n  namespace:shop team\n  pods read\n  secrets -\n"
    )
    cells = expected(parse(read_text(text, Path("f.yaml"))[0]), SERVED)

    said = score(written, cells, around=defaults(), resources=SERVED)

    label = "ClusterRole secrets gets the label rbac.authorization.k8s.io/aggregate-to-view"
    [judged] = [one for one in said.judged if one.mutant.what == label]
    assert judged.breach.startswith("team: get secrets in shop is expected to be denied (f.yaml:")
    assert "RoleBinding shop/viewers (s.yaml:10) binds Group team to ClusterRole view, which allows it (s.yaml:8)" in (
        judged.breach
    )


ACCESS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: team, namespace: shop}
rules:
  - {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: team}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: team}]
"""
EXPECTED = """\
subjects:
  team: {user: anna, groups: [GROUP]}
  stranger: {user: mallory, unbound: true}
  nobody: anonymous
rights:
  - |
    namespace:shop  team  stranger  nobody
    pods            read  -         -
    *               REST  -         -
  - |
    namespace:kube-system  team  stranger  nobody
    *               -     -         -
  - |
    cluster         team  stranger  nobody
    /healthz        get   get       get
"""


def folder(path: Path, rest: str = "-", group: str = "team") -> list[str]:
    """Manifests and expectations of somebody's own, as the command line names them."""
    (path / "shop").mkdir()
    (path / "shop" / "all.yaml").write_text(ACCESS)
    (path / "expected.yaml").write_text(EXPECTED.replace("REST", rest).replace("GROUP", group))
    own = (f"--manifests={path / 'shop'}", f"--access-expectations={path / 'expected.yaml'}")
    return [*own, f"--artifacts={path / 'artifacts'}"]


def recorded(path: Path) -> Sequence[dict[str, str]]:
    [file] = (path / "artifacts" / "runs").glob("*/access/mutants.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_command_ends_with_0_where_everything_is_noticed_and_records_each_mutant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(folder(tmp_path)) == 0

    found = recorded(tmp_path)
    assert {one["outcome"] for one in found} == {"killed"}
    assert set(found[0]) == {"mutant", "at", "outcome", "because"}
    assert (found[0]["mutant"], found[0]["at"]) == ("Role shop/team is deleted", f"{tmp_path}/shop/all.yaml:5")
    assert f"mutation score 100.0%: {len(found)} killed, 0 survived, 0 argued" in capsys.readouterr().out


def test_the_command_ends_with_1_where_something_survives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(folder(tmp_path, "?")) == 1

    out = capsys.readouterr().out
    assert f"survived  {tmp_path}/shop/all.yaml:9: Role shop/team rule 1 gets pods/exec" in out
    assert "no cell notices that team: get pods/exec in shop is allowed, not denied" in out


def test_a_misspelt_subject_is_an_error_and_never_passes_for_a_denial(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as raised:
        main(folder(tmp_path, group="taem"))

    assert raised.value.where == f"{tmp_path}/expected.yaml:2"
    assert "group taem" in str(raised.value)


def test_manifests_of_one_s_own_need_expectations_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--manifests: these need their own table of who may do what: give it with"):
        main([f"--manifests={tmp_path}"])
