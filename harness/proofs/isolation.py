"""The proof that a user's own services are isolated as their policies say, and as their owners mean it.

Collected by the plugin with ``--manifests``. The table of ``--isolation-expectations`` is what the owners mean; without
one only the policies speak for themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from harness.clusters.provider import Cluster
from harness.isolation import own, snapshot
from harness.isolation.expectations import read
from harness.isolation.lab import AGREE_SECONDS, Lab
from harness.isolation.matrix import Cell, Standing, count
from harness.isolation.own import Own, Staged
from harness.isolation.real import observer_of, prove_table
from harness.isolation.recording import Records
from harness.isolation.table import drift
from harness.kube.manifests import kustomize, load
from harness.proofs import GROUP, own_manifests, places
from harness.settings import Settings

pytestmark = [pytest.mark.isolation, pytest.mark.xdist_group(GROUP)]

NO_TABLE = (
    "without --isolation-expectations this proves only that the cluster does as the policies say, not that they say "
    "what is meant"
)


@pytest.fixture(scope="module")
def written(settings: Settings, cluster: Cluster, alone_in: Callable[[Iterable[str]], None]) -> Own:
    """The user's manifests, whose namespaces no other run changes."""
    folder = own_manifests(settings)
    assert folder is not None
    manifests = load(folder, kustomize(cluster.kubectl))
    alone_in(places(settings, manifests))
    return own.of_manifests(manifests)


@pytest.fixture(scope="module")
def staged(lab: Lab, written: Own, records: Records) -> Iterator[Staged]:
    """The user's world on the cluster."""
    made = own.stage(lab, written)
    records.notes([*lab.notes, *written.notes])
    if made.stand_ins:
        why = {one: f" (its pods are there: {made.idle[one]})" if one in made.idle else "" for one in made.stand_ins}
        told = ", ".join(f"{one}{why[one]}" for one in made.stand_ins)
        records.notes([f"stand-ins, for workloads that do not run: {told}"])
    yield made
    records.notes(lab.reopened)


def test_the_cluster_does_as_the_policies_say(
    lab: Lab, staged: Staged, written: Own, settings: Settings, records: Records
) -> None:
    """Everybody tries to reach everybody; the model says from the files who may."""
    cells = own.cells(staged, lab.protocols)
    sources = {cell.source.id for cell in cells}
    observer = observer_of(lab, staged.world, sources, allow_ephemeral=settings.may_attach)
    settled = observer.settle(cells, AGREE_SECONDS, sure=True)
    if settings.isolation_expectations is None:
        records.matrix("the user's manifests", settled.compared, staged.stand_ins)
    untested = [one for one in settled.compared if one.standing is Standing.UNTESTED]
    records.notes(
        [
            f"the user's manifests: {told(count(settled.compared))}",
            *dict.fromkeys(f"untested from {one.cell.source.id}: {one.seen.why}" for one in untested),
            *(f"drift: {one}" for one in (*drifted(lab, written), *staged.strayed)),
            *settled.notes,
        ]
    )
    if not settled.agreed:
        pytest.fail(lines(settled.wrong), pytrace=False)
    if not any(one.standing is Standing.CONFORMS and concerns(staged, one.cell) for one in settled.compared):
        pytest.fail("not one connection of your own pods and Services could be judged", pytrace=False)


def test_everybody_reaches_whom_the_table_allows_and_nobody_else(
    lab: Lab, staged: Staged, written: Own, settings: Settings, records: Records
) -> None:
    """Every cell of ``--isolation-expectations`` is tried."""
    file = settings.isolation_expectations
    if file is None:
        records.notes([NO_TABLE])
        pytest.skip(NO_TABLE)
    proof = prove_table(
        lab,
        read(file),
        written.written.policies,
        written.namespaces,
        allow_ephemeral=settings.may_attach,
        homes=written.written.namespaces,
        unapplied=written.written.foreign,
    )
    records.matrix(str(file), proof.judged, {*staged.stand_ins, *proof.stand_ins})
    records.notes([f"the table: {proof.counts}", *proof.settled.notes])
    if wrong := [*proof.broken, *proof.drift, *staged.strayed]:
        pytest.fail(lines(wrong), pytrace=False)


def concerns(staged: Staged, cell: Cell) -> bool:
    """Whether a connection is one of the user's own, and not of a pod with itself."""
    mine = {pod.id for pod in staged.pods} | {service.id for service in staged.services}
    return cell.source != cell.destination and bool(mine & {cell.source.id, cell.destination.id})


def drifted(lab: Lab, written: Own) -> list[str]:
    """How the cluster differs from the manifests: told also where no table makes it a failure."""
    now = snapshot.take(lab.api, written.written.policies)
    return drift(now, written.written.policies, written.namespaces, written.written.namespaces)


def told(counts: dict[Standing, int]) -> str:
    """Counts in words."""
    return ", ".join(f"{number} {standing}" for standing, number in counts.items() if number)


def lines(sentences: Sequence[object]) -> str:
    """One sentence a line."""
    return "\n".join(map(str, sentences))
