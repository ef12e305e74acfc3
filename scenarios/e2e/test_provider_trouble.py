"""The provider is down, slow, or answers nonsense: the answer says what is unpaid and why, and a later call pays it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.case import Case, CaseClient
from harness.kube.forward import ServiceForward
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from scenarios.copies import copy_of, ingress_for, service_for

pytestmark = [pytest.mark.promise, pytest.mark.xdist_group("case")]

PROVIDER = ("--namespace", "payments")
SELECTED = "app.kubernetes.io/name=payment-provider,app.kubernetes.io/component=app"
STAND_IN = Path(__file__).parent / "stand_in.py"
TROUBLES = ("slow", "cut", "html", "shape", "error")
EVERY_INVOICE = {f"{trouble}-1" for trouble in TROUBLES}


def unpaid(case: Case) -> set[str]:
    """The ids of the unpaid invoices, by the rows of the database."""
    return {invoice["invoice_id"] for invoice in case.invoices() if not invoice["is_paid"]}


def reasons(answer: requests.Response) -> dict[str, str]:
    """Why each invoice was not paid. The answer must be a 502 that paid nothing."""
    assert answer.status_code == 502, answer.text
    body: dict[str, Any] = answer.json()
    assert body["paid"] == []
    return {failure["InvoiceId"]: failure["error"] for failure in body["failed"]}


def pays_all(case: Case) -> bool:
    """Pay; whether all is paid. A pod of the provider that has just come back may still be unknown here and there."""
    case.http.post("/invoices/pay", timeout=60)
    return not unpaid(case)


def stand_in(image: str) -> JsonObject:
    """A pod that misbehaves as payment-provider. The provider's Service does not select it, until it is relabelled."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "stand-in",
            "namespace": "payments",
            "labels": {"app.kubernetes.io/name": "payment-provider", "app.kubernetes.io/component": "stand-in"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10003,
                "runAsGroup": 10003,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "stand-in",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", STAND_IN.read_text()],
                    "ports": [{"name": "http", "containerPort": 8082}],
                    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


@contextmanager
def provider_gone(case: Case) -> Iterator[None]:
    """While this lasts no pod is payment-provider; a stand-in is ready, but not in its place.

    The provider's autoscaler rests as long as the replicas are 0.
    """
    kubectl = case.cluster.kubectl
    pods = ("pods", *PROVIDER, "--selector", SELECTED)
    kubectl.apply(stand_in(case.prober_image))
    kubectl.run("scale", "deployment/payment-provider", *PROVIDER, "--replicas=0")
    try:
        kubectl.run("wait", *pods, "--for=delete", "--timeout=60s")
        yield
    finally:
        kubectl.run("scale", "deployment/payment-provider", *PROVIDER, "--replicas=3")
        kubectl.run("delete", "pod/stand-in", *PROVIDER, "--wait=false")
        kubectl.run("rollout", "status", "deployment/payment-provider", *PROVIDER, "--timeout=60s", seconds=65)


def reasons_of_the_stand_in(case: Case) -> dict[str, str] | None:
    """Why each invoice was not paid, once it is the stand-in that is asked; None before."""
    seen = reasons(case.http.post("/invoices/pay", timeout=60))
    return seen if seen.keys() == EVERY_INVOICE and "out of order" in seen["error-1"] else None


@dataclass(frozen=True)
class Story:
    """What was seen while the provider was down, while a stand-in misbehaved in its place, and once it was back."""

    down: dict[str, str]
    misbehaved: dict[str, str]
    left_unpaid: set[str]
    paid_rows: set[str]
    payments: list[str]


@pytest.fixture(scope="module")
def story(case: Case) -> Story:
    """The provider goes, a stand-in comes, the provider is back: told once for all scenarios of this module."""
    kubectl = case.cluster.kubectl
    values = ", ".join(f"('{invoice}', 7.5, 'EUR')" for invoice in EVERY_INVOICE)
    case.sql("payments-db", "DELETE FROM payments")
    case.sql(
        "invoice-db",
        f"DELETE FROM invoices; INSERT INTO invoices (invoice_id, value, currency) VALUES {values}",  # noqa: S608
    )

    with provider_gone(case):
        down = reasons(case.http.post("/invoices/pay", timeout=60))
        kubectl.run("wait", *PROVIDER, "--for=condition=Ready", "pod/stand-in", "--timeout=60s")
        kubectl.run("label", *PROVIDER, "pod/stand-in", "app.kubernetes.io/component=app", "--overwrite")
        misbehaved = wait_until(
            "the stand-in to be the provider for every invoice", lambda: reasons_of_the_stand_in(case), seconds=60
        )
        left_unpaid = unpaid(case)
    wait_until("a later call to pay them all", lambda: pays_all(case), seconds=60)
    return Story(
        down,
        misbehaved,
        left_unpaid,
        {invoice["invoice_id"] for invoice in case.invoices() if invoice["is_paid"]},
        sorted(payment["invoice_id"] for payment in case.payments()),
    )


def test_while_the_provider_is_down_the_answer_says_for_every_invoice_that_it_cannot_be_reached(story: Story) -> None:
    assert story.down.keys() == EVERY_INVOICE
    assert all("provider" in reason for reason in story.down.values()), story.down


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("slow", "did not answer within"),
        ("cut", "cut"),
        ("html", "without a payment"),
        ("shape", "without a payment"),
        ("error", "answered 500: out of order"),
    ],
)
def test_a_provider_in_trouble_leaves_the_invoice_unpaid_and_the_answer_says_why(
    story: Story, trouble: str, reason: str
) -> None:
    assert reason in story.misbehaved[f"{trouble}-1"]
    assert f"{trouble}-1" in story.left_unpaid


def test_once_the_provider_is_back_a_later_call_pays_each_invoice_once(story: Story) -> None:
    assert story.left_unpaid == EVERY_INVOICE
    assert story.paid_rows == EVERY_INVOICE
    assert story.payments == sorted(EVERY_INVOICE)


@pytest.fixture
def astray(case: Case) -> Iterator[CaseClient]:
    """A copy of invoice-app on the same database, whose provider URL names nobody: a client of it."""
    kubectl = case.cluster.kubectl
    host = "astray.local"
    pod = copy_of(
        case,
        "invoice-app",
        home="invoice",
        into="invoice",
        labels={"app.kubernetes.io/name": "invoice-app", "app.kubernetes.io/component": "astray"},
        PAYMENT_PROVIDER_URL="http://payment-provider.nowhere.svc.cluster.local:8082",
    )
    service = service_for(pod, 8081)
    made = [pod, service, ingress_for(service, host)]
    kubectl.apply(*made)
    try:
        name = pod["metadata"]["name"]
        kubectl.run("wait", "--namespace", "invoice", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        with (
            ServiceForward(case.cluster.api, "invoice", name, "http") as forward,
            CaseClient(case.cluster.ingress_url or forward.url, {"Host": host, "Connection": "close"}) as client,
        ):
            wait_until(
                "the copy with the wrong provider URL to be reached",
                lambda: client.get("/invoices").status_code == 200,
                seconds=60,
                tolerate=(requests.ConnectionError,),
            )
            yield client
    finally:
        things = [f"{part['kind'].lower()}/{part['metadata']['name']}" for part in made]
        kubectl.run("delete", *things, "--namespace", "invoice", "--ignore-not-found", "--wait=false")


def test_a_wrong_provider_url_gives_a_clear_answer_and_loses_nothing(books: Case, astray: CaseClient) -> None:
    before = books.invoices()

    failures = reasons(astray.post("/invoices/pay", timeout=60))

    assert failures.keys() == {"I1", "I2", "I3"}
    assert all("payment-provider.nowhere" in reason for reason in failures.values()), failures
    assert books.invoices() == before
    assert books.payments() == []
    assert set(books.http.post("/invoices/pay").json()["paid"]) == {"I1", "I2", "I3"}
