"""What ``--plan`` tells of a run on a cluster that is not there yet. Of one that is: tests/live/test_existing.py."""

from pathlib import Path

import pytest

from harness import proofs
from harness.preview import Asked, asked_by, preview
from harness.settings import Settings, gather

WHOLE = Asked({"e2e": 2, "chaos": 1}, {"cluster": 3, "case": 3, "history": 1, "chaos_scene": 1, "namespace": 1})


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A run on the checkout's case, whose manifests are not rendered: that would take a kubectl."""
    monkeypatch.setattr("harness.preview.load", lambda *_: [])
    monkeypatch.setattr(proofs, "render", None)
    return gather({"cluster_name": "one"}, {"HOME": str(tmp_path)})


def told(settings: Settings, asked: Asked) -> list[str]:
    return list(preview(settings, asked, None))


def test_tests_are_counted_by_markers_and_fixtures() -> None:
    asked = asked_by([(["e2e", "promise"], ["case", "cluster"]), (["e2e"], ["cluster", "cluster"]), ([], [])])

    assert asked == Asked({"e2e": 2, "promise": 1, "without a marker": 1}, {"case": 1, "cluster": 2})
    assert asked.wants("case")
    assert not asked.wants("lab")


def test_without_a_test_that_needs_a_cluster_there_is_nothing_to_tell(settings: Settings) -> None:
    assert told(settings, Asked({"e2e": 1}, {}))[1:] == ["tests       1 e2e", "no test needs a cluster"]


def test_the_case_needs_a_cluster(settings: Settings) -> None:
    assert "cluster     one: an embedded node is made for the run" in told(settings, Asked({"e2e": 1}, {"case": 1}))


def test_of_a_cluster_that_is_to_be_made_it_is_told_what_is_certain(settings: Settings) -> None:
    lines = told(settings, WHOLE)

    assert "cluster     one: an embedded node is made for the run" in lines
    assert "makes       a namespace test-… for each test that asks for one" in lines
    assert any(line.startswith("            the case, from ") for line in lines)
    assert "breaks      faults at pods of the case, drawn when it is there, from the seed 1" in lines
    assert lines[-1] == "afterwards  the cluster is deleted"


def test_a_plan_that_is_replayed_is_told_fault_by_fault(settings: Settings) -> None:
    ci = Path(__file__).parents[1] / "scenarios" / "chaos" / "ci.json"

    lines = told(settings.model_copy(update={"chaos_plan": ci}), WHOLE)

    [first] = [line for line in lines if line.startswith("breaks ")]
    assert "clients ask for 20 s (seed " in first
    faults = [line for line in lines if " at " in line and "Deployment" in line]
    assert len(faults) >= 4


def test_a_cluster_that_is_kept_stays(settings: Settings) -> None:
    kept = settings.model_copy(update={"keep_cluster": True})

    assert told(kept, WHOLE)[-1] == "afterwards  namespaces of tests are deleted; the cluster stays, and the case on it"
