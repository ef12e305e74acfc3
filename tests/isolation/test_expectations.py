"""A file of expectations is read strictly, and what is wrong with it is said by file, line and place in the table."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.isolation.expectations import Actor, Column, Expectations, Kind, Word, parse, read
from harness.kube.protocol import Protocol
from harness.kube.sources import read_text
from harness.mutation import Argument

FILE = Path("expected.yaml")
ACTORS = """\
actors:
  web: {namespace: shop, labels: {app: web}}
  db: {namespace: shop, labels: {app: db, tier: "1"}}
  stranger: {stand-in: {}}
  outside: external
  node: node
"""
TABLE = """\
connections: |
  from/to   web:80  db:5432/tcp
  web       -       allow
  stranger  deny    twice
"""


def expectations(text: str = ACTORS + TABLE) -> Expectations:
    return parse(read_text(text, FILE)[0])


def with_actor(actor: str) -> Expectations:
    """The file with one more actor, in line 7."""
    return expectations(f"{ACTORS}  {actor}\n{TABLE}")


def with_table(*lines: str) -> Expectations:
    """The actors with a table whose first line is line 8."""
    return expectations(ACTORS + "connections: |\n" + "".join(f"  {line}\n" for line in lines))


def test_a_cell_says_who_asks_whom_what_is_expected_and_where_that_stands() -> None:
    cells = expectations().cells

    assert [(cell.source, str(cell.destination), cell.word, cell.at) for cell in cells] == [
        ("web", "db:5432", Word.ALLOW, "expected.yaml:9"),
        ("stranger", "web:80", Word.DENY, "expected.yaml:10"),
        ("stranger", "db:5432", Word.TWICE, "expected.yaml:10"),
    ]
    assert [(cell.allowed, cell.twice) for cell in cells] == [(True, False), (False, False), (False, True)]


def test_actors_are_pods_by_labels_stand_ins_addresses_outside_and_nodes() -> None:
    actors = expectations().actors

    assert list(actors.values()) == [
        Actor("web", Kind.PODS, "shop", {"app": "web"}),
        Actor("db", Kind.PODS, "shop", {"app": "db", "tier": "1"}),
        Actor("stranger", Kind.STAND_IN),
        Actor("outside", Kind.EXTERNAL),
        Actor("node", Kind.NODE),
    ]
    assert [actors[name].at for name in ("web", "node")] == ["expected.yaml:2", "expected.yaml:6"]


def test_an_actor_selects_pods_of_its_namespace_that_have_all_of_its_labels() -> None:
    db = expectations().actors["db"]

    assert db.selects("shop", {"app": "db", "tier": "1", "more": "x"})
    assert not db.selects("shop", {"app": "db"})
    assert not db.selects("other", {"app": "db", "tier": "1"})


def test_a_stand_in_selects_no_pod_not_even_one_with_its_labels() -> None:
    impostor = with_actor("impostor: {stand-in: {namespace: shop, labels-of: web}}").actors["impostor"]

    assert not impostor.selects("shop", {"app": "web"})


def test_a_stand_in_can_copy_labels_and_change_some() -> None:
    text = "impostor: {stand-in: {labels-of: db, namespace: shop, labels: {tier: '2', new: x}}}"

    impostor = with_actor(text).actors["impostor"]

    assert impostor == Actor("impostor", Kind.STAND_IN, "shop", {"app": "db", "tier": "2", "new": "x"})
    assert impostor.labels == {"app": "db", "tier": "2", "new": "x"}


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("web:80", Column(80, Protocol.TCP, actor="web")),
        ("web:80/tcp", Column(80, Protocol.TCP, actor="web")),
        ("web:53/udp", Column(53, Protocol.UDP, actor="web")),
        ("web:9/sctp", Column(9, Protocol.SCTP, actor="web")),
        ("outside:65535", Column(65535, Protocol.TCP, actor="outside")),
        ("service:shop/web-1:443", Column(443, Protocol.TCP, service="shop/web-1")),
        ("service:shop/web-1:53/udp", Column(53, Protocol.UDP, service="shop/web-1")),
    ],
)
def test_a_column_is_a_port_of_an_actor_or_of_a_service(header: str, column: Column) -> None:
    cells = with_table(f"from/to {header}", "stranger deny", "node allow").cells

    assert {cell.destination for cell in cells} == {column}
    assert str(column) == header.removesuffix("/tcp")


def test_comments_and_empty_lines_in_a_table_are_passed_over_and_counted() -> None:
    cells = with_table(
        "# the shop", "", "from/to web:80  # its port", "stranger deny", "", "node allow  # probes"
    ).cells

    assert [(cell.source, cell.at) for cell in cells] == [
        ("stranger", "expected.yaml:11"),
        ("node", "expected.yaml:13"),
    ]


def test_several_tables_are_one() -> None:
    first = "  # in\n  - |\n    from/to web:80\n    stranger deny\n"
    second = "\n  - |\n    from/to db:80\n    web allow\n"
    text = f"{ACTORS}connections:\n{first}{second}"

    assert [(str(cell), cell.at) for cell in expectations(text).cells] == [
        ("stranger -> web:80", "expected.yaml:11"),
        ("web -> db:80", "expected.yaml:15"),
    ]


def test_arguments_for_equivalent_mutants_are_read_in_one_line_each() -> None:
    text = "equivalent:\n  - mutant: policy a/b is\n      deleted\n    because: c does\n      the same\n"

    assert expectations(ACTORS + TABLE + text).equivalent == (Argument("policy a/b is deleted", "c does the same"),)


@pytest.mark.parametrize(
    ("actor", "where", "problem"),
    [
        ("x: {namespace: shop}", "expected.yaml:7", "actors.x.labels: is missing"),
        ("x: {labels: {a: b}}", "expected.yaml:7", "actors.x.namespace: is missing"),
        ("x: {namespace: shop, labels: {}}", "expected.yaml:7", "says by no label which pods it is"),
        ("x: {namespace: shop, labels: {a: 1}}", "expected.yaml:7", "must be text, not 1: put it in quotes"),
        ("x: {namespace: shop, labels: {a: yes}}", "expected.yaml:7", "must be text, not True"),
        ("x: {namespace: shop, labels: [a]}", "expected.yaml:7", "actors.x.labels: must be a mapping"),
        ("x: {namespace: shop, label: {a: b}}", "expected.yaml:7", "actors.x.label: is not known here: there are name"),
        ("x:\n    namespace: shop\n    labels:\n      a: ''", "expected.yaml:10", "must be text"),
        ("x: extern", "expected.yaml:7", "actor x: must be `external`, `node`"),
        ("x: {stand-in: {namespaces: shop}}", "expected.yaml:7", "actors.x.stand-in.namespaces: is not known here"),
        ("x: {stand-in: {}, namespace: shop}", "expected.yaml:7", "actors.x.namespace: is not known here"),
        ("x: {stand-in: }", "expected.yaml:7", "actors.x.stand-in: must be a mapping"),
        ("x: {stand-in: {labels-of: wbe}}", "expected.yaml:7", "copies the labels of wbe, which is no actor with"),
        ("x: {stand-in: {labels-of: outside}}", "expected.yaml:7", "copies the labels of outside, which is no actor"),
        ("X: node", "expected.yaml:7", "is no name for an actor"),
        ("a:80: node", "expected.yaml:7", "is no name for an actor"),
    ],
)
def test_what_is_wrong_with_an_actor_is_said_with_its_line(actor: str, where: str, problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        with_actor(actor)

    assert raised.value.where == where
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "where", "problem"),
    [
        (["from/to web:80", "wbe deny"], 9, "row wbe: begins with no actor: there are web, db, stranger"),
        (["from/to wbe:80", "web deny"], 8, "column wbe:80: names wbe, which is no actor"),
        (
            ["from/to web", "web deny"],
            8,
            "column web: is no column: write actor:port, actor:port/udp, actor:port/sctp or service:",
        ),
        (["from/to web:http", "web deny"], 8, "column web:http: is no column"),
        (["from/to service:web:80", "web deny"], 8, "column service:web:80: is no column"),
        (["from/to web:0", "web deny"], 8, "column web:0: 0 is no port: they go from 1 to 65535"),
        (["from/to web:65536", "web deny"], 8, "column web:65536: 65536 is no port"),
        (["from/to web:80/icmp", "web deny"], 8, "column web:80/icmp: icmp is no protocol: write tcp, udp or sctp"),
        (["from/to web:80 web:80/tcp", "db deny deny"], 8, "column web:80: stands twice in this table"),
        (["from/to web:80 db:1", "stranger deny"], 9, "row stranger: has 1 cells under 2 columns; write -"),
        (["from/to web:80", "stranger deny deny"], 9, "row stranger: has 2 cells under 1 columns"),
        (["from/to web:80", "db deny", "db deny"], 10, "row db: stands twice in this table: first at expected.yaml:9"),
        (["from/to web:80", "db denied"], 9, "row db, column web:80: 'denied' is none of allow, deny, twice, -"),
        (["web:80", "db deny"], 8, "a table begins with from/to and its columns, not with 'web:80'"),
        (["# nothing", "# at all"], 8, "a table begins with from/to"),
        (
            ["from/to web:80", "db allow"],
            7,
            "expects no connection to be denied: a cluster without policies would meet",
        ),
        (["from/to web:80", "db twice"], 7, "expects no connection to be allowed: a network that is down would meet"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line_row_and_column(
    lines: list[str], where: int, problem: str
) -> None:
    with pytest.raises(ManifestError) as raised:
        with_table(*lines)

    assert raised.value.where == f"expected.yaml:{where}"
    assert problem in str(raised.value)


def test_what_one_table_says_no_other_may_say_again() -> None:
    text = ACTORS + "connections:\n- |\n  from/to db:80\n  web allow\n- |\n  from/to db:80\n  node allow\n  web deny\n"

    with pytest.raises(ManifestError) as raised:
        expectations(text)

    assert str(raised.value) == "expected.yaml:14: web -> db:80: is expected already, at expected.yaml:10: say it once"


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (ACTORS, "expected.yaml:1", "connections: is missing"),
        (TABLE, "expected.yaml:1", "actors: is missing"),
        (ACTORS + TABLE + "more: 1\n", "expected.yaml:11", "more: is not known here"),
        (ACTORS + "connections: {}\n", "expected.yaml:7", "connections: must be a table, or a list of tables"),
        (ACTORS + "connections: from/to web:80\n", "expected.yaml:7", "connections: must be a table"),
        (ACTORS + "connections:\n- |\n  from/to\n  web\n- 1\n", "expected.yaml:11", "connections.1: must be a table"),
        (ACTORS + TABLE + "equivalent: {}\n", "expected.yaml:11", "equivalent: must be a list"),
        (ACTORS + TABLE + "equivalent:\n- mutant: x\n", "expected.yaml:12", "equivalent.0.because: is missing"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_with_its_line(text: str, where: str, problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        expectations(text)

    assert raised.value.where == where
    assert problem in str(raised.value)


def test_a_table_that_yaml_cannot_read_is_an_error_that_says_how_a_table_begins(tmp_path: Path) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text(ACTORS + "connections: |\n            web:80\n  stranger  deny\n")

    with pytest.raises(
        ManifestError, match="its first line begins with from/to, just above the names of the rows"
    ) as it:
        read(file)

    assert it.value.where == f"{file}:9"


def test_a_file_holds_one_document(tmp_path: Path) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text(f"{ACTORS}{TABLE}---\n{ACTORS}")

    with pytest.raises(ManifestError, match="holds 2 documents, and must hold one"):
        read(file)
