"""A table of expectations on a world: who plays whom, which cells, what holds, and how the policies differ."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.isolation.expectations import Expectations, read
from harness.isolation.matrix import Cell, Compared, Seen, Standing, State
from harness.isolation.policy import Direction, Policy, Rule
from harness.isolation.table import (
    NO_PEER,
    Judged,
    as_written,
    cells_of_table,
    company,
    drift,
    judge,
    refuse_nobodies,
    refuse_nowhere,
    unasked,
    unproved,
    untestable,
)
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import External, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector
from harness.reason import Reason

TABLE = """\
actors:
  web: {namespace: shop, labels: {app: web}}
  db: {namespace: shop, labels: {app: db}}
  stranger: {stand-in: {labels: {app: web}}}
  outside: external
  node: node
connections: |
  from/to   web:80  db:5432  service:shop/db:5432  db:53/udp
  web       deny    allow    allow                 -
  stranger  allow   deny     -                     deny
  outside   -       twice    -                     -
  node      -       allow    -                     -
"""
WEB_1 = Pod("shop", "web-1", "10.0.0.1", {"app": "web", "hash": "x"})
WEB_2 = Pod("shop", "web-2", "10.0.0.2", {"app": "web"})
DB = Pod("shop", "db-0", "10.0.0.3", {"app": "db"})
ELSEWHERE = Pod("bank", "web-3", "10.0.0.4", {"app": "web"})
MADE = Pod("shop", "made", "10.0.0.5", {"app": "web"})
SERVICE = Service("shop", "db", "10.96.0.1", {"app": "db"}, (ServicePort(5432, 5432),))
NODE = Node("node1", "192.168.0.1")
OUTSIDE = External("203.0.113.10")
POLICY = Policy("shop", "db", Selector((("app", "db"),)), ingress=(Rule(),), at="network.yaml:7")
WORLD = World(
    (Namespace("shop"), Namespace("bank")),
    (WEB_1, WEB_2, DB, ELSEWHERE, MADE),
    (POLICY,),
    (SERVICE,),
    (NODE,),
    (OUTSIDE,),
)
STAND_INS = {"stranger": MADE}


@pytest.fixture
def expectations(tmp_path: Path) -> Expectations:
    (tmp_path / "table.yaml").write_text(TABLE)
    return read(tmp_path / "table.yaml")


# -------------------------------------------------------------------------------------------------------------- company


def test_an_actor_is_played_by_every_pod_of_its_namespace_with_its_labels_but_no_stand_in(
    expectations: Expectations,
) -> None:
    assert company(expectations, WORLD, STAND_INS) == {
        "web": (WEB_1, WEB_2),
        "db": (DB,),
        "stranger": (MADE,),
        "outside": (OUTSIDE,),
        "node": (NODE,),
    }


def test_an_actor_whom_nobody_plays_is_an_error_with_its_labels_and_its_line(expectations: Expectations) -> None:
    empty = replace(WORLD, pods=(WEB_1, MADE))

    with pytest.raises(ManifestError, match=r"table\.yaml:3: actor db: is played by nobody: .* shop with app=db"):
        company(expectations, empty, STAND_INS)


def test_without_an_external_peer_nobody_is_outside_and_nobody_asks_from_there(expectations: Expectations) -> None:
    inside = replace(WORLD, externals=())
    players = company(expectations, inside, STAND_INS)

    assert players["outside"] == ()
    assert not [said for said, _ in cells_of_table(expectations, inside, players) if said.source == "outside"]


def test_what_nobody_outside_can_be_asked_for_is_an_untested_connection_and_not_forgotten(
    expectations: Expectations,
) -> None:
    inside = replace(WORLD, externals=())
    players = company(expectations, inside, STAND_INS)

    left = unasked(expectations, inside, players, cells_of_table(expectations, inside, players))
    [judged] = [untestable(one, players) for one in left]

    assert str(judged.expected) == "outside -> db:5432"
    assert str(judged.compared.cell) == "outside nowhere -> shop/db-0 TCP 5432"
    assert (judged.compared.seen.state, judged.compared.seen.why) == (State.UNTESTED, NO_PEER)
    assert (judged.compared.standing, judged.holds) == (Standing.UNTESTED, True)


def test_with_everybody_there_each_cell_of_the_table_is_asked_for(expectations: Expectations) -> None:
    players = company(expectations, WORLD, STAND_INS)

    assert unasked(expectations, WORLD, players, cells_of_table(expectations, WORLD, players)) == []


def test_a_cell_of_a_single_pod_and_itself_is_an_error_with_the_row(expectations: Expectations) -> None:
    alone = replace(WORLD, pods=(WEB_1, DB, MADE))
    players = company(expectations, alone, STAND_INS)
    pairs = list(cells_of_table(expectations, alone, players))

    with pytest.raises(ManifestError, match=r"table\.yaml:9: web -> web:80: speaks of a pod and itself, .*: write -"):
        unasked(expectations, alone, players, pairs)


def test_a_cell_of_outside_and_itself_is_not_said_to_be_of_a_pod(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        TABLE.replace("db:53/udp", "outside:443").replace(
            "outside   -       twice    -                     -", "outside - twice - deny"
        )
    )
    expectations = read(tmp_path / "t.yaml")
    players = company(expectations, WORLD, STAND_INS)

    with pytest.raises(ManifestError, match="outside -> outside:443: speaks of the address outside and itself, which"):
        unasked(expectations, WORLD, players, cells_of_table(expectations, WORLD, players))


# ------------------------------------------------------------------------------------------ before a cluster is touched


def test_whom_the_manifests_hold_passes(expectations: Expectations) -> None:
    refuse_nobodies(expectations, WORLD, {"shop"})


def test_an_actor_whose_labels_no_pod_of_his_namespace_in_the_manifests_has_is_told_with_his_line(
    expectations: Expectations,
) -> None:
    with pytest.raises(ManifestError) as wrong:
        refuse_nobodies(expectations, replace(WORLD, pods=(replace(DB, labels={"app": "dp"}),)), {"shop"})

    assert (
        str(wrong.value)
        .splitlines()[0]
        .endswith(
            "table.yaml:2: actor web: is nobody: of the pods of namespace shop in the manifests none has its labels"
        )
    )
    assert "table.yaml:3: actor db: is nobody" in str(wrong.value)


def test_a_service_that_the_manifests_do_not_hold_in_a_namespace_of_theirs_is_told_with_the_nearest(
    expectations: Expectations,
) -> None:
    with pytest.raises(
        ManifestError, match=r"web -> service:shop/db:5432: the manifests hold no Service shop/db .* mean shop/db2\?"
    ):
        refuse_nobodies(expectations, replace(WORLD, services=(replace(SERVICE, name="db2"),)), {"shop"})


def test_of_others_namespaces_only_the_cluster_can_tell(expectations: Expectations) -> None:
    nothing = World((Namespace("bank"),), (ELSEWHERE,))
    refuse_nobodies(expectations, nothing, {"bank"})

    refuse_nowhere(expectations, WORLD)
    with pytest.raises(ManifestError) as wrong:
        refuse_nowhere(expectations, World((Namespace("shops"),)))
    assert (
        str(wrong.value)
        .splitlines()[0]
        .endswith(
            "table.yaml:2: actor web: is in namespace shop, which neither the manifests nor the cluster has; "
            "did you mean shops?"
        )
    )


# ---------------------------------------------------------------------------------------------------------------- cells


def cells(expectations: Expectations, source: str) -> list[str]:
    players = company(expectations, WORLD, STAND_INS)
    return [str(cell) for said, cell in cells_of_table(expectations, WORLD, players) if said.source == source]


def test_each_pod_of_an_actor_asks_each_pod_of_the_other_but_none_asks_itself(expectations: Expectations) -> None:
    assert cells(expectations, "web") == [
        "shop/web-1 -> shop/web-2 TCP 80",
        "shop/web-2 -> shop/web-1 TCP 80",
        "shop/web-1 -> shop/db-0 TCP 5432",
        "shop/web-2 -> shop/db-0 TCP 5432",
        "shop/web-1 -> service shop/db TCP 5432",
        "shop/web-2 -> service shop/db TCP 5432",
    ]


def test_a_column_may_be_of_another_protocol(expectations: Expectations) -> None:
    assert cells(expectations, "stranger")[-1] == "shop/made -> shop/db-0 UDP 53"


def test_a_service_that_the_cluster_does_not_have_is_an_error_with_the_row(expectations: Expectations) -> None:
    without = replace(WORLD, services=())
    players = company(expectations, without, STAND_INS)

    with pytest.raises(ManifestError, match=r"table\.yaml:9: web -> service:shop/db:5432: the cluster has no Service"):
        list(cells_of_table(expectations, without, players))


# -------------------------------------------------------------------------------------------------------------- judging


@pytest.mark.parametrize(
    ("source", "column", "state", "holds"),
    [
        ("web", "db:5432", State.ALLOWED, True),
        ("web", "db:5432", State.DENIED, False),
        ("stranger", "db:5432", State.DENIED, True),
        ("stranger", "db:5432", State.ALLOWED, False),
        ("outside", "db:5432", State.DENIED, True),
        ("outside", "db:5432", State.ALLOWED, False),
        ("web", "db:5432", State.UNKNOWN, False),
        ("stranger", "db:5432", State.UNKNOWN, False),
        ("stranger", "db:5432", State.UNTESTED, True),
    ],
)
def test_what_is_seen_as_expected_holds_and_what_is_unknown_does_not(
    expectations: Expectations,
    source: str,
    column: str,
    state: State,
    holds: bool,  # noqa: FBT001 -- a table
) -> None:
    pairs = [
        (said, cell)
        for said, cell in cells_of_table(expectations, WORLD, company(expectations, WORLD, STAND_INS))
        if (said.source, str(said.destination)) == (source, column)
    ]

    judged = judge(pairs, [Compared(cell, Decision(Verdict.DENY), Seen(state, "")) for _, cell in pairs])

    assert judged
    assert {one.holds for one in judged} == {holds}


def test_a_broken_cell_is_told_with_the_row_the_pods_what_was_seen_and_the_policy(expectations: Expectations) -> None:
    [(said, cell)] = [
        (said, cell)
        for said, cell in cells_of_table(expectations, WORLD, company(expectations, WORLD, STAND_INS))
        if str(said) == "stranger -> db:5432"
    ]
    decision = Decision(Verdict.ALLOW, (Reason("policy shop/db allows ingress with any peer", "network.yaml:7"),))

    [judged] = judge([(said, cell)], [Compared(cell, decision, Seen(State.ALLOWED, "connected, by db-0"))])

    assert str(judged).partition("/table.yaml")[2] == (
        ":10), but shop/made -> shop/db-0 TCP 5432 was seen allowed: connected, by db-0. The policies as written say "
        "allow: policy shop/db allows ingress with any peer (network.yaml:7)"
    )
    assert str(judged).startswith("stranger -> db:5432 must be deny (")


def test_a_cell_that_was_never_looked_at_is_no_cell_that_holds(expectations: Expectations) -> None:
    pairs = list(cells_of_table(expectations, WORLD, company(expectations, WORLD, STAND_INS)))
    other = Compared(Cell(DB, WEB_1, 1, Protocol.TCP), Decision(Verdict.DENY), Seen(State.DENIED, ""))

    with pytest.raises(KeyError):
        judge(pairs, [other])


def seen_as(expectations: Expectations, untested: set[str]) -> list[Judged]:
    """The whole table as it was seen, where what these actors asked could not be tested."""
    pairs = list(cells_of_table(expectations, WORLD, company(expectations, WORLD, STAND_INS)))
    seen = {
        cell: Seen(State.UNTESTED, "it has no Python") if said.source in untested else Seen(State.DENIED, "")
        for said, cell in pairs
    }
    return judge(pairs, [Compared(cell, Decision(Verdict.DENY), one) for cell, one in seen.items()])


def test_a_row_of_which_nothing_could_be_tested_is_told_with_the_reason(expectations: Expectations) -> None:
    [told] = unproved(seen_as(expectations, {"stranger"}))

    assert told.startswith("row stranger (")
    assert told.partition("/table.yaml")[2] == (
        ":10) is not proved at all: none of its connections could be tested; of shop/made -> shop/web-1 TCP 80: "
        "it has no Python"
    )


def test_a_row_of_which_one_connection_was_tested_is_proved_as_far_as_that(expectations: Expectations) -> None:
    judged = seen_as(expectations, {"stranger"})
    tested = replace(judged[-1], expected=next(one.expected for one in judged if one.expected.source == "stranger"))

    assert not [one for one in unproved([*judged, tested]) if one.startswith("row ")]
    assert unproved(seen_as(expectations, set())) == []


def test_a_column_of_which_nothing_could_be_tested_is_told_unless_its_rows_are(expectations: Expectations) -> None:
    judged = seen_as(expectations, {"stranger"})
    [column] = {one.expected.destination for one in judged if one.expected.destination.protocol is Protocol.UDP}
    untested = Seen(State.UNTESTED, "a datagram proves nothing")
    lost = [
        replace(one, compared=replace(one.compared, seen=untested)) if one.expected.destination == column else one
        for one in seen_as(expectations, set())
    ]

    [told] = unproved(lost)

    assert told.startswith(f"column {column} is not proved at all: none of its connections could be tested; of ")
    assert told.endswith(": a datagram proves nothing")


# ---------------------------------------------------------------------------------------------------------------- drift

OPEN = replace(POLICY, name="open", ingress=(), at="network.yaml:20")
FOREIGN = Policy("bank", "own", at="policy bank/own")


def test_the_world_as_written_has_the_files_policies_in_their_namespaces_and_the_clusters_elsewhere() -> None:
    on_the_cluster = replace(WORLD, policies=(FOREIGN, replace(OPEN, name="added")))

    assert as_written(on_the_cluster, [POLICY, OPEN], {"shop"}).policies == (FOREIGN, POLICY, OPEN)


def test_policies_that_are_as_written_do_not_drift_though_the_server_fills_in_their_types() -> None:
    served = replace(POLICY, types=(Direction.INGRESS,), at="policy shop/db")

    assert drift(replace(WORLD, policies=(served, FOREIGN)), [POLICY], {"shop"}) == []


def test_what_is_missing_added_or_changed_is_told_each_in_a_sentence() -> None:
    changed = replace(POLICY, ingress=())
    added = replace(OPEN, name="added")

    assert drift(replace(WORLD, policies=(changed, added, FOREIGN)), [POLICY, OPEN], {"shop"}) == [
        "policy shop/added is on the cluster, and in no file",
        "policy shop/db on the cluster is not as written at network.yaml:7",
        "policy shop/open (network.yaml:20) is not on the cluster",
    ]


def test_a_label_of_a_namespace_that_is_another_on_the_cluster_is_told_and_one_that_others_add_is_not() -> None:
    now = replace(WORLD, namespaces=(Namespace("shop", {"tier": "lab", "owner": "ops"}), Namespace("bank")))
    homes = [Namespace("shop", {"tier": "shop", "team": "red", "owner": "ops"}), Namespace("bank"), Namespace("none")]

    assert drift(now, [], set(), homes) == [
        "namespace shop does not have the label team=red of its file on the cluster",
        "namespace shop has the label tier=lab on the cluster, and tier=shop in its file",
    ]
