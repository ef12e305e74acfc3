"""How allowing policies are narrowed, so that less passes: an added NetworkPolicy denies nothing. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from harness.chaos.undo import Request
from harness.errors import ManifestError
from harness.kube.fields import Field
from harness.kube.kubectl import JsonObject
from harness.kube.selectors import EVERYTHING, selector_of

DNS_PORT: Final = 53
_DNS_NAMES: Final = frozenset({"dns", "dns-tcp"})


def selecting(policies: Iterable[JsonObject], labels: Mapping[str, str]) -> list[JsonObject]:
    """The NetworkPolicies, of one namespace, that select pods with these labels."""
    return [one for one in policies if _selects(one, labels)]


def _selects(policy: JsonObject, labels: Mapping[str, str]) -> bool:
    name = f"NetworkPolicy/{policy['metadata']['name']}"
    field = Field(policy["spec"].get("podSelector"), lambda _path: "the cluster", name)
    try:
        return (selector_of(field) or EVERYTHING).matches(labels)
    except ManifestError:
        return False  # what this version cannot read, it does not touch


def path_of(policy: JsonObject) -> str:
    """Where the API serves a NetworkPolicy."""
    meta = policy["metadata"]
    return f"/apis/networking.k8s.io/v1/namespaces/{meta['namespace']}/networkpolicies/{meta['name']}"


def back(policy: JsonObject) -> Request:
    """What gives a policy its rules back, as they are now."""
    rules = {direction: policy["spec"].get(direction) for direction in ("ingress", "egress")}
    return Request(verb="patch", path=path_of(policy), body={"spec": rules})


def without_rules(policy: JsonObject) -> JsonObject:
    """The merge patch by which a policy allows nothing."""
    return {"spec": {direction: [] for direction in ("ingress", "egress") if policy["spec"].get(direction)}}


def asks_names(policy: JsonObject) -> bool:
    """Whether a policy has an egress rule for DNS."""
    return any(_is_dns(port) for rule in policy["spec"].get("egress") or () for port in rule.get("ports") or ())


def without_names(policy: JsonObject) -> JsonObject:
    """The merge patch by which a policy's egress rules do not allow DNS by its port any more."""
    return {"spec": {"egress": [kept for rule in policy["spec"]["egress"] for kept in _without_dns(rule)]}}


def _without_dns(rule: JsonObject) -> Sequence[JsonObject]:
    ports = rule.get("ports") or []
    kept = [port for port in ports if not _is_dns(port)]
    if len(kept) == len(ports):
        return [rule]
    return [{**rule, "ports": kept}] if kept else []


def _is_dns(port: JsonObject) -> bool:
    return port.get("port") == DNS_PORT or port.get("port") in _DNS_NAMES


def denial(name: str, namespace: str, labels: Mapping[str, str], owner: Mapping[str, str]) -> JsonObject:
    """A policy that isolates pods which no policy selects yet. To others it does nothing."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(owner)},
        "spec": {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": ["Ingress", "Egress"]},
    }
