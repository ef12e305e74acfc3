"""``harness heal``: what is registered with a cluster is undone now, whoever registered it and for when."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from harness.chaos import resident
from harness.chaos.undo import Undo, perform, persistently, read
from harness.clusters.provider import Cluster, Shared
from harness.clusters.runs import Runs
from harness.clusters.undo import Undos
from harness.errors import ClusterError, HarnessError
from harness.kube.client import Api
from harness.paths import Paths
from harness.settings import Settings
from harness.timeline import Timeline


@dataclass
class Healed:
    """What was done, a line for each, and what could not be."""

    done: list[str] = field(default_factory=list)
    failed: list[HarnessError] = field(default_factory=list)

    def note(self, do: Callable[[], str]) -> None:
        """Do one thing, and keep what came of it."""
        try:
            self.done.append(do())
        except HarnessError as error:
            self.failed.append(error)


def heal_all(cluster: Cluster, api: Api, paths: Paths) -> Healed:
    """Undo everything that is registered, in the cluster's folder and on it, and remove the healers of dead runs.

    Raises nothing of what could not be undone: that stays registered.
    """
    healed, folder = Healed(), paths.cluster(cluster.name)
    undos = Undos(folder)
    found: list[tuple[str, Undo]] = []
    for name in undos.names():
        try:
            if undo := _in_folder(undos, name):
                found.append((name, undo))
        except ClusterError as error:
            healed.failed.append(error)
    # A component that is to be started may be the one that requests wait for.
    for name, undo in sorted(found, key=lambda one: not one[1].components):
        healed.note(partial(_heal, cluster, api, undo, partial(undos.cancel, name)))
    try:
        _heal_by_requests(cluster, api, Runs(folder).living(), healed)
    except HarnessError as error:
        healed.failed.append(error)
    return healed


def heal_left(cluster: Cluster, api: Api, paths: Paths, own: str) -> list[str]:
    """Heal what killed runs have broken, before something is made anew; a line for each thing that was done.

    What is undone later would give back what was there before. Nothing is done while another run than ``own`` lives,
    since that may be at it, or where others use the cluster from elsewhere: there the healers go on. Raises what could
    not be undone.
    """
    folder = paths.cluster(cluster.name)
    if isinstance(cluster, Shared) or set(Runs(folder).living()) - {own} or not Undos(folder).names():
        return []
    healed = heal_all(cluster, api, paths)
    if healed.failed:
        raise healed.failed[0]
    return healed.done


def heal_first(cluster: Cluster, settings: Settings, timeline: Timeline) -> None:
    """The same before the case is deployed, told on the timeline."""
    for line in heal_left(cluster, cluster.api, settings.paths, settings.run_id):
        timeline.say(f"  left by a killed run of chaos, {line}")


def heal_entry(cluster: Cluster, api: Api, paths: Paths, name: str) -> str:
    """Undo one that is registered in the cluster's folder; a line on it. Raises what refused."""
    undos = Undos(paths.cluster(cluster.name))
    undo = _in_folder(undos, name)
    if undo is None:
        return f"nothing to heal: {name} is not registered any more"
    return _heal(cluster, api, undo, partial(undos.cancel, name))


def _in_folder(undos: Undos, name: str) -> Undo | None:
    entry = undos.find(name)
    return read(entry.about, f"the registered undo {name}") if entry else None


def _heal_by_requests(cluster: Cluster, api: Api, living: list[str], healed: Healed) -> None:
    """Undo what is registered on the cluster; then healers are not needed any more, but by runs that live."""
    found: dict[str, str] = {}
    persistently("the API server, to read what is to be healed", lambda: found.update(resident.registered(api)))
    failures = len(healed.failed)
    for path, text in found.items():

        def do(path: str = path, text: str = text) -> str:
            return _heal(cluster, api, read(text, path), partial(resident.forget, api, path))

        healed.note(do)
    if len(healed.failed) > failures:
        return  # the healers go on trying
    for home in resident.homes(api, living):
        healed.note(partial(_remove, api, home))


def _remove(api: Api, home: str) -> str:
    resident.remove(api, home)
    return f"removed the healer of a run that has ended: namespace {home}"


def _heal(cluster: Cluster, api: Api, undo: Undo, forget: Callable[[], None]) -> str:
    def do() -> None:
        perform(undo, cluster, api)
        forget()

    persistently(f"the API server, to undo {undo.fault}", do)
    return f"healed: {undo.fault}"
