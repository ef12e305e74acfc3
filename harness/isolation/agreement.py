"""Whether two judges of NetworkPolicy agree: on which generated world do they not, and on which smallest one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from harness.isolation.cells import sample_cells
from harness.isolation.draw import RandomDraw
from harness.isolation.matrix import Cell
from harness.isolation.oracle import Oracle
from harness.isolation.render import to_yaml, world_objects
from harness.isolation.second import Second
from harness.isolation.shrink import shrink
from harness.isolation.verdict import Verdict
from harness.isolation.world import World
from harness.isolation.worlds import draw_world, sample_bare

Judge: TypeAlias = Callable[[World, Sequence[Cell]], list[Verdict]]
"""The verdicts of some cells of a world, in their order."""


def oracle(world: World, cells: Sequence[Cell]) -> list[Verdict]:
    """The judge that is right unless shown otherwise."""
    judge = Oracle(world)
    return [judge.verdict(cell.source, cell.destination, cell.port, cell.protocol).verdict for cell in cells]


def second(world: World, cells: Sequence[Cell]) -> list[Verdict]:
    """The judge that was written apart from it."""
    judge = Second(world)
    return [judge.verdict(cell.source, cell.destination, cell.port, cell.protocol) for cell in cells]


JUDGES: Final[tuple[Judge, Judge]] = (oracle, second)


@dataclass(frozen=True)
class Disagreement:
    """A cell on which two judges differ. ``origin`` is ``seed/index`` of the world, empty if it has none."""

    world: World
    cell: Cell
    verdicts: tuple[Verdict, Verdict]
    origin: str = ""

    def __str__(self) -> str:
        first, other = self.verdicts
        origin = f" (world {self.origin})" if self.origin else ""
        return f"{self.cell}: one judge says {first}, the other {other}{origin}\n{_shown(self.world)}"


def drawn(seed: int, index: int, cells_per_world: int) -> tuple[World, list[Cell]]:
    """World number ``index`` of a seed, bare world included, with some of its cells: always the same ones."""
    draw = RandomDraw.seeded(f"{seed}/{index}")
    world = draw_world(draw, sample_bare(draw))
    return world, sample_cells(draw, world, cells_per_world)


def disagreement(
    world: World, cells: Sequence[Cell], judges: tuple[Judge, Judge] = JUDGES, origin: str = ""
) -> Disagreement | None:
    """The first of the cells of a world on which the judges differ."""
    first, other = (judge(world, cells) for judge in judges)
    for cell, *verdicts in zip(cells, first, other, strict=True):
        if verdicts[0] is not verdicts[1]:
            return Disagreement(world, cell, (verdicts[0], verdicts[1]), origin)
    return None


def first_disagreement(
    seed: int, indexes: Iterable[int], cells_per_world: int = 20, judges: tuple[Judge, Judge] = JUDGES
) -> Disagreement | None:
    """The first world of a seed, of those with these indexes, on which the judges differ; None if there is none.

    It takes about 2 ms for each world of 20 cells. Ranges of indexes can be judged by processes side by side: the
    answer can be pickled.
    """
    for index in indexes:
        found = disagreement(*drawn(seed, index, cells_per_world), judges, f"{seed}/{index}")
        if found:
            return found
    return None


def smallest(found: Disagreement, judges: tuple[Judge, Judge] = JUDGES) -> Disagreement:
    """A disagreement on the same connection in the smallest world that ``shrink`` finds."""

    def again(world: World) -> Disagreement | None:
        sources = [one for one in world.sources if one.id == found.cell.source.id]
        destinations = [one for one in world.destinations if one.id == found.cell.destination.id]
        if not sources or not destinations:
            return None
        cell = Cell(sources[0], destinations[0], found.cell.port, found.cell.protocol)
        return disagreement(world, [cell], judges, found.origin)

    return again(shrink(found.world, lambda world: again(world) is not None)) or found


def _shown(world: World) -> str:
    """A world as manifests, with what is none as comments."""
    beside = [f"# {one.id}: {one.address}" for one in world.nodes] + [f"# {one.id}" for one in world.externals]
    return "\n".join([*beside, to_yaml(world_objects(world))])
