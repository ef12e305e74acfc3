"""Creating a cluster or joining the one of that name, and ending it when its last user leaves.

xdist workers, commands and other runs share a cluster by its name. Creating, joining and deleting happen one at a time
under a file lock; using it happens under the lease, which the kernel frees however a process ends.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass

from filelock import FileLock, Timeout

from harness.clusters.lease import Lease
from harness.clusters.provider import Cluster, Provider, Shared
from harness.clusters.runs import Runs
from harness.errors import ClusterError, PrerequisiteError, UsageError, WaitTimeout
from harness.kube.wait import patient
from harness.locking import exclusively
from harness.paths import Paths
from harness.settings import Settings
from harness.timeline import Timeline

DEFAULT_NAME = "harness"
"""The name of the cluster of commands where none is given; a run of pytest has one of its own."""

LOCK_SECONDS = 2400.0
"""How long to wait for another process that creates or deletes the cluster: long enough for a first build."""

DEPLOYING = "case-deploying.lock"
"""The file in a cluster's folder that whoever deploys or destroys the case there has locked."""

LEASE_FILES = frozenset({"lease", "kept"})
"""What lies in a cluster's folder before there is a cluster."""

TOLD = 5
"""So many objects of dead runs are told by name."""


@dataclass(frozen=True)
class Held:
    """A cluster whose lease this process holds. ``created`` is False if it was there already and was joined."""

    cluster: Cluster
    created: bool


@dataclass(frozen=True)
class Known:
    """A cluster that has a folder in the state: what ``status`` shows."""

    name: str
    running: bool
    kept: bool
    held: bool
    busy: bool
    """Whether somebody creates, joins or deletes it just now."""
    kubeconfig: str
    since: float
    """When its folder was made, in Unix seconds."""

    @property
    def state(self) -> str:
        """``running``, ``creating``, ``going`` or ``dead``."""
        if self.running:
            return "running"
        if self.busy:
            return "creating" if self.held else "going"
        return "dead"


@contextmanager
def alone_with(paths: Paths, name: str, timeline: Timeline) -> Iterator[None]:
    """Keep others from creating, joining or deleting the cluster for the block. Raises WaitTimeout, PrerequisiteError.

    The lock's file goes with the cluster. Who opened it before has the lock of a file that is gone: filelock sees that,
    and begins anew.
    """
    file = paths.cluster_lock(name)
    lock = FileLock(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire(timeout=0)
    except Timeout:
        timeline.say(f"  waiting for another process that creates or deletes cluster {name}")
        try:
            lock.acquire(timeout=patient(LOCK_SECONDS))
        except Timeout:
            raise WaitTimeout(f"the process that holds {file}", patient(LOCK_SECONDS)) from None
    except OSError as error:  # Timeout is one, too
        raise PrerequisiteError(
            f"the state folder {paths.state} cannot be used: {error.strerror} ({error.filename}): put that right, "
            "or set XDG_STATE_HOME to a folder that you may write"
        ) from error
    try:
        yield
    finally:
        if not paths.cluster(name).exists():
            file.unlink(
                missing_ok=True
            )  # the last that is done under it: a newcomer makes a new one, and need not wait
        lock.release()


def alone_deploying(settings: Settings, timeline: Timeline) -> AbstractContextManager[None]:
    """Keep other processes from deploying or destroying the case on the cluster for the block; says what it waits for.

    The cluster must be held. All else may be done there meanwhile, as looking at its pods.
    """
    file = settings.paths.cluster(settings.name) / DEPLOYING
    return exclusively(file, timeline, f"another process that deploys or destroys the case on cluster {settings.name}")


@contextmanager
def acquire(settings: Settings, timeline: Timeline, provider: Provider) -> Iterator[Held]:
    """Hold the cluster of the settings' name for the block: join it if it runs, else create it.

    What crashed runs left is removed first: their clusters, and on one that is joined what they made there. With
    ``keep_cluster`` it stays, else whoever leaves last deletes it. Raises what ``Provider.create`` raises, ClusterError
    where a dead cluster of the name cannot be cleared away, and what ``leftovers.remove`` raises.
    """
    lease = Lease(settings.paths.cluster(settings.name))
    with ExitStack() as holding:
        with alone_with(settings.paths, settings.name, timeline):
            if swept := provider.sweep():
                timeline.say(f"  removed what crashed runs left: {', '.join(swept)}")
            _hold(lease, holding)
            _forget_locks(settings.paths)
            cluster = provider.attach(settings.name)
            created = cluster is None
            if cluster is None:
                _refuse_remains(settings)
                cluster = _create(provider, settings, timeline, lease, holding)
            holding.callback(cluster.close)
            runs = Runs(settings.paths.cluster(settings.name))
            if not created:
                _clear(runs, settings.run_id, cluster, timeline)
            holding.enter_context(runs.hold(settings.run_id))
            if isinstance(cluster, Shared):
                holding.enter_context(_visit(cluster, settings, timeline))
            if settings.keep_cluster:
                lease.keep()
        try:
            yield Held(cluster, created)
        finally:
            holding.close()
            leave(settings, timeline, provider)


@contextmanager
def join(
    settings: Settings, provider: Provider, *, beyond_exec: bool = False, visit: Timeline | None = None
) -> Iterator[Cluster]:
    """Hold a running cluster for the block, and leave its end to others. Raises UsageError where there is none.

    One that is being created is waited for, and so is the end of one that is being deleted. With ``beyond_exec`` a
    program that this process becomes in the block goes on holding it. Who makes something in namespaces of a cluster
    gives ``visit``, and so is seen, for the block, by those who use the cluster from elsewhere.
    """
    if not settings.paths.cluster(settings.name).is_dir():
        raise not_running(settings)
    with ExitStack() as holding:
        with alone_with(settings.paths, settings.name, Timeline()):
            if not settings.paths.cluster(settings.name).is_dir():
                raise not_running(settings)
            _hold(Lease(settings.paths.cluster(settings.name)), holding, beyond_exec=beyond_exec)
            cluster = provider.attach(settings.name)
            if cluster is None:
                raise not_running(settings)
        holding.callback(cluster.close)
        if visit is not None and isinstance(cluster, Shared):
            holding.enter_context(_visit(cluster, settings, visit))
        yield cluster


def not_running(settings: Settings) -> UsageError:
    """What a command says that needs the cluster to run."""
    return UsageError(f"there is no running cluster {settings.name}: `{command(settings, 'up')}` creates one")


def _clear(runs: Runs, own: str, cluster: Cluster, timeline: Timeline) -> None:
    """Remove what dead runs left on a cluster, and say so.

    Not what another worker of the same run left, which may have ended before this one began.
    """
    began = time.monotonic()
    with runs.ended() as ended:
        dead = [run for run in ended if run != own]
        if dead:
            _tell_removed(cluster, dead, began, timeline)


@contextmanager
def _visit(cluster: Cluster, settings: Settings, timeline: Timeline) -> Iterator[None]:
    """Be seen on a cluster that others use from elsewhere; what their dead runs have left there is removed first."""
    assert isinstance(cluster, Shared)  # noqa: S101 -- the caller has looked
    with cluster.visited(settings.run_id, settings.place, settings.labels("visit")) as visit:
        began = time.monotonic()
        if dead := visit.forget_dead():
            _tell_removed(cluster, dead, began, timeline)
        yield


def _tell_removed(cluster: Cluster, dead: Collection[str], began: float, timeline: Timeline) -> None:
    from harness.kube.leftovers import remove  # noqa: PLC0415 -- the Kubernetes client, where something may be left

    if removed := remove(cluster.api, dead):
        told = "; ".join(removed[:TOLD]) + (f"; and {len(removed) - TOLD} more" if len(removed) > TOLD else "")
        timeline.record("left by earlier runs, removed", time.monotonic() - began, told)


def _forget_locks(paths: Paths) -> None:
    """Remove the locks of clusters that are gone and had nobody left to do it."""
    for file in paths.cluster_lock("any").parent.glob("*.lock"):
        folder = paths.cluster(file.stem)
        if folder.exists():
            continue
        with suppress(Timeout), FileLock(file).acquire(timeout=0):  # held: somebody is about to create it
            if not folder.exists():
                file.unlink(missing_ok=True)


def _create(provider: Provider, settings: Settings, timeline: Timeline, lease: Lease, holding: ExitStack) -> Cluster:
    """Create it; if that fails, let go of the lease and leave no folder behind."""
    lease.release()  # what a dead cluster of this name was kept for is no wish for the new one
    try:
        return provider.create(settings.name, timeline)
    except BaseException:
        holding.close()
        provider.delete(settings.name)
        raise


def _refuse_remains(settings: Settings) -> None:
    """Raise ClusterError where a dead cluster of the name has users still, so that the sweep had to leave its files."""
    folder = settings.paths.cluster(settings.name)
    if any(file.name not in LEASE_FILES for file in folder.iterdir()):
        raise ClusterError(
            f"cluster {settings.name} has died, and another process still holds it ({folder}): "
            "end that process, or choose another --cluster-name"
        )


def _hold(lease: Lease, holding: ExitStack, *, beyond_exec: bool = False) -> None:
    """Enter the lease. A teardown in progress takes its folder away under the first try, but not under the second."""
    for _ in range(3):
        with ExitStack() as attempt:
            if attempt.enter_context(lease.hold(beyond_exec=beyond_exec)):
                holding.push(attempt.pop_all())
                return
    raise ClusterError("the cluster was torn down again and again while this run tried to join it")


def leave(settings: Settings, timeline: Timeline, provider: Provider) -> bool:
    """See to it that the cluster is gone if nobody holds it and it is not kept; whether it is.

    Its supervisor sees too that the last user left, and may be faster: then its end is waited for.
    """
    lease = Lease(settings.paths.cluster(settings.name))
    with alone_with(settings.paths, settings.name, timeline):
        began = time.monotonic()
        if lease.kept or lease.shared():
            return False
        done = "cluster left" if settings.paths.provider(settings.name) == "existing" else "cluster gone"
        if settings.paths.cluster(settings.name).exists():
            provider.delete(settings.name)
        timeline.record(done, time.monotonic() - began)
        return True


def default_name(paths: Paths) -> str:
    """The cluster that a command means without a name: the one kept cluster if there is exactly one."""
    kept = [folder.name for folder in paths.clusters.glob("*/") if Lease(folder).kept]
    return kept[0] if len(kept) == 1 else DEFAULT_NAME


def command(settings: Settings, words: str) -> str:
    """A command for the user to copy: it names the cluster, unless it would mean that one anyway."""
    meant = settings.name == DEFAULT_NAME == default_name(settings.paths)
    return f"python -m harness{'' if meant else f' --cluster-name={settings.name}'} {words}"


def known(paths: Paths, provider_of: Callable[[str], Provider]) -> list[Known]:
    """Every cluster that has a folder in the state, by name; ``provider_of`` gives the provider of each."""
    found = []
    for folder in sorted(paths.clusters.glob("*/")):
        lease = Lease(folder)
        cluster = provider_of(folder.name).attach(folder.name)
        found.append(
            Known(
                name=folder.name,
                running=cluster is not None,
                kept=lease.kept,
                held=lease.held(),
                busy=_is_busy(paths, folder.name),
                kubeconfig=str(cluster.kubeconfig) if cluster else "",
                since=lease.since,
            )
        )
    return found


def _is_busy(paths: Paths, name: str) -> bool:
    file = paths.cluster_lock(name)
    if not file.exists():
        return False
    try:
        with FileLock(file).acquire(timeout=0):
            return False
    except Timeout:
        return True
