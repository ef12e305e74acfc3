"""Where undos are written down: in the folder of a cluster of ours, else on the cluster."""

import time
from pathlib import Path

import pytest

from harness.chaos.journals import FolderJournal, journal_for
from harness.chaos.undo import Undo
from harness.clusters.undo import Undos
from harness.paths import Paths
from harness.settings import gather

from .store import SCALE, Node


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "cache" / "harness", tmp_path / "state" / "harness")
    found.cluster("one").mkdir(parents=True)
    return found


def test_a_folder_has_the_command_the_undo_and_nothing_of_this_runs_options(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_MANIFESTS", "somewhere")
    before = time.time()
    name = FolderJournal(paths, "one").register(SCALE, 30)
    after = time.time()

    entry = Undos(paths.cluster("one")).find(name)

    assert entry is not None
    assert entry.command[1:] == ("-m", "harness", "--cluster-name", "one", "heal", "--entry", name)
    assert before + 30 <= entry.deadline <= after + 30
    assert Undo.model_validate_json(entry.about) == SCALE
    assert Paths.from_environment(entry.environment) == paths
    assert not [variable for variable in entry.environment if variable.startswith("HARNESS_")]


def test_what_is_cancelled_is_not_in_the_folder_any_more(paths: Paths) -> None:
    journal = FolderJournal(paths, "one")
    journal.cancel(journal.register(SCALE, 30))
    assert Undos(paths.cluster("one")).names() == []


def test_an_embedded_cluster_has_its_journal_in_its_folder(tmp_path: Path) -> None:
    settings = gather({"cluster_name": "one"}, {"HOME": str(tmp_path)})
    with journal_for(Node().cluster, settings, "prober:1") as journal:
        assert isinstance(journal, FolderJournal)
