"""Both teams' pods and databases, the Ingress, DNS, strangers, the world outside: everybody tries to reach everybody.

Who may is written in expected.yaml, as a table. Each connection that fails counts only beside two that come up at the
same time: the destination answers itself, and the source reaches somebody else.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.case import Case
from harness.isolation.expectations import read
from harness.isolation.lab import Lab
from harness.isolation.matrix import State
from harness.isolation.real import Proof, prove_table
from harness.isolation.recording import Records
from harness.isolation.table import NO_PEER
from harness.isolation.workloads import world_of
from harness.kube.manifests import kustomize, load
from harness.settings import Settings

pytestmark = pytest.mark.xdist_group("case")

EXPECTED = Path(__file__).parent / "expected.yaml"


@pytest.fixture(scope="module")
def proof(case: Case, lab: Lab, records: Records, settings: Settings) -> Proof:
    """Every cell of the table, tried at once."""
    render = kustomize(case.cluster.kubectl)
    with ThreadPoolExecutor() as pool:
        written = list(pool.map(lambda folder: world_of(load(folder, render)), case.folders))
    policies = [policy for world in written for policy in world.policies]
    homes = [namespace for world in written for namespace in world.namespaces]
    found = prove_table(
        lab, read(EXPECTED), policies, case.namespaces, allow_ephemeral=settings.may_attach, homes=homes
    )
    records.matrix("the case", found.judged, found.stand_ins)
    records.notes([f"the case's table: {found.counts}", *found.settled.notes, *lab.notes, *lab.reopened])
    return found


def test_everybody_reaches_whom_the_table_allows_and_nobody_else(proof: Proof) -> None:
    broken = [line for line in proof.broken if not line.endswith(NO_PEER)]

    assert not broken, "\n".join(broken)


def test_no_connection_was_left_untried(proof: Proof) -> None:
    untested = [one.compared for one in proof.judged if one.compared.seen.state is State.UNTESTED]
    untested = [one for one in untested if one.seen.why != NO_PEER]

    assert not untested, "\n".join(map(str, untested))


def test_the_world_outside_was_asked_and_asks(proof: Proof) -> None:
    outside = [
        one.compared for one in proof.judged if "outside" in (one.expected.source, one.expected.destination.actor)
    ]
    if any(one.seen.why == NO_PEER for one in outside):
        pytest.skip(f"{len(outside)} cells are untested: {NO_PEER}")

    assert outside


def test_the_policies_on_the_cluster_are_those_in_the_manifests(proof: Proof) -> None:
    assert not proof.drift, "\n".join(proof.drift)
