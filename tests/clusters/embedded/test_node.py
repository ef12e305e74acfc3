import os
from pathlib import Path

import pytest

from harness.clusters.embedded import node


@pytest.fixture
def switched_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> node.Node:
    """A node that has no machine of its own, and one component, which tells its environment."""
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(node, "INSIDE", tmp_path)
    monkeypatch.setattr("harness.clusters.embedded.node.machine.new_network", lambda: -1)
    return node.Node({"commands": {"teller": {"arguments": ["env"], "environment": {"GIVEN": "1"}}}, "listeners": []})


def test_a_component_keeps_its_temporary_files_on_the_node_and_not_on_the_machine(
    switched_on: node.Node, tmp_path: Path
) -> None:
    os.waitpid(switched_on.start("teller"), 0)

    told = dict(line.split("=", 1) for line in (tmp_path / "logs/teller.log").read_text().splitlines())
    assert told["TMPDIR"] == "/run/tmp"
    assert told["GIVEN"] == "1"
    assert told["PATH"].startswith(f"{tmp_path}/bin:")


def test_a_component_that_runs_already_is_not_started_again(switched_on: node.Node) -> None:
    os.waitpid(switched_on.start("teller"), 0)

    with pytest.raises(ValueError, match="teller runs already"):
        switched_on.start("teller")


def test_a_component_that_does_not_exist_is_told_with_those_that_do(switched_on: node.Node) -> None:
    assert switched_on.answer({"verb": "start", "names": ["other"]}) == {
        "error": "no component is named other; there are teller"
    }


def test_a_component_that_does_not_run_cannot_be_stopped(switched_on: node.Node) -> None:
    assert switched_on.answer({"verb": "stop", "name": "teller"}) == {"error": "teller does not run"}


def test_a_verb_that_is_none_is_refused(switched_on: node.Node) -> None:
    assert switched_on.answer({"verb": "dance"}) == {"error": "the node knows no verb 'dance'"}
