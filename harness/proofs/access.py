"""The proof that a user's own subjects may do what their owners mean, and nothing else.

Collected by the plugin with ``--access-expectations``, and with ``--manifests`` that hold roles or bindings. Without a
table only the roles speak for themselves.
"""

from collections.abc import Callable, Iterable, Iterator

import pytest

from harness.access import own, powers
from harness.access.escalation import Escalation
from harness.access.expectations import read
from harness.access.lab import Lab
from harness.access.matrix import wrong
from harness.access.own import Own
from harness.access.parse import joined
from harness.access.proving import prove_table, prove_ways, told
from harness.access.recording import record, summary
from harness.access.whom import written_subjects
from harness.clusters.provider import Cluster
from harness.kube.manifests import kustomize, load
from harness.proofs import GROUP, own_manifests, places
from harness.records import Records
from harness.settings import Settings

pytestmark = [pytest.mark.access, pytest.mark.xdist_group(GROUP)]

NO_TABLE = (
    "without --access-expectations this proves only that the cluster does as the roles say, not that they say what is "
    "meant"
)
NO_HOME = "no subject of --access-expectations has a home: where his ways lead is not looked at"
NO_ROLES = "the manifests hold no role and no binding: there is nothing to hold against the cluster"


@pytest.fixture(scope="module")
def written(
    settings: Settings,
    cluster: Cluster,
    access: Lab,
    access_records: Records,
    alone_in: Callable[[Iterable[str]], None],
) -> Iterator[Own]:
    """The user's roles and bindings, on the cluster; no other run changes their namespaces."""
    folder = own_manifests(settings)
    manifests = load(folder, kustomize(cluster.kubectl)) if folder else []
    alone_in(places(settings, manifests))
    mine = own.of_manifests(manifests)
    with own.staged(access.api, mine, settings.labels("access")) as made:
        if made:
            access_records.notes([f"made for the run, and removed after it: {len(made)} objects"])
        yield mine


def test_model_review_and_request_agree(written: Own, access: Lab, access_records: Records) -> None:
    """Everybody whom the manifests bind tries everything in their namespaces; no table is needed for that."""
    everybody = written_subjects(written.realm, written.namespaces)
    if not everybody:
        access_records.notes([NO_ROLES])
        pytest.skip(NO_ROLES)
    compared, drift = prove_ways(access, everybody, written.realm, written.namespaces)
    record(access_records, compared)
    access_records.notes(summary(compared, access.credentials))
    if found := wrong(compared) or drift:
        pytest.fail(told(found), pytrace=False)


def test_everybody_may_do_what_the_table_allows_and_nothing_else(
    written: Own, access: Lab, settings: Settings, access_records: Records
) -> None:
    """Every cell of ``--access-expectations`` is settled."""
    file = settings.access_expectations
    if file is None:
        access_records.notes([NO_TABLE])
        pytest.skip(NO_TABLE)
    proof = prove_table(access, read(file), written.realm, written.namespaces)
    record(access_records, proof.judged)
    access_records.notes(summary(proof.compared, access.credentials))
    if found := proof.broken or proof.drift or proof.untold:
        pytest.fail(told(found), pytrace=False)


def test_nobodys_ways_lead_out_of_his_home(
    written: Own, access: Lab, settings: Settings, access_records: Records
) -> None:
    """Whoever has a ``home`` in ``--access-expectations`` can come to have nothing outside it, however many steps."""
    file = settings.access_expectations
    whom = [who for who in read(file).subjects.values() if who.home is not None] if file else []
    if not whom:
        access_records.notes([NO_HOME])
        pytest.skip(NO_HOME)
    escalation = Escalation(joined(written.realm, access.realm(), written.namespaces))
    ways = {who: escalation.reached(who.identity) for who in whom}
    access_records.text("escalations.txt", powers.survey({who.name: paths for who, paths in ways.items()}))
    if out := [
        f"{who.name}, to {power}:\n{powers.told(paths[power])}"
        for who, paths in ways.items()
        for power in powers.outside(paths, who.home or frozenset())
    ]:
        pytest.fail(told(out), pytrace=False)
