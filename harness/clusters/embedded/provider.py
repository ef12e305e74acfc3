"""The embedded provider: the verbs of ``harness.clusters.provider`` over one node in Linux namespaces."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen

from harness.clusters.connected import Connected
from harness.clusters.embedded import commands, containers, inside, layout, process, template
from harness.clusters.embedded.assets import Assets
from harness.clusters.embedded.control import request
from harness.clusters.embedded.layout import Layout
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster
from harness.errors import PrerequisiteError
from harness.kube.kubectl import child_environment
from harness.kube.wait import patient
from harness.paths import noted_provider
from harness.timeline import Timeline

MODULES = Path("/proc/modules")


class EmbeddedCluster(Connected):
    """A running embedded cluster: a ``Cluster``, an ``ExternalPeer`` and a ``Node``."""

    provider = "embedded"

    def __init__(self, where: Layout) -> None:
        super().__init__(where.folder, where.binaries / "kubectl")
        self._layout = where

    @property
    def ingress_url(self) -> str:
        """The loopback listener that is forwarded to the Ingress controller's Service."""
        return f"http://127.0.0.1:{json.loads(self._layout.spec.read_text())['ingress_port']}"

    def check(self) -> None:
        """Raise ComponentDied or ClusterGone where the cluster ended by itself."""
        process.check(self._layout)

    def load_images(self, archives: Sequence[Path]) -> None:
        """Import the archives that the node does not have."""
        template.load_images(self._layout, list(archives))

    def export_logs(self, folder: Path) -> None:
        """Copy the components' logs."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in self._layout.logs.glob("*.log"):
            shutil.copy(log, folder)

    @property
    def external_address(self) -> str:
        """The external peer's address, in TEST-NET-3."""
        return layout.EXTERNAL_PEER

    @property
    def external_ingress_url(self) -> str:
        """Where the external peer finds the Ingress controller: its load balancer's address."""
        return f"http://{layout.EXTERNAL_GATEWAY}"

    def run_outside(self, command: Sequence[str], seconds: float = 30) -> CompletedProcess[str]:
        """Run a program of this machine in the external peer's network namespace."""
        return subprocess.run(
            self._outside(command),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patient(seconds),
            check=False,
            env=child_environment(),
        )

    def start_outside(self, command: Sequence[str]) -> Popen[bytes]:
        """Start a program of this machine there, with pipes."""
        return Popen(self._outside(command), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=child_environment())

    def _outside(self, command: Sequence[str]) -> list[str]:
        holder = self.components()["external-peer"]
        return ["nsenter", "-t", str(holder), "--net", "--", *command]

    def components(self) -> dict[str, int]:
        """The running components, by this machine's process ids."""
        return inside.outer_ids(self._layout, request(self._layout.control, verb="list")["pids"])

    def stop_component(self, name: str, number: int = signal.SIGTERM) -> None:
        """End one component for good, and wait until it has ended."""
        process.stop(self._layout, name, number)

    def start_component(self, name: str) -> None:
        """Start one that was stopped."""
        process.start(self._layout, [name])

    def signal_container(self, container: str, number: int) -> int:
        """Send a signal to process 1 of a container, from outside of its PID namespace: there SIGKILL counts."""
        return containers.signal_process_1(self._layout, container, number)

    def freeze_pod(self, uid: str) -> None:
        """Stop all processes of a pod. When it is deleted it ends nevertheless, after its grace period."""
        containers.freeze(self._layout, uid)

    def thaw_pod(self, uid: str) -> None:
        """Let a frozen pod go on."""
        containers.thaw(self._layout, uid)

    def forget_connections(self, address: str) -> int:
        """Drop the node's connection tracking entries of an IPv4 address, whichever side of them it is on."""
        return inside.forget_connections(self._layout, address)

    def restart(self) -> None:
        """Cut the node's power and switch it on; return when its components run and the API server is ready."""
        process.restart(self._layout)
        template.wait_for_api(self._layout, self.api)


class EmbeddedProvider:
    """Makes embedded clusters.

    ``cache`` and ``state`` are folders on one file system; ``assets`` builds what a cluster is made of and
    ``make_ready`` waits until a new one is ready.
    """

    name = "embedded"

    def __init__(
        self,
        cache: Path,
        state: Path,
        assets: Callable[[Timeline], Assets],
        make_ready: Callable[[Cluster, Timeline], None],
    ) -> None:
        self._cache = cache
        self._clusters = state / "clusters"
        self._assets = assets
        self._make_ready = make_ready

    def build(self, timeline: Timeline) -> None:
        """Build the components, the images of the add-ons, and the template."""
        _require_root()
        self._built(timeline)

    def _built(self, timeline: Timeline) -> tuple[Assets, Path]:
        """What a cluster is made of, and the template's folder."""
        assets = self._assets(timeline)
        return assets, template.ensure(self._cache, self._clusters, assets, timeline)

    def create(self, cluster: str, timeline: Timeline) -> EmbeddedCluster:
        """Clone the template, start it, and wait until it is ready."""
        _require_root()
        where = self._layout(cluster)
        new = EmbeddedCluster(where)
        modules = _loaded_modules()
        try:
            assets, origin = self._built(timeline)
            with timeline.phase("clone of the template"):
                template.clone(origin, where)
            with timeline.phase("control plane"):
                process.prepare(where, assets)
                template.wait_for_api(where, new.api)
                template.publish_authority(where, new.api)
                process.start(where, commands.NODE)
            self._make_ready(new, timeline)
        except BaseException as error:
            new.close()
            try:
                if isinstance(error, Exception):
                    process.check(where)  # a component that died is what went wrong, whatever failed because of it
            finally:
                self.delete(cluster)
            raise
        if loaded := _loaded_modules() - modules:
            timeline.say(f"  kernel modules that had to be loaded: {', '.join(sorted(loaded))}")
        return new

    def attach(self, cluster: str) -> EmbeddedCluster | None:
        """The running cluster of that name."""
        where = self._layout(cluster)
        if process.supervisor(where) is None or where.death.exists():
            return None
        return EmbeddedCluster(where)

    def delete(self, cluster: str) -> None:
        """End the cluster and remove everything of it."""
        process.end(self._layout(cluster))

    def sweep(self) -> list[str]:
        """Remove clusters that nobody holds, and that are not kept or not alive any more."""
        swept = []
        for folder in sorted(self._clusters.glob("*/")):
            if noted_provider(folder) is not None:  # another provider's
                continue
            lease, where = Lease(folder), Layout(folder)
            with lease.alone() as free:
                if free and not (lease.kept and self.attach(folder.name)):
                    process.end(where)
                    swept.append(folder.name)
        return swept

    def names(self) -> list[str]:
        """The clusters that have a folder, alive or not."""
        return sorted(f.name for f in self._clusters.iterdir()) if self._clusters.is_dir() else []

    def _layout(self, cluster: str) -> Layout:
        return Layout(self._clusters / cluster)


def _require_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise PrerequisiteError("the embedded cluster needs root on Linux: run as root, or choose --cluster=kind")


def _loaded_modules() -> set[str]:
    return {line.split()[0] for line in MODULES.read_text().splitlines()} if MODULES.exists() else set()
