"""A user of the harness in a folder of his own, who runs pytest on his manifests and tables on the shared cluster."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.clusters.provider import Cluster
from harness.kube.client import Api
from harness.kube.wait import patient, wait_until

from .pods import SECONDS
from .room import environment

PLURALS = ("namespaces", "pods", "services", "serviceaccounts")


@dataclass(frozen=True)
class Done:
    """A run of pytest that has ended."""

    status: int
    said: str

    @property
    def run(self) -> str:
        """The run's id."""
        found = re.search(r", run (\w+),", self.said)
        assert found, self.said
        return found[1]


@dataclass(frozen=True)
class User:
    """Somebody with a ``folder`` of manifests, tables and nothing else of the project's."""

    folder: Path
    cluster: Cluster

    def command(self, marker: str, *options: str) -> list[str]:
        """``pytest -m MARKER`` with these options, as it is run from a wheel, on the shared cluster."""
        plugins = ["-p", "harness.plugin", "-p", "no:cacheprovider"]
        return [
            *(sys.executable, "-m", "pytest", *plugins, "-m", marker),
            *(*options, f"--cluster-name={self.cluster.name}"),
        ]

    def pytest(self, marker: str, *options: str) -> Done:
        """Run it, and wait for its end."""
        done = subprocess.run(
            self.command(marker, *options),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environment(),
            timeout=patient(180),
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)


def nothing_is_left_of(run: str, api: Api) -> None:
    """Wait until nothing of a run is left: some of it is deleted without waiting."""
    rbac = (f"/apis/rbac.authorization.k8s.io/v1/{plural}" for plural in ("roles", "rolebindings"))
    kinds = (*(f"/api/v1/{plural}" for plural in PLURALS), "/apis/networking.k8s.io/v1/networkpolicies", *rbac)
    wait_until(
        f"everything of run {run} to be gone",
        lambda: not [one for kind in kinds for one in api.items(kind, labelSelector=f"harness.dev/run={run}")],
        seconds=SECONDS,
    )
