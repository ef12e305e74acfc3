"""Narrowing: what a policy is left with, so that less passes, and what gives it its rules back."""

import pytest

from harness.chaos.faults import narrowing
from harness.kube.kubectl import JsonObject

DNS = {"port": 53, "protocol": "UDP"}
HTTP = {"port": 80, "protocol": "TCP"}


def policy(selector: JsonObject, **spec: object) -> JsonObject:
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"podSelector": selector, "policyTypes": ["Egress"], **spec},
    }


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Near", "values": ["web"]}]}, False),
    ],
)
def test_the_policies_of_a_pod_are_those_that_select_it(selector: JsonObject, *, selects: bool) -> None:
    one = policy(selector)

    assert narrowing.selecting([one], {"app": "web"}) == ([one] if selects else [])


def test_a_policy_without_rules_allows_nothing_and_gets_them_back() -> None:
    one = policy({}, egress=[{"ports": [HTTP]}])

    assert narrowing.without_rules(one) == {"spec": {"egress": []}}
    back = narrowing.back(one)
    assert (back.verb, back.path) == ("patch", "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies/p")
    assert back.body == {"spec": {"ingress": None, "egress": [{"ports": [HTTP]}]}}


def test_names_are_denied_by_leaving_out_their_port_alone() -> None:
    mixed, names, web = {"ports": [DNS, HTTP]}, {"ports": [DNS]}, {"ports": [HTTP]}
    everything: JsonObject = {"to": []}
    one = policy({}, egress=[mixed, names, web, everything])

    assert narrowing.asks_names(one)
    assert narrowing.without_names(one) == {"spec": {"egress": [{"ports": [HTTP]}, web, everything]}}


@pytest.mark.parametrize("rules", [[], [{"ports": [HTTP]}], [{}], None])
def test_a_policy_without_a_rule_for_names_has_none_to_deny(rules: object) -> None:
    assert not narrowing.asks_names(policy({}, egress=rules))


def test_a_denial_isolates_in_both_directions_and_allows_nothing() -> None:
    made = narrowing.denial("d", "n", {"app": "web"}, {"harness.dev/owner": "chaos"})

    assert made["spec"] == {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"]}
    assert made["metadata"]["labels"] == {"harness.dev/owner": "chaos"}
