"""The verbs of ``harness.clusters.provider`` over clusters of kind.

What is kept of one here is a note of what it was made with, written before anything is made: by it a crashed run's
cluster is found and removed, and one that somebody else made is never touched.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.clusters.connected import Connected
from harness.clusters.furnishing import Furniture
from harness.clusters.kind.command import Kind
from harness.clusters.kind.config import INGRESS_PORT, KINDS_CNI, OWN_CNI, NodeImage, Ports, cluster_config, node_of
from harness.clusters.kind.contained import Contained, Parts
from harness.clusters.kind.early import meanwhile
from harness.clusters.lease import Lease
from harness.clusters.loading import load_images
from harness.clusters.provider import Cluster
from harness.engine import Engine
from harness.errors import ClusterError, ClusterGone, CommandError, HarnessError, UsageError, WaitTimeout
from harness.paths import KIND_MADE
from harness.timeline import Timeline

NAME: Final = "kind"
IMPORT_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 2.0
"""The engine is asked whether the node runs at most this often: a poll of something else asks all the time."""
TAKEN: Final = "already exist for a cluster with the name"


@dataclass(frozen=True)
class Made:
    """The note of a cluster. ``ingress_url`` is empty while it is being made.

    ``contained`` is what an engine is made of that is the cluster's own; None where it is the user's.
    """

    engine: Engine
    kind: str
    kubectl: str
    ingress_url: str = ""
    contained: Parts | None = None

    @classmethod
    def read(cls, folder: Path) -> "Made | None":
        """The note in a cluster's folder; None where there is none."""
        try:
            found: dict[str, Any] = json.loads((folder / KIND_MADE).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        parts = found.get("contained")
        return cls(**{**found, "engine": Engine(**found["engine"]), "contained": Parts(**parts) if parts else None})

    def write(self, folder: Path) -> None:
        """Replace the note as a whole."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = (folder / KIND_MADE).with_suffix(".fresh")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(folder / KIND_MADE)

    def command(self, folder: Path) -> Kind:
        """kind, for this cluster."""
        return Kind(folder.name, folder, self.engine, Path(self.kind), Path(self.kubectl))

    def own_engine(self, folder: Path) -> Contained | None:
        """The engine that is this cluster's own."""
        return Contained(folder, self.contained) if self.contained else None


class KindCluster(Connected):
    """A running cluster of kind: a ``Cluster``, and nothing else."""

    provider = NAME

    def __init__(self, folder: Path, made: Made) -> None:
        super().__init__(folder, Path(made.kubectl))
        self._made = made
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
        state = node_state(self._made.engine, self.name)
        if state != "running":
            if own and not self._made.engine.answers():
                own.wait_for_its_end()
            raise ClusterGone(f"the node of cluster {self.name}, the container {node_of(self.name)}, {_how(state)}")
        self._looked = time.monotonic()

    def takes_images(self) -> bool:
        """Whether its node's containerd answers, as it does while the cluster is being made."""
        return self._made.engine.succeeds("exec", node_of(self.name), "ctr", "version")

    def load_images(self, archives: Sequence[Path]) -> None:
        """Import the archives that the node does not have."""
        load_images(self._ctr, archives, self._folder)

    def export_logs(self, folder: Path) -> None:
        """What ``kind export logs`` gives. It fails where a single command fails on the node: what there is counts."""
        folder.mkdir(parents=True, exist_ok=True)
        if own := self._made.own_engine(self._folder):
            own.export_logs(folder)
        try:
            self._made.command(self._folder).export_logs(folder)
        except ClusterError as error:
            if not any(folder.iterdir()):
                raise
            (folder / "kind-export-logs.txt").write_text(f"{error}\n", encoding="utf-8")

    def _ctr(self, *arguments: str, stdin: Path | None = None) -> str:
        inside = ["exec", *(["-i"] if stdin else []), node_of(self.name), "ctr", "-n", "k8s.io"]
        return self._made.engine.run(*inside, *arguments, stdin=stdin, seconds=IMPORT_SECONDS)


@dataclass(frozen=True)
class Means:
    """What clusters are made with, each built or found when it is asked for.

    ``engine`` is the user's that answers, None where each cluster gets one of its own, made of ``parts``; it raises
    PrerequisiteError where neither can be. ``furniture`` builds what a cluster with the network plugin
    of that name (``kindnet`` being kind's own affair) is given beside what kind makes;
    ``make_ready`` waits until the cluster is ready.
    """

    engine: Callable[[], Engine | None]
    parts: Callable[[Timeline], Parts]
    kind: Callable[[Timeline], Path]
    kubectl: Callable[[Timeline], Path]
    image: Callable[[Engine | None, Timeline], NodeImage]
    furniture: Callable[[str, Timeline], Furniture]
    make_ready: Callable[[Cluster, Timeline], None]


class KindProvider:
    """Makes clusters of kind. ``clusters`` is the folder with one folder for each, ``cni`` what the user asks for."""

    name = NAME

    def __init__(self, clusters: Path, means: Means, cni: str | None = None) -> None:
        if cni not in (None, OWN_CNI, KINDS_CNI):
            raise UsageError(f"--cluster-cni: kind has {KINDS_CNI}, its own, and {OWN_CNI}, and not {cni!r}")
        self._clusters = clusters
        self._means = means
        self._cni = cni
        self._stuck: dict[str, HarnessError] = {}
        """What could not be swept, and why: the sweep goes on, and who wants that very cluster is told."""

    def build(self, timeline: Timeline) -> None:
        """Build kind and kubectl, have the node image, and build what a new cluster is given, an engine too."""
        engine = self._means.engine()
        if engine is None:
            self._means.parts(timeline)
        self._means.kind(timeline)
        self._means.kubectl(timeline)
        image = self._means.image(engine, timeline)
        self._means.furniture(self._network(image), timeline)

    def create(self, cluster: str, timeline: Timeline) -> KindCluster:
        """Make the cluster and wait until it is ready. Raises UsageError for a name that is somebody else's."""
        folder = self._clusters / cluster
        engine, own = self._engine(folder, timeline)
        kind, kubectl = self._means.kind(timeline), self._means.kubectl(timeline)
        image = self._means.image(None if own else engine, timeline)
        cni = self._network(image)
        furniture = self._means.furniture(cni, timeline)
        command = Kind(cluster, folder, engine, kind, kubectl, image.reference)
        if own is None and cluster in command.clusters():
            raise _taken(cluster, engine)
        made = Made(engine, str(kind), str(kubectl), contained=own.parts if own else None)
        made.write(folder)
        try:
            ports = own.start(timeline) if own else Ports()
            _load(image, engine, timeline)
            config = folder / "kind-config.json"  # JSON is YAML
            config.write_text(json.dumps(cluster_config(image, cni, ports), indent=1), encoding="utf-8")
            node = KindCluster(folder, made)
            early = meanwhile(node.takes_images, lambda: node.load_images(furniture.archives))
            with timeline.phase("kind create cluster") as say, early:
                say(image.reference.partition("@")[0])
                command.create(config)
            port = engine.run("port", node_of(cluster), f"{INGRESS_PORT}/tcp").split()[0].rpartition(":")[2]
            made = replace(made, ingress_url=f"http://127.0.0.1:{port}")
            made.write(folder)
            new = KindCluster(folder, made)
            try:
                furniture.give(new, timeline)
                self._means.make_ready(new, timeline)
            except BaseException:
                new.close()
                raise
        except BaseException as error:
            if isinstance(error, ClusterError) and TAKEN in str(error):  # made by somebody else in this very moment
                (folder / KIND_MADE).unlink()
                raise _taken(cluster, engine) from error
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

    def _network(self, image: NodeImage) -> str:
        """The network plugin of a new cluster."""
        cni = self._cni or (OWN_CNI if image.bare else KINDS_CNI)
        if image.bare and cni == KINDS_CNI:
            raise UsageError(f"--cluster-cni: the node image {image.reference} does not have {KINDS_CNI}")
        return cni

    def attach(self, cluster: str) -> KindCluster | None:
        """The running cluster of that name; None for one that is not whole.

        Raises what kept it from being swept, where it was to be.
        """
        if cluster in self._stuck:
            raise self._stuck[cluster]
        folder = self._clusters / cluster
        made = Made.read(folder)
        if made is None or not made.ingress_url or node_state(made.engine, cluster) != "running":
            return None
        return KindCluster(folder, made)

    def delete(self, cluster: str) -> None:
        """End the cluster and remove everything of it.

        Raises ClusterError where its engine does not answer: what is kept here stays then, so that it can be repeated.
        """
        folder = self._clusters / cluster
        made = Made.read(folder)
        if made is not None and (own := made.own_engine(folder)):
            made.command(folder).stop_creating()
            own.end()
        elif made is not None:
            if not made.engine.answers():
                raise ClusterError(
                    f"{made.engine.program} does not answer, so that cluster {cluster} can be neither used nor"
                    f" removed: start it, and `python -m harness --cluster-name={cluster} down` removes what is left"
                )
            made.command(folder).delete()
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove clusters that nobody holds, and that are not kept or not alive any more."""
        swept = []
        for folder in sorted(self._clusters.glob("*/")):
            if Made.read(folder) is None:
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
            engine.run("load", "--quiet", "--input", str(image.archive), seconds=IMPORT_SECONDS)


def node_state(engine: Engine, cluster: str) -> str:
    """What the engine says of the node: ``running``, ``exited``, …; empty where there is none, or no engine answers."""
    try:
        return engine.run("inspect", "--format", "{{.State.Status}}", node_of(cluster)).strip()
    except (CommandError, WaitTimeout):
        return ""


def _how(state: str) -> str:
    return f"is {state}" if state else "is gone, or its engine does not answer"


def _taken(cluster: str, engine: Engine) -> UsageError:
    return UsageError(
        f"there is a cluster of kind named {cluster} on {engine.program} already, which the harness did not make, and"
        f" does not touch: choose another --cluster-name, or remove yours with `kind delete cluster --name={cluster}`"
    )
