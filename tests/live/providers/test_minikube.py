"""Clusters of Minikube, on the user's engine and on one of their own: made, used, killed, and nothing of them left."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.kube.wait import patient, wait_until
from harness.settings import Settings

from .here import MINIKUBE, SECONDS, Here, go_on, names, user_of


@pytest.fixture(params=["own", "users"])
def here(tmp_path: Path, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Here]:
    """A user of Minikube."""
    with user_of(MINIKUBE, tmp_path, settings, request) as user:
        yield user


def test_a_run_makes_a_cluster_and_leaves_nothing(here: Here) -> None:
    home = names(Path.home())
    done = here.pytest()
    assert done.status == 0, done.said
    for phase in ("Booting control plane", "Calico and add-ons", "policy canary", "cluster gone"):
        assert f"✓ {phase}" in done.said
    assert {"minikube-logs.txt", "kubelet.log", "containerd.log", "pods"} <= names(here.folder / "logs")
    assert "minikube-export-logs.txt" not in names(here.folder / "logs"), "the export of logs failed"
    assert here.left() == []
    assert names(Path.home()) == home


def test_a_kept_cluster_is_joined(here: Here) -> None:
    assert here.harness("up").status == 0
    (uid,) = here.nodes()
    done = here.pytest()
    assert done.status == 0, done.said
    assert "minikube start" not in done.said
    assert here.nodes() == [uid]
    assert here.name in here.harness("status").said
    assert f"cluster {here.name} is gone\n" in here.harness("down").said
    assert here.left() == []


@pytest.mark.parametrize("here", ["users"], indirect=True)
def test_a_name_that_somebody_else_has_is_refused_and_his_volume_is_left_alone(here: Here) -> None:
    here.engine.run("volume", "create", here.name)
    try:
        done = here.harness("up")
        assert done.status == 2, done.said
        assert f"there is a cluster of minikube named {here.name} on {here.engine.program} already" in done.said
        assert here.harness("down").status == 0
        assert here.engine.succeeds("volume", "inspect", here.name)
    finally:
        here.engine.run("volume", "rm", here.name)


def test_ctrl_c_while_it_is_made_leaves_nothing(here: Here) -> None:
    with here.started() as run:
        wait_until("the node", here.nodes, seconds=SECONDS)
        os.killpg(run.pid, signal.SIGINT)
        run.wait(patient(SECONDS))
    assert "KeyboardInterrupt" in here.said
    assert here.left() == []


@pytest.mark.parametrize("here", ["users"], indirect=True)
def test_what_a_killed_run_left_is_removed_by_the_next(here: Here) -> None:
    (here.folder / "waits").touch()
    with here.started() as run:
        here.wait_for_work(run)
        run.kill()
        run.wait(patient(SECONDS))
    assert here.left() != []
    done = here.harness("down")
    assert f"removed what was left of cluster {here.name}" in done.said
    assert here.left() == []


@pytest.mark.parametrize("here", ["own"], indirect=True)
def test_a_node_that_dies_is_told_and_nothing_is_left(here: Here) -> None:
    (here.folder / "waits").touch()
    with here.started() as run:
        here.wait_for_work(run)
        here.engine.run("kill", here.node)
        go_on(run)
    assert f"ClusterGone: the node of cluster {here.name}, the container {here.node}, is exited" in here.said
    assert here.left() == []
