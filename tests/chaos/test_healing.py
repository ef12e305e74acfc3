"""``harness heal``: all that is registered is undone, in the cluster's folder and on it, and healers are removed."""

from pathlib import Path
from typing import Any

import pytest

from harness.chaos import resident
from harness.chaos.healing import heal_all, heal_entry, heal_left
from harness.chaos.journals import FolderJournal
from harness.clusters.runs import Runs
from harness.clusters.undo import Undos
from harness.errors import ClusterError
from harness.kube.client import ApiError
from harness.paths import Paths

from .store import KILL, SCALE, WEB, Node, Store, scaled_down, standing


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "cache" / "harness", tmp_path / "state" / "harness")
    found.cluster("one").mkdir(parents=True)
    return found


@pytest.fixture
def store() -> Store:
    return scaled_down()


def spec(store: Store) -> Any:  # noqa: ANN401 -- JSON
    return store.objects[f"{WEB}/scale"]["spec"]


def test_healing_undoes_what_is_in_the_folder_and_on_the_cluster_and_removes_healers(
    paths: Paths, store: Store
) -> None:
    folder, node = FolderJournal(paths, "one"), Node()
    journal = standing(store)
    folder.register(SCALE, 1000)
    folder.register(KILL, 1000)
    journal.register(SCALE.model_copy(update={"fault": "another"}), 1000)

    healed = heal_all(node.cluster, store.api, paths)

    assert healed.failed == []
    assert healed.done == [
        "healed: component-kill of etcd",  # what requests may wait for comes first
        "healed: scale-to-zero of web",
        "healed: another",
        f"removed the healer of a run that has ended: namespace {journal.home}",
    ]
    assert (node.done, spec(store)) == (["start etcd"], 3)
    assert (Undos(paths.cluster("one")).names(), list(store.objects)) == ([], [f"{WEB}/scale"])


def test_the_healer_of_a_run_that_lives_stays(paths: Paths, store: Store) -> None:
    journal = standing(store)
    with Runs(paths.cluster("one")).hold("r1"):
        assert heal_all(Node().cluster, store.api, paths).done == []
    assert resident.homes(store.api, []) == [journal.home]


def test_what_cannot_be_healed_is_told_keeps_nothing_else_from_it_and_stays(paths: Paths, store: Store) -> None:
    journal, folder = standing(store), FolderJournal(paths, "one")
    kept = folder.register(SCALE, 1000)
    journal.register(SCALE, 1000)
    store.struck = [ApiError("PATCH", WEB, 403, "not you")]
    (paths.cluster("one") / "undo" / "torn.json").write_text("{")

    healed = heal_all(Node().cluster, store.api, paths)

    assert [str(one).partition(":")[0] for one in healed.failed] == [
        f"{paths.cluster('one')}/undo/torn.json is no registered undo",
        f"`PATCH {WEB}` ended with status 403",
    ]
    assert healed.done[0] == "healed: scale-to-zero of web"
    assert Undos(paths.cluster("one")).names() == sorted([kept, "torn"])


def test_what_a_killed_run_has_broken_is_healed_before_something_is_made_anew(paths: Paths, store: Store) -> None:
    FolderJournal(paths, "one").register(SCALE, 1000)
    with Runs(paths.cluster("one")).hold("ours"):
        said = [heal_left(Node().cluster, store.api, paths, "ours") for _ in range(2)]

    assert said == [["healed: scale-to-zero of web"], []]
    assert spec(store) == 3


def test_what_a_run_that_lives_has_broken_is_not_healed_under_its_hands(paths: Paths, store: Store) -> None:
    FolderJournal(paths, "one").register(SCALE, 1000)
    with Runs(paths.cluster("one")).hold("theirs"):
        assert heal_left(Node().cluster, store.api, paths, "ours") == []
    assert spec(store) != 3


def test_what_is_not_healed_keeps_something_from_being_made_on_top_of_it(paths: Paths, store: Store) -> None:
    FolderJournal(paths, "one").register(SCALE, 1000)
    store.struck = [ApiError("PATCH", WEB, 403, "not you")]

    with pytest.raises(ApiError, match="not you"):
        heal_left(Node().cluster, store.api, paths, "ours")


def test_one_entry_is_healed_by_its_name(paths: Paths, store: Store) -> None:
    name = FolderJournal(paths, "one").register(SCALE, 1000)

    said = [heal_entry(Node().cluster, store.api, paths, name) for _ in range(2)]

    assert said == ["healed: scale-to-zero of web", f"nothing to heal: {name} is not registered any more"]
    assert (spec(store), Undos(paths.cluster("one")).names()) == (3, [])


def test_an_entry_that_is_no_undo_of_a_fault_is_refused(paths: Paths, store: Store) -> None:
    name = FolderJournal(paths, "one").register(SCALE, 1000)
    file = paths.cluster("one") / "undo" / f"{name}.json"
    file.write_text(file.read_text().replace("fault", "spell"))

    with pytest.raises(ClusterError, match=f"the registered undo {name} is no undo"):
        heal_entry(Node().cluster, store.api, paths, name)
