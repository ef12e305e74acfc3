"""The journal of a cluster: beside its state where a supervisor of ours looks at it, else on the cluster itself."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness.chaos.resident import ClusterJournal
from harness.chaos.undo import Journal, Undo
from harness.clusters.provider import Cluster
from harness.clusters.undo import Entry, Undos
from harness.kube.leftovers import HEALER
from harness.paths import Paths
from harness.settings import Settings

_PACKAGE: Final = Path(__file__).parents[2]
_KEPT: Final = ("PATH", "HOME", "LANG")
"""What a command needs of this process's environment. An option of ours that is set there is not its business."""


class FolderJournal:
    """Undos in the folder of the embedded cluster ``name``: its supervisor runs ``harness heal`` at their deadline."""

    def __init__(self, paths: Paths, name: str) -> None:
        self._paths, self._name = paths, name
        self._undos = Undos(paths.cluster(name))

    def register(self, undo: Undo, seconds: float) -> str:
        """Have it done in so many seconds; what it is cancelled by. Raises ClusterGone where there is no cluster."""
        entry = Undos.new_id()
        command = (sys.executable, "-m", "harness", "--cluster-name", self._name, "heal", "--entry", entry)
        self._undos.register(
            entry, Entry(time.time() + seconds, command, self._environment(), about=undo.model_dump_json())
        )
        return entry

    def cancel(self, entry: str) -> None:
        """It is done. Safe to repeat."""
        self._undos.cancel(entry)

    def _environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "PYTHONPATH": str(_PACKAGE),
            "XDG_CACHE_HOME": str(self._paths.cache.parent),
            "XDG_STATE_HOME": str(self._paths.state.parent),
        }


@contextmanager
def journal_for(cluster: Cluster, settings: Settings, prober_image: str) -> Iterator[Journal]:
    """The journal of a cluster, for as long as the block runs; what is written there meanwhile outlives a kill.

    ``prober_image`` is on the nodes. Raises what ``ClusterJournal.open`` raises, where it is on the cluster itself.
    """
    if cluster.provider == "embedded":
        yield FolderJournal(settings.paths, cluster.name)
        return
    journal = ClusterJournal(cluster, settings.labels(HEALER), prober_image)
    journal.open()
    try:
        yield journal
    finally:
        journal.close()
