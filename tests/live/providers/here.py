"""A user of kind or of Minikube, in a folder of his own, and what there is of his cluster."""

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from harness import engine
from harness.clusters.container.made import Made
from harness.clusters.embedded import cgroups, process
from harness.clusters.embedded.layout import Layout
from harness.engine import Engine
from harness.errors import CommandError
from harness.kube.wait import patient, wait_until
from harness.paths import KIND_MADE, MINIKUBE_MADE
from harness.settings import Settings
from live.room import environment
from live.user import Done

from .engines import Place, can_make_engines, no_engine

SECONDS = 600.0
"""Bounds a hang: making a cluster, and all that is done on it."""

TEST = """\
from pathlib import Path

def test_a_pod_runs_an_image_of_ours(cluster, namespace, tmp_path):
    assert cluster.provider == "PROVIDER"
    cluster.kubectl.run("create", "configmap", "mine", "-n", namespace)
    cluster.export_logs(Path("logs"))
    Path("ready").touch()
    if Path("waits").exists():
        input()
        while True:
            cluster.check()
"""


@dataclass(frozen=True)
class Tool:
    """What makes the clusters: its note, the name of the node's container, and the label that it gives to it."""

    name: str
    note: str
    node: str
    label: str


KIND: Final = Tool("kind", KIND_MADE, "{}-control-plane", "io.x-k8s.kind.cluster")
MINIKUBE: Final = Tool("minikube", MINIKUBE_MADE, "{}", "name.minikube.sigs.k8s.io")


class Here:
    """A user in a folder of his own, with a state folder, in a place with or without an engine."""

    def __init__(self, tool: Tool, folder: Path, state: Path, settings: Settings, place: Place) -> None:
        self.tool, self.folder, self.place = tool, folder, place
        self.name = f"t{secrets.token_hex(3)}"
        self.state = state / "harness" / "clusters" / self.name
        """The cluster's folder."""
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (folder / "test_it.py").write_text(TEST.replace("PROVIDER", tool.name))
        given = {"kind-image": settings.kind_image if place.engine else None, "kind-bin": settings.kind_bin}
        self.options = [
            f"--cluster={tool.name}",
            f"--cluster-name={self.name}",
            *(f"--{option}={value}" for option, value in given.items() if value),
        ]
        self.environment = environment(XDG_STATE_HOME=str(state), **place.environment)

    @property
    def node(self) -> str:
        """The container that is the cluster's node."""
        return self.tool.node.format(self.name)

    @property
    def engine(self) -> Engine:
        """The user's, else the cluster's own."""
        made = Made.read(self.state / self.tool.note)
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
        label = f"label={self.tool.label}={self.name}"
        if self.place.engine is None and Made.read(self.state / self.tool.note) is None:
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


@contextmanager
def user_of(tool: Tool, folder: Path, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Here]:
    """A user on his own engine or without one, by a fixture's parameter; what is left of his cluster is removed."""
    own = request.param == "own"
    if not can_make_engines() and (own or engine.found() is None):
        pytest.skip("neither Docker nor Podman answers here, or none can be made")
    place = no_engine() if own else request.getfixturevalue("users_place")
    with tempfile.TemporaryDirectory(prefix="k-") as state:  # sockets lie in it: a test's own folder is too deep
        user = Here(tool, folder, Path(state), settings, place)
        yield user
        if own:
            process.end(Layout(user.state))
        elif nodes := user.nodes():
            user.engine.run("rm", "--force", "--volumes", *nodes)


def go_on(run: subprocess.Popen[bytes]) -> None:
    """Give a run's test its input, and wait for its end."""
    assert run.stdin is not None
    run.stdin.write(b"\n")
    run.stdin.flush()
    run.wait(patient(SECONDS))


def names(folder: Path) -> set[str]:
    """The names of what is in a folder."""
    return {file.name for file in folder.iterdir()}
