"""Clusters of kind, on the user's engine and on one of their own: made, used, killed, and nothing of them left."""

import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clusters.container.contained import SOCKET
from harness.clusters.embedded import inside
from harness.clusters.embedded.control import request
from harness.clusters.embedded.layout import Layout
from harness.kube.wait import patient, wait_until
from harness.settings import Settings

from .here import KIND, SECONDS, Here, go_on, names, user_of

CALICO = """\
def test_the_agent_and_the_plugin_are_calicos(cluster, namespace):
    logs = cluster.kubectl.run("logs", "-n", "kube-system", "daemonset/calico-node", "-c", "felix")
    assert "forbidden" not in logs
    pods = cluster.api.items("/api/v1/namespaces/kube-system/pods")
    own = [pod["metadata"] for pod in pods if not pod["spec"].get("hostNetwork")]
    assert own
    assert [one["name"] for one in own if "cni.projectcalico.org/podIP" not in one["annotations"]] == []
"""


@pytest.fixture(params=["own", "users"])
def here(tmp_path: Path, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Here]:
    """A user of kind."""
    with user_of(KIND, tmp_path, settings, request) as user:
        yield user


def test_a_run_makes_a_cluster_and_leaves_nothing(here: Here) -> None:
    done = here.pytest()
    assert done.status == 0, done.said
    for phase in ("kind create cluster", "policy canary", "cluster gone"):
        assert f"✓ {phase}" in done.said
    assert "kind-version.txt" in names(here.folder / "logs")
    assert "kind-export-logs.txt" not in names(here.folder / "logs"), "kind export logs failed"
    assert {"kubelet.log", "journal.log", "containerd.log"} <= names(here.folder / "logs" / here.node)
    assert here.left() == []


def test_calico_takes_the_place_of_kinds_own_network_plugin(here: Here) -> None:
    (here.folder / "test_it.py").write_text(CALICO)
    done = here.pytest("--cluster-cni=calico")
    assert done.status == 0, done.said
    for phase in ("Calico and add-ons", "policy canary"):
        assert f"✓ {phase}" in done.said
    assert here.left() == []


def test_a_kept_cluster_is_joined_and_images_that_it_has_are_not_sent_again(here: Here) -> None:
    assert here.harness("up").status == 0
    (uid,) = here.nodes()
    if here.place.engine is None:
        assert (here.state / SOCKET).is_socket()
    done = here.pytest()
    assert done.status == 0, done.said
    assert "kind create cluster" not in done.said
    assert here.nodes() == [uid]
    assert here.name in here.harness("status").said
    assert f"cluster {here.name} is gone\n" in here.harness("down").said
    assert here.left() == []


@pytest.mark.parametrize("here", ["users"], indirect=True)
def test_a_name_that_somebody_else_has_is_refused_and_his_cluster_is_left_alone(here: Here) -> None:
    labels = ("--label", f"io.x-k8s.kind.cluster={here.name}", "--label", "io.x-k8s.kind.role=control-plane")
    with tarfile.open(here.folder / "empty.tar", "w"):
        pass
    here.engine.run("import", str(here.folder / "empty.tar"), "somebodys:1")
    here.engine.run("create", "--name", here.node, *labels, "somebodys:1", "sh")
    theirs = here.nodes()
    done = here.harness("up")
    assert done.status == 2, done.said
    assert f"there is a cluster of kind named {here.name} on {here.engine.program} already" in done.said
    assert here.harness("down").status == 0
    assert here.nodes() == theirs


def test_ctrl_c_while_it_is_made_leaves_nothing(here: Here) -> None:
    with here.started() as run:
        wait_until("the node", here.nodes, seconds=SECONDS)
        os.killpg(run.pid, signal.SIGINT)
        run.wait(patient(SECONDS))
    assert "KeyboardInterrupt" in here.said
    assert here.left() == []


@pytest.mark.parametrize("here", ["own"], indirect=True)
def test_an_engine_of_its_own_ends_with_a_killed_run(here: Here) -> None:
    (here.folder / "waits").touch()
    with here.started() as run:
        here.wait_for_work(run)
        assert here.left() != []
        run.kill()
        run.wait(patient(SECONDS))
    wait_until("nothing to be left", lambda: here.left() == [], seconds=SECONDS)


@pytest.mark.parametrize("here", ["own"], indirect=True)
def test_an_engine_of_its_own_that_dies_is_told_and_nothing_is_left(here: Here) -> None:
    (here.folder / "waits").touch()
    with here.started() as run:
        here.wait_for_work(run)
        where = Layout(here.state)
        dockerd = inside.outer_ids(where, request(where.control, verb="list")["pids"])["dockerd"]
        os.kill(dockerd, signal.SIGKILL)
        go_on(run)
    assert f"ComponentDied: dockerd of cluster {here.name} was killed by SIGKILL" in here.said
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


def test_a_node_that_dies_is_told_and_nothing_is_left(here: Here) -> None:
    (here.folder / "waits").touch()
    with here.started() as run:
        here.wait_for_work(run)
        here.engine.run("kill", here.node)
        go_on(run)
    assert f"ClusterGone: the node of cluster {here.name}, the container {here.node}, is exited" in here.said
    assert here.left() == []
