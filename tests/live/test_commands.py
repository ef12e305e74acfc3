"""The commands, on a running cluster."""

import subprocess
import sys
from pathlib import Path

from harness.clusters.provider import Cluster
from harness.settings import Settings

from .room import environment


def test_kubectl_keeps_what_it_finds_with_the_cluster(cluster: Cluster, settings: Settings, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(settings.paths.cache.parent)}
    variables = environment(**home, XDG_STATE_HOME=str(settings.paths.state.parent))
    command = [sys.executable, "-m", "harness", f"--cluster-name={cluster.name}", "kubectl", "get", "nodes"]

    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "node1" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert (settings.paths.cluster(cluster.name) / "kubectl-cache").is_dir()
