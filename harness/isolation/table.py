"""A table of expectations on a cluster: who its actors are, which cells its columns are, whether they hold. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from harness.errors import ManifestError
from harness.isolation.expectations import Actor, Column, Expectations, Expected, Kind
from harness.isolation.matrix import Cell, Compared, Seen, State
from harness.isolation.policy import Policy
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.world import Destination, External, Namespace, Node, Pod, World
from harness.kube.strict import did_you_mean
from harness.reason import Reason

Entity: TypeAlias = Pod | Node | External
Company: TypeAlias = Mapping[str, Sequence[Entity]]
"""Who plays each actor, by the actor's name."""


def company(expectations: Expectations, world: World, stand_ins: Mapping[str, Pod]) -> Company:
    """Who plays each actor in a world. ``stand_ins`` are the pods that were made, by the name of their actor.

    An actor that is outside has nobody where the cluster has no external peer: see ``unasked``. Raises ManifestError
    for an actor whose labels no running pod has.
    """
    return {name: _players(actor, world, stand_ins) for name, actor in expectations.actors.items()}


def _players(actor: Actor, world: World, stand_ins: Mapping[str, Pod]) -> Sequence[Entity]:
    made = {pod.id for pod in stand_ins.values()}
    match actor.kind:
        case Kind.EXTERNAL:
            return world.externals
        case Kind.NODE:
            return world.nodes
        case Kind.STAND_IN:
            return (stand_ins[actor.name],)
        case Kind.PODS:
            found = tuple(pod for pod in world.pods if pod.id not in made and actor.selects(pod.namespace, pod.labels))
            if not found:
                labels = ", ".join(f"{key}={value}" for key, value in actor.labels.items())
                problem = f"is played by nobody: no pod runs in namespace {actor.namespace} with {labels}"
                raise ManifestError(actor.at, f"actor {actor.name}", problem)
            return found


def refuse_nobodies(expectations: Expectations, written: World, namespaces: Iterable[str]) -> None:
    """Raise ManifestError for whom a table speaks of, and who is not in the world of the manifests that hold his place.

    That are pods in a namespace in which the manifests hold pods, and Services in one of theirs (``namespaces``). Of
    other namespaces only the cluster can tell.
    """
    own = set(namespaces)
    wrong: list[ManifestError] = []
    inhabited = {pod.namespace for pod in written.pods}
    for actor in expectations.actors.values():
        if actor.kind is not Kind.PODS or actor.namespace not in inhabited:
            continue
        if not any(actor.selects(pod.namespace, pod.labels) for pod in written.pods):
            problem = f"is nobody: of the pods of namespace {actor.namespace} in the manifests none has its labels"
            wrong.append(ManifestError(actor.at, f"actor {actor.name}", problem))
    served = {f"{one.namespace}/{one.name}" for one in written.services}
    for expected in expectations.cells:
        service = expected.destination.service
        if service and service not in served and service.partition("/")[0] in own:
            hint = did_you_mean(service, served)
            problem = f"the manifests hold no Service {service} with an address of its own{hint}"
            wrong.append(ManifestError(expected.at, str(expected), problem))
    if wrong:
        raise ManifestError.of(wrong)


def refuse_nowhere(expectations: Expectations, world: World) -> None:
    """Raise ManifestError for actors in namespaces that a cluster does not have."""
    there = [one.name for one in world.namespaces]
    wrong = [
        ManifestError(
            actor.at,
            f"actor {actor.name}",
            f"is in namespace {actor.namespace}, which neither the manifests nor the cluster has"
            f"{did_you_mean(actor.namespace, there)}",
        )
        for actor in expectations.actors.values()
        if actor.namespace and actor.namespace not in there
    ]
    if wrong:
        raise ManifestError.of(wrong)


def cells_of_table(expectations: Expectations, world: World, players: Company) -> Iterator[tuple[Expected, Cell]]:
    """Every connection that a table speaks of, pod by pod; none from a pod to itself. Raises ManifestError."""
    for expected in expectations.cells:
        for source in players[expected.source]:
            for destination in _destinations(expected, world, players):
                if destination != source:
                    column = expected.destination
                    yield expected, Cell(source, destination, column.port, column.protocol)


def unasked(
    expectations: Expectations, world: World, players: Company, pairs: Iterable[tuple[Expected, Cell]]
) -> list[Expected]:
    """The cells of a table that no connection of ``pairs`` stands for, since nobody plays one of the two actors.

    Raises ManifestError for one that speaks of a pod and itself alone.
    """
    asked = {expected for expected, _ in pairs}
    left = [expected for expected in expectations.cells if expected not in asked]
    for expected in left:
        if players[expected.source] and _destinations(expected, world, players):
            raise ManifestError(expected.at, str(expected), nothing_said(expectations.actors[expected.source]))
    return left


def nothing_said(actor: Actor) -> str:
    """What is wrong with a cell whose only connection is that of an actor with itself."""
    who = {Kind.EXTERNAL: "the address outside", Kind.NODE: "the node"}.get(actor.kind, "a pod")
    return f"speaks of {who} and itself, which always reaches itself: write -"


def _destinations(expected: Expected, world: World, players: Company) -> Sequence[Destination]:
    column: Column = expected.destination
    if not column.service:
        return players[column.actor]
    found = [one for one in world.services if f"{one.namespace}/{one.name}" == column.service]
    if not found:
        raise ManifestError(expected.at, str(expected), f"the cluster has no Service {column.service} with an address")
    return found


@dataclass(frozen=True)
class Judged:
    """A connection of a table, with what was seen of it."""

    expected: Expected
    compared: Compared

    @property
    def holds(self) -> bool:
        """Whether it was seen as expected, or cannot be tested here. What is unknown does not hold."""
        wanted = State.ALLOWED if self.expected.allowed else State.DENIED
        return self.compared.seen.state in (wanted, State.UNTESTED)

    def __str__(self) -> str:
        seen, says = self.compared.seen, self.compared.expected
        return (
            f"{self.expected} must be {self.expected.word} ({self.expected.at}), "
            f"but {self.compared.cell} was seen {seen.state}: {seen.why}. The policies as written say {says}"
        )


def judge(pairs: Iterable[tuple[Expected, Cell]], compared: Iterable[Compared]) -> list[Judged]:
    """Each connection of a table beside what was seen of its cell."""
    by_cell = {one.cell: one for one in compared}
    return [Judged(expected, by_cell[cell]) for expected, cell in pairs]


NO_PEER = "the cluster has no address outside that could be asked, or ask"


def untestable(expected: Expected, players: Company) -> Judged:
    """A cell of which nobody plays an actor, as an untested connection: only outside can be nobody."""
    nobody = External("nowhere")
    column = expected.destination
    source = next(iter(players[expected.source]), nobody)
    destination = next(iter(players.get(column.actor, ())), nobody)
    cell = Cell(source, destination, column.port, column.protocol)
    decision = Decision(Verdict.UNDEFINED, (Reason(NO_PEER),))
    return Judged(expected, Compared(cell, decision, Seen(State.UNTESTED, NO_PEER)))


def unproved(judged: Iterable[Judged]) -> list[str]:
    """The rows and columns of which not one connection could be tested, in sentences, each with why not.

    A column whose rows are all told already is not told once more.
    """
    rows: dict[str, list[Judged]] = {}
    columns: dict[str, list[Judged]] = {}
    for one in judged:
        rows.setdefault(f"row {one.expected.source} ({one.expected.at})", []).append(one)
        columns.setdefault(f"column {one.expected.destination}", []).append(one)
    lost = {row: found for row, found in rows.items() if _untested(found)}
    told = {one.compared.cell for found in lost.values() for one in found}
    lost |= {
        column: found
        for column, found in columns.items()
        if _untested(found) and any(one.compared.cell not in told for one in found)
    }
    return [
        f"{what} is not proved at all: none of its connections could be tested; of {found[0].compared.cell}: "
        f"{found[0].compared.seen.why}"
        for what, found in lost.items()
    ]


def _untested(found: Iterable[Judged]) -> bool:
    return all(one.compared.seen.state is State.UNTESTED for one in found)


def as_written(world: World, written: Sequence[Policy], namespaces: Iterable[str]) -> World:
    """A world whose policies in some namespaces are those of the files: what its owners mean to be true there."""
    own = set(namespaces)
    others = tuple(policy for policy in world.policies if policy.namespace not in own)
    return replace(world, policies=(*others, *written))


def drift(
    world: World, written: Sequence[Policy], namespaces: Iterable[str], homes: Iterable[Namespace] = ()
) -> list[str]:
    """How the policies on the cluster differ from those in the files, in sentences.

    ``homes`` are the namespaces as the files have them: a label that is another on the cluster is told, since policies
    select by it. What the cluster adds to them is not: others label namespaces, too.
    """
    own = set(namespaces)
    there = {(one.namespace, one.name): one for one in world.policies if one.namespace in own}
    files = {(one.namespace, one.name): one for one in written}
    said = [f"policy {n}/{name} ({files[n, name].at}) is not on the cluster" for n, name in files.keys() - there.keys()]
    said += [f"policy {n}/{name} is on the cluster, and in no file" for n, name in there.keys() - files.keys()]
    said += [
        f"policy {one.namespace}/{one.name} on the cluster is not as written at {one.at}"
        for key, one in files.items()
        if key in there and there[key].defaulted != one.defaulted
    ]
    labels = {one.name: one.labels for one in world.namespaces}
    for home in homes:
        now = labels.get(home.name, {})
        said += [
            f"namespace {home.name} has the label {key}={now[key]} on the cluster, and {key}={value} in its file"
            if key in now
            else f"namespace {home.name} does not have the label {key}={value} of its file on the cluster"
            for key, value in home.labels.items()
            if now.get(key) != value
        ]
    return sorted(said)
