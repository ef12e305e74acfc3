"""Each team deploys and destroys its own service, and the other team does not notice."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.case import DATABASES, Case
from harness.kube.wait import wait_until

pytestmark = [pytest.mark.promise, pytest.mark.xdist_group("case")]

HOMES = {"invoice-app": "invoice", "payment-provider": "payments"}


def pod_uids(case: Case, namespace: str) -> set[str]:
    """The pods of a namespace, by what no two pods share."""
    return {pod["metadata"]["uid"] for pod in case.cluster.kubectl.get("pods", namespace=namespace)["items"]}


@pytest.mark.parametrize(("service", "neighbour"), [("invoice-app", "payments"), ("payment-provider", "invoice")])
def test_a_service_is_destroyed_and_deployed_again_alone(books: Case, service: str, neighbour: str) -> None:
    case = books
    kubectl = case.cluster.kubectl
    home = HOMES[service]
    untouched = pod_uids(case, neighbour)
    replaced = pod_uids(case, home)

    case.destroy(service)
    volumes = kubectl.get("persistentvolumes")["items"]
    assert kubectl.run("get", "namespace", home, "--ignore-not-found") == ""
    assert [v for v in volumes if v["spec"]["claimRef"]["namespace"] == home and v["status"]["phase"] == "Bound"] == []

    case.deploy(service)
    assert not pod_uids(case, home) & replaced
    assert pod_uids(case, neighbour) == untouched
    ready = kubectl.get("deployment", service, namespace=home)["status"]["readyReplicas"]
    assert ready >= 3, "its autoscaler keeps at least three"

    wait_until("the Ingress to lead to the service", lambda: case.http.get("/invoices").ok, seconds=60)
    assert sorted(case.http.post("/invoices/pay").json()["paid"]) == ["I1", "I2", "I3"]
    assert sorted(payment["invoice_id"] for payment in case.payments()) == ["I1", "I2", "I3"]


@pytest.mark.parametrize("service", HOMES)
def test_deploying_what_is_deployed_changes_nothing(case: Case, service: str) -> None:
    before = pod_uids(case, HOMES[service])

    case.deploy(service)

    assert pod_uids(case, HOMES[service]) == before


def test_what_left_the_manifests_goes_and_comes_back_with_them(case: Case, tmp_path: Path) -> None:
    fewer = replace(case, manifests=shutil.copytree(case.manifests, tmp_path / "manifests"))
    kustomization = fewer.manifests / "invoice-app" / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("  - network.yaml\n", ""))
    policies = [f"networkpolicy/{name}" for name in ("default-deny", "invoice-app", "invoice-db")]
    before = pod_uids(case, "invoice")

    try:
        assert fewer.deploy("invoice-app") == [f"{one} pruned in invoice" for one in policies]
        assert case.cluster.kubectl.get("networkpolicies", namespace="invoice")["items"] == []
    finally:
        assert case.deploy("invoice-app") == [f"{one} created in invoice" for one in policies]
    assert pod_uids(case, "invoice") == before


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1 AS n;", "SELECT 1 AS n -- one", "/* one */ SELECT 1 AS n", "(SELECT 1 AS n)"],
)
def test_the_databases_are_asked_in_their_own_words(case: Case, statement: str) -> None:
    for database in DATABASES:
        assert case.sql(database, statement) == [{"n": 1}]
