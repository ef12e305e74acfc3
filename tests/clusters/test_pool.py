"""Sharing clusters by name: who creates, who joins, who deletes. The provider is a folder; the locks are real."""

import fcntl
import shutil
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import ClassVar, cast
from unittest.mock import Mock

import pytest

from harness.clusters.lease import Lease
from harness.clusters.pool import acquire, alone_with, join, known, leave
from harness.clusters.provider import Cluster
from harness.errors import ClusterError, PrerequisiteError, UsageError
from harness.kube import leftovers
from harness.kube.client import Api
from harness.kube.kubectl import Kubectl
from harness.paths import Paths
from harness.settings import Settings, gather
from harness.timeline import Timeline

DEADLINE = 10


class FolderCluster:
    """A cluster that is a file in its folder."""

    provider = "folder"
    ingress_url = "http://127.0.0.1:1"

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.kubeconfig = folder / "kubeconfig"
        self.kubectl = Kubectl(Path("/bin/false"), self.kubeconfig)

    @property
    def api(self) -> Api:
        """Never asked: what would be removed through it is noted."""
        return cast("Api", None)

    def close(self) -> None:
        self.closed = True

    def check(self) -> None:
        raise NotImplementedError

    def load_images(self, archives: Sequence[Path]) -> None:
        raise NotImplementedError

    def reference(self, image: str) -> str:
        raise NotImplementedError

    def export_logs(self, folder: Path) -> None:
        raise NotImplementedError


class FolderProvider:
    """Creates and deletes them; ``log`` is what it did."""

    name = "folder"

    def __init__(self, clusters: Path) -> None:
        self.clusters = clusters
        self.log: list[str] = []
        self.broken = False

    def build(self, timeline: Timeline) -> None:  # noqa: ARG002 -- the protocol's
        self.log.append("build")

    def create(self, cluster: str, timeline: Timeline) -> Cluster:  # noqa: ARG002 -- the protocol's
        assert Lease(self.clusters / cluster).held(), "created without the lease"
        self.log.append(f"create {cluster}")
        if self.broken:
            raise ClusterError("it does not start")
        found = FolderCluster(self.clusters / cluster)
        found.kubeconfig.touch()
        return found

    def attach(self, cluster: str) -> Cluster | None:
        found = FolderCluster(self.clusters / cluster)
        return found if found.kubeconfig.exists() else None

    def delete(self, cluster: str) -> None:
        self.log.append(f"delete {cluster}")
        shutil.rmtree(self.clusters / cluster, ignore_errors=True)

    def sweep(self) -> list[str]:
        self.log.append("sweep")
        return []


@pytest.fixture(autouse=True)
def cleared(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The runs whose leavings were removed from a cluster, call by call. There was a Pod each."""
    found: list[list[str]] = []

    def remove(_api: Api, runs: Collection[str]) -> list[str]:
        found.append(list(runs))
        return [f"pod {run}" for run in runs]

    monkeypatch.setattr(leftovers, "remove", remove)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return gather({"cluster_name": "one"}, {"HOME": "/", "XDG_STATE_HOME": str(tmp_path)})


@pytest.fixture
def provider(settings: Settings) -> FolderProvider:
    return FolderProvider(settings.paths.clusters)


@pytest.fixture
def timeline() -> Timeline:
    return Timeline(StringIO())


@pytest.fixture
def another_user(settings: Settings) -> Iterator[Lease]:
    """A lease that another process would hold: another open file of the same."""
    lease = Lease(settings.paths.cluster("one"))
    with lease.hold():
        yield lease


def test_what_crashed_runs_left_is_swept_before_a_cluster_is_created(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    with acquire(settings, timeline, provider) as held:
        assert held.created
        assert provider.log == ["sweep", "create one"]


def test_the_last_to_leave_deletes_the_cluster(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    with acquire(settings, timeline, provider):
        pass
    assert provider.log[-1] == "delete one"
    assert not settings.paths.cluster("one").exists()


def test_a_second_user_joins_and_whoever_leaves_first_deletes_nothing(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    with acquire(settings, timeline, provider):
        with acquire(settings, timeline, provider) as second:
            assert not second.created
        assert "delete one" not in provider.log
    assert provider.log.count("create one") == provider.log.count("delete one") == 1


def test_the_creator_may_leave_before_those_who_joined(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    first = acquire(settings, timeline, provider)
    first.__enter__()
    with acquire(settings, timeline, provider):
        first.__exit__(None, None, None)
        assert "delete one" not in provider.log
    assert provider.log[-1] == "delete one"


def test_a_kept_cluster_stays_and_is_joined_later(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    with acquire(settings.with_cluster("one", keep=True), timeline, provider):
        pass
    with acquire(settings, timeline, provider) as later:
        assert not later.created
    assert "delete one" not in provider.log
    [one] = known(settings.paths, lambda _: provider)
    assert (one.name, one.running, one.kept, one.held) == ("one", True, True, False)


def test_what_ended_runs_left_on_a_kept_cluster_is_removed_when_it_is_joined_and_told(
    settings: Settings, provider: FolderProvider, cleared: list[list[str]]
) -> None:
    said = StringIO()
    for run, runs in (("a", []), ("b", [["a"]])):
        one = settings.with_cluster("one", keep=True).model_copy(update={"run_id": run})
        with acquire(one, Timeline(said), provider):
            assert cleared == runs
    assert said.getvalue().count("left by earlier runs, removed") == 1
    assert said.getvalue().rstrip().endswith("s  pod a")


def test_nothing_of_a_run_that_lives_is_removed(
    settings: Settings, provider: FolderProvider, timeline: Timeline, cleared: list[list[str]]
) -> None:
    with (
        acquire(settings, timeline, provider),
        acquire(settings.model_copy(update={"run_id": "other"}), timeline, provider),
    ):
        pass
    assert cleared == []


def test_nothing_of_ones_own_run_is_removed_though_its_other_worker_has_ended(
    settings: Settings, provider: FolderProvider, timeline: Timeline, cleared: list[list[str]]
) -> None:
    kept = settings.with_cluster("one", keep=True)
    for _ in range(2):
        with acquire(kept, timeline, provider):
            pass
    assert cleared == []


def test_of_a_clusters_lock_nothing_is_left_once_it_is_gone(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    locks = settings.paths.cluster_lock("one").parent
    locks.mkdir(parents=True)
    for name in ("killed", "begun"):
        settings.paths.cluster_lock(name).touch()
    with alone_with(settings.paths, "begun", timeline), acquire(settings, timeline, provider):
        assert sorted(file.name for file in locks.iterdir()) == ["begun.lock", "one.lock"]
    assert list(locks.iterdir()) == []


def test_a_failed_creation_leaves_nothing(settings: Settings, provider: FolderProvider, timeline: Timeline) -> None:
    provider.broken = True
    with pytest.raises(ClusterError, match="it does not start"), acquire(settings, timeline, provider):
        pass
    assert not settings.paths.cluster("one").exists()
    assert known(settings.paths, lambda _: provider) == []


def test_an_error_of_the_user_deletes_the_cluster_all_the_same(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    with pytest.raises(KeyboardInterrupt), acquire(settings, timeline, provider):
        raise KeyboardInterrupt
    assert provider.log[-1] == "delete one"


def test_what_a_dead_cluster_was_kept_for_does_not_keep_its_successor(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    settings.paths.cluster("one").mkdir(parents=True)
    Lease(settings.paths.cluster("one")).keep()
    with acquire(settings, timeline, provider):
        pass
    assert provider.log[-1] == "delete one"


@pytest.mark.usefixtures("another_user")
def test_a_dead_cluster_that_another_still_holds_is_not_overwritten(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    (settings.paths.cluster("one") / "etcd").touch()
    with pytest.raises(ClusterError, match="has died, and another process still holds it"):
        acquire(settings, timeline, provider).__enter__()
    assert "create one" not in provider.log


@pytest.mark.usefixtures("another_user")
def test_leaving_a_cluster_that_another_holds_deletes_nothing(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    assert not leave(settings, timeline, provider)
    assert provider.log == []


def test_creating_waits_for_a_teardown_and_begins_anew(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    folder = settings.paths.cluster("one")
    folder.mkdir(parents=True)
    descriptor = Lease(folder).wait_until_unused()
    created = threading.Event()

    def use() -> None:
        with acquire(settings, timeline, provider) as held:
            assert held.created
            created.set()

    user = threading.Thread(target=use)
    user.start()
    assert not created.wait(0.2)  # it cannot have been: the lease is ours
    shutil.rmtree(folder)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    user.join(DEADLINE)
    assert created.is_set()


def test_only_one_at_a_time_creates_a_cluster(settings: Settings, provider: FolderProvider, timeline: Timeline) -> None:
    with alone_with(settings.paths, "one", timeline):
        users = [threading.Thread(target=_use, args=(settings, provider, timeline)) for _ in range(4)]
        for user in users:
            user.start()
    for user in users:
        user.join(DEADLINE)
    creations, deletions = provider.log.count("create one"), provider.log.count("delete one")
    assert creations == deletions >= 1


def _use(settings: Settings, provider: FolderProvider, timeline: Timeline) -> None:
    with acquire(settings, timeline, provider):
        pass


def test_joining_what_does_not_run_says_how_to_create_it(settings: Settings, provider: FolderProvider) -> None:
    said = "there is no running cluster one: `python -m harness --cluster-name=one up` creates one"
    with pytest.raises(UsageError, match=said):
        join(settings, provider).__enter__()
    assert not settings.paths.cluster("one").exists()


def test_a_command_that_joins_waits_for_one_that_is_being_created(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    joined = threading.Event()

    def use() -> None:
        with join(settings, provider) as cluster:
            assert cluster.kubeconfig.exists()
            joined.set()

    with alone_with(settings.paths, "one", timeline), Lease(settings.paths.cluster("one")).hold():
        user = threading.Thread(target=use)
        user.start()
        assert not joined.wait(0.2)  # it cannot have: the lock is ours
        provider.create("one", timeline)
    user.join(DEADLINE)
    assert joined.is_set()


def test_what_is_done_to_a_cluster_just_now_is_its_state(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    def state() -> str:
        [one] = known(settings.paths, lambda _: provider)
        return one.state

    folder = settings.paths.cluster("one")
    folder.mkdir(parents=True)
    assert state() == "dead"
    with alone_with(settings.paths, "one", timeline):
        assert state() == "going"
        with Lease(folder).hold():
            assert state() == "creating"
            provider.create("one", timeline)
            assert state() == "running"
    provider.delete("one")


def test_a_command_that_joins_never_ends_the_cluster(
    settings: Settings, provider: FolderProvider, timeline: Timeline
) -> None:
    with acquire(settings, timeline, provider):
        with join(settings, provider) as cluster:
            assert cluster.name == "one"
        assert "delete one" not in provider.log


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    paths = Paths.from_environment({"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "file")})

    with (
        pytest.raises(PrerequisiteError, match=r"the state folder .*/file/harness cannot be used: Not a directory"),
        alone_with(paths, "c", Timeline(StringIO())),
    ):
        pass


# -------------------------------------------------------------------------------------- clusters that others use, too


class SharedCluster(FolderCluster):
    """One that others use from elsewhere. ``visits`` are the runs that were seen there."""

    visits: ClassVar[list[str]] = []
    """Those that are seen now."""

    @contextmanager
    def visited(self, run: str, place: str, labels: Mapping[str, str]) -> Iterator[Mock]:  # noqa: ARG002 -- as declared
        self.visits.append(run)
        try:
            yield Mock(forget_dead=lambda: ["theirs"])
        finally:
            self.visits.remove(run)

    def claim(self, namespaces: Iterable[str]) -> None:
        raise NotImplementedError


@pytest.fixture
def shared(provider: FolderProvider, monkeypatch: pytest.MonkeyPatch) -> FolderProvider:
    """Its cluster runs, and others use it."""
    monkeypatch.setattr(provider, "attach", lambda name: SharedCluster(provider.clusters / name))
    (provider.clusters / "one").mkdir(parents=True)
    return provider


def test_a_command_that_makes_something_is_seen_by_others_as_long_as_it_lasts(
    settings: Settings, shared: FolderProvider, timeline: Timeline, cleared: list[list[str]]
) -> None:
    with join(settings, shared, visit=timeline):
        assert SharedCluster.visits == [settings.run_id]
    assert SharedCluster.visits == []
    assert cleared == [["theirs"]], "what dead runs of others have left is removed, as in any run"


def test_a_command_that_only_looks_asks_for_no_right_to_be_seen(settings: Settings, shared: FolderProvider) -> None:
    with join(settings, shared):
        assert SharedCluster.visits == []
