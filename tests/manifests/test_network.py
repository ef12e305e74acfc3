"""Who may talk to whom: nothing, except a short list that this file repeats by hand."""

import json
from typing import TypeAlias

import pytest

from .documents import TEAMS, Document, Json, of_kind, only

DNS = "kube-system/k8s-app=kube-dns"
TRAEFIK = "kube-system/app.kubernetes.io/name=traefik"

Allowance: TypeAlias = tuple[str, str, str, str]
"""Pods of the case, direction, the other side, port."""

EXPECTED: set[Allowance] = {
    ("invoice/invoice-app", "from", TRAEFIK, "TCP 8081"),
    ("invoice/invoice-app", "to", DNS, "UDP 53"),
    ("invoice/invoice-app", "to", DNS, "TCP 53"),
    ("invoice/invoice-app", "to", "invoice/invoice-db", "TCP 5432"),
    ("invoice/invoice-app", "to", "payments/payment-provider", "TCP 8082"),
    ("invoice/invoice-db", "from", "invoice/invoice-app", "TCP 5432"),
    ("payments/payment-provider", "from", "invoice/invoice-app", "TCP 8082"),
    ("payments/payment-provider", "to", DNS, "UDP 53"),
    ("payments/payment-provider", "to", DNS, "TCP 53"),
    ("payments/payment-provider", "to", "payments/payments-db", "TCP 5432"),
    ("payments/payments-db", "from", "payments/payment-provider", "TCP 5432"),
}


def labels_of(selector: Json) -> dict[str, str]:
    """A selector's labels; one that is empty or uses expressions is wider than these manifests need."""
    assert selector.keys() == {"matchLabels"}, f"{json.dumps(selector)} is not a plain list of labels"
    labels: dict[str, str] = selector["matchLabels"]
    assert labels
    return labels


def peer(own_namespace: str, peer_: Json) -> str:
    """A peer as ``namespace/name`` for pods of the case, ``namespace/label=value`` for others."""
    assert peer_.keys() <= {"namespaceSelector", "podSelector"}, "an address block is no part of the case"
    namespace = own_namespace
    if "namespaceSelector" in peer_:
        namespace = labels_of(peer_["namespaceSelector"])["kubernetes.io/metadata.name"]
    [(label, value)] = labels_of(peer_["podSelector"]).items()
    return f"{namespace}/{value if namespace in TEAMS else f'{label}={value}'}"


def allowances(policy: Document) -> set[Allowance]:
    """Everything that a policy allows."""
    rules = [("from", rule) for rule in policy.spec.get("ingress", [])]
    rules += [("to", rule) for rule in policy.spec.get("egress", [])]
    if not rules:
        return set()
    pods = f"{policy.namespace}/{labels_of(policy.spec['podSelector'])['app.kubernetes.io/name']}"
    return {
        (pods, direction, peer(policy.namespace, other), f"{port['protocol']} {port['port']}")
        for direction, rule in rules
        for other in rule[direction]
        for port in rule["ports"]
    }


@pytest.mark.parametrize("namespace", TEAMS)
def test_every_namespace_denies_both_directions_by_default(namespace: str) -> None:
    denies = [policy.spec for policy in of_kind("NetworkPolicy", namespace) if policy.name == "default-deny"]

    assert denies == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]


def test_exactly_the_needed_connections_are_allowed() -> None:
    allowed = set().union(*(allowances(policy) for policy in of_kind("NetworkPolicy")))

    assert allowed == EXPECTED


def test_what_one_side_may_call_the_other_side_lets_in() -> None:
    inside = {a for a in EXPECTED if not a[2].startswith("kube-system/")}
    outgoing = {(pods, other, port) for pods, direction, other, port in inside if direction == "to"}
    incoming = {(other, pods, port) for pods, direction, other, port in inside if direction == "from"}

    assert outgoing == incoming


def test_a_policy_declares_each_direction_that_it_has_rules_for() -> None:
    for policy in of_kind("NetworkPolicy"):
        assert ("ingress" not in policy.spec) or "Ingress" in policy.spec["policyTypes"], policy
        assert ("egress" not in policy.spec) or "Egress" in policy.spec["policyTypes"], policy


def test_the_only_way_in_is_to_the_invoices_and_not_to_probes_or_metrics() -> None:
    [ingress] = of_kind("Ingress")
    [rule] = ingress.spec["rules"]
    backends = [path["backend"]["service"] for path in rule["http"]["paths"]]

    assert (ingress.spec["ingressClassName"], rule["host"]) == ("traefik", "invoices.local")
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [
        ("/invoices", "Prefix"),
        ("/openapi.json", "Exact"),
    ]
    assert all(backend == {"name": "invoice-app", "port": {"name": "http"}} for backend in backends)
    assert only("Service", "invoice-app").spec["ports"][0]["name"] == "http"


def test_no_service_opens_a_port_of_the_node() -> None:
    assert {service.spec.get("type", "ClusterIP") for service in of_kind("Service")} == {"ClusterIP"}
