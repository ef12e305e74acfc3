"""Put in place of ``harness.wiring`` and of the case and its chaos in runs that test the plugin: clusters are folders.

What is done to them is a line each in the file ``STAND_IN_LOG``. A cluster named ``broken`` cannot be made.
"""

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self, cast

from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster
from harness.errors import ClusterError, PolicyNotEnforced
from harness.kube.client import Api
from harness.kube.kubectl import Kubectl
from harness.run import Run
from harness.settings import Settings
from harness.timeline import Timeline


def _log(line: str) -> None:
    with Path(os.environ["STAND_IN_LOG"]).open("a") as file:
        file.write(line + "\n")


class StandInCluster:
    """A folder."""

    provider = "embedded"
    ingress_url = "http://127.0.0.1:1"

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.kubeconfig = folder / "kubeconfig"
        self.kubectl = Kubectl(Path("/bin/false"), self.kubeconfig)

    @property
    def api(self) -> Api:
        """It has none."""
        return cast("Api", None)

    def close(self) -> None:
        """There is nothing to close."""

    def check(self) -> None:
        """It is well."""

    def load_images(self, archives: Sequence[Path]) -> None:
        """It needs none."""

    def reference(self, image: str) -> str:
        """As it is."""
        return image

    def export_logs(self, folder: Path) -> None:
        """It has none."""


class StandInProvider:
    """Folders with a kubeconfig in them."""

    name = "embedded"

    def __init__(self, clusters: Path) -> None:
        self._clusters = clusters

    def build(self, timeline: Timeline) -> None:
        """There is nothing to build."""

    def create(self, cluster: str, timeline: Timeline) -> Cluster:
        """Make the file that says that it runs."""
        with timeline.phase("stand-in created"):
            if cluster == "broken":
                raise ClusterError("the stand-in cannot be made")
            _log(f"create {cluster}")
            made = StandInCluster(self._clusters / cluster)
            made.kubeconfig.touch()
            return made

    def attach(self, cluster: str) -> Cluster | None:
        """Look for the file."""
        found = StandInCluster(self._clusters / cluster)
        return found if found.kubeconfig.exists() else None

    def delete(self, cluster: str) -> None:
        """Remove the folder."""
        if "STAND_IN_STAYS" in os.environ:
            raise ClusterError(f"cluster {cluster} does not go")
        if self.attach(cluster):
            _log(f"delete {cluster}")
        shutil.rmtree(self._clusters / cluster, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove the folders that nobody holds."""
        swept = []
        for folder in self._clusters.glob("*/"):
            lease = Lease(folder)
            with lease.alone() as free:
                if free and not lease.kept:
                    _log(f"sweep {folder.name}")
                    shutil.rmtree(folder)
                    swept.append(folder.name)
        return swept


@dataclass(frozen=True)
class StandInCase:
    """A case that is nothing but its cluster."""

    cluster: Cluster

    def close(self) -> None:
        """Nothing is open."""


class StandInStage:
    """Nothing can be hurt on it."""

    def __init__(self, where: Run) -> None:
        self._cluster = where.cluster.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _log(f"leave the stage on {self._cluster}")

    def scene(self, _namespaces: Iterable[str]) -> None:
        """It has none."""


@dataclass(frozen=True)
class StandInChaos:
    """Runs of chaos that do nothing."""

    where: Run
    case: StandInCase
    scene: Callable[[Iterable[str]], None]

    def run_as_wanted(self) -> str:
        """Say which cluster it is on."""
        _log(f"chaos on {self.case.cluster.name}")
        return f"a run on {self.case.cluster.name}"


@dataclass(frozen=True)
class _Image:
    reference: str
    archive: Path


def _module(name: str, **content: object) -> None:
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


def _provider_of(settings: Settings) -> StandInProvider:
    return StandInProvider(settings.paths.clusters)


def _deployed_case(cluster: Cluster, _settings: Settings, _timeline: Timeline) -> StandInCase:
    return StandInCase(cluster)


@contextmanager
def _pair_on(
    cluster: Cluster, _image: str, _labels: Mapping[str, str], _check: Callable[[], None]
) -> Iterator[Callable[[], str]]:
    def flip() -> str:
        _log(f"prove {cluster.name}")
        if "STAND_IN_ENFORCES_NOTHING" in os.environ:
            raise PolicyNotEnforced("the stand-in enforces nothing")
        return "proved"

    yield flip
    _log(f"delete the pair on {cluster.name}")


def _clear(_api: Api, runs: Collection[str]) -> list[str]:
    _log(f"clear {' '.join(runs)}")
    return []


def _collect(_cluster: Cluster, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "collected").touch()


@contextmanager
def _looked_at(settings: Settings, _timeline: Timeline) -> Iterator[None]:
    if settings.name == "broken":
        raise ClusterError("it does not answer")
    yield


def _asked_by(tests: Iterable[tuple[Iterable[str], Iterable[str]]]) -> list[str]:
    return [
        f"{'+'.join(markers)} wants {'+'.join(sorted({'cluster', 'case'} & {*fixtures}))}"
        for markers, fixtures in tests
    ]


def _preview(_settings: Settings, asked: list[str], _cluster: None) -> list[str]:
    return ["this is a plan", *asked]


_module("harness.wiring", provider_of=_provider_of, looked_at=_looked_at)
_module(
    "harness.case",
    deployed_case=_deployed_case,
    open_case=_deployed_case,
    manifests_folder=None,
    Case=StandInCase,
    SERVICES={"invoice-app": "invoice"},
)
_module("harness.preview", asked_by=_asked_by, preview=_preview)
_module("harness.chaoscase", Stage=StandInStage, Chaos=StandInChaos)
_module("harness.images.catalogue", prober_image=lambda _timeline: _Image("prober:1", Path("/dev/null")))
_module("harness.probing", pair_on=_pair_on)
_module("harness.kube.leftovers", remove=_clear, until_none_is_going=None, stranger_in=None, RUN="harness.dev/run")
_module("harness.kube.bundle", collect=_collect)
