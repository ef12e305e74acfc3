"""Several worlds on one cluster: their union, what crosses between them, and what of one concerns a disagreement.

Then whole proofs, on a lab whose cluster is the oracle, but where a test says otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from harness.errors import WaitTimeout
from harness.isolation import own, proving
from harness.isolation.catalogue import CASES
from harness.isolation.lab import Lab
from harness.isolation.matrix import Cell, Compared, Seen, Standing, State, compare
from harness.isolation.observe import Settled
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Policy
from harness.isolation.proving import MOST_TOLD, Catalogued, Generated, _concerned, crossing, matrix_of, union
from harness.isolation.stage import PORTS, bare_stage
from harness.isolation.verdict import Verdict
from harness.isolation.world import External, Namespace, Node, Pod, World
from harness.kube.protocol import Protocol

TCP = (Protocol.TCP,)


def bare(prefix: str) -> World:
    world = bare_stage(prefix, ("a", "b"), ("p0", "p1"))
    return replace(world, nodes=(Node("node1", "192.0.2.1"),), externals=(External("203.0.113.10"),))


def test_a_union_has_the_namespaces_of_all_worlds_and_the_nodes_once() -> None:
    both = union([bare("w0"), bare("w1")])
    assert [one.name for one in both.namespaces] == ["w0-a", "w0-b", "w1-a", "w1-b"]
    assert (len(both.pods), len(both.services)) == (8, 8)
    assert (len(both.nodes), len(both.externals)) == (1, 1)


def test_the_matrix_of_a_world_leaves_out_what_no_policy_lies_between() -> None:
    cells = matrix_of(bare("w0"), TCP)
    ends = {(type(cell.source).__name__, type(cell.destination).__name__) for cell in cells}
    assert ("Node", "External") not in ends
    assert ("Node", "Pod") in ends
    assert len(cells) == 6 * 4 * len(PORTS) + 4 * 2 * len(PORTS) + 6 * 4 * 2


def test_what_crosses_begins_in_one_world_and_ends_in_another_and_is_the_same_for_a_seed() -> None:
    worlds = [bare("w0"), bare("w1"), bare("w2")]
    cells = crossing(worlds, TCP, 40, "seed")
    assert cells == crossing(worlds, TCP, 40, "seed")
    assert cells != crossing(worlds, TCP, 40, "another")
    assert all(str(cell.source.id)[:2] != str(cell.destination.id)[:2] for cell in cells)
    assert not crossing(worlds[:1], TCP, 40, "seed")


def test_a_disagreement_is_shown_with_its_own_pods_and_the_namespaces_of_its_policies() -> None:
    world = bare("w0")
    world = replace(world, policies=(Policy("w0-b", "p0"),))
    source, destination = world.pods[0], world.pods[1]
    cell = Cell(source, destination, PORTS[0])
    wrong = [Compared(cell, Oracle(world).verdict(source, destination, PORTS[0], Protocol.TCP), Seen(State.DENIED, ""))]
    shown = _concerned(world, wrong)
    assert [one.id for one in shown.pods] == ["w0-a/p0", "w0-a/p1"]
    assert [one.name for one in shown.namespaces] == ["w0-a", "w0-b"]
    assert not shown.services


Wrong = Callable[[Cell], bool]
SEED = 7


class Cluster:
    """A lab: what stands on it does as the oracle says, but for the cells that are ``wrong``; those never agree.

    ``stray`` are cells that it looks at though nobody asks for them, ``failing`` the changes, by their number, that do
    not come to an end.
    """

    def __init__(self, wrong: Wrong = lambda _: False, failing: Sequence[int] = ()) -> None:
        self.name = "run"
        self.protocols = (Protocol.TCP, Protocol.UDP)
        self.bare = World(nodes=(Node("node1", "192.0.2.1"),), externals=(External("203.0.113.10"),))
        host = Pod("run-host", "node1", "192.0.2.1", {}, node="node1", host_network=True)
        self.hosts = World((Namespace("run-host"),), (host,))
        self.removed: list[str] = []
        self.looks = 0
        self.stray: Sequence[Cell] = ()
        self._wrong = wrong
        self._failing = failing
        self._changes = 0

    def build(self, world: World) -> World:
        """Give everything an address."""
        pods = tuple(replace(pod, address=f"10.1.0.{n}", node="node1") for n, pod in enumerate(world.pods, 1))
        services = tuple(replace(one, address=f"10.96.0.{n}") for n, one in enumerate(world.services, 1))
        return replace(world, pods=pods, services=services)

    def bring(self, _now: World, wanted: World) -> World:
        """What is wanted, at once."""
        self._changes += 1
        if self._changes in self._failing:
            raise WaitTimeout("the network plugin to take in what was changed", 60)
        pods = tuple(pod if pod.address else replace(pod, address="10.1.9.9", node="node1") for pod in wanted.pods)
        return replace(wanted, pods=pods)

    def remove(self, world: World) -> None:
        """Say what goes."""
        self.removed += [one.name for one in world.namespaces]

    def prove(self, world: World, cells: Sequence[Cell], _seconds: float = 0.0) -> Settled:
        """One look."""
        self.looks += 1
        oracle = Oracle(world)
        compared = compare(oracle, {cell: self._seen(oracle, cell) for cell in (*cells, *self.stray)})
        wrong = [one.cell for one in compared if one.standing is Standing.DEVIATES]
        return Settled(compared, 0.1, 3 if wrong else 1, wrong)

    def _seen(self, oracle: Oracle, cell: Cell) -> Seen:
        decided = oracle.verdict(cell.source, cell.destination, cell.port, cell.protocol).verdict
        allowed = (decided is Verdict.ALLOW) is not self._wrong(cell)
        return Seen(State.ALLOWED if allowed else State.DENIED, "")


def lab(cluster: Cluster) -> Lab:
    return cast("Lab", cast("Any", cluster))


def test_worlds_that_agree_are_trials_without_a_disagreement() -> None:
    proved = list(Generated(lab(Cluster()), SEED, at_once=2).prove(range(5)))

    assert [trial.name for trial, _ in proved] == [f"world {index} of seed {SEED}" for index in range(5)]
    assert all(trial.cells["conforms"] and not trial.wrong and not trial.again for trial, _ in proved)
    assert not any(disagreement for _, disagreement in proved)


@pytest.mark.parametrize("kind", [External, Node])
def test_a_deviation_from_outside_or_from_a_node_is_a_disagreement_of_the_world_that_it_leads_to(
    kind: type[External | Node],
) -> None:
    cluster = Cluster(lambda cell: isinstance(cell.source, kind) and cell.destination.id == "run-1-a/p0")

    proved = list(Generated(lab(cluster), SEED, at_once=2).prove(range(2)))

    (first, none), (second, disagreement) = proved
    assert none is None
    assert not first.wrong
    assert second.cells["deviates"] == len(PORTS) * 2
    assert second.wrong
    assert disagreement is not None
    assert {type(one.cell.source) for one in disagreement.wrong} == {kind}
    assert [pod.id for pod in disagreement.world.pods] == ["run-1-a/p0"]
    assert not disagreement.world.policies


def test_what_is_wrong_in_no_world_is_a_disagreement_all_the_same() -> None:
    cluster = Cluster(lambda cell: isinstance(cell.source, External) and isinstance(cell.destination, Node))
    cluster.stray = (Cell(External("203.0.113.10"), Node("node1", "192.0.2.1"), PORTS[0]),)

    proved = list(Generated(lab(cluster), SEED, at_once=2).prove(range(2)))

    assert [bool(disagreement) for _, disagreement in proved] == [True, False]


def test_cells_that_were_asked_again_are_told_by_the_trial_of_their_world() -> None:
    cluster = Cluster(lambda cell: isinstance(cell.source, External) and cell.destination.id == "run-1-a/p0")

    (first, _), (second, _) = Generated(lab(cluster), SEED, at_once=2).prove(range(2))

    assert (first.again, second.again) == (0, len(PORTS) * 2)
    assert (first.rounds, second.rounds) == (3, 3)


def test_when_the_time_for_shrinking_is_over_a_disagreement_is_told_as_it_was_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proving, "MOST_SHRINKING", 0.0)
    cluster = Cluster(lambda cell: isinstance(cell.source, External) and isinstance(cell.destination, Pod))

    proved = list(Generated(lab(cluster), SEED, at_once=2).prove(range(2)))

    assert cluster.looks == 1
    for number, (trial, disagreement) in enumerate(proved):
        assert trial.wrong
        assert disagreement is not None
        assert not disagreement.shrunk
        assert len(disagreement.world.pods) == 4
        assert all(pod.namespace.startswith(f"run-{number}-") for pod in disagreement.world.pods)


def test_a_plugin_that_deviates_everywhere_is_not_proved_wrong_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "MOST_SHRINKING", 0.0)
    generated = Generated(lab(Cluster(lambda cell: isinstance(cell.destination, Pod))), SEED, at_once=3)

    proved = list(generated.prove(range(100)))

    assert MOST_TOLD <= len(proved) < MOST_TOLD + 3
    assert all(disagreement for _, disagreement in proved)
    assert generated.looked_at == len(proved)


def test_a_case_after_one_that_could_not_be_brought_about_gets_another_stage() -> None:
    cluster = Cluster(failing=[1])
    catalogued = Catalogued(lab(cluster))
    before = [one.name for one in catalogued.bare.namespaces]
    with pytest.raises(WaitTimeout):
        list(catalogued.prove(CASES[0]))

    [*proved] = catalogued.prove(CASES[0])

    assert proved
    assert all(settled.agreed for _, settled in proved)
    after = [one.name for one in catalogued.bare.namespaces]
    assert before[-1] == after[-1] == "run-host"
    assert not set(before[:-1]) & set(after[:-1])
    assert set(cluster.removed) == set(before[:-1])


def test_the_replay_of_a_world_asks_every_cell_that_the_proof_asked() -> None:
    for protocols in ((Protocol.TCP, Protocol.UDP), tuple(Protocol)):
        made = bare_stage("w0", ("a", "b"), ("p0", "p1"), protocols=protocols)
        world = replace(made, nodes=(Node("node1", "192.0.2.1"),), externals=(External("203.0.113.10"),))
        stranger = Pod("strangers", "stranger", "10.1.0.9")
        staged = own.Staged(world, world.pods, world.services, stranger, ())

        assert set(matrix_of(world, protocols)) <= set(own.cells(staged, protocols))
