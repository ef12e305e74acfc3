"""``python -m harness.isolation.score``: how many mutants of the policies a table of expectations notices.

Offline: the oracle judges each cell of the table under each mutant. Mutants are held against the table alone, never
against what the oracle says of the original. Exit status 0: every mutant is killed, or argued to be equivalent; 1: one
survived, or an argument is stale; 2: an option, a manifest or the table is wrong.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeAlias

from harness.errors import ManifestError
from harness.isolation.cells import cells
from harness.isolation.expectations import Actor, Column, Expectations, Expected, Kind, read
from harness.isolation.matrix import Cell
from harness.isolation.mutate import Mutant, mutants
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Direction, Policy
from harness.isolation.table import cells_of_table, company, nothing_said
from harness.isolation.verdict import Decision, Verdict
from harness.isolation.workloads import Addresses, world_of
from harness.isolation.world import Destination, External, Namespace, Node, Pod, Source, World
from harness.kube.manifests import load
from harness.kube.protocol import Protocol
from harness.mutation import Argument, Score, judge
from harness.proofs import render
from harness.scoring import inputs, run, say, settings_of, tell
from harness.settings import Settings

USED = frozenset({"manifests", "isolation_expectations", "artifacts"})
SHOWN = 20
"""How many cells that the policies do not meet are told."""

STRANGERS = "strangers"
"""The namespace of stand-ins that name none."""
NODE = Node("node1", "192.0.2.1")
EXTERNAL = External("203.0.113.10")
"""Where manifests name none: addresses of TEST-NET-1 and TEST-NET-3 (RFC 5737)."""

Question: TypeAlias = tuple[Expected, Cell]
"""One connection that a cell of the table speaks of."""


def with_actors(world: World, actors: Mapping[str, Actor]) -> tuple[World, dict[str, Pod]]:
    """The world of the manifests and a pod for each actor that has none there; and those of stand-ins, by actor.

    Raises ManifestError for an actor in a namespace with pods of the manifests, of which none is its own, and for a
    stand-in in a namespace that nobody else is in.
    """
    homes = {namespace.name: namespace for namespace in world.namespaces}
    inhabited = {pod.namespace for pod in world.pods}
    lacking = [one for one in actors.values() if one.kind is Kind.PODS and not _is_there(one, world)]
    for actor in lacking:
        if actor.namespace in inhabited:
            problem = f"is nobody: of the pods of namespace {actor.namespace} in the manifests none has its labels"
            raise ManifestError(actor.at, f"actor {actor.name}", problem)
        homes.setdefault(actor.namespace, Namespace(actor.namespace))
    stand_ins = [one for one in actors.values() if one.kind is Kind.STAND_IN]
    for actor in stand_ins:
        if actor.namespace and actor.namespace not in homes:
            problem = f"stands in namespace {actor.namespace}, which neither the manifests nor another actor has"
            raise ManifestError(actor.at, f"actor {actor.name}", problem)
    homes.setdefault(STRANGERS, Namespace(STRANGERS))
    nodes = world.nodes or (NODE,)
    addresses = Addresses(taken=(pod.address for pod in world.pods))
    made = {
        actor.name: Pod(actor.namespace or STRANGERS, actor.name, addresses.next(), actor.labels, node=nodes[0].name)
        for actor in (*lacking, *stand_ins)
    }
    peopled = replace(
        world,
        namespaces=tuple(homes.values()),
        pods=(*world.pods, *made.values()),
        nodes=nodes,
        externals=world.externals or (EXTERNAL,),
    )
    return peopled, {actor.name: made[actor.name] for actor in stand_ins}


def _is_there(actor: Actor, world: World) -> bool:
    return any(actor.selects(pod.namespace, pod.labels) for pod in world.pods)


def questions(world: World, expectations: Expectations) -> tuple[World, list[Question], list[Column]]:
    """A world of manifests with every actor in it, the connections that the table speaks of, and what is not judged.

    Not judged are columns of Services in namespaces of which the manifests hold no Service: they belong to the cluster.
    Raises ManifestError for an actor or a Service that is not there, and for a cell that speaks of no connection.
    """
    peopled, stand_ins = with_actors(world, expectations.actors)
    served = {service.namespace for service in world.services}
    known = [
        cell
        for cell in expectations.cells
        if not cell.destination.service or cell.destination.service.partition("/")[0] in served
    ]
    judged = replace(expectations, cells=tuple(known))
    asked = list(cells_of_table(judged, peopled, company(judged, peopled, stand_ins)))
    spoken_of = {cell for cell, _ in asked}
    for cell in known:
        if cell not in spoken_of:
            raise ManifestError(cell.at, str(cell), nothing_said(expectations.actors[cell.source]))
    return peopled, asked, list(dict.fromkeys(c.destination for c in expectations.cells if c not in spoken_of))


@dataclass(frozen=True)
class Breach:
    """A cell that policies do not meet. ``side``: a cell says `twice`, and this direction alone does not deny it."""

    cell: Expected
    decision: Decision
    side: Direction | None = None

    def __str__(self) -> str:
        side, reasons = self.side, self.decision.reasons
        if side:  # the other direction's policies were taken away: what is said of it is not so
            reasons = tuple(reason for reason in reasons if side.lower() in reason.text)
        says = f"{side.lower()} alone says" if side else "the policies say"
        told = replace(self.decision, reasons=reasons)
        return f"{self.cell} is expected as `{self.cell.word}` ({self.cell.at}), but {says} {told}"


def breaches(world: World, asked: Iterable[Question]) -> Iterator[Breach]:
    """The cells that a world's policies do not meet, in order."""
    oracle = Oracle(world)
    sides = {one: Oracle(replace(world, policies=alone(world.policies, one))) for one in Direction}
    for expected, cell in asked:
        wanted = Verdict.ALLOW if expected.allowed else Verdict.DENY
        decision = oracle.verdict(*connection(cell))
        if decision.verdict is not wanted:
            yield Breach(expected, decision)
        elif expected.twice:
            for direction, side in sides.items():
                decision = side.verdict(*connection(cell))
                if decision.verdict is not Verdict.DENY:
                    yield Breach(expected, decision, direction)


def connection(cell: Cell) -> tuple[Source, Destination, int, Protocol]:
    """A cell as the oracle is asked for it."""
    return cell.source, cell.destination, cell.port, cell.protocol


def alone(policies: Iterable[Policy], direction: Direction) -> tuple[Policy, ...]:
    """Policies without what they say of the other direction."""
    return tuple(replace(one, types=(direction,)) for one in policies if direction in one.isolates)


def score(world: World, asked: Sequence[Question], arguments: Sequence[Argument] = ()) -> Score:
    """Judge every mutant of the world's policies. Raises ManifestError where the policies themselves miss a cell."""
    if missed := list(islice(breaches(world, asked), SHOWN)):
        told = "\n".join(map(str, missed))
        raise ManifestError(missed[0].cell.at, "", f"the policies do not meet the expectations:\n{told}")
    return judge(mutants(world.policies), partial(_breach, world, asked), partial(unnoticed, world), arguments)


def _breach(world: World, asked: Sequence[Question], mutant: Mutant) -> str:
    """The first cell that a mutant certainly breaks, in words."""
    mutated = replace(world, policies=mutant.policies)
    # Whether a connection that is undefined, or mixed, would be noticed is chance.
    certain = (one for one in breaches(mutated, asked) if one.decision.verdict in (Verdict.ALLOW, Verdict.DENY))
    return str(next(certain, ""))


def unnoticed(world: World, mutant: Mutant) -> str:
    """A connection of the world that a mutant changes, in words: what a cell could expect something of."""
    before, after = Oracle(world), Oracle(replace(world, policies=mutant.policies))
    for cell in cells(replace(world, policies=(*world.policies, *mutant.policies))):
        was, would_be = (oracle.verdict(*connection(cell)).verdict for oracle in (before, after))
        if was is not would_be:
            return f"no cell notices that {cell} is {would_be}, not {was}"
    return (
        "no connection between these actors changes: either another policy denies the same (say `twice` where both "
        "sides must deny), or an actor is missing that only the mutant lets through, or it is equivalent"
    )


def score_of(settings: Settings) -> Score:
    """Score the expectations that the settings name; tell of it, but for the total. Raises UsageError."""
    folder, file = inputs(settings, "isolation", "who can talk to whom")
    expectations = read(file)
    world, asked, passed = questions(world_of(load(folder, render)), expectations)
    said = score(world, asked, expectations.equivalent)
    for column in passed:
        say(f"not judged {column}: the manifests do not hold the Service")
    tell(said, settings.run_folder / "isolation")
    return said


def main(arguments: Sequence[str]) -> int:
    """Score the expectations; the exit status."""
    said = score_of(settings_of("python -m harness.isolation.score", arguments, USED))
    say(f"mutation score {said}")
    return 0 if said.complete else 1


if __name__ == "__main__":
    sys.exit(run(main))
