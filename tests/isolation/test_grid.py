"""The matrix for the eye: which mark a cell gets, how the lines stand, and where the ways through the API are shown."""

from dataclasses import replace
from typing import Any

from harness.isolation.expectations import Column, Expected
from harness.isolation.grid import DIFFERS, WIDTH, Mark, grid, line_of
from harness.isolation.matrix import Cell, Compared, Seen, State
from harness.isolation.table import Judged
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import Node, Pod
from harness.reason import Reason

WEB, DB = Pod("shop", "web", "10.1.0.1"), Pod("shop", "db", "10.1.0.2")


def judged(source: str = "web", *, allowed: bool = True, seen: State = State.ALLOWED, port: int = 80) -> Judged:
    expected = Expected(source, Column(port, actor="db"), allowed, at="table.yaml:9")
    decision = Decision(
        Verdict.ALLOW if seen is State.ALLOWED else Verdict.DENY, (Reason("policy shop/db allows it", "db.yaml:3"),)
    )
    return Judged(expected, Compared(Cell(WEB, DB, port), decision, Seen(seen, "connected")))


def text(*lines: dict[str, Any], edges: tuple[dict[str, Any], ...] = ()) -> list[str]:
    return ["".join(piece.text for piece in line).rstrip() for line in grid(lines, edges)]


def test_a_line_says_all_that_is_known_of_a_connection() -> None:
    assert line_of("the case", judged()) == {
        "table": "the case",
        "from": "web",
        "to": "db:80",
        "expected": "allow",
        "at": "table.yaml:9",
        "source": "shop/web",
        "destination": "shop/db",
        "port": 80,
        "protocol": "TCP",
        "seen": "allowed",
        "why": "connected",
        "model": "allow",
        "reasons": ["policy shop/db allows it (db.yaml:3)"],
        "holds": True,
        "stand_ins": [],
    }


def test_without_a_table_it_is_named_by_its_ends_and_the_model_says_what_is_expected() -> None:
    line = line_of("theirs", judged(port=53).compared)

    assert (line["from"], line["to"], line["expected"], line["at"]) == ("shop/web", "shop/db:53", "allow", "")


def test_what_the_model_denies_is_marked_though_the_table_is_kept() -> None:
    kept = judged()
    denied = Judged(kept.expected, replace(kept.compared, expected=Decision(Verdict.DENY)))

    assert kept.holds
    assert denied.holds
    assert not line_of("the case", denied)["holds"]


def lines(*all_judged: Judged, table: str = "the case") -> list[dict[str, Any]]:
    return [dict(line_of(table, one)) for one in all_judged]


def test_each_outcome_has_a_mark_and_only_those_that_are_there_are_explained() -> None:
    table = lines(
        judged("a"),
        judged("b", allowed=False, seen=State.DENIED),
        judged("c", allowed=False),
        judged("d", seen=State.UNKNOWN),
        judged("e", seen=State.UNTESTED),
    )

    assert text(*table) == [
        "the case: o gets through, . does not, X not as expected, ? could not be told, - untested",
        "from 1 a, 2 b, 3 c, 4 d, 5 e",
        "to      1  2  3  4  5",
        "db:80   o  .  X  ?  -",
    ]
    assert text(*table[:1])[0] == "the case: o gets through"


def test_only_what_is_not_as_expected_is_told_apart() -> None:
    table = lines(judged("a"), judged("b", allowed=False), judged("c", seen=State.UNKNOWN))

    differing = [piece.text.strip() for line in grid(table) for piece in line if piece.differs]

    assert differing == list(DIFFERS)


def test_of_several_pods_of_one_actor_the_worst_counts_in_whatever_order() -> None:
    good, bad = judged(allowed=False, seen=State.DENIED), judged(allowed=False)

    assert text(*lines(good, bad))[-1].endswith(Mark.WRONG)
    assert text(*lines(bad, good))[-1].endswith(Mark.WRONG)


def test_what_no_cell_speaks_of_is_left_free() -> None:
    assert text(*lines(judged("a", port=80), judged("b", port=81)))[2:] == ["to      1  2", "db:80   o", "db:81      o"]


def test_ways_through_the_api_stand_below_the_first_table_in_the_columns_of_who_tried_them() -> None:
    edges = (
        {"resource": "pods/proxy", "from": "b", "open": False},
        {"resource": "pods/proxy", "from": "an administrator", "open": True},
        {"resource": "pods/exec", "from": "b", "open": False},
        {"resource": "pods/exec", "from": "b", "open": True},
    )
    both = [*lines(judged("a"), judged("b")), *lines(judged("b"), table="yours")]

    assert text(*both, edges=edges)[2:] == [
        "to                 1  2",
        "db:80              o  o",
        "pods/proxy (API)      .",
        "pods/exec (API)       X",
        "yours: o gets through",
        "from 1 b",
        "to      1",
        "db:80   o",
    ]


def test_stand_ins_are_told_from_the_users_own_pods() -> None:
    made = [dict(line_of("yours", judged("a"), {WEB.id})), *lines(judged("b"), table="yours")]

    assert text(*made)[:2] == ["yours: o gets through, * a stand-in", "from 1 a*, 2 b"]
    assert made[0]["stand_ins"] == [WEB.id]


def test_what_is_too_wide_for_the_eye_is_only_counted() -> None:
    assert text(*lines(*(judged(str(number)) for number in range(31)))) == [
        "the case: 1 destinations by 31 sources: too many to be shown here"
    ]


def test_a_long_legend_is_broken() -> None:
    legend = text(*lines(*(judged(f"a-rather-long-name-{number}") for number in range(12))))[1:-2]

    assert len(legend) > 1
    assert all(len(line) <= WIDTH for line in legend)
    assert sum(line.count("a-rather-long-name") for line in legend) == 12


def test_no_table_is_no_line() -> None:
    assert text(edges=({"resource": "pods/proxy", "from": "b", "open": False},)) == []


def test_a_node_is_written_down_by_its_id() -> None:
    cell = Cell(Node("node1", "192.0.2.1"), DB, 80)
    one = Judged(judged().expected, Compared(cell, Decision(Verdict.ALLOW), Seen(State.ALLOWED, "")))

    assert line_of("t", one)["source"] == "node node1"
