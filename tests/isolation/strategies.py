"""Worlds of Hypothesis: the generator of the harness, fed by Hypothesis in place of a seed."""

from collections.abc import Callable
from functools import cache

from hypothesis import strategies as st

from harness.isolation.cells import sample_cells
from harness.isolation.draw import Draw
from harness.isolation.matrix import Cell
from harness.isolation.world import World
from harness.isolation.worlds import draw_world, sample_bare


class HypothesisDraw(Draw):
    """Choices of Hypothesis. ``draw`` is what ``st.composite`` gives."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return low if low == high else self._draw(_integers(low, high))


@cache
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds over bare ones of every shape."""
    mine = HypothesisDraw(draw)
    return draw_world(mine, sample_bare(mine))


@st.composite
def worlds_with_cells(draw: st.DrawFn, count: int) -> tuple[World, list[Cell]]:
    """Worlds, each with so many of its cells."""
    mine = HypothesisDraw(draw)
    world = draw_world(mine, sample_bare(mine))
    return world, sample_cells(mine, world, count)
