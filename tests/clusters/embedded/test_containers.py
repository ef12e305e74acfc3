from pathlib import Path

import pytest

from harness.clusters.embedded import cgroups, containers, freezer
from harness.clusters.embedded.cgroups import Hierarchy
from harness.clusters.embedded.layout import Layout
from harness.errors import ClusterError


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A cluster's layout on a machine whose hierarchies lie in the test's folder."""
    layout = Layout(tmp_path / "clusters" / "one")
    mounted = [Hierarchy(tmp_path / "pids", ("pids",)), Hierarchy(tmp_path / "freezer", ("freezer",))]
    for hierarchy in mounted:
        (hierarchy.mount / layout.cgroup / "kubepods").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "of_this_machine", lambda: mounted)
    return layout


def pod(tmp_path: Path, where: Layout, path: str, *names: str) -> list[Path]:
    """The cgroups of a pod's containers in the freezer hierarchy; they freeze at once."""
    folders = [tmp_path / "freezer" / where.cgroup / "kubepods" / path / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / freezer.V1).write_text("THAWED")
    return folders


def states(folders: list[Path]) -> list[str]:
    return [(folder / freezer.V1).read_text() for folder in folders]


@pytest.mark.parametrize("path", ["pod1-2", "burstable/pod1-2", "besteffort/pod1-2"])
def test_freezing_a_pod_freezes_its_containers_of_whatever_class_and_no_other(
    tmp_path: Path, where: Layout, path: str
) -> None:
    ours, others = pod(tmp_path, where, path, "a", "b"), pod(tmp_path, where, "burstable/pod1-3", "c")

    containers.freeze(where, "1-2")
    frozen = states(ours), states(others)
    containers.thaw(where, "1-2")

    assert frozen == (["FROZEN", "FROZEN"], ["THAWED"])
    assert states(ours) == ["THAWED", "THAWED"]


@pytest.mark.parametrize("uid", ["", "9"])
def test_freezing_a_pod_that_does_not_run_is_an_error_and_thawing_it_none(where: Layout, uid: str) -> None:
    with pytest.raises(ClusterError, match=f"no pod with the UID '{uid}' runs on cluster one"):
        containers.freeze(where, uid)

    containers.thaw(where, uid)


@pytest.mark.parametrize("container", ["", "..", "../other", "containerd://abc"])
def test_what_is_no_container_id_gets_no_signal(where: Layout, container: str) -> None:
    with pytest.raises(ClusterError, match=r"no container '.*' runs on cluster one"):
        containers.signal_process_1(where, container, 9)
