"""Generated worlds: always the same ones, over a bare world that they leave as it is, and worth asking about."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from strategies import worlds

from harness.isolation.agreement import drawn, oracle
from harness.isolation.draw import RandomDraw
from harness.isolation.grammar import NAMESPACE_LABELS, POD_LABELS
from harness.isolation.verdict import Verdict
from harness.isolation.world import Namespace, Pod, World
from harness.isolation.worlds import draw_world, sample_bare, world_of

BARE = sample_bare(RandomDraw.seeded("bare"))


def test_a_seed_and_an_index_are_one_world() -> None:
    assert world_of(1, 2, BARE) == world_of(1, 2, BARE)
    assert len({world_of(1, index, BARE) for index in range(50)}) > 45
    assert world_of(1, 12, BARE) != world_of(11, 2, BARE)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_world(hash_seed: str) -> None:
    program = "from harness.isolation.agreement import drawn; print([drawn(4, index, 9) for index in range(20)])"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert told.stdout.strip() == str([drawn(4, index, 9) for index in range(20)])


def test_a_bare_world_gets_labels_and_policies_and_is_else_left_as_it_is() -> None:
    fixed = replace(
        BARE,
        namespaces=tuple(replace(one, labels={"team": "fixed", "stage": "w0"}) for one in BARE.namespaces),
        pods=tuple(replace(one, labels={**one.labels, "app": "fixed"}) for one in BARE.pods),
    )
    for index in range(50):
        world = world_of(3, index, fixed)
        for before, after in zip(fixed.pods, world.pods, strict=True):
            assert replace(after, labels=before.labels) == before
            assert before.labels.items() <= after.labels.items()
        for home, labelled in zip(fixed.namespaces, world.namespaces, strict=True):
            assert labelled.name == home.name
            assert home.labels.items() <= labelled.labels.items()
        assert replace(world, namespaces=fixed.namespaces, pods=fixed.pods, policies=()) == fixed


def test_every_label_is_drawn_and_every_key_is_missing_somewhere() -> None:
    drawn_worlds = [world_of(1, index, BARE) for index in range(60)]
    for vocabulary, things in (
        (POD_LABELS, [pod.labels for world in drawn_worlds for pod in world.pods]),
        (NAMESPACE_LABELS, [one.labels for world in drawn_worlds for one in world.namespaces]),
    ):
        for key, values in vocabulary.items():
            assert {labels.get(key) for labels in things} == {None, *values}


def test_none_to_five_policies_are_numbered_within_their_namespaces() -> None:
    drawn_worlds = [world_of(2, index, BARE) for index in range(300)]
    assert {len(world.policies) for world in drawn_worlds} == {0, 1, 2, 3, 4, 5}
    for world in drawn_worlds:
        for home in world.namespaces:
            names = [policy.name for policy in world.policies if policy.namespace == home.name]
            assert names == [f"p{number}" for number in range(len(names))]


def test_a_world_without_namespaces_gets_nothing() -> None:
    assert world_of(1, 1, World()) == World()


def test_bare_worlds_have_what_clusters_have() -> None:
    bare = [sample_bare(RandomDraw.seeded(f"bare {index}")) for index in range(200)]
    assert {len(one.namespaces) for one in bare} == {2, 3}
    assert {len(one.nodes) for one in bare} == {1, 2}
    assert {len(one.externals) for one in bare} == {1, 2, 3}
    assert {sum(pod.host_network for pod in one.pods) for one in bare} == {0, 1}
    counts = Counter(
        len(list(one.backends(service, port))) for one in bare for service in one.services for port in service.ports
    )
    assert {0, 1, 2, 3} <= set(counts)
    for one in bare:
        assert one.policies == ()
        nodes = {node.name: node.address for node in one.nodes}
        assert all((pod.address == nodes[pod.node]) is pod.host_network for pod in one.pods)
        for things in (one.pods, one.services):
            assert len({thing.id for thing in things}) == len(things)
        alone = [pod.address for pod in one.pods if not pod.host_network] + [
            service.address for service in one.services
        ]
        assert len(set(alone)) == len(alone)


def test_a_named_port_has_other_numbers_on_other_pods_and_is_missing_on_some() -> None:
    bare = [sample_bare(RandomDraw.seeded(f"bare {index}")) for index in range(50)]
    declared = [
        {port.name: port.number for port in pod.ports if port.protocol == "TCP"} for one in bare for pod in one.pods
    ]
    assert {ports.get("web") for ports in declared} == {8080, 8081}
    assert {ports.get("alt") for ports in declared} == {8080, 8081, None}


def test_hypothesis_draws_worlds_of_many_shapes() -> None:
    seen: list[World] = []

    @settings(max_examples=50, derandomize=True, database=None)
    @given(worlds())
    def look(world: World) -> None:
        seen.append(world)

    look()
    assert any(world.policies for world in seen)
    assert {len(world.namespaces) for world in seen} == {2, 3}


# ----------------------------------------------------------------------------------------------- worth asking about


def test_of_the_cells_many_are_allowed_many_denied_and_less_undefined() -> None:
    verdicts = Counter(one for index in range(400) for one in oracle(*drawn(6, index, 20)))
    share = {verdict: verdicts[verdict] / verdicts.total() for verdict in Verdict}
    assert 0.4 < share[Verdict.ALLOW] < 0.7
    assert 0.25 < share[Verdict.DENY] < 0.5
    assert 0.04 < share[Verdict.UNDEFINED] < 0.2
    assert 0 < share[Verdict.MIXED] < 0.05


def test_few_worlds_isolate_nothing() -> None:
    def isolated(world: World) -> list[Pod]:
        return [
            pod
            for pod in world.pods
            for policy in world.policies
            if policy.namespace == pod.namespace and policy.pods.matches(pod.labels) and not pod.host_network
        ]

    trivial = [index for index in range(1000) if not isolated(drawn(6, index, 0)[0])]
    assert 0 < len(trivial) < 50


def test_a_stage_with_other_names_gets_worlds_too() -> None:
    stage = World(
        (Namespace("w3-a"), Namespace("w3-b")), (Pod("w3-a", "x", "10.65.0.5"), Pod("w3-b", "y", "10.65.0.6"))
    )
    homes = {
        policy.namespace for index in range(20) for policy in draw_world(RandomDraw.seeded(str(index)), stage).policies
    }
    assert homes == {"w3-a", "w3-b"}
