"""The one NetworkPolicy that pod-network-partition adds, and whether it denies anything at all.

Policies only add up. One that is added isolates a pod that no other policy selects in a direction; a pod that is
isolated in it already only gains what the added policy allows. So the rule here: for each target pod and each direction
of the policy, it denies something only if no other policy selects that pod in that direction. Where that is so for none
of them, the partition is *vacuous*: the run's verdict, whatever it is, says nothing about a service that is cut off.
That the cluster enforces policies is not asked here: the canary does that.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from harness.chaos.litmus.tunables import Partition
from harness.kube.fields import of_object
from harness.kube.kubectl import JsonObject
from harness.kube.selectors import selector_of

EVERYWHERE: Final = "0.0.0.0/0"
_TYPES: Final = {"all": ("Egress", "Ingress"), "egress": ("Egress",), "ingress": ("Ingress",)}


def policy(
    name: str, namespace: str, label: str, tuned: Partition, *, addresses: Sequence[str], labels: Mapping[str, str]
) -> JsonObject:
    """Litmus' policy (``network-policy.go``): what its peers and ports name stays allowed, all else is not.

    ``addresses`` are those that DESTINATION_IPS and DESTINATION_HOSTS come to: everything but them stays allowed.
    """
    key, _, value = label.partition("=")
    peers: list[JsonObject] = []
    if tuned.namespace_selector:
        peers.append({"namespaceSelector": {"matchLabels": tuned.namespace_selector}})
    if tuned.pod_selector:
        peers.append({"podSelector": {"matchLabels": tuned.pod_selector}})
    if addresses:
        peers.append({"ipBlock": {"cidr": EVERYWHERE, "except": list(addresses)}})
    ports = [{"protocol": protocol, "port": port} for protocol, port in tuned.ports]
    types = _TYPES[tuned.policy_types]
    spec: JsonObject = {"podSelector": {"matchLabels": {key: value}}, "policyTypes": list(types)}
    if peers or ports:
        if "Egress" in types:
            spec["egress"] = [_rule("to", peers, ports)]
        if "Ingress" in types:
            spec["ingress"] = [_rule("from", peers, ports)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, "name": name}},
        "spec": spec,
    }


def _rule(key: str, peers: Sequence[JsonObject], ports: Sequence[JsonObject]) -> JsonObject:
    return {**({key: list(peers)} if peers else {}), **({"ports": list(ports)} if ports else {})}


def isolated(added: JsonObject, pods: Sequence[JsonObject], others: Sequence[JsonObject]) -> list[str]:
    """Each pod and direction that the added policy isolates anew, in words; none means that it is vacuous.

    ``others`` are the policies of the namespace before it.
    """
    found = []
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        if not _selects(added, labels):
            continue
        taken = frozenset(one for policy in others if _selects(policy, labels) for one in directions(policy))
        found += [f"{direction} of pod {pod['metadata']['name']}" for direction in sorted(directions(added) - taken)]
    return found


def directions(body: JsonObject) -> frozenset[str]:
    """The directions that a policy isolates (``defaults.go``): Ingress, and Egress where it has such rules."""
    spec = body.get("spec") or {}
    written = spec.get("policyTypes")
    return frozenset(written or (("Ingress", "Egress") if spec.get("egress") else ("Ingress",)))


def _selects(body: JsonObject, labels: Mapping[str, str]) -> bool:
    selector = selector_of(of_object(body, f"policy {body['metadata']['name']}")["spec"]["podSelector"])
    return selector is None or selector.matches(labels)
