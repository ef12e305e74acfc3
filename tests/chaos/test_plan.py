"""Plans: drawn from a seed, written down, and read again, or refused with the place that is wrong."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.chaos.faults import FAULTS
from harness.chaos.plan import QUIET, Candidate, Plan, PlannedFault, draw, read_plan
from harness.errors import UsageError

KINDS = {"pod-kill", "freeze", "evict"}
AIMS = {"mid-rollout"}
CANDIDATES = [
    Candidate("pod-kill", "shop/Deployment/web"),
    Candidate("pod-kill", "shop/StatefulSet/db"),
    Candidate("freeze", "shop/Deployment/web", (2.0, 4.0)),
    Candidate("evict", "shop/Deployment/web"),
    Candidate("evict", "shop/Deployment/web", aim="mid-rollout"),
]


def test_a_seed_draws_the_same_plan_whatever_the_order_of_what_there_is() -> None:
    assert draw(7, 60, CANDIDATES) == draw(7, 60, CANDIDATES[::-1])
    assert draw(7, 60, CANDIDATES) != draw(8, 60, CANDIDATES)


def test_a_minute_has_twenty_faults_of_all_kinds_with_quiet_at_both_ends() -> None:
    plan = draw(1, 60, CANDIDATES)

    assert len(plan.faults) >= 20
    assert {fault.kind for fault in plan.faults} == KINDS
    assert {fault.aim for fault in plan.faults} == {"", *AIMS}
    assert all(QUIET <= fault.at <= 60 - QUIET for fault in plan.faults)
    assert [fault.at for fault in plan.faults] == sorted(fault.at for fault in plan.faults)


def test_a_fault_lasts_as_long_as_its_kind_may() -> None:
    lasting = {fault.seconds for fault in draw(1, 60, CANDIDATES).faults if fault.kind == "freeze"}

    assert all(2 <= seconds <= 4 for seconds in lasting)
    assert len(lasting) > 1


def test_a_run_too_short_for_quiet_still_has_a_fault() -> None:
    assert len(draw(1, 2, CANDIDATES).faults) == 1


def test_nothing_is_drawn_from_nothing() -> None:
    with pytest.raises(UsageError, match="none of the workloads is a target"):
        draw(1, 60, [])


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = draw(3, 30, CANDIDATES)
    file = tmp_path / "plan.json"
    file.write_text(plan.text())

    assert read_plan(file, KINDS, AIMS) == plan


def written(tmp_path: Path, **changes: Any) -> Path:  # noqa: ANN401 -- JSON
    fault = {"kind": "freeze", "target": "a/Deployment/b", "at": 1.0}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"version": 1, "seed": 1, "duration": 10, "faults": [fault], **changes}))
    return file


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": "many"}, "seed: "),
        ({"version": 2}, "version: "),
        ({"colour": "red"}, "colour: "),
        ({"duration": -1}, "duration: "),
        ({"faults": [{"kind": "freeze", "target": "x", "at": -1}]}, r"faults\[0\].at: "),
        (
            {"faults": [{"kind": "flood", "target": "x", "at": 1}]},
            r"faults\[0\].kind: no fault is named 'flood': evict",
        ),
        (
            {"faults": [{"kind": "freeze", "target": "x", "at": 1, "aim": "heart"}]},
            "no aim is named 'heart': mid-rollout",
        ),
        ({"faults": [{"kind": "freeze", "target": "x", "at": 99}]}, r"faults\[0\].at: it is at 99 s, and the run ends"),
        ({"load": {"clients": 0}}, "load.clients: "),
        ({"faults": [{"kind": "freeze", "target": "x", "at": "1"}]}, r"faults\[0\].at: Input should be a valid number"),
        ({"faults": [{"kind": "freeze", "target": "x", "at": 1, "index": True}]}, r"faults\[0\].index: "),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_plan(written(tmp_path, **changes), KINDS, AIMS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", r"plan.json:1: is not JSON: Expecting value"),
        (b'{\n "seed": 1,\n}', r"plan.json:[23]: is not JSON: "),  # the line of the comma, or of the brace
        (b'{"seed": 1}\n{"seed": 2}', r"plan.json:2: is not JSON: Extra data"),
        (b"[]", r"plan.json: the file: "),
        (b"42", r"plan.json: the file: "),
        (b"\xff", r"plan.json is no plan: it is not UTF-8 text"),
        (b'{"seed": ' + b"9" * 5000 + b"}", r"plan.json is no plan: Exceeds the limit"),
        (b"[" * 100_000, r"plan.json is no plan: it is nested too deeply"),
    ],
)
def test_a_file_that_is_no_plan_is_named(tmp_path: Path, text: bytes, problem: str) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(text)

    with pytest.raises(UsageError, match=problem):
        read_plan(file, KINDS, AIMS)


def test_everything_that_is_wrong_with_a_plan_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(
        """{
\t"seed": 1,
\t"faults": [
\t\t{"kind": "flood", "target": "x", "at": 1},
\t\t{"kind": "freeze", "target": "x",
\t\t "at": 99,
\t\t "aim": "heart"}
\t]
}
"""
    )

    with pytest.raises(UsageError) as raised:
        read_plan(file, KINDS, AIMS)

    assert [line.removeprefix(f"--chaos-plan: {file}:") for line in str(raised.value).splitlines()] == [
        "4: faults[0].kind: no fault is named 'flood': evict, freeze, pod-kill",
        "7: faults[1].aim: no aim is named 'heart': mid-rollout",
        "6: faults[1].at: it is at 99 s, and the run ends after 60 s",
    ]


def test_a_missing_field_is_told_at_the_fault_that_lacks_it(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text('{"seed": 1, "faults": [\n{"kind": "freeze",\n "at": 1}]}')

    with pytest.raises(UsageError, match=r"plan.json:2: faults\[0\].target: Field required"):
        read_plan(file, KINDS, AIMS)


def test_a_pipe_is_no_plan_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(UsageError, match="pipe is no file"):
        read_plan(tmp_path / "pipe", KINDS, AIMS)


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path, KINDS, AIMS)


def test_a_fault_reads_as_a_sentence() -> None:
    fault = PlannedFault(kind="freeze", target="a/Deployment/b", at=1.5, index=2, seconds=3)

    assert str(fault) == "freeze of a/Deployment/b [2] at 1.50 s for 3 s"
    aimed = fault.model_copy(update={"seconds": 0.0, "aim": "mid-rollout"})
    assert str(aimed) == "freeze mid-rollout of a/Deployment/b [2] at 1.50 s"


def test_faults_can_be_left_out() -> None:
    plan = draw(1, 60, CANDIDATES)

    assert plan.with_faults(plan.faults[:1]) == Plan(seed=1, duration=60, faults=plan.faults[:1])


def test_what_weighs_less_is_drawn_less_often() -> None:
    light = [Candidate("evict", "shop/StatefulSet/db", weight=0.1), Candidate("evict", "shop/Deployment/web")]

    drawn = [fault.target for fault in draw(1, 600, light).faults]

    assert 0 < drawn.count("shop/StatefulSet/db") < drawn.count("shop/Deployment/web") / 4


def test_the_plan_of_ci_can_be_carried_out_and_hurts_nothing_but_the_case() -> None:
    """Other tests use the cluster at the same time, and no figure of time is judged."""
    file = Path(__file__).parents[2] / "scenarios" / "chaos" / "ci.json"

    plan = read_plan(file, FAULTS, ("before-marked", "before-answer"))

    assert plan.duration == 20
    assert len({fault.kind for fault in plan.faults}) >= 6
    assert {fault.target.count("/") for fault in plan.faults} == {2}, "a component of the node is everybody's"
    assert "freeze" not in {fault.kind for fault in plan.faults}, "its checker knows a time"
