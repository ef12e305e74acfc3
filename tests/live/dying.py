"""A run of chaos that breaks something and then waits to be killed.

    python -m live.dying CLUSTER SECONDS [IMAGE]

With the image the undo is written down on the cluster, else in its folder. What is to be broken is one JSON line on the
standard input: ``{"undo": …, "requests": …, "freeze": [UID, …]}``; once it is broken, that is said in one line.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.chaos.journals import FolderJournal
from harness.chaos.resident import ClusterJournal
from harness.chaos.undo import Journal, Undo, perform, undoing
from harness.clusters.embedded.provider import EmbeddedCluster
from harness.clusters.pool import join
from harness.kube.leftovers import HEALER
from harness.settings import Settings, gather
from harness.wiring import provider_of


@contextmanager
def journal_of(cluster: EmbeddedCluster, settings: Settings, image: str | None) -> Iterator[Journal]:
    """The journal that is asked for."""
    if image is None:
        yield FolderJournal(settings.paths, cluster.name)
    else:
        journal = ClusterJournal(cluster, settings.labels(HEALER), image)
        journal.open()
        yield journal
        journal.close()


def main(name: str, seconds: str, image: str | None = None) -> None:
    """Break it."""
    asked = json.loads(sys.stdin.readline())
    settings = gather({"cluster_name": name})
    with join(settings, provider_of(settings)) as cluster:
        assert isinstance(cluster, EmbeddedCluster)
        api = cluster.api
        undo = Undo.model_validate(asked["undo"])
        with (
            journal_of(cluster, settings, image) as journal,
            undoing(undo, journal, cluster, api, float(seconds)),
        ):
            perform(Undo(fault="breaking", requests=asked["requests"]), cluster, api)
            for uid in asked.get("freeze", ()):
                cluster.freeze_pod(uid)
            print("broken", flush=True)  # noqa: T201 -- to the test
            sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
