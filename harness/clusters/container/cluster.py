"""A running cluster whose node is a container."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.clusters.connected import Connected
from harness.clusters.container.made import Made
from harness.clusters.container.maker import Maker
from harness.clusters.loading import load_images
from harness.engine import Engine
from harness.errors import ClusterError, ClusterGone, CommandError, WaitTimeout

IMPORT_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 2.0
"""The engine is asked whether the node runs at most this often: a poll of something else asks all the time."""


class ContainerCluster(Connected):
    """A running cluster of ``provider``: a ``Cluster``, and nothing else."""

    def __init__(self, provider: str, folder: Path, made: Made, maker: Maker) -> None:
        super().__init__(folder, Path(made.kubectl))
        self.provider = provider
        self._made = made
        self._maker = maker
        self._looked = 0.0

    @property
    def ingress_url(self) -> str:
        """The loopback port that is published for the Ingress controller."""
        return self._made.ingress_url

    def check(self) -> None:
        """Raise ClusterGone where its node does not run any more, ComponentDied where an engine of its own ended."""
        if own := self._made.own_engine(self._folder):
            own.check()
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        state = node_state(self._made.engine, self._maker.node)
        if state != "running":
            if own and not self._made.engine.answers():
                own.wait_for_its_end()
            how = f"is {state}" if state else "is gone, or its engine does not answer"
            raise ClusterGone(f"the node of cluster {self.name}, the container {self._maker.node}, {how}")
        self._looked = time.monotonic()

    def takes_images(self) -> bool:
        """Whether its node's containerd answers, as it does while the cluster is being made."""
        return self._made.engine.succeeds("exec", self._maker.node, "ctr", "version")

    def load_images(self, archives: Sequence[Path]) -> None:
        """Import the archives that the node does not have.

        By its containerd and not by ``kind load`` or ``minikube image load``: these send every layer each time.
        """
        load_images(self._ctr, archives, self._folder)

    def export_logs(self, folder: Path) -> None:
        """What its maker gives. That fails where a single command fails on the node: what there is counts."""
        folder.mkdir(parents=True, exist_ok=True)
        if own := self._made.own_engine(self._folder):
            own.export_logs(folder)
        try:
            self._maker.export_logs(folder)
        except ClusterError as error:
            if not any(folder.iterdir()):
                raise
            (folder / f"{self.provider}-export-logs.txt").write_text(f"{error}\n", encoding="utf-8")

    def _ctr(self, *arguments: str, stdin: Path | None = None) -> str:
        inside = ["exec", *(["-i"] if stdin else []), self._maker.node, "ctr", "-n", "k8s.io"]
        return self._made.engine.run(*inside, *arguments, stdin=stdin, seconds=IMPORT_SECONDS)


def node_state(engine: Engine, node: str) -> str:
    """What the engine says of a node: ``running``, ``exited``, …; empty where there is none, or no engine answers."""
    try:
        return engine.run("inspect", "--format", "{{.State.Status}}", node).strip()
    except (CommandError, WaitTimeout):
        return ""
