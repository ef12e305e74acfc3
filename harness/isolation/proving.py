"""Proving generated worlds on a cluster, many at once, and making the smallest one of a disagreement.

Each world has its own namespaces, but they all lie on one cluster, where an empty namespaceSelector sees every one of
them: so the oracle judges the union, and some cells go from world to world.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.isolation.catalogue import Case
from harness.isolation.conformance import Trial
from harness.isolation.lab import Lab
from harness.isolation.matrix import Cell, Compared, cells_of
from harness.isolation.observe import Settled
from harness.isolation.shrink import shrink
from harness.isolation.stage import PORTS, bare_stage
from harness.isolation.world import Pod, Service, World
from harness.isolation.worlds import world_of
from harness.kube.protocol import Protocol

AT_ONCE = 8
"""Worlds that lie on the cluster side by side."""
NAMESPACES = ("a", "b")
PODS = ("p0", "p1")
CROSSING = 100
"""Cells of a round that go from one world to another."""
CONFIRMATIONS = 3
SHRINK_SECONDS = 0.5
"""How long a step of the shrinking looks for agreement, after the marker has passed: what disagrees costs it thrice."""
MOST_SHRINKING = 120.0
"""Seconds of one proof, of all its disagreements together, after which the smallest world so far must do."""
MOST_TOLD = 8
"""Disagreements after which no further world is looked at: the plugin deviates, and that is shown."""


def union(worlds: Sequence[World]) -> World:
    """Several worlds as the one that they are on their cluster: nodes and addresses outside are the same in all."""
    return World(
        tuple(one for world in worlds for one in world.namespaces),
        tuple(one for world in worlds for one in world.pods),
        tuple(one for world in worlds for one in world.policies),
        tuple(one for world in worlds for one in world.services),
        worlds[0].nodes,
        worlds[0].externals,
    )


def matrix_of(world: World, protocols: Sequence[Protocol]) -> list[Cell]:
    """All cells of one world."""
    return list(cells_of(world.sources, world.destinations, PORTS, protocols))


def crossing(worlds: Sequence[World], protocols: Sequence[Protocol], count: int, seed: str) -> list[Cell]:
    """Some cells from pods of one world to pods of another."""
    draw = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
    found: dict[Cell, None] = {}
    for _ in range(count if len(worlds) > 1 else 0):
        one, other = draw.sample(worlds, 2)
        cell = Cell(draw.choice(one.pods), draw.choice(other.pods), draw.choice(PORTS), draw.choice(protocols))
        found[cell] = None
    return list(found)


@dataclass(frozen=True)
class Disagreement:
    """A world, as small as it could be made, on which the cluster and the oracle disagree, and where.

    ``shrunk`` is False where it could not be made smaller: there was no time left for it, or it did not disagree again.
    """

    index: int
    world: World
    wrong: Sequence[Compared]
    shrunk: bool = True


class Catalogued:
    """The catalogue's cases on one stage of a lab, one after the other."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stages = 0
        self._between: tuple[World, ...] = ()  # if the last change failed: what lies there is one of them, or a mixture
        self.bare = self._now = self._stand()

    def prove(self, case: Case) -> Iterator[tuple[Trial, Settled]]:
        """Bring the cluster to each state of a case, and look at all cells.

        If that fails, nobody knows what lies on the stage, and the next case gets another one.
        """
        if self._between:
            for world in self._between:
                self._lab.remove(_without(world, self._lab.hosts))
            self.bare = self._now = self._stand()
        for number, wanted in enumerate(case.build(self.bare), 1):
            self._between = self._now, wanted
            self._now = self._lab.bring(self._now, wanted)
            self._between = ()
            settled = self._lab.prove(self._now, matrix_of(self._now, self._lab.protocols))
            yield _trial(f"{case.name} ({number})", case.points, settled), settled

    def _stand(self) -> World:
        """A bare stage, with names that no other had: those may still be going."""
        self._between = ()
        lab = self._lab
        self._stages += 1
        name = f"{lab.name}-case{self._stages}"
        made = lab.build(bare_stage(name, ("x", "y", "z"), ("a", "b", "c"), protocols=lab.protocols))
        return union([replace(made, nodes=lab.bare.nodes, externals=lab.bare.externals), lab.hosts])


class Generated:
    """Generated worlds on stages of a lab. ``seed`` and an index make a world, on whichever stage it comes to lie."""

    def __init__(self, lab: Lab, seed: int, at_once: int = AT_ONCE) -> None:
        self._lab = lab
        self._seed = seed
        self._shrinking = MOST_SHRINKING
        self.looked_at = 0
        plans = [
            bare_stage(f"{lab.name}-{number}", NAMESPACES, PODS, protocols=lab.protocols) for number in range(at_once)
        ]
        made = lab.build(union(plans))
        self._bare = [
            replace(
                lab.bare,
                namespaces=plan.namespaces,
                pods=tuple(pod for pod in made.pods if pod.namespace in _names(plan)),
                services=tuple(one for one in made.services if one.namespace in _names(plan)),
            )
            for plan in plans
        ]
        self._now = union(self._bare)

    def prove(self, indexes: Sequence[int]) -> Iterator[tuple[Trial, Disagreement | None]]:
        """Prove the worlds of these indexes, in batches. What each came to; disagreements are shrunk first.

        After the batch in which ``MOST_TOLD`` disagreements are reached it ends: ``looked_at`` is how many worlds were.
        """
        told = 0
        for first in range(0, len(indexes), len(self._bare)):
            if told >= MOST_TOLD:
                return
            batch = indexes[first : first + len(self._bare)]
            worlds = [world_of(self._seed, index, bare) for index, bare in zip(batch, self._bare, strict=False)]
            self._now = self._lab.bring(self._now, union([*worlds, *self._bare[len(worlds) :]]))
            cells = [cell for world in worlds for cell in matrix_of(world, self._lab.protocols)]
            cells += crossing(worlds, self._lab.protocols, CROSSING, f"{self._seed}/{batch[0]}")
            settled = self._lab.prove(self._now, cells)
            self.looked_at += len(batch)
            shares = [_share(settled, world) for world in worlds]
            together = self._now, union(self._bare)
            # What is wrong disagrees, whether or not it lies in one of the worlds.
            nobodys = not settled.agreed and all(one.agreed for one in shares)
            for index, world, bare, share in zip(batch, worlds, self._bare, shares, strict=False):
                trial = _trial(f"world {index} of seed {self._seed}", (), share)
                if share.agreed and not nobodys:
                    yield trial, None
                    continue
                yield trial, self._explain(index, ((world, bare), together), share.wrong or settled.wrong)
                told, nobodys = told + 1, False

    def _explain(self, index: int, suspects: Sequence[tuple[World, World]], wrong: Sequence[Compared]) -> Disagreement:
        """The smallest world that still disagrees, of the first of the suspects that does: this one, or all together.

        Each comes with its bare one.
        """
        began = time.monotonic()
        try:
            for suspect, bare in suspects:
                if self._shrinking > 0 and self._disagrees(suspect):
                    small = self._smallest(suspect, bare, began + self._shrinking)
                    still = self._look(small)
                    return Disagreement(index, _concerned(small, still), still)
        finally:
            self._shrinking -= time.monotonic() - began
        ends = {end.id for one in wrong for end in (one.cell.source, one.cell.destination)}
        holding = (world for world, _ in suspects if ends <= {one.id for one in (*world.sources, *world.destinations)})
        return Disagreement(index, next(holding), wrong, shrunk=False)

    def _smallest(self, world: World, bare: World, until: float) -> World:
        return shrink(world, self._disagrees, bare=bare, stop=lambda: time.monotonic() > until)

    def _disagrees(self, world: World) -> bool:
        return all(self._look(world) for _ in range(CONFIRMATIONS))

    def _look(self, world: World) -> list[Compared]:
        """The wrong cells of a world that lies on the cluster alone."""
        self._now = self._lab.bring(self._now, self._laid_out(world))
        return self._lab.prove(self._now, matrix_of(world, self._lab.protocols), SHRINK_SECONDS).wrong

    def _laid_out(self, world: World) -> World:
        """All stages, bare but for what is of a world: pods that it does without stay, and are not asked."""
        everything = union(self._bare)
        pods = {pod.id: pod for pod in world.pods}
        namespaces = {one.name: one for one in world.namespaces}
        return replace(
            everything,
            namespaces=tuple(namespaces.get(one.name, one) for one in everything.namespaces),
            pods=tuple(pods.get(pod.id, pod) for pod in everything.pods),
            policies=world.policies,
        )


def _trial(name: str, points: tuple[int, ...], settled: Settled) -> Trial:
    seen = Trial.of(name, points, settled.compared, settled.seconds)
    return replace(seen, rounds=settled.rounds, again=len(settled.again))


def _share(settled: Settled, world: World) -> Settled:
    """What of a look at many worlds is one world's: the cells that begin in its namespaces, or end there if nowhere."""
    names = _names(world)

    def is_mine(cell: Cell) -> bool:
        homes = (end.namespace for end in (cell.source, cell.destination) if isinstance(end, (Pod, Service)))
        return next(homes, None) in names

    compared = [one for one in settled.compared if is_mine(one.cell)]
    return replace(settled, compared=compared, again=[cell for cell in settled.again if is_mine(cell)])


def _concerned(world: World, wrong: Sequence[Compared]) -> World:
    """A world without the pods and Services that no wrong cell begins or ends at: on the cluster they stay anyway."""
    ends = {end.id for one in wrong for end in (one.cell.source, one.cell.destination)}
    behind = {
        pod.id
        for service in world.services
        if service.id in ends
        for port in service.ports
        for pod, _ in world.backends(service, port)
    }
    pods = tuple(pod for pod in world.pods if pod.id in ends | behind)
    services = tuple(service for service in world.services if service.id in ends)
    homes = {pod.namespace for pod in pods} | {policy.namespace for policy in world.policies}
    namespaces = tuple(one for one in world.namespaces if one.name in homes)
    return replace(world, namespaces=namespaces, pods=pods, services=services)


def _without(world: World, other: World) -> World:
    """The namespaces and pods of a world that are not those of another one."""
    kept = _names(world) - _names(other)
    return World(
        tuple(one for one in world.namespaces if one.name in kept),
        tuple(pod for pod in world.pods if pod.namespace in kept),
    )


def _names(world: World) -> set[str]:
    return {one.name for one in world.namespaces}
