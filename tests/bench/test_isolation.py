"""A rate of verdicts counts only if they are right, and half of them denials: those are what takes time."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.bench.isolation import ASKED, half_denied, require_right
from harness.errors import ClusterError
from harness.isolation.matrix import Cell, Seen, State, cells_of
from harness.isolation.oracle import Oracle
from harness.isolation.stage import PORTS, bare_stage
from harness.isolation.verdict import Verdict
from harness.isolation.world import World


def nine() -> World:
    bare = bare_stage("nine", ("x", "y", "z"), ("a", "b", "c"))
    return replace(bare, pods=tuple(replace(pod, address=f"10.1.0.{n}") for n, pod in enumerate(bare.pods, 1)))


def seen_in(world: World) -> dict[Cell, Seen]:
    """Every cell as the oracle says."""
    oracle = Oracle(world)
    decided = {
        cell: oracle.verdict(cell.source, cell.destination, cell.port, cell.protocol).verdict
        for cell in cells_of(world.pods, world.pods, PORTS, ASKED)
    }
    states = {Verdict.ALLOW: State.ALLOWED, Verdict.DENY: State.DENIED}
    return {cell: Seen(states[verdict], "") for cell, verdict in decided.items()}


def required(world: World, *rounds: Mapping[Cell, Seen]) -> int:
    return require_right(Oracle(world), rounds)


def test_half_of_the_matrix_that_is_measured_is_denied() -> None:
    world = half_denied(nine())
    seen = seen_in(world)

    denied = required(world, seen, seen)

    assert len(seen) == 9 * 9 * 2 * 2
    assert 2 * denied >= len(seen)


@pytest.mark.parametrize("state", [State.ALLOWED, State.UNKNOWN, State.UNTESTED])
def test_a_cell_of_any_round_that_is_not_as_the_oracle_says_is_told(state: State) -> None:
    world = half_denied(nine())
    right = seen_in(world)
    one = next(cell for cell, seen in right.items() if seen.state is State.DENIED)

    with pytest.raises(ClusterError, match="1 cells of a round") as failed:
        required(world, {**right, one: Seen(state, "")}, right)

    assert str(one) in str(failed.value)


def test_a_matrix_in_which_nearly_all_is_allowed_is_not_the_one_that_was_asked_for() -> None:
    with pytest.raises(ClusterError, match="only 0 of the 324 cells"):
        required(nine(), seen_in(nine()))
