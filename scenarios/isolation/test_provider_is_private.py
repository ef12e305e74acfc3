"""The payment provider and both databases: within the cluster, too, only those reach them who must."""

import pytest

from harness.case import Case
from scenarios.places import InPod, connect

pytestmark = pytest.mark.xdist_group("case")

PROVIDER = "payment-provider.payments.svc.cluster.local:8082"
INVOICES = "invoice-app.invoice.svc.cluster.local:8081"
INVOICE_DB = "invoice-db.invoice.svc.cluster.local:5432"
PAYMENTS_DB = "payments-db.payments.svc.cluster.local:5432"
DNS = "kube-dns.kube-system.svc.cluster.local:53"
API = "kubernetes.default.svc.cluster.local:443"


@pytest.fixture
def invoice_app(case: Case) -> InPod:
    """One of the pods of invoice-app."""
    return InPod(case.cluster.kubectl, "invoice", "deployment/invoice-app", "invoice-app")


@pytest.fixture
def payment_provider(case: Case) -> InPod:
    """One of the pods of payment-provider."""
    return InPod(case.cluster.kubectl, "payments", "deployment/payment-provider", "payment-provider")


@pytest.fixture
def stranger(case: Case, namespace: str) -> InPod:
    """A pod that belongs to neither team, in a namespace without policies."""
    kubectl = case.cluster.kubectl
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "namespace": namespace},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "stranger",
                        "image": case.prober_image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python3", "-c", "import signal; signal.pause()"],
                    }
                ],
            },
        }
    )
    kubectl.run("wait", "--namespace", namespace, "--for=condition=Ready", "pod/stranger", "--timeout=30s")
    return InPod(kubectl, namespace, "stranger", "stranger")


def test_a_stranger_reaches_neither_service_nor_database(stranger: InPod) -> None:
    verdicts = connect(stranger, [PROVIDER, INVOICES, INVOICE_DB, PAYMENTS_DB, DNS])

    assert verdicts == {
        PROVIDER: "timed out",
        INVOICES: "timed out",
        INVOICE_DB: "timed out",
        PAYMENTS_DB: "timed out",
        DNS: "connected",  # the control: the stranger does reach what no policy guards
    }


def test_the_invoice_app_reaches_the_provider_and_its_own_database_only(invoice_app: InPod) -> None:
    verdicts = connect(invoice_app, [PROVIDER, INVOICE_DB, PAYMENTS_DB, DNS, API])

    assert verdicts == {
        PROVIDER: "connected",
        INVOICE_DB: "connected",
        PAYMENTS_DB: "timed out",
        DNS: "connected",
        API: "timed out",
    }


def test_the_provider_reaches_its_own_database_only_and_never_calls_back(payment_provider: InPod) -> None:
    verdicts = connect(payment_provider, [PAYMENTS_DB, INVOICE_DB, INVOICES, DNS, API])

    assert verdicts == {
        PAYMENTS_DB: "connected",
        INVOICE_DB: "timed out",
        INVOICES: "timed out",
        DNS: "connected",
        API: "timed out",
    }
