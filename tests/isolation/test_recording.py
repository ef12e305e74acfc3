"""What a run's proofs of isolation write down, and what is concluded of it at the end."""

import json
from pathlib import Path

import pytest

from harness.isolation.conformance import Trial
from harness.isolation.matrix import Standing
from harness.isolation.recording import Records, conclude, trials_in

ABOUT = {"cluster": "dev"}


def trial(name: str, standing: Standing = Standing.CONFORMS) -> Trial:
    return Trial(name, (3,), {str(standing): 1}, 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "isolation"  # which is not there yet


def test_trials_of_several_processes_come_together(folder: Path) -> None:
    main, worker = Records(folder, "gw0"), Records(folder, "gw1")
    main.add(trial("one"))
    worker.add(trial("three"))
    main.add(trial("two"))

    assert trials_in(folder) == [trial("one"), trial("two"), trial("three")]


def test_what_was_written_is_there_before_the_run_ends(folder: Path) -> None:
    Records(folder).add(trial("one"))

    assert (folder / "trials-main.jsonl").read_text() == trial("one").to_json() + "\n"


def test_the_end_says_notes_then_figures_then_the_report_and_writes_it(folder: Path) -> None:
    records = Records(folder)
    records.add(trial("one", Standing.DEVIATES))
    records.measured("a policy holds", {"median": 0.1, "times": 20})
    records.notes(["stand-ins: shop/web"])

    said = conclude(folder, ABOUT, canary=[True])

    assert said[:2] == ["stand-ins: shop/web", "a policy holds: median 0.1, times 20"]
    assert "deviates: 3" in said[2]
    assert said[-1] == f"report: {folder / 'conformance'}.txt, and .json"
    assert json.loads((folder / "conformance.json").read_text())["about"] == ABOUT
    assert (folder / "conformance.txt").read_text().startswith("cluster dev\n")


def test_without_a_trial_there_is_no_report_but_notes_and_figures_are_said(folder: Path) -> None:
    Records(folder).notes(["nothing was compared"])
    Records(folder).measured("a policy holds", {"median": 0.1})

    assert conclude(folder, ABOUT, canary=[True]) == ["nothing was compared", "a policy holds: median 0.1"]
    assert not list(folder.glob("conformance*"))
