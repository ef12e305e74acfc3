"""Real workloads, probed where they run: their own pods are the sources, beside stand-ins for who is not there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from harness.errors import ProbeError
from harness.isolation import snapshot
from harness.isolation.expectations import Expectations, Kind
from harness.isolation.foreign import undecided
from harness.isolation.lab import AGREE_SECONDS, Lab
from harness.isolation.matrix import Compared, Seen, State
from harness.isolation.observe import Observer, Settled
from harness.isolation.policy import Policy
from harness.isolation.table import (
    Judged,
    as_written,
    cells_of_table,
    company,
    drift,
    judge,
    refuse_nowhere,
    unasked,
    unproved,
    untestable,
)
from harness.isolation.world import ContainerPort, Foreign, Namespace, Pod, World
from harness.prober.opening import NoMeans, open_prober

_FIRST_FREE_PORT: Final = 1024
"""Below it only a privileged process may listen."""


@dataclass(frozen=True)
class Proof:
    """A table held against a cluster. ``drift`` tells how the cluster differs from what is written."""

    judged: Sequence[Judged]
    settled: Settled
    drift: Sequence[str]
    stand_ins: frozenset[str] = frozenset()
    """The ids of the pods that were made for the table's actors."""

    @property
    def broken(self) -> list[str]:
        """What does not hold, in sentences.

        Connections of the table; rows of which nothing could be tested; and where the cluster and the model part though
        the table is kept.
        """
        told = {one.compared.cell for one in self.judged if not one.holds}
        return [
            *(str(one) for one in self.judged if not one.holds),
            *unproved(self.judged),
            *(str(one) for one in self.settled.wrong if one.cell not in told),
        ]

    @property
    def untested(self) -> list[str]:
        """The connections of the table that there was no means to test, and why."""
        return [
            f"{one.compared.cell}: {one.compared.seen.why}"
            for one in self.judged
            if one.compared.seen.state is State.UNTESTED
        ]

    @property
    def counts(self) -> str:
        """How many connections of the table are as expected, are not, and could not be tested, in words."""
        broken, untested = sum(not one.holds for one in self.judged), len(self.untested)
        numbers = {"as expected": len(self.judged) - broken - untested, "not": broken, "untested": untested}
        return ", ".join(f"{number} {what}" for what, number in numbers.items() if number)


def prove_table(
    lab: Lab,
    expectations: Expectations,
    written: Sequence[Policy],
    namespaces: Iterable[str],
    *,
    allow_ephemeral: bool,
    homes: Iterable[Namespace] = (),
    unapplied: Sequence[Foreign] = (),
) -> Proof:
    """Try every connection that a table speaks of, and hold it against the table and against the model.

    The model judges the policies as ``written`` for ``namespaces``, whatever the cluster has there: so what is missing
    on the cluster shows as a connection that should not be. ``homes`` are namespaces as they are written, whose labels
    the drift speaks of. ``unapplied`` are policies of other APIs in the files: where the cluster does not have them,
    what they may decide cannot be tested. Raises ManifestError for an actor that nobody plays, and a cell that asks for
    nothing.
    """
    refuse_nowhere(expectations, snapshot.take(lab.api))
    lab.find_foreign()
    with ThreadPoolExecutor(max_workers=1) as meanwhile:  # pods that start need seconds, and so do ephemeral containers
        opening = meanwhile.submit(_open_those_there, lab, expectations, allow_ephemeral=allow_ephemeral)
        stand_ins = _stand_ins(lab, expectations)
        means = opening.result()
    lab.marker.wait()
    world = snapshot.take(lab.api, written, lab.bare.externals)
    intended = as_written(world, written, namespaces)
    players = company(expectations, intended, stand_ins)
    pairs = list(cells_of_table(expectations, intended, players))
    left = unasked(expectations, intended, players, pairs)
    sources = {cell.source.id: cell.source for _, cell in pairs}
    observer = observer_of(lab, intended, sources, allow_ephemeral=allow_ephemeral, means=means)
    wanted = {cell: State.ALLOWED if expected.allowed else State.DENIED for expected, cell in pairs}
    settled = observer.settle(list(wanted), AGREE_SECONDS, wanted, sure=True)
    missing = tuple(one for one in unapplied if one.what not in lab.foreign)
    judged = judge(pairs, _untested_without(missing, intended, settled.compared)) + [
        untestable(one, players) for one in left
    ]
    made = frozenset(pod.id for pod in stand_ins.values())
    return Proof(judged, settled, drift(world, written, namespaces, homes), made)


def _untested_without(missing: Sequence[Foreign], world: World, compared: Sequence[Compared]) -> Iterator[Compared]:
    """What was seen, but that cells are untested which policies may decide that are ``missing`` on the cluster."""
    with_them = replace(world, foreign=tuple(missing))
    why = f"a policy that is not applied may decide it: {', '.join(policy.what for policy in missing)}"
    for one in compared:
        said = undecided(with_them, one.cell.source, one.cell.destination, one.cell.port)
        yield replace(one, expected=said, seen=Seen(State.UNTESTED, why)) if said else one


@dataclass(frozen=True)
class Means:
    """Why pods cannot be probed from, by their ids: they are ``untested`` without any means, or it is broken."""

    untested: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def observer_of(
    lab: Lab, world: World, sources: Iterable[str], *, allow_ephemeral: bool, means: Means | None = None
) -> Observer:
    """Eyes for a world of real pods: those of ``sources`` (by id) get a prober each, by whatever means they have.

    A source that has no means is untested, and says which option would give it one. One whose prober does not start is
    unknown: its means is there, and broken. ``means`` is what is known of pods that were tried before.
    """
    before = means or Means()
    tried = before.untested.keys() | before.failed.keys()
    wanted = [pod for pod in world.pods if pod.id in set(sources) and pod.id not in tried]
    now = _open(lab, wanted, allow_ephemeral=allow_ephemeral)
    return lab.observer(world, {**before.untested, **now.untested}, {**before.failed, **now.failed})


def _open_those_there(lab: Lab, expectations: Expectations, *, allow_ephemeral: bool) -> Means:
    """Open the probers of the pods that play a table's actors already."""
    actors = expectations.actors.values()
    there = [
        pod for pod in snapshot.take(lab.api).pods if any(one.selects(pod.namespace, pod.labels) for one in actors)
    ]
    return _open(lab, there, allow_ephemeral=allow_ephemeral)


def _open(lab: Lab, pods: Iterable[Pod], *, allow_ephemeral: bool) -> Means:
    """Open a prober in each pod that has none and a network of its own."""
    wanted = [pod for pod in pods if not pod.host_network and pod.id not in lab.probers]
    untested: dict[str, str] = {}
    failed: dict[str, str] = {}

    def open_(pod: Pod) -> None:
        try:
            body = lab.api.get(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}")
            # At once: whatever becomes of the others, the lab closes it.
            lab.adopt(pod, open_prober(lab.api, body, lab.image, allow_ephemeral=allow_ephemeral))
        except NoMeans as error:
            untested[pod.id] = str(error)
        except ProbeError as error:
            failed[pod.id] = str(error)

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(open_, wanted))
    return Means(untested, failed)


def _stand_ins(lab: Lab, expectations: Expectations) -> dict[str, Pod]:
    """Make the stand-ins of a table's actors, listening where they are asked; they stay until the lab closes."""
    strangers = Namespace(f"{lab.name}-strangers")
    wanted = {
        actor.name: Pod(
            actor.namespace or strangers.name,
            f"{lab.name}-{actor.name}",
            "",
            actor.labels,
            _ports(expectations, actor.name),
        )
        for actor in expectations.actors.values()
        if actor.kind is Kind.STAND_IN
    }
    if not wanted:
        return {}
    homes = {pod.namespace for pod in wanted.values()} - {strangers.name}
    made = lab.build_once(World((strangers, *map(Namespace, sorted(homes))), tuple(wanted.values())), existing=homes)
    by_id = {pod.id: pod for pod in made.pods}
    return {name: by_id[pod.id] for name, pod in wanted.items()}


def _ports(expectations: Expectations, actor: str) -> tuple[ContainerPort, ...]:
    columns = dict.fromkeys(cell.destination for cell in expectations.cells if cell.destination.actor == actor)
    return tuple(ContainerPort(one.port, one.protocol) for one in columns if one.port >= _FIRST_FREE_PORT)
