"""From outside the cluster the invoices can be reached, and the payment provider cannot.

Everything that is found closed for the provider is found open for its *twin*: the same program in a namespace
without policies, probed from the same place in the same round. So it is the policies that close it.
"""

from dataclasses import dataclass

import pytest

from harness.case import Case
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from scenarios.copies import copy_of, ingress_for, service_for
from scenarios.places import Outside, connect, fetch

pytestmark = [pytest.mark.promise, pytest.mark.xdist_group("case")]

PORT = 8082


@dataclass(frozen=True)
class Twin:
    """The provider's twin: addresses of its pod and Service, and the host of its Ingress."""

    pod: str
    service: str
    host: str


@pytest.fixture(scope="module")
def twin(case: Case, module_namespace: str) -> Twin:
    """A copy of payment-provider with a Service and an Ingress, in a namespace without policies."""
    kubectl = case.cluster.kubectl
    pod = copy_of(case, "payment-provider", home="payments", into=module_namespace, labels={"app": "twin"})
    service = service_for(pod, PORT)
    host = f"{module_namespace}.local"
    kubectl.apply(pod, service, ingress_for(service, host))
    name = pod["metadata"]["name"]
    kubectl.run("wait", "--namespace", module_namespace, "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    return Twin(
        kubectl.get("pod", name, namespace=module_namespace)["status"]["podIP"],
        kubectl.get("service", name, namespace=module_namespace)["spec"]["clusterIP"],
        host,
    )


@pytest.fixture
def ingress(case: Case) -> str:
    """Base URL of the Ingress controller, at the address that the Ingress itself names."""
    [address] = case.cluster.kubectl.get("ingress", "invoice-app", namespace="invoice")["status"]["loadBalancer"][
        "ingress"
    ]
    return f"http://{address['ip']}"


def pods_of(case: Case, service: str, namespace: str) -> list[JsonObject]:
    found = case.cluster.kubectl.get("pods", "-l", f"app.kubernetes.io/name={service}", namespace=namespace)
    pods: list[JsonObject] = found["items"]
    return pods


def test_from_outside_the_invoices_are_reachable_through_the_ingress(
    books: Case, outside: Outside, ingress: str
) -> None:
    request = {"method": "GET", "url": f"{ingress}/invoices", "headers": {"Host": books.host}}

    [answer] = fetch(outside, [request])

    assert answer["status"] == 200, answer
    assert "I1" in answer["body"]


def test_from_outside_no_address_of_the_provider_can_be_connected_to(case: Case, outside: Outside, twin: Twin) -> None:
    service = case.cluster.kubectl.get("service", "payment-provider", namespace="payments")
    pods = [pod["status"]["podIP"] for pod in pods_of(case, "payment-provider", "payments")]
    provider = [f"{address}:{PORT}" for address in (*pods, service["spec"]["clusterIP"])]
    control = [f"{address}:{PORT}" for address in (twin.pod, twin.service)]

    verdicts = connect(outside, [*provider, *control])

    assert len(pods) >= 3
    assert {target: verdicts[target] for target in control} == dict.fromkeys(control, "connected")
    assert {target: verdicts[target] for target in provider} == dict.fromkeys(provider, "timed out")


def test_from_outside_the_ingress_leads_to_no_path_or_host_of_the_provider(
    case: Case, outside: Outside, ingress: str, twin: Twin
) -> None:
    hosts = ("payment-provider", "payment-provider.payments", "payment-provider.payments.svc.cluster.local", case.host)
    attempts = [
        {"method": method, "url": f"{ingress}{path}", "headers": {"Host": host}, "body": body}
        for host in hosts
        for method, path, body in (("GET", "/payments", ""), ("POST", "/payments/pay", "{}"))
    ]
    through_the_ingress = {"method": "POST", "url": f"{ingress}/payments/pay", "headers": {"Host": twin.host}}
    wait_until(
        "the Ingress of the provider's twin to lead to it",
        lambda: fetch(outside, [through_the_ingress])[0]["status"] == 400,  # the provider's own word for an empty body
        seconds=60,
    )

    statuses = [answer["status"] for answer in fetch(outside, attempts)]

    assert statuses == [404] * len(attempts)


def test_from_outside_probes_and_metrics_of_the_invoice_app_are_hidden(
    case: Case, outside: Outside, ingress: str
) -> None:
    paths = ("/metrics", "/healthz", "/readyz", "/invoices")
    requests = [{"method": "GET", "url": f"{ingress}{path}", "headers": {"Host": case.host}} for path in paths]

    assert [answer["status"] for answer in fetch(outside, requests)] == [404, 404, 404, 200]
