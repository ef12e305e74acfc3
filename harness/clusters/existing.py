"""A cluster that the user has already: entered and left again, never made or ended.

What is kept here is its kubeconfig, cut down to the one context, and a note of where it came from. On the cluster
itself there is a Lease for each process of a run (``visits``), and what runs made, by its labels.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from harness.clusters.connected import Connected
from harness.clusters.contexts import Context, Entrance
from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster
from harness.clusters.rights import lacking, told
from harness.clusters.visits import Visit
from harness.errors import ClusterError, HarnessError, UsageError
from harness.kube.client import Api, ApiError, ApiUnreachable
from harness.kube.kubectl import Kubectl
from harness.paths import ENTERED
from harness.timeline import Timeline

NAME: Final = "existing"
_UNAUTHORIZED: Final = 401


class Registry(Protocol):
    """A registry that the user may push to, and his cluster's nodes pull from."""

    def prepare(self, timeline: Timeline) -> None:
        """Build or find what pushing needs."""

    def reference(self, image: str) -> str:
        """How an image is named there."""

    def push(self, archives: Sequence[Path], timeline: Timeline) -> None:
        """Put the images of docker-archive tars there. Raises UsageError or ClusterError."""


class ExistingCluster(Connected):
    """A cluster that the user has, as the user of its one context: a ``Cluster``, and nothing else."""

    provider = NAME

    def __init__(self, folder: Path, kubectl: Path, ingress_url: str = "", registry: Registry | None = None) -> None:
        super().__init__(folder, kubectl)
        self._registry = registry
        self._visit: Visit | None = None
        self.ingress_url = ingress_url

    def check(self) -> None:
        """Whether it has broken is not ours to know."""

    def load_images(self, archives: Sequence[Path]) -> None:
        """Push them to the registry that was named; without one, nothing: its nodes have them, or pull them somewhere.

        Raises UsageError or ClusterError where one cannot be pushed.
        """
        if self._registry is not None:
            self._registry.push(archives, Timeline())

    def reference(self, image: str) -> str:
        """Its name in the registry that was named."""
        return self._registry.reference(image) if self._registry else image

    def export_logs(self, folder: Path) -> None:
        """Nothing: its components' logs are on machines that are not ours."""

    @contextmanager
    def visited(self, run: str, place: str, labels: Mapping[str, str]) -> Iterator[Visit]:
        """Be seen by others as a process of the run for the block."""
        visit = Visit(self.api, run, place, labels)
        visit.begin()
        self._visit = visit
        try:
            yield visit
        finally:
            self._visit = None
            visit.end()

    def claim(self, namespaces: Iterable[str]) -> None:
        """Have namespaces to this machine's runs. Raises UsageError where a colleague's run lives in one of them."""
        if self._visit is not None:
            self._visit.claim(namespaces)


@dataclass(frozen=True)
class Means:
    """What it takes to use a cluster that the user has.

    ``kubectl`` gives the project's, ``registry`` the one of a prefix; ``leave`` removes from a cluster what this place
    has made there.
    """

    kubectl: Callable[[Timeline], Path]
    registry: Callable[[str], Registry]
    leave: Callable[[Cluster], None]


@dataclass(frozen=True)
class Told:
    """What only the user knows of his cluster: where its Ingress answers, and a registry that it pulls from."""

    ingress_url: str = ""
    image_prefix: str = ""


class ExistingProvider:
    """Enters clusters that the user has. ``clusters`` is the folder with one folder for each.

    ``entrance`` is where a new one is found, None where only those are meant that were entered before. What is not
    ``told`` now is as it was told when the cluster was entered.
    """

    name = NAME

    def __init__(self, clusters: Path, means: Means, entrance: Entrance | None, told: Told) -> None:
        self._clusters = clusters
        self._means = means
        self._entrance = entrance
        self._told = told

    def build(self, timeline: Timeline) -> None:
        """Build kubectl: a cluster is there already."""
        self._means.kubectl(timeline)
        if self._told.image_prefix:
            self._means.registry(self._told.image_prefix).prepare(timeline)

    def create(self, cluster: str, timeline: Timeline) -> ExistingCluster:
        """Enter the cluster: note where it is, and see that it answers. Raises ClusterError where it does not."""
        if self._entrance is None:
            raise UsageError(
                f"cluster {cluster} was not entered: give --cluster=existing, --kubeconfig and --cluster-context"
            )
        context = self._entrance.read()
        kubectl = self._means.kubectl(timeline)
        folder = self._clusters / cluster
        self._note(folder, context, kubectl, self._told)
        entered = self._cluster(folder, kubectl, self._told)
        try:
            with timeline.phase("API answers") as say:
                say(_version(entered.api, context))
            _tell_rights(entered.api, timeline)
        except BaseException:
            entered.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return entered

    @contextmanager
    def look(self, cluster: str, timeline: Timeline) -> Iterator[ExistingCluster]:
        """The cluster, for who only looks: it is not entered. Raises what ``create`` raises before it asks."""
        if self._entrance is None or read_note(self._clusters / cluster) is not None:
            found = self.attach(cluster)
            if found is None:
                raise UsageError(f"cluster {cluster} was not entered")
            with closing(found):
                yield found
            return
        context = self._entrance.read()
        kubectl = self._means.kubectl(timeline)
        with tempfile.TemporaryDirectory(prefix="harness-") as place:
            folder = Path(place) / cluster
            self._note(folder, context, kubectl, self._told)
            with closing(self._cluster(folder, kubectl, self._told)) as found:
                _version(found.api, context)
                yield found

    def _cluster(self, folder: Path, kubectl: Path, told: Told) -> ExistingCluster:
        registry = self._means.registry(told.image_prefix) if told.image_prefix else None
        return ExistingCluster(folder, kubectl, told.ingress_url, registry)

    def _note(self, folder: Path, context: Context, kubectl: Path, told: Told) -> None:
        """Write down the kubeconfig of the one context, and where it came from."""
        assert self._entrance is not None  # noqa: S101 -- `create` has looked
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        bound = Kubectl(kubectl, self._entrance.kubeconfig, context.name)
        text = bound.run("config", "view", "--raw", "--minify", "--flatten")
        _write_privately(folder / "kubeconfig", text)
        note = {**asdict(context), "kubeconfig": str(self._entrance.kubeconfig.absolute()), "kubectl": str(kubectl)}
        _write_privately(folder / ENTERED, json.dumps({**note, **asdict(told)}))

    def attach(self, cluster: str) -> ExistingCluster | None:
        """The cluster that was entered under that name. Raises UsageError where another is meant by it now."""
        note = read_note(self._clusters / cluster)
        if note is None:
            return None
        told = Told(
            self._told.ingress_url or note["ingress_url"], self._told.image_prefix or note.get("image_prefix", "")
        )
        if self._entrance is not None:
            context = self._entrance.read()
            if (context.server, context.name) != (note["server"], note["name"]):
                raise UsageError(
                    f"{cluster} is the context {note['name']} at {note['server']} already, and not {context.name} at"
                    f" {context.server}: choose another --cluster-name, or leave it with"
                    f" `python -m harness --cluster-name={cluster} down`"
                )
            # credentials may have been renewed
            self._note(self._clusters / cluster, context, Path(note["kubectl"]), told)
        return self._cluster(self._clusters / cluster, Path(note["kubectl"]), told)

    def delete(self, cluster: str) -> None:
        """Leave the cluster: remove what was made there from here, and what is kept of it here."""
        folder = self._clusters / cluster
        if read_note(folder) is not None:
            entered = self.attach(cluster)
            assert entered is not None  # noqa: S101 -- there is a note
            with closing(entered):
                self._means.leave(entered)
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Leave clusters that nobody here holds any more, and that are not kept."""
        swept = []
        for folder in sorted(self._clusters.glob("*/")):
            if read_note(folder) is None or Lease(folder).kept:
                continue
            with Lease(folder).alone() as free:
                if free:
                    with suppress(HarnessError):  # one that does not answer now must not keep a run from another
                        self.delete(folder.name)
                        swept.append(folder.name)
        return swept


def read_note(folder: Path) -> dict[str, str] | None:
    """What is kept of an existing cluster in its folder; None where there is none."""
    try:
        note: dict[str, str] = json.loads((folder / ENTERED).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return note


def _write_privately(file: Path, text: str) -> None:
    """Replace a file that only its owner may read, as a whole."""
    fresh = file.with_suffix(".fresh")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)
    fresh.replace(file)


def _tell_rights(api: Api, timeline: Timeline) -> None:
    """Say what the user may not do there that runs may need: only the steps that need it will fail."""
    with timeline.phase("rights") as say:
        lacks = told(lacking(api))
        say(f"{len(lacks)} lacking" if lacks else "all that runs need")
    for line in lacks:
        timeline.say(f"  {line}")


def _version(api: Api, context: Context) -> str:
    """The server's version. Raises ClusterError in words where it does not tell it."""
    try:
        api.get("/api/v1", seconds=60)  # /version may be asked by anybody
        return str(api.get("/version")["gitVersion"])
    except ApiUnreachable as error:
        raise ClusterError(
            f"the server of the context {context.name}, {context.server}, does not answer: {error.output}"
        ) from error
    except ApiError as error:
        if error.status == _UNAUTHORIZED:
            raise ClusterError(
                f"the server of the context {context.name}, {context.server}, does not take its credentials (401"
                f" {error.output.strip()}): they may have expired; log in again, and see that"
                f" `kubectl --context={context.name} auth whoami` answers"
            ) from error
        raise
