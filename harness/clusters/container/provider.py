"""The verbs of ``harness.clusters.provider`` over clusters whose node is a container.

What is kept of one here is a note of what it was made with, written before anything is made: by it a crashed run's
cluster is found and removed, and one that somebody else made is never touched.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.clusters.container.cluster import ContainerCluster, node_state
from harness.clusters.container.contained import Contained, Parts
from harness.clusters.container.early import meanwhile
from harness.clusters.container.made import Made
from harness.clusters.container.maker import Maker
from harness.clusters.container.node import Networks, NodeImage, Ports
from harness.clusters.furnishing import Furniture
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster
from harness.engine import Engine
from harness.errors import ClusterError, HarnessError, NameTaken
from harness.timeline import Timeline

LOAD_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Means:
    """What clusters are made with, each built or found when it is asked for.

    ``engine`` is the user's that answers, None where each cluster gets one of its own, made of ``parts``; it raises
    PrerequisiteError where neither can be. ``program`` is what makes clusters, and ``maker`` calls it for the one in a
    folder. ``furniture`` builds what a cluster with the network plugin of that name is given beside what it is made
    with; ``make_ready`` waits until the cluster is ready.
    """

    engine: Callable[[], Engine | None]
    parts: Callable[[Timeline], Parts]
    program: Callable[[Timeline], Path]
    kubectl: Callable[[Timeline], Path]
    image: Callable[[Engine | None, Timeline], NodeImage]
    maker: Callable[[Path, Made], Maker]
    furniture: Callable[[str, Timeline], Furniture]
    make_ready: Callable[[Cluster, Timeline], None]


class ContainerProvider:
    """Makes clusters of kind, or of Minikube.

    ``clusters`` is the folder with one folder for each, ``note`` the name of the note in it; ``networks`` says which
    network plugins they can have, ``cni`` which one the user asks for.
    """

    def __init__(self, clusters: Path, note: str, networks: Networks, means: Means, cni: str | None = None) -> None:
        networks.check(cni)
        self.name = networks.provider
        self._clusters = clusters
        self._note = note
        self._networks = networks
        self._means = means
        self._cni = cni
        self._stuck: dict[str, HarnessError] = {}
        """What could not be swept, and why: the sweep goes on, and who wants that very cluster is told."""

    def build(self, timeline: Timeline) -> None:
        """Build the programs, have the node image, and build what a new cluster is given, an engine too."""
        engine = self._means.engine()
        if engine is None:
            self._means.parts(timeline)
        self._means.program(timeline)
        self._means.kubectl(timeline)
        image = self._means.image(engine, timeline)
        self._means.furniture(self._networks.choose(self._cni, image), timeline)

    def create(self, cluster: str, timeline: Timeline) -> ContainerCluster:
        """Make the cluster and wait until it is ready. Raises NameTaken for a name that is somebody else's."""
        folder = self._clusters / cluster
        engine, own = self._engine(folder, timeline)
        program, kubectl = self._means.program(timeline), self._means.kubectl(timeline)
        image = self._means.image(None if own else engine, timeline)
        cni = self._networks.choose(self._cni, image)
        furniture = self._means.furniture(cni, timeline)
        made = Made(engine, str(program), str(kubectl), contained=own.parts if own else None)
        maker = self._means.maker(folder, made)
        if own is None and maker.taken():
            raise self._taken(cluster, made, maker)
        made.write(folder / self._note)
        try:
            ports = own.start(timeline) if own else Ports()
            _load(image, engine, timeline)
            maker.prepare(image)
            node = ContainerCluster(self.name, folder, made, maker)
            with meanwhile(node.takes_images, lambda: node.load_images(furniture.archives)):
                url = maker.create(image, cni, ports, timeline)
            made = replace(made, ingress_url=url)
            made.write(folder / self._note)
            new = ContainerCluster(self.name, folder, made, maker)
            try:
                furniture.give(new, timeline)
                self._means.make_ready(new, timeline)
            except BaseException:
                new.close()
                raise
        except NameTaken as error:  # made by somebody else in this very moment
            (folder / self._note).unlink()
            raise self._taken(cluster, made, maker) from error
        except BaseException:
            self.delete(cluster)
            raise
        return new

    def _engine(self, folder: Path, timeline: Timeline) -> tuple[Engine, Contained | None]:
        """The engine of the cluster in a folder, and that again where it is the cluster's own."""
        users = self._means.engine()
        if users is not None:
            return users, None
        own = Contained(folder, self._means.parts(timeline))
        return own.engine, own

    def _taken(self, cluster: str, made: Made, maker: Maker) -> NameTaken:
        return NameTaken(
            f"there is a cluster of {self.name} named {cluster} on {made.engine.program} already, which the harness did"
            f" not make, and does not touch: choose another --cluster-name, or remove yours with `{maker.removal}`"
        )

    def attach(self, cluster: str) -> ContainerCluster | None:
        """The running cluster of that name; None for one that is not whole.

        Raises what kept it from being swept, where it was to be.
        """
        if cluster in self._stuck:
            raise self._stuck[cluster]
        folder = self._clusters / cluster
        made = Made.read(folder / self._note)
        if made is None or not made.ingress_url:
            return None
        maker = self._means.maker(folder, made)
        running = node_state(made.engine, maker.node) == "running"
        return ContainerCluster(self.name, folder, made, maker) if running else None

    def delete(self, cluster: str) -> None:
        """End the cluster and remove everything of it.

        Raises ClusterError where its engine does not answer: what is kept here stays then, so that it can be repeated.
        """
        folder = self._clusters / cluster
        made = Made.read(folder / self._note)
        if made is not None:
            maker = self._means.maker(folder, made)
            if own := made.own_engine(folder):
                maker.stop_creating()
                own.end()
            elif made.engine.answers():
                maker.stop_creating()
                maker.delete()
            else:
                raise ClusterError(
                    f"{made.engine.program} does not answer, so that cluster {cluster} can be neither used nor"
                    f" removed: start it, and `python -m harness --cluster-name={cluster} down` removes what is left"
                )
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove clusters that nobody holds, and that are not kept or not alive any more."""
        swept = []
        for folder in sorted(self._clusters.glob("*/")):
            if Made.read(folder / self._note) is None:
                continue
            lease = Lease(folder)
            with lease.alone() as free:
                if free and not (lease.kept and self.attach(folder.name)):
                    try:
                        self.delete(folder.name)
                    except HarnessError as error:
                        self._stuck[folder.name] = error
                    else:
                        swept.append(folder.name)
        return swept


def _load(image: NodeImage, engine: Engine, timeline: Timeline) -> None:
    """Give the engine the node image, where it comes as an archive that the engine does not have."""
    if image.archive is not None and not engine.has(image.reference):
        with timeline.phase("node image loaded") as say:
            say(image.reference)
            engine.run("load", "--quiet", "--input", str(image.archive), seconds=LOAD_SECONDS)
