"""Runs and workers that share a cluster by its name, and clusters that nobody is left to share."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.clusters.provider import Cluster
from harness.paths import Paths

from .holding import Holding
from .room import Room, environment

MARKED = """\
import json
import os
from pathlib import Path

import pytest

@pytest.mark.isolation
@pytest.mark.parametrize("number", range(4))
def test_on_the_cluster(cluster, number):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    Path(f"seen-{number}").write_text(json.dumps([worker, str(cluster.kubeconfig), cluster.kubectl.run("version")]))

def test_without_the_marker():
    raise AssertionError("the marker was not looked at")
"""


def run_marked_tests(room: Room, folder: Path, variables: dict[str, str], *options: str) -> tuple[str, list[list[str]]]:
    """Run ``pytest -m isolation`` in a folder that is no checkout; what it said, and what each test saw."""
    (folder / "test_marked.py").write_text(MARKED)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", "-m", "isolation"]
    run = room.start([*command, *options], variables, folder)
    status = run.wait(seconds=180)
    said = run.output.read_text()
    assert status == pytest.ExitCode.OK, said
    return said, [json.loads(file.read_text()) for file in sorted(folder.glob("seen-*"))]


def test_isolation_tests_join_a_running_cluster_and_prove_its_policy_first(cluster: Cluster, tmp_path: Path) -> None:
    # The shared cluster's processes are outside of a room, so this run must not be in one.
    (tmp_path / "test_marked.py").write_text(MARKED)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", "-m", "isolation"]
    done = subprocess.run(
        [*command, f"--cluster-name={cluster.name}"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "policy canary of this run" in done.stdout + done.stderr
    seen = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("seen-*"))]
    assert [kubeconfig for _, kubeconfig, _ in seen] == [str(cluster.kubeconfig)] * 4
    cluster.kubectl.run("get", "nodes")


def test_workers_share_one_cluster_after_a_crashed_run_and_remove_what_that_left(
    holding: Holding, apart: Paths, tmp_path: Path
) -> None:
    holding.until_ready()
    holding.kill_supervisor()
    holding.pytest.kill()
    assert holding.layout.folder.exists()
    folder = tmp_path / "shared"
    folder.mkdir()

    said, seen = run_marked_tests(holding.room, folder, dict(holding.environment), "-n", "2", "--cluster-name=shared")

    assert f"removed what crashed runs left: {holding.name}" in said
    assert not holding.layout.folder.exists()
    assert {worker for worker, _, _ in seen} == {"gw0", "gw1"}
    assert {kubeconfig for _, kubeconfig, _ in seen} == {str(apart.cluster("shared") / "kubeconfig")}
    assert said.count("✓ control plane") == 1
    assert not apart.cluster("shared").exists()
    holding.nothing_is_left()
