"""Clusters of kind, on the user's engine and on one of their own: made, used, killed, and nothing of them left."""

import os
import secrets
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import engine
from harness.clusters.embedded import cgroups, inside, process
from harness.clusters.embedded.control import request
from harness.clusters.embedded.layout import Layout
from harness.clusters.kind.config import node_of
from harness.clusters.kind.contained import SOCKET
from harness.clusters.kind.provider import Made
from harness.engine import Engine
from harness.errors import CommandError
from harness.kube.wait import patient, wait_until
from harness.settings import Settings
from live.room import environment
from live.user import Done

from .engines import Place, can_make_engines, no_engine, users_engine

SECONDS = 600.0
"""Bounds a hang: making a cluster, and all that is done on it."""

TEST = """\
from pathlib import Path

def test_a_pod_runs_an_image_of_ours(cluster, namespace, tmp_path):
    assert cluster.provider == "kind"
    cluster.kubectl.run("create", "configmap", "mine", "-n", namespace)
    cluster.export_logs(Path("logs"))
    Path("ready").touch()
    if Path("waits").exists():
        input()
        while True:
            cluster.check()
"""


CALICO = """\
def test_the_agent_and_the_plugin_are_calicos(cluster, namespace):
    logs = cluster.kubectl.run("logs", "-n", "kube-system", "daemonset/calico-node", "-c", "felix")
    assert "forbidden" not in logs
    pods = cluster.api.items("/api/v1/namespaces/kube-system/pods")
    own = [pod["metadata"] for pod in pods if not pod["spec"].get("hostNetwork")]
    assert own
    assert [one["name"] for one in own if "cni.projectcalico.org/podIP" not in one["annotations"]] == []
"""


class Here:
    """A user in a folder of his own, with a state folder, in a place with or without an engine."""

    def __init__(self, folder: Path, state: Path, settings: Settings, place: Place) -> None:
        self.folder, self.place = folder, place
        self.name = f"t{secrets.token_hex(3)}"
        self.state = state / "harness" / "clusters" / self.name
        """The cluster's folder."""
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (folder / "test_it.py").write_text(TEST)
        given = {"kind-image": settings.kind_image if place.engine else None, "kind-bin": settings.kind_bin}
        self.options = [
            "--cluster=kind",
            f"--cluster-name={self.name}",
            *(f"--{option}={value}" for option, value in given.items() if value),
        ]
        self.environment = environment(XDG_STATE_HOME=str(state), **place.environment)

    @property
    def engine(self) -> Engine:
        """The user's, else the cluster's own."""
        made = Made.read(self.state)
        found = self.place.engine or (made.engine if made else None)
        assert found is not None, "there is no cluster, and so no engine of its own"
        return found

    def pytest(self, *options: str) -> Done:
        """Run the test."""
        return self._run("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *self.options, *options)

    def harness(self, *arguments: str) -> Done:
        """Run a command of the harness."""
        return self._run("harness", *self.options, *arguments)

    def _run(self, module: str, *arguments: str) -> Done:
        done = subprocess.run(
            [*self.place.enter, sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=patient(SECONDS),
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def started(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """A run in a session of its own, as in a terminal, that goes on until it is told to end."""
        with (self.folder / "output.txt").open("wb") as output:
            command = ["-m", "pytest", "-s", "-p", "no:cacheprovider", "-p", "no:schemathesis", *self.options, *options]
            with subprocess.Popen(
                [*self.place.enter, sys.executable, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
            ) as run:
                try:
                    yield run
                finally:
                    run.kill()

    @property
    def said(self) -> str:
        """What such a run has said."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def wait_for_work(self, run: subprocess.Popen[bytes]) -> None:
        """Wait until such a run's test waits for its input."""
        ready = self.folder / "ready"
        wait_until("the test to be at work", lambda: ready.exists() or run.poll() is not None, seconds=SECONDS)
        assert run.poll() is None, self.said

    def nodes(self) -> list[str]:
        """The containers of the cluster, running or not."""
        label = f"label=io.x-k8s.kind.cluster={self.name}"
        if self.place.engine is None and Made.read(self.state) is None:
            return []
        try:
            return self.engine.run("ps", "--all", "--quiet", "--filter", label).split()
        except CommandError:
            if self.place.engine is None:  # its own may be about to end, or not have begun
                return []
            raise

    def left(self) -> list[str]:
        """What there is of the cluster."""
        groups = [one.mount / Layout(self.state).cgroup for one in cgroups.of_this_machine()]
        return [
            *self.nodes(),
            *(str(one) for one in groups if one.exists()),
            *([str(self.state)] if self.state.exists() else []),
        ]


@pytest.fixture(scope="session")
def users_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with an engine of the user's."""
    with users_engine(tmp_path_factory.mktemp("engine") / "docker") as place:
        yield place


@pytest.fixture(params=["own", "users"])
def here(tmp_path: Path, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Here]:
    """A user of kind, whatever of whose cluster is left is removed."""
    own = request.param == "own"
    if not can_make_engines() and (own or engine.found() is None):
        pytest.skip("neither Docker nor Podman answers here, or none can be made")
    place = no_engine() if own else request.getfixturevalue("users_place")
    with tempfile.TemporaryDirectory(prefix="k-") as state:  # sockets lie in it: a test's own folder is too deep
        user = Here(tmp_path, Path(state), settings, place)
        yield user
        if own:
            process.end(Layout(user.state))
        elif nodes := user.nodes():
            user.engine.run("rm", "--force", "--volumes", *nodes)


def test_a_run_makes_a_cluster_and_leaves_nothing(here: Here) -> None:
    done = here.pytest()
    assert done.status == 0, done.said
    for phase in ("kind create cluster", "policy canary", "cluster gone"):
        assert f"✓ {phase}" in done.said
    assert "kind-version.txt" in names(here.folder / "logs")
    assert "kind-export-logs.txt" not in names(here.folder / "logs"), "kind export logs failed"
    assert {"kubelet.log", "journal.log", "containerd.log"} <= names(here.folder / "logs" / node_of(here.name))
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
    here.engine.run("create", "--name", node_of(here.name), *labels, "somebodys:1", "sh")
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
        here.engine.run("kill", node_of(here.name))
        go_on(run)
    assert f"ClusterGone: the node of cluster {here.name}, the container {node_of(here.name)}, is exited" in here.said
    assert here.left() == []


def go_on(run: subprocess.Popen[bytes]) -> None:
    """Give a run's test its input, and wait for its end."""
    assert run.stdin is not None
    run.stdin.write(b"\n")
    run.stdin.flush()
    run.wait(patient(SECONDS))


def names(folder: Path) -> set[str]:
    """The names of what is in a folder."""
    return {file.name for file in folder.iterdir()}
