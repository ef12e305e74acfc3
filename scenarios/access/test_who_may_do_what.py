"""Everybody asks the API for everything: each verb of each resource, in both teams' namespaces and in the cluster.

Who may is written in expected.yaml, as a table. Each cell is settled three ways: by a model of the roles as they are
written, by the API server's own review, and by a real request, with a certificate or token of whoever asks.
"""

from pathlib import Path

import pytest

from harness.access import own
from harness.access.asking import CONNECTS, NOT_LIVE
from harness.access.credentials import How
from harness.access.expectations import Expectations, read
from harness.access.lab import Lab
from harness.access.matrix import Standing
from harness.access.own import Own
from harness.access.proving import Proof, prove_table, told
from harness.access.recording import record, summary
from harness.access.request import Request
from harness.access.resources import lying_in
from harness.case import Case
from harness.kube.manifests import kustomize
from harness.records import Records

pytestmark = pytest.mark.xdist_group("case")

EXPECTED = Path(__file__).parent / "expected.yaml"
PAST_EVERY_POLICY = {*CONNECTS, "nodes/proxy"}
"""What leads to a pod through the API, where no NetworkPolicy has a say."""


@pytest.fixture(scope="module")
def expectations() -> Expectations:
    return read(EXPECTED)


@pytest.fixture(scope="module")
def written(case: Case) -> Own:
    """The case's roles and bindings, as they stand in the manifests."""
    return own.read(case.manifests, kustomize(case.cluster.kubectl))


@pytest.fixture(scope="module")
def proof(written: Own, expectations: Expectations, access: Lab, access_records: Records) -> Proof:
    """Every cell of the table, settled."""
    found = prove_table(access, expectations, written.realm, written.namespaces)
    record(access_records, found.judged)
    access_records.notes(summary(found.compared, access.credentials))
    return found


def test_everybody_may_do_what_the_table_allows_and_nothing_else(proof: Proof) -> None:
    assert not proof.broken, told(proof.broken)


def test_the_table_leaves_nothing_out(proof: Proof, expectations: Expectations, access: Lab) -> None:
    judged = {one.expected.cell for one in proof.judged}
    places = ("", *expectations.namespaces)
    asked = {
        (who.name, place, resource.what)
        for who in expectations.subjects.values()
        for place in places
        for resource in lying_in(access.resources, place)
    }

    assert {(one.who.name, one.request.namespace, one.request.what) for one in judged} == asked


def test_model_review_and_request_agree_on_every_cell(proof: Proof) -> None:
    parted = [one for one in proof.compared if one.standing is not Standing.AGREES]

    assert not parted, told(parted)


def test_what_no_real_request_settled_says_why(proof: Proof, access: Lab) -> None:
    two_ways = [one for one in proof.compared if one.ways == 2]
    if not access.live:
        two_ways = [one for one in two_ways if not one.asked.why.endswith(NOT_LIVE)]

    assert all(
        one.cell.source or one.cell.request.kind == "nodes/proxy" or changes_a_namespace(one.cell.request)
        for one in two_ways
    ), told(two_ways)
    assert all(one.asked.why for one in two_ways)


def changes_a_namespace(request: Request) -> bool:
    """Whether it would change a namespace that is there: it cannot name another, and so is not sent."""
    return (request.resource, request.group) == ("namespaces", "") and bool(request.name) and request.verb != "get"


def test_everybody_asked_with_a_credential_of_his_own(proof: Proof, access: Lab) -> None:
    how = {who.name: credential.how for who, credential in access.credentials.items()}

    assert {name for name, one in how.items() if one is How.CERTIFICATE} == {
        "team-invoice",
        "team-payments",
        "stranger",
    }
    assert {name for name, one in how.items() if one is How.ANONYMOUS} == {"nobody"}
    assert How.IMPERSONATED not in how.values()


def test_the_roles_on_the_cluster_are_those_in_the_manifests(proof: Proof) -> None:
    assert not proof.drift, told(proof.drift)


def test_nobody_has_rights_where_the_table_does_not_look(proof: Proof) -> None:
    assert not proof.untold, told(proof.untold)


def test_nobody_comes_to_payment_provider_through_the_api(proof: Proof) -> None:
    ways = [
        one
        for one in proof.judged
        if one.expected.cell.request.kind in PAST_EVERY_POLICY
        and one.expected.cell.request.namespace in ("payments", "")
    ]

    assert {one.expected.cell.request.kind for one in ways} == PAST_EVERY_POLICY
    opened = [one for one in ways if one.compared.model.allowed or one.compared.standing is not Standing.AGREES]
    assert not opened, told(opened)
