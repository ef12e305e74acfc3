"""The oracle and the second judge agree on generated worlds; where two judges do not, it is found and made small."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from strategies import worlds_with_cells

from harness.isolation.agreement import Judge, disagreement, drawn, first_disagreement, oracle, smallest
from harness.isolation.cells import cells
from harness.isolation.grammar import UNKNOWN_PORT
from harness.isolation.matrix import Cell
from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.isolation.verdict import Verdict
from harness.isolation.world import World
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector


# Derandomized: a failure here must be the same on every machine until the code changes. Other worlds are the bench's
# part, which judges 100,000 of a seed. Hypothesis does not shrink, since `smallest` does, and knows what a world is.
@settings(
    max_examples=2000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(worlds_with_cells(count=20))
def test_both_judges_agree_on_every_world(drawn_world: tuple[World, list[Cell]]) -> None:
    found = disagreement(*drawn_world)
    if found:
        pytest.fail(str(smallest(found)))


def test_both_judges_agree_on_the_worlds_of_a_seed() -> None:
    found = first_disagreement(20, range(500), 60)
    if found:
        pytest.fail(str(smallest(found)))


@pytest.mark.parametrize("index", range(4))
def test_both_judges_agree_on_every_cell_of_a_world(index: int) -> None:
    world, _ = drawn(21, index, 0)
    found = disagreement(world, list(cells(world)))
    if found:
        pytest.fail(str(smallest(found)))


def test_a_seed_and_an_index_are_one_world_with_its_cells() -> None:
    assert drawn(1, 2, 5) == drawn(1, 2, 5)
    assert drawn(1, 2, 5) != drawn(1, 3, 5)
    assert drawn(1, 2, 5) != drawn(2, 2, 5)


# ------------------------------------------------------------------------ judges that are wrong in one thing are caught


def ignoring_end_ports(policy: Policy) -> Policy:
    return _with_ports(policy, lambda port: replace(port, end=None))


def taking_every_port_for_tcp(policy: Policy) -> Policy:
    return _with_ports(policy, lambda port: replace(port, protocol=Protocol.TCP))


def letting_an_unknown_port_name_mean_every_port(policy: Policy) -> Policy:
    return _with_ports(policy, lambda port: Port(port.protocol) if port.port == UNKNOWN_PORT else port)


def isolating_both_directions_by_default(policy: Policy) -> Policy:
    return replace(policy, types=policy.types or tuple(Direction))


def isolating_ingress_only_by_default(policy: Policy) -> Policy:
    return replace(policy, types=policy.types or (Direction.INGRESS,))


def ignoring_excepts(policy: Policy) -> Policy:
    return _with_peers(policy, lambda one: replace(one, block=one.block and IpBlock(one.block.cidr)))


def taking_no_namespace_selector_for_every_namespace(policy: Policy) -> Policy:
    def widened(peer: Peer) -> Peer:
        return replace(peer, namespaces=Selector()) if peer.pods and not peer.namespaces else peer

    return _with_peers(policy, widened)


def wanting_the_key_for_not_in(policy: Policy) -> Policy:
    def strict(selector: Selector) -> Selector:
        present = [
            Requirement(one.key, Operator.EXISTS) for one in selector.requirements if one.operator is Operator.NOT_IN
        ]
        return replace(selector, requirements=(*selector.requirements, *present))

    return replace(policy, pods=strict(policy.pods))


ERRORS = (
    ignoring_end_ports,
    taking_every_port_for_tcp,
    letting_an_unknown_port_name_mean_every_port,
    isolating_both_directions_by_default,
    isolating_ingress_only_by_default,
    ignoring_excepts,
    taking_no_namespace_selector_for_every_namespace,
    wanting_the_key_for_not_in,
)


def _with_rules(policy: Policy, change: Callable[[Rule], Rule]) -> Policy:
    return replace(policy, ingress=tuple(map(change, policy.ingress)), egress=tuple(map(change, policy.egress)))


def _with_ports(policy: Policy, change: Callable[[Port], Port]) -> Policy:
    return _with_rules(policy, lambda rule: replace(rule, ports=tuple(map(change, rule.ports))))


def _with_peers(policy: Policy, change: Callable[[Peer], Peer]) -> Policy:
    return _with_rules(policy, lambda rule: replace(rule, peers=tuple(map(change, rule.peers))))


def judge_that_errs(error: Callable[[Policy], Policy]) -> Judge:
    def judge(world: World, asked: Sequence[Cell]) -> list[Verdict]:
        return oracle(replace(world, policies=tuple(map(error, world.policies))), asked)

    return judge


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__.replace("_", " "))
def test_a_judge_with_an_error_is_caught_within_some_hundred_worlds(error: Callable[[Policy], Policy]) -> None:
    judges = (oracle, judge_that_errs(error))
    found = first_disagreement(1, range(400), judges=judges)
    assert found
    small = smallest(found, judges)
    assert small.cell.source.id == found.cell.source.id
    assert small.verdicts[0] is not small.verdicts[1]
    assert len(small.world.policies) == 1
    assert len(small.world.pods) <= 2
    assert len(str(small.world.policies[0])) < 700, small


def test_a_disagreement_shows_its_cell_both_verdicts_where_it_is_from_and_the_world_as_manifests() -> None:
    judges = (oracle, judge_that_errs(ignoring_end_ports))
    found = first_disagreement(1, range(400), judges=judges)
    assert found
    lines = str(smallest(found, judges)).splitlines()
    first, other = found.verdicts
    assert lines[0] == f"{found.cell}: one judge says {first}, the other {other} (world {found.origin})"
    assert found.origin.startswith("1/")
    assert "  endPort:" in "\n".join(lines)
    assert "kind: NetworkPolicy" in lines


def test_a_disagreement_goes_from_one_process_to_another() -> None:
    found = first_disagreement(1, range(400), judges=(oracle, judge_that_errs(ignoring_end_ports)))
    assert found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 -- our own
