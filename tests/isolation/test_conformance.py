"""The conformance report: trials counted point by point, told as JSON and as text."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.isolation.conformance import SHOWN, Point, Report, Trial
from harness.isolation.matrix import Cell, Compared, Seen, Standing, State
from harness.isolation.points import BY_CANARY, POINTS
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import Pod

WEB, DB = Pod("shop", "web", "10.0.0.1"), Pod("shop", "db", "10.0.0.2")


def compared(expected: Verdict, state: State, port: int = 8080) -> Compared:
    return Compared(Cell(WEB, DB, port), Decision(expected), Seen(state, ""))


CONFORMS = compared(Verdict.DENY, State.DENIED)
DEVIATES = compared(Verdict.DENY, State.ALLOWED)
UNKNOWN = compared(Verdict.DENY, State.UNKNOWN)
UNDEFINED = compared(Verdict.UNDEFINED, State.DENIED)
UNTESTED = compared(Verdict.DENY, State.UNTESTED)


def trial(*cells: Compared, name: str = "a case", points: tuple[int, ...] = (3,)) -> Trial:
    return Trial.of(name, points, cells, 0.5)


def report(*trials: Trial, canary: Sequence[bool] = (True,)) -> Report:
    return Report.of(trials, {"cluster": "dev"}, canary=canary)


def point(found: Report, number: int) -> Point:
    return next(one for one in found.points if one.number == number)


def test_a_trial_counts_its_cells_and_keeps_the_first_wrong_ones_in_words() -> None:
    wrong = [compared(Verdict.DENY, State.ALLOWED, port) for port in range(1, SHOWN + 3)]

    found = trial(CONFORMS, UNKNOWN, UNDEFINED, *wrong)

    assert found.cells == {"conforms": 1, "deviates": SHOWN + 2, "unknown": 1, "undefined": 1, "untested": 0}
    assert len(found.wrong) == SHOWN
    assert found.wrong[0].startswith("shop/web -> shop/db TCP 8080: expected deny")


def test_a_trial_comes_back_from_its_line() -> None:
    one = trial(CONFORMS, DEVIATES, points=(3, 4))

    assert "\n" not in one.to_json()
    assert Trial.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("cells", "standing"),
    [
        ((CONFORMS,), Standing.CONFORMS),
        ((CONFORMS, UNDEFINED, UNTESTED), Standing.CONFORMS),
        ((CONFORMS, UNKNOWN), Standing.UNKNOWN),
        ((CONFORMS, UNKNOWN, DEVIATES), Standing.DEVIATES),
        ((UNDEFINED, UNTESTED), Standing.UNDEFINED),
        ((UNTESTED,), Standing.UNTESTED),
        ((), Standing.UNTESTED),
    ],
)
def test_a_point_stands_as_the_worst_of_its_cells(cells: tuple[Compared, ...], standing: Standing) -> None:
    assert point(report(trial(*cells)), 3).standing is standing


def test_a_point_sums_all_trials_that_name_it_and_a_trial_may_name_several() -> None:
    found = report(trial(CONFORMS, points=(3,)), trial(CONFORMS, DEVIATES, name="worse", points=(3, 4)))

    assert (point(found, 3).trials, point(found, 3).cells["conforms"]) == (2, 2)
    assert (point(found, 4).trials, point(found, 4).cells["conforms"]) == (1, 1)
    assert point(found, 3).wrong == ("worse: " + str(DEVIATES),)


def test_a_point_without_a_trial_is_untested_and_every_point_is_there() -> None:
    found = report()

    assert [one.number for one in found.points] == list(POINTS)
    assert point(found, 3).standing is Standing.UNTESTED


def test_what_kubernetes_leaves_open_is_undefined_and_never_conforms() -> None:
    assert point(report(trial(CONFORMS, points=(20,))), 20).standing is Standing.UNDEFINED
    assert point(report(), 20).standing is Standing.UNDEFINED


@pytest.mark.parametrize(
    ("canary", "standing"),
    [
        ((True, True), Standing.CONFORMS),
        ((True, False), Standing.DEVIATES),
        ((), Standing.UNTESTED),
    ],
)
def test_that_policies_are_enforced_at_all_is_shown_by_every_canary_of_the_run(
    canary: Sequence[bool], standing: Standing
) -> None:
    assert point(report(canary=canary), BY_CANARY).standing is standing


def test_trials_that_name_no_point_are_generated_worlds() -> None:
    found = report(trial(CONFORMS, points=()), trial(DEVIATES, name="world 7", points=()))

    assert (found.generated.trials, found.generated.standing) == (2, Standing.DEVIATES)
    assert all(not one.trials for one in found.points)


def test_the_summary_names_the_points_by_their_standing_and_counts_the_worlds() -> None:
    found = report(trial(CONFORMS), trial(DEVIATES, points=(4,)), trial(CONFORMS, UNDEFINED, points=()))

    points, worlds, again = found.summary()

    assert "conforms: 3, 22" in points
    assert "deviates: 4" in points
    assert worlds == "generated worlds: 1 trials, 1 conforms, 1 undefined"
    assert again == "asked again: no cell"


def test_the_summary_says_how_many_cells_had_to_be_asked_again() -> None:
    slow, slower = replace(trial(CONFORMS), rounds=3, again=7), replace(trial(CONFORMS), rounds=9, again=1)

    assert report(trial(CONFORMS), slow, slower).summary()[-1] == "asked again: 8 cells of 2 trials, in up to 9 rounds"
    assert Trial.from_json(slow.to_json()) == slow


def test_the_text_has_a_line_for_each_point_and_the_wrong_cells_below_it() -> None:
    lines = report(trial(DEVIATES, points=(4,))).to_text().splitlines()

    at = next(index for index, line in enumerate(lines) if line.startswith(" 4  deviates"))
    assert lines[0] == "cluster dev"
    assert lines[at].endswith("1 trials, 1 deviates")
    assert lines[at + 1] == f"      a case: {DEVIATES}"
    assert len(lines) == 1 + len(POINTS) + 1 + 1
    assert any(line.startswith("22  conforms") and line.endswith("shown by the canary") for line in lines)


def test_the_json_is_one_object_with_points_and_without_single_trials() -> None:
    found = json.loads(report(trial(CONFORMS), trial(CONFORMS, points=())).to_json())

    assert set(found) == {"about", "points", "generated"}
    assert found["about"] == {"cluster": "dev"}
    assert [(one["number"], one["standing"]) for one in found["points"]][2] == (3, "conforms")
    assert found["generated"]["cells"]["conforms"] == 1
