"""The smallest world that still shows something: parts are dropped, halves first, and what stays is made simpler.

This is the delta debugging of Zeller and Hildebrandt ("Simplifying and Isolating Failure-Inducing Input", 2002), for
one kind of part after the other. What the kinds are stands in ``parts.py``.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

from harness.isolation.parts import SIMPLER, Simpler, Walk, droppable
from harness.isolation.world import World

T = TypeVar("T")
Ask: TypeAlias = Callable[[World], bool]

NOTHING: Final = World()


def shrink(
    world: World,
    disagrees: Ask,
    *,
    bare: World = NOTHING,
    found: Callable[[World], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> World:
    """The smallest world found that still disagrees: a local minimum, of which no ``steps`` disagrees.

    ``disagrees`` may be expensive: it is never asked twice about the same world, nor about ``world`` itself, which is
    known to. Labels that pods and namespaces have in ``bare`` stay on them: give it where they cannot be removed, as on
    a cluster's stage. ``found`` is told of each smaller world. Once ``stop`` says True, nothing more is asked, and the
    smallest world so far is the answer. The same answers give the same world.
    """
    asked = {world}

    def ask(candidate: World) -> bool:
        if candidate in asked or stop():
            return False
        asked.add(candidate)
        if not disagrees(candidate):
            return False
        found(candidate)
        return True

    while True:
        before = world
        for walk in droppable(bare):
            world = _drop(walk, world, ask)
        for walk, simpler in SIMPLER:
            world = _simplify(walk, simpler, world, ask)
        if world == before:
            return world


def steps(world: World, bare: World = NOTHING) -> Iterator[World]:
    """Every world that is one step smaller: one part dropped, or made simpler."""
    for walk in droppable(bare):
        total = len(_parts(walk, world))
        yield from (_keep(walk, world, set(range(total)) - {number}) for number in range(total))
    for walk, simpler in SIMPLER:
        for number, part in enumerate(_parts(walk, world)):
            yield from (_put(walk, world, number, other) for other in simpler(world, part))


def _parts(walk: Walk, world: World) -> list[Any]:
    """Everything that a walk shows, in its order: that is how parts are numbered."""
    shown: list[Any] = []

    def cut(parts: tuple[T, ...]) -> tuple[T, ...]:
        shown.extend(parts)
        return parts

    walk(world, cut)
    return shown


def _keep(walk: Walk, world: World, kept: set[int]) -> World:
    """The world with only those parts of a kind."""
    numbers = count()

    def cut(parts: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(part for part in parts if next(numbers) in kept)

    return walk(world, cut)


def _put(walk: Walk, world: World, place: int, other: Any) -> World:  # noqa: ANN401 -- a part of any kind
    """The world with another part in one place."""
    numbers = count()

    def cut(parts: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(other if next(numbers) == place else part for part in parts)

    return walk(world, cut)


def _drop(walk: Walk, world: World, ask: Ask) -> World:
    """Without all parts of a kind that can go: all of them, then halves, quarters, …, single ones."""
    smallest, left = world, list(range(len(_parts(walk, world))))
    size = len(left)
    while size:
        at = 0
        while at < len(left):
            rest = left[:at] + left[at + size :]
            candidate = _keep(walk, world, set(rest))
            if ask(candidate):
                smallest, left = candidate, rest
            else:
                at += size
        size //= 2
    return smallest


def _simplify(walk: Walk, simpler: Simpler, world: World, ask: Ask) -> World:
    """With each part of a kind as simple as can be."""
    place = 0
    while place < len(parts := _parts(walk, world)):
        candidates = (_put(walk, world, place, other) for other in simpler(world, parts[place]))
        smaller = next(filter(ask, candidates), None)
        if smaller is None:
            place += 1
        else:
            world = smaller
    return world
