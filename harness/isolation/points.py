"""The points of NetworkPolicy that a conformance report goes through: the rules of docs/network-policy.md by number."""

from collections.abc import Mapping

POINTS: Mapping[int, str] = {
    1: "isolation is per direction, and begins with the first policy",
    2: "a connection needs the source's egress and the destination's ingress",
    3: "policies add up: what any rule allows is allowed",
    4: "an empty podSelector is every pod of the policy's own namespace",
    5: "no rules allow nothing, an empty rule allows everything",
    6: "any peer includes nodes and addresses outside; all pods does not",
    7: "policyTypes have defaults, and rules of other types mean nothing",
    8: "podSelector and namespaceSelector: alone, together, one of several",
    9: "matchExpressions, missing keys, and the label of a namespace's name",
    10: "protocols: TCP by default, each isolated by a rule of another",
    11: "endPort: both ends included",
    12: "named ports are looked up on the destination pod",
    13: "ports are the pods' own, also through a Service",
    14: "ipBlock and except, for addresses outside",
    15: "a node reaches its own pods",
    16: "pods on the host's network are their node",
    17: "a pod reaches its own address; a Service back to itself is undefined",
    18: "answers come back",
    19: "connections that stand while policies change",
    20: "addresses that are translated before a policy sees them",
    21: "pods and namespaces that come, change and go",
    22: "policies are enforced at all",
}

UNDEFINED = frozenset({19, 20})
"""What Kubernetes leaves open: it is measured, and no plugin can deviate from it."""

BY_CANARY = 22
"""The point that the canary of each run shows, not the catalogue."""
