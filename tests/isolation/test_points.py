"""Each rule of docs/network-policy.md as a table: what Kubernetes says, where it says so, and the verdict.

The expectations are taken from the sources by hand, never from the model. The sources are issues and pull requests of
the projects that are named (``kubernetes 95879``), KEPs, and fields of the API's reference (``NetworkPolicySpec``).

Policies are written as YAML and parsed. ``# here`` marks the line that must be among the reasons of the verdict.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Final

import pytest

from harness.errors import ManifestError
from harness.isolation.oracle import Oracle
from harness.isolation.parse import policies_of
from harness.isolation.second import evaluate
from harness.isolation.verdict import Verdict
from harness.isolation.world import (
    ContainerPort,
    Destination,
    External,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
    Source,
    World,
)
from harness.kube.manifests import load
from harness.kube.protocol import Protocol

TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP
ALLOW, DENY, UNDEFINED, MIXED = Verdict.ALLOW, Verdict.DENY, Verdict.UNDEFINED, Verdict.MIXED

HTTP: Final = ContainerPort(8080, TCP, "http")
OTHER_HTTP: Final = ContainerPort(8000, TCP, "http")
DNS: Final = ContainerPort(5353, UDP, "dns")

# Namespaces shop, bank and lab; only lab has no labels. node1 runs web, bare, ledger and rat, node2 runs api and till.
# host is on the network of node1.
WORLD: Final = World(
    namespaces=(Namespace("shop", {"team": "shop"}), Namespace("bank", {"team": "bank"}), Namespace("lab")),
    pods=(
        Pod("shop", "web", "10.1.0.1", {"app": "web", "role": "front", "part": "shop"}, (HTTP, DNS)),
        Pod("shop", "api", "10.1.0.2", {"app": "api", "part": "shop"}, (OTHER_HTTP,), node="node2"),
        Pod("shop", "bare", "10.1.0.3"),
        Pod("shop", "host", "172.16.0.1", {"app": "host", "role": "front"}, (HTTP,), host_network=True),
        Pod("bank", "ledger", "10.1.0.4", {"app": "ledger"}, (HTTP,)),
        Pod("bank", "till", "10.1.0.5", {"app": "web"}, (OTHER_HTTP,), node="node2"),
        Pod("lab", "rat", "10.1.0.6", {"app": "rat"}),
    ),
    services=(
        Service("shop", "web", "10.96.0.1", {"app": "web"}, (ServicePort(80, "http"), ServicePort(53, "dns", UDP))),
        Service("shop", "all", "10.96.0.2", {"part": "shop"}, (ServicePort(80, "http"), ServicePort(53, "dns", UDP))),
        Service("shop", "api", "10.96.0.3", {"app": "api"}, (ServicePort(80, 8000),)),
        Service("shop", "none", "10.96.0.4", {"app": "nobody"}, (ServicePort(80, 8080),)),
    ),
    nodes=(Node("node1", "172.16.0.1"), Node("node2", "172.16.0.2")),
    externals=(External("203.0.113.10"), External("2001:db8::10")),
)

HERE = "# here"


def policy(name: str, spec: str, *, decides: bool = False) -> str:
    """A NetworkPolicy as YAML; ``name`` is ``namespace/name``. ``decides`` marks it as what must be named."""
    namespace, _, own = name.partition("/")
    first = f"apiVersion: networking.k8s.io/v1{' ' + HERE if decides else ''}"
    meta = f"metadata: {{name: {own}, namespace: {namespace}}}"
    return f"---\n{first}\nkind: NetworkPolicy\n{meta}\nspec:\n{indent(dedent(spec).strip(), '  ')}\n"


@dataclass(frozen=True)
class Row:
    """A cell of the world above under some policies. ``pods`` come to those of the world, or in their place by name."""

    point: int
    says: str
    source: str
    policies: str
    cell: tuple[str, str, int]
    verdict: Verdict
    protocol: Protocol = TCP
    pods: tuple[Pod, ...] = ()

    def __str__(self) -> str:
        return f"{self.point}: {self.says}"


def deny(name: str, selector: str = "{}", *, decides: bool = False) -> str:
    """A policy that denies all ingress of the pods that it selects."""
    return policy(name, f"podSelector: {selector}\npolicyTypes: [Ingress]", decides=decides)


def deny_egress(name: str, selector: str = "{}", *, decides: bool = False) -> str:
    """A policy that denies all egress of the pods that it selects."""
    return policy(name, f"podSelector: {selector}\npolicyTypes: [Egress]", decides=decides)


def ingress(rules: str, name: str = "shop/in", selector: str = "{}") -> str:
    """A policy of ingress rules."""
    return policy(
        name, f"podSelector: {selector}\npolicyTypes: [Ingress]\ningress:\n" + indent(dedent(rules).strip(), "  ")
    )


def egress(rules: str, name: str = "shop/out", selector: str = "{}") -> str:
    """A policy of egress rules."""
    return policy(
        name, f"podSelector: {selector}\npolicyTypes: [Egress]\negress:\n" + indent(dedent(rules).strip(), "  ")
    )


WEB = "{matchLabels: {app: web}}"
LEDGER_TO_WEB = ("bank/ledger", "shop/web", 8080)
WEB_TO_LEDGER = ("shop/web", "bank/ledger", 8080)
OUTSIDE_TO_WEB = ("outside 203.0.113.10", "shop/web", 8080)
WEB_TO_OUTSIDE = ("shop/web", "outside 203.0.113.10", 443)
NODE2_TO_WEB = ("node node2", "shop/web", 8080)

CONCEPT = "kubernetes.io concept page, the two sorts of pod isolation"
ADDITIVE = "kubernetes.io concept page, policies do not conflict: they are additive"
SPEC = "NetworkPolicySpec"
PEER = "NetworkPolicyPeer"
PORT = "NetworkPolicyPort"
SELECTOR = "LabelSelectorRequirement"

ROWS = [
    # 1. Isolation is per direction.
    Row(1, "without a policy everything is allowed", CONCEPT, "", LEDGER_TO_WEB, ALLOW),
    Row(1, "a pod whose ingress is isolated may still connect", CONCEPT, deny("shop/in"), WEB_TO_LEDGER, ALLOW),
    Row(1, "a pod whose egress is isolated may still be asked", CONCEPT, deny_egress("shop/out"), LEDGER_TO_WEB, ALLOW),
    Row(
        1,
        "a policy that selects another pod isolates only that one",
        CONCEPT,
        deny("shop/in", "{matchLabels: {app: api}}"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(1, "a selected pod is isolated", CONCEPT, deny("shop/in", WEB, decides=True), LEDGER_TO_WEB, DENY),
    # 2. Both ends must allow.
    Row(
        2,
        "the source's egress denies what the destination's ingress allows",
        "kubernetes.io concept page: both sides must allow",
        deny_egress("bank/out", decides=True) + ingress("- {}"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        2,
        "the destination's ingress denies what the source's egress allows",
        "kubernetes.io concept page: both sides must allow",
        egress("- {}", "bank/out") + deny("shop/in", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        2,
        "both sides allow, and both rules are named",
        "kubernetes.io concept page: both sides must allow",
        egress("- {} # here", "bank/out") + ingress("- {} # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        2,
        "a deny outweighs what is undefined",
        "kubernetes.io concept page: either side not allowing is enough",
        egress("- to: [{ipBlock: {cidr: 10.1.0.0/16}}]", "bank/out") + deny("shop/in", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        2,
        "what is undefined outweighs an allow",
        "cilium 12277: the block alone decides, and plugins differ",
        egress("- to: [{ipBlock: {cidr: 10.1.0.0/16}}]", "bank/out") + ingress("- {}"),
        LEDGER_TO_WEB,
        UNDEFINED,
    ),
    # 3. Policies only add.
    Row(
        3,
        "an allowing policy adds to one that denies all",
        ADDITIVE,
        deny("shop/in") + ingress("- from: [{namespaceSelector: {}}] # here", "shop/also"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        3,
        "the order of policies does not matter",
        ADDITIVE,
        ingress("- from: [{namespaceSelector: {}}] # here", "shop/also") + deny("shop/in"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        3,
        "a second rule of a policy adds to the first",
        ADDITIVE,
        ingress("- from: [{podSelector: {}}]\n- from: [{namespaceSelector: {matchLabels: {team: bank}}}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        3,
        "the peer of one rule and the port of another make no rule",
        ADDITIVE,
        ingress(
            """
            - from: [{podSelector: {}}]
              ports: [{port: 8080}]
            - from: [{namespaceSelector: {}}]
              ports: [{port: 9}]
            """
        ),
        LEDGER_TO_WEB,
        DENY,
    ),
    # 4. The empty podSelector.
    Row(
        4,
        "the empty selector selects pods without labels",
        f"{SPEC}.podSelector: an empty selector matches all pods in the namespace",
        deny("shop/in", decides=True),
        ("bank/ledger", "shop/bare", 80),
        DENY,
    ),
    Row(
        4,
        "the empty selector selects no pod of another namespace",
        f"{SPEC}.podSelector: in the policy's namespace",
        deny("shop/in"),
        ("shop/web", "bank/till", 80),
        ALLOW,
    ),
    Row(
        4,
        "a policy selects no pod of another namespace by its labels",
        f"{SPEC}.podSelector: in the policy's namespace",
        deny("bank/in", WEB),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        4,
        "an absent selector is an empty one",
        f"{SPEC}.podSelector: if it is not specified, it defaults to an empty selector",
        policy("shop/in", "policyTypes: [Ingress]", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    # 5. No rules, and the empty rule.
    Row(
        5,
        "an empty list of rules allows nothing",
        f"{SPEC}.ingress: if this field is empty then this policy does not allow any traffic",
        policy("shop/in", "podSelector: {}\ningress: []", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        5,
        "rules that are null allow nothing",
        f"{SPEC}.ingress",
        policy("shop/in", "podSelector: {}\ningress:", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(5, "an empty rule allows everything", "ahmetb/recipes 84", ingress("- {} # here"), LEDGER_TO_WEB, ALLOW),
    Row(
        5,
        "an empty list of peers is any peer",
        "kubernetes 51726, website 34867",
        ingress("- from: [] # here\n  ports: [{port: 8080}]"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        5,
        "an empty list of ports is every port of every protocol",
        "kubernetes 51726",
        ingress("- ports: [] # here\n  from: [{namespaceSelector: {}}]"),
        ("bank/ledger", "shop/web", 65535),
        ALLOW,
        protocol=SCTP,
    ),
    Row(
        5,
        "an empty list of egress rules allows nothing where Egress is among the types",
        f"{SPEC}.egress",
        policy("shop/out", "podSelector: {}\npolicyTypes: [Egress]\negress: []", decides=True),
        WEB_TO_LEDGER,
        DENY,
    ),
    # 6. Any peer, and all pods.
    Row(6, "any peer includes addresses outside", "ahmetb/recipes 84", ingress("- {} # here"), OUTSIDE_TO_WEB, ALLOW),
    Row(6, "any peer includes other nodes", "ahmetb/recipes 84", ingress("- {} # here"), NODE2_TO_WEB, ALLOW),
    Row(
        6,
        "all pods of all namespaces are no addresses outside",
        "ahmetb/recipes 84",
        ingress("- from: [{podSelector: {}, namespaceSelector: {}}]"),
        OUTSIDE_TO_WEB,
        DENY,
    ),
    Row(
        6,
        "all pods of all namespaces are no nodes",
        "ahmetb/recipes 84",
        ingress("- from: [{podSelector: {}, namespaceSelector: {}}]"),
        NODE2_TO_WEB,
        DENY,
    ),
    Row(
        6,
        "all pods of all namespaces are pods of other namespaces too",
        f"{PEER}.namespaceSelector: if present but empty, it selects all namespaces",
        ingress("- from: [{podSelector: {}, namespaceSelector: {}}] # here"),
        ("lab/rat", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        6,
        "egress to any peer on a port leads outside too",
        "ahmetb/recipes 84",
        egress("- ports: [{port: 443}] # here"),
        WEB_TO_OUTSIDE,
        ALLOW,
    ),
    Row(
        6,
        "egress to all namespaces does not lead outside",
        "ahmetb/recipes 84",
        egress("- to: [{namespaceSelector: {}}]"),
        WEB_TO_OUTSIDE,
        DENY,
    ),
    # 7. policyTypes.
    Row(
        7,
        "absent types with ingress rules alone leave egress open",
        "SetDefaults_NetworkPolicy",
        policy("shop/in", "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]"),
        WEB_TO_LEDGER,
        ALLOW,
    ),
    Row(
        7,
        "absent types with egress rules isolate ingress too",
        f"{SPEC}.policyTypes: all policies are assumed to affect ingress",
        policy("shop/out", "podSelector: {}\negress: [{}]", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        7,
        "absent types with egress rules isolate egress",
        "SetDefaults_NetworkPolicy",
        policy("shop/out", "podSelector: {}\negress: [{to: [{podSelector: {}}]}]", decides=True),
        WEB_TO_LEDGER,
        DENY,
    ),
    Row(
        7,
        "absent types with an empty list of egress rules leave egress open",
        "kubernetes 126184",
        policy("shop/out", "podSelector: {}\negress: []"),
        WEB_TO_LEDGER,
        ALLOW,
    ),
    Row(
        7,
        "an empty list of types is an absent one",
        "SetDefaults_NetworkPolicy: len(PolicyTypes) == 0",
        policy("shop/in", "podSelector: {}\npolicyTypes: []", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        7,
        "ingress rules mean nothing where the types are Egress alone",
        f"{SPEC}.policyTypes",
        policy("shop/out", "podSelector: {}\npolicyTypes: [Egress]\ningress: [{from: [{podSelector: {}}]}]"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        7,
        "egress rules mean nothing where the types are Ingress alone",
        f"{SPEC}.policyTypes",
        policy("shop/in", "podSelector: {}\npolicyTypes: [Ingress]\negress: [{to: [{podSelector: {}}]}]"),
        WEB_TO_LEDGER,
        ALLOW,
    ),
    # 8. Peers.
    Row(
        8,
        "a podSelector alone means pods of the policy's own namespace",
        f"{PEER}.podSelector: otherwise it selects the pods in the policy's own namespace",
        ingress(f"- from: [{{podSelector: {WEB}}}] # here"),
        ("shop/web", "shop/api", 8000),
        ALLOW,
    ),
    Row(
        8,
        "a podSelector alone means no pod of another namespace",
        f"{PEER}.podSelector: otherwise it selects the pods in the policy's own namespace",
        ingress(f"- from: [{{podSelector: {WEB}}}]"),
        ("bank/till", "shop/api", 8000),
        DENY,
    ),
    Row(
        8,
        "an empty podSelector alone does not mean every namespace",
        "KEP-1611: an absent namespaceSelector is not an empty one",
        ingress("- from: [{podSelector: {}}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        8,
        "a namespaceSelector alone means every pod of those namespaces",
        f"{PEER}.namespaceSelector: otherwise it selects all pods in the namespaces",
        ingress("- from: [{namespaceSelector: {matchLabels: {team: bank}}}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        8,
        "a namespaceSelector alone does not mean the policy's own namespace",
        f"{PEER}.namespaceSelector",
        ingress("- from: [{namespaceSelector: {matchLabels: {team: bank}}}]"),
        ("shop/bare", "shop/web", 8080),
        DENY,
    ),
    Row(
        8,
        "both selectors in one item must match: another pod of the namespace does not",
        "KEP-1611, kubernetes.io concept page: and, not or",
        ingress(f"- from: [{{namespaceSelector: {{matchLabels: {{team: bank}}}}, podSelector: {WEB}}}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        8,
        "both selectors in one item must match: such a pod of the policy's own namespace does not",
        "KEP-1611, kubernetes.io concept page: and, not or",
        ingress(f"- from: [{{namespaceSelector: {{matchLabels: {{team: bank}}}}, podSelector: {WEB}}}]"),
        ("shop/web", "shop/api", 8000),
        DENY,
    ),
    Row(
        8,
        "both selectors in one item match",
        "KEP-1611, kubernetes.io concept page: and, not or",
        ingress(f"- from: [{{namespaceSelector: {{matchLabels: {{team: bank}}}}, podSelector: {WEB}}}] # here"),
        ("bank/till", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        8,
        "of two items the first is enough",
        "KEP-1611, kubernetes.io concept page: or",
        ingress(f"- from: [{{namespaceSelector: {{matchLabels: {{team: bank}}}}}}, {{podSelector: {WEB}}}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        8,
        "of two items the second is enough",
        "KEP-1611, kubernetes.io concept page: or",
        ingress(f"- from: [{{namespaceSelector: {{matchLabels: {{team: bank}}}}}}, {{podSelector: {WEB}}}] # here"),
        ("shop/web", "shop/api", 8000),
        ALLOW,
    ),
    Row(
        8,
        "peers of egress are the destination",
        f"{PEER} in NetworkPolicyEgressRule.to",
        egress(f"- to: [{{namespaceSelector: {{matchLabels: {{team: bank}}}}, podSelector: {WEB}}}]"),
        WEB_TO_LEDGER,
        DENY,
    ),
    # 9. Expressions.
    Row(
        9,
        "NotIn matches a pod without the key",
        SELECTOR,
        ingress("- from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [api]}]}}] # here"),
        ("shop/bare", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        9,
        "NotIn does not match one of its values",
        SELECTOR,
        ingress("- from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [api]}]}}]"),
        ("shop/api", "shop/web", 8080),
        DENY,
    ),
    Row(
        9,
        "a policy selects a pod without the key by NotIn",
        SELECTOR,
        deny("shop/in", "{matchExpressions: [{key: app, operator: NotIn, values: [api]}]}", decides=True),
        ("bank/ledger", "shop/bare", 80),
        DENY,
    ),
    Row(
        9,
        "In matches any of its values",
        SELECTOR,
        ingress("- from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}] # here"),
        ("shop/api", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        9,
        "Exists does not match a pod without the key",
        SELECTOR,
        ingress("- from: [{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}]"),
        ("shop/bare", "shop/web", 8080),
        DENY,
    ),
    Row(
        9,
        "DoesNotExist matches a pod without the key",
        SELECTOR,
        ingress("- from: [{podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}] # here"),
        ("shop/bare", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        9,
        "DoesNotExist does not match a pod that has the key",
        SELECTOR,
        ingress("- from: [{podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}]"),
        ("shop/api", "shop/web", 8080),
        DENY,
    ),
    Row(
        9,
        "labels and expressions must all match",
        "LabelSelector: the requirements are ANDed",
        ingress(
            """
            - from:
                - podSelector:
                    matchLabels: {part: shop}
                    matchExpressions: [{key: app, operator: In, values: [web]}]
            """
        ),
        ("shop/api", "shop/web", 8080),
        DENY,
    ),
    Row(
        9,
        "a namespace without labels has the label of its name",
        "KEP-2161",
        ingress("- from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lab}}}] # here"),
        ("lab/rat", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        9,
        "a namespace without the key is matched by DoesNotExist",
        SELECTOR,
        ingress("- from: [{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}] # here"),
        ("lab/rat", "shop/web", 8080),
        ALLOW,
    ),
    # 10. Protocols.
    Row(
        10,
        "a port without a protocol is one of TCP",
        f"{PORT}.protocol: defaults to TCP (libcalico-go 1373)",
        ingress("- ports: [{port: 8080}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        10,
        "a port without a protocol is none of UDP",
        f"{PORT}.protocol: defaults to TCP (libcalico-go 1373)",
        ingress("- ports: [{port: 8080}]"),
        LEDGER_TO_WEB,
        DENY,
        protocol=UDP,
    ),
    Row(
        10,
        "a protocol without a port is every port of it",
        f"{PORT}.port: if not provided, this matches all port names and numbers",
        ingress("- ports: [{protocol: UDP}] # here"),
        ("bank/ledger", "shop/web", 1),
        ALLOW,
        protocol=UDP,
    ),
    Row(
        10,
        "a protocol without a port is no port of another one",
        f"{PORT}.port",
        ingress("- ports: [{protocol: UDP}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        10,
        "an empty port item is every TCP port",
        f"{PORT}: protocol defaults to TCP, port to all",
        ingress("- ports: [{}] # here"),
        ("bank/ledger", "shop/web", 65535),
        ALLOW,
    ),
    Row(
        10,
        "a rule of SCTP isolates TCP",
        "kubernetes 102509",
        ingress("- ports: [{protocol: SCTP, port: 8080}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        10,
        "a rule of UDP isolates the egress of SCTP",
        "kubernetes 102509",
        egress("- ports: [{protocol: UDP, port: 8080}]"),
        WEB_TO_LEDGER,
        DENY,
        protocol=SCTP,
    ),
    # 11. endPort.
    *(
        Row(
            11,
            f"of 8080 to 8090, port {port} is {'in' if verdict is ALLOW else 'out'}",
            f"{PORT}.endPort: the range from port to endPort, inclusive (KEP-2079)",
            ingress(f"- ports: [{{port: 8080, endPort: 8090}}] {HERE if verdict is ALLOW else ''}"),
            ("bank/ledger", "shop/web", port),
            verdict,
        )
        for port, verdict in ((8079, DENY), (8080, ALLOW), (8085, ALLOW), (8090, ALLOW), (8091, DENY))
    ),
    Row(
        11,
        "a range of one port is that port",
        f"{PORT}.endPort: must be equal or greater than port",
        ingress("- ports: [{port: 8080, endPort: 8080}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        11,
        "a range has its protocol",
        f"{PORT}.endPort (KEP-2079)",
        egress("- ports: [{protocol: UDP, port: 8080, endPort: 8090}] # here"),
        WEB_TO_LEDGER,
        ALLOW,
        protocol=UDP,
    ),
    # 12. Named ports.
    Row(
        12,
        "a name of ingress is a port of the pod that is asked",
        f"{PORT}.port: a numerical or named port on a pod",
        ingress("- ports: [{port: http}] # here"),
        ("shop/web", "shop/api", 8000),
        ALLOW,
    ),
    Row(
        12,
        "a name of ingress is not the number of the pod that asks",
        "aws-network-policy-agent 52",
        ingress("- ports: [{port: http}]"),
        ("shop/web", "shop/api", 8080),
        DENY,
    ),
    Row(
        12,
        "a name of egress is looked up on the destination",
        "aws-network-policy-agent 52, kubernetes 99256",
        egress("- to: [{namespaceSelector: {}}] # here\n  ports: [{port: http}]"),
        ("shop/web", "bank/till", 8000),
        ALLOW,
    ),
    Row(
        12,
        "a name of egress is not the number of the source",
        "aws-network-policy-agent 52, cilium 30003",
        egress("- to: [{namespaceSelector: {}}]\n  ports: [{port: http}]"),
        ("shop/web", "bank/till", 8080),
        DENY,
    ),
    Row(
        12,
        "a name of egress without peers is looked up on each destination",
        "cilium 30003",
        egress("- ports: [{port: http}] # here"),
        WEB_TO_LEDGER,
        ALLOW,
    ),
    Row(
        12,
        "a name of another protocol matches nothing",
        f"{PORT}: protocol AND port",
        ingress("- ports: [{port: dns}]"),
        ("bank/ledger", "shop/web", 5353),
        DENY,
    ),
    Row(
        12,
        "a name with its protocol matches",
        f"{PORT}: protocol AND port",
        ingress("- ports: [{port: dns, protocol: UDP}] # here"),
        ("bank/ledger", "shop/web", 5353),
        ALLOW,
        protocol=UDP,
    ),
    Row(
        12,
        "a name that the pod does not have matches nothing",
        "ovn-kubernetes 2117: it must not widen",
        ingress("- ports: [{port: metrics}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        12,
        "a name means nothing at an address outside",
        "kubernetes 99256: a name is one of a pod's",
        egress("- ports: [{port: http}]"),
        ("shop/web", "outside 203.0.113.10", 8080),
        DENY,
    ),
    Row(
        12,
        "a name means nothing at a node",
        "kubernetes 99256: a name is one of a pod's",
        egress("- ports: [{port: http}]"),
        ("shop/web", "node node2", 8080),
        DENY,
    ),
    Row(
        12,
        "a name means nothing at a pod on the host's network",
        "felix 1361: it is known as its node",
        egress("- ports: [{port: http}]"),
        ("shop/web", "shop/host", 8080),
        DENY,
    ),
    # 13. Services.
    Row(
        13,
        "ingress through a Service is judged by the pod's port",
        "website 8295",
        ingress("- ports: [{port: 8080}] # here"),
        ("bank/ledger", "service shop/web", 80),
        ALLOW,
    ),
    Row(
        13,
        "ingress through a Service is not judged by the Service's port",
        "website 8295",
        ingress("- ports: [{port: 80}]"),
        ("bank/ledger", "service shop/web", 80),
        DENY,
    ),
    Row(
        13,
        "egress through a Service is judged by the pod and its port",
        "website 8295, kubernetes 102286",
        egress(
            f"- to: [{{podSelector: {WEB}, namespaceSelector: {{}}}}] # here\n  ports: [{{port: 8080}}]", "bank/out"
        ),
        ("bank/ledger", "service shop/web", 80),
        ALLOW,
    ),
    Row(
        13,
        "egress through a Service is not judged by the Service's port",
        "website 8295, kubernetes 102286",
        egress("- ports: [{port: 80}]", "bank/out"),
        ("bank/ledger", "service shop/web", 80),
        DENY,
    ),
    Row(
        13,
        "egress for names must allow the port of the DNS pods",
        "kubernetes 102286",
        egress("- ports: [{port: 53, protocol: UDP}]", "bank/out"),
        ("bank/ledger", "service shop/web", 53),
        DENY,
        protocol=UDP,
    ),
    Row(
        13,
        "egress by a block with the Service's address is undefined",
        "network-policy-api 203",
        egress("- to: [{ipBlock: {cidr: 10.96.0.1/32}}] # here", "bank/out"),
        ("bank/ledger", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        13,
        "egress by a block with the Service's address, on the Service's port, is undefined",
        "network-policy-api 203",
        egress("- to: [{ipBlock: {cidr: 10.96.0.0/16}}] # here\n  ports: [{port: 80}]", "bank/out"),
        ("bank/ledger", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        13,
        "egress by a block with the Service's address, on the pod's port, is undefined",
        "network-policy-api 203",
        egress("- to: [{ipBlock: {cidr: 10.96.0.0/16}}] # here\n  ports: [{port: 8080}]", "bank/out"),
        ("bank/ledger", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        13,
        "egress by a block with the Service's address on neither port is denied",
        "network-policy-api 203: before or after translation, no port matches",
        egress("- to: [{ipBlock: {cidr: 10.96.0.0/16}}]\n  ports: [{port: 443}]", "bank/out"),
        ("bank/ledger", "service shop/web", 80),
        DENY,
    ),
    Row(
        13,
        "a block with the Service's address does not help where ingress denies",
        "network-policy-api 203, and both sides must allow",
        egress("- to: [{ipBlock: {cidr: 10.96.0.0/16}}]", "bank/out") + deny("shop/in", decides=True),
        ("bank/ledger", "service shop/web", 80),
        DENY,
    ),
    Row(
        13,
        "backends that differ are mixed",
        "docs/network-policy.md: the connection to each backend is judged by itself",
        ingress("- {}", selector=WEB) + deny("shop/api", "{matchLabels: {app: api}}"),
        ("bank/ledger", "service shop/all", 80),
        MIXED,
    ),
    Row(
        13,
        "each backend has its own number of a named target port",
        "Service.spec.ports.targetPort: looked up as a named port in the target Pod's container ports",
        ingress("- ports: [{port: 8080}]", selector=WEB)
        + ingress("- ports: [{port: 8000}]", "shop/api", "{matchLabels: {app: api}}"),
        ("bank/ledger", "service shop/all", 80),
        ALLOW,
    ),
    Row(
        13,
        "a pod without the named target port is no backend",
        "Service.spec.ports.targetPort: endpointslice FindPort finds none",
        deny("shop/api", "{matchLabels: {app: api}}"),
        ("bank/ledger", "service shop/all", 53),
        ALLOW,
        protocol=UDP,
    ),
    Row(
        13,
        "a Service without backends is undefined",
        "docs/network-policy.md",
        "",
        ("bank/ledger", "service shop/none", 80),
        UNDEFINED,
    ),
    Row(
        13,
        "a port that the Service does not have is undefined",
        "docs/network-policy.md",
        "",
        ("bank/ledger", "service shop/web", 8080),
        UNDEFINED,
    ),
    Row(
        13,
        "a port of another protocol is one that the Service does not have",
        "docs/network-policy.md",
        "",
        ("bank/ledger", "service shop/web", 80),
        UNDEFINED,
        protocol=UDP,
    ),
    # 14. Blocks.
    Row(
        14,
        "a block means an address outside",
        "IPBlock.cidr",
        ingress("- from: [{ipBlock: {cidr: 203.0.113.0/24}}] # here"),
        OUTSIDE_TO_WEB,
        ALLOW,
    ),
    Row(
        14,
        "an address outside the block is not meant",
        "IPBlock.cidr",
        ingress("- from: [{ipBlock: {cidr: 198.51.100.0/24}}]"),
        OUTSIDE_TO_WEB,
        DENY,
    ),
    Row(
        14,
        "an exception is not meant",
        "IPBlock.except",
        ingress("- from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.0/28]}}]"),
        OUTSIDE_TO_WEB,
        DENY,
    ),
    Row(
        14,
        "an exception takes away from its own block only",
        "kubernetes e2e netpol, overlapping except and CIDR",
        ingress(
            """
            - from: # here, at the rule's own line
                - ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.0/28]}
                - ipBlock: {cidr: 203.0.113.10/32}
            """
        ),
        OUTSIDE_TO_WEB,
        ALLOW,
    ),
    Row(
        14,
        "what one policy excepts another may allow",
        "kubernetes e2e netpol, overlapping except and CIDR",
        ingress("- from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.0/28]}}]")
        + ingress("- from: [{ipBlock: {cidr: 203.0.113.8/29}}] # here", "shop/also"),
        OUTSIDE_TO_WEB,
        ALLOW,
    ),
    Row(
        14,
        "every IPv6 address is no IPv4 address",
        "IPBlock: families must match",
        egress("- to: [{ipBlock: {cidr: '::/0'}}]"),
        WEB_TO_OUTSIDE,
        DENY,
    ),
    Row(
        14,
        "every IPv4 address is no IPv6 address",
        "IPBlock: families must match",
        egress("- to: [{ipBlock: {cidr: 0.0.0.0/0}}]"),
        ("shop/web", "outside 2001:db8::10", 443),
        DENY,
    ),
    Row(
        14,
        "an IPv6 block means IPv6 addresses",
        "IPBlock.cidr",
        egress("- to: [{ipBlock: {cidr: '2001:db8::/32'}}] # here"),
        ("shop/web", "outside 2001:db8::10", 443),
        ALLOW,
    ),
    Row(
        14,
        "a block with the address of a pod is undefined for it",
        "cilium 12277",
        ingress("- from: [{ipBlock: {cidr: 0.0.0.0/0}}] # here"),
        LEDGER_TO_WEB,
        UNDEFINED,
    ),
    Row(
        14,
        "a block with the address of a node is undefined for it",
        "cilium 12277",
        ingress("- from: [{ipBlock: {cidr: 172.16.0.2/32}}] # here"),
        NODE2_TO_WEB,
        UNDEFINED,
    ),
    Row(
        14,
        "a block without the address of the pod denies it",
        "IPBlock.cidr",
        ingress("- from: [{ipBlock: {cidr: 203.0.113.0/24}}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        14,
        "a pod in the exception is denied",
        "IPBlock.except",
        egress("- to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]"),
        WEB_TO_LEDGER,
        DENY,
    ),
    Row(
        14,
        "a selector that matches the pod makes sure what a block leaves open",
        ADDITIVE,
        ingress("- from: [{ipBlock: {cidr: 0.0.0.0/0}}]\n- from: [{namespaceSelector: {}}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        14,
        "a selector beside the block makes sure what that leaves open",
        ADDITIVE,
        ingress("- from: [{ipBlock: {cidr: 0.0.0.0/0}}, {namespaceSelector: {}}] # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        14,
        "a block on another port leaves nothing open",
        "NetworkPolicyIngressRule: the traffic must match both ports and from",
        ingress("- from: [{ipBlock: {cidr: 0.0.0.0/0}}]\n  ports: [{port: 9}]"),
        LEDGER_TO_WEB,
        DENY,
    ),
    # 15. The pod's own node.
    Row(
        15,
        "a node reaches the pods that run on it",
        f"kube-router 87, {SPEC}.ingress: if the traffic source is the pod's local node",
        deny("shop/in"),
        ("node node1", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        15, "another node is denied as anybody is", "kube-router 87", deny("shop/in", decides=True), NODE2_TO_WEB, DENY
    ),
    Row(
        15,
        "another node is not isolated without a policy",
        CONCEPT,
        "",
        NODE2_TO_WEB,
        ALLOW,
    ),
    Row(
        15,
        "egress from a pod to its own node is subject to policy",
        "kube-network-policies 283",
        deny_egress("shop/out", decides=True),
        ("shop/web", "node node1", 10250),
        DENY,
    ),
    Row(
        15,
        "egress from a pod to its own node by a block is undefined, as to any node",
        "kube-network-policies 283, cilium 12277",
        egress("- to: [{ipBlock: {cidr: 172.16.0.0/24}}] # here"),
        ("shop/web", "node node1", 10250),
        UNDEFINED,
    ),
    Row(
        15,
        "no policy lies between a node and an address outside",
        f"{SPEC}.podSelector: policies select pods",
        deny("shop/in") + deny_egress("shop/out"),
        ("node node1", "outside 203.0.113.10", 443),
        ALLOW,
    ),
    Row(
        15,
        "no policy lies between nodes",
        f"{SPEC}.podSelector: policies select pods",
        deny("shop/in") + deny_egress("shop/out"),
        ("node node1", "node node2", 10250),
        ALLOW,
    ),
    # 16. The host's network.
    Row(
        16,
        "a policy does not isolate a pod on the host's network",
        "felix 1361, kube-router 1067",
        deny("shop/in"),
        ("bank/ledger", "shop/host", 8080),
        ALLOW,
    ),
    Row(
        16,
        "a policy does not isolate the egress of a pod on the host's network",
        "felix 1361",
        deny_egress("shop/out"),
        ("shop/host", "bank/till", 8000),
        ALLOW,
    ),
    Row(
        16,
        "a peer does not mean a pod on the host's network that asks",
        "calico 4493",
        ingress("- from: [{podSelector: {matchLabels: {role: front}}}]"),
        ("shop/host", "shop/api", 8000),
        DENY,
    ),
    Row(
        16,
        "a peer does not mean a pod on the host's network that is asked",
        "calico 4493",
        egress("- to: [{podSelector: {matchLabels: {role: front}}}]"),
        ("shop/web", "shop/host", 8080),
        DENY,
    ),
    Row(
        16,
        "a pod on the host's network reaches the pods of its node, as the node does",
        "felix 1361, kube-router 87",
        deny("shop/in"),
        ("shop/host", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        16,
        "a block with the node's address is undefined for a pod on its network",
        "cilium 12277",
        ingress("- from: [{ipBlock: {cidr: 172.16.0.0/24}}] # here"),
        ("shop/host", "shop/api", 8000),
        UNDEFINED,
    ),
    Row(
        16,
        "an address outside reaches a pod on the host's network",
        "felix 1361",
        deny("shop/in"),
        ("outside 203.0.113.10", "shop/host", 8080),
        ALLOW,
    ),
    # 17. Itself.
    Row(
        17,
        "a pod reaches its own address though all is denied",
        "kubernetes 95879",
        deny("shop/in") + deny_egress("shop/out"),
        ("shop/web", "shop/web", 8080),
        ALLOW,
    ),
    Row(
        17,
        "a Service that leads back to the pod that asks is undefined without policies",
        "kubernetes 95879, network-policy-api 343",
        "",
        ("shop/web", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        17,
        "a Service that leads back to the pod that asks is undefined though all is denied",
        "kubernetes 95879, cilium 15321, antrea 5687",
        deny("shop/in") + deny_egress("shop/out"),
        ("shop/web", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        17,
        "a Service that leads back among others is undefined",
        "kubernetes 95879",
        "",
        ("shop/web", "service shop/all", 80),
        UNDEFINED,
    ),
    Row(
        17,
        "another pod that asks the Service is no hairpin",
        "kubernetes 95879",
        "",
        ("shop/api", "service shop/web", 80),
        ALLOW,
    ),
    # 18. Answers.
    Row(
        18,
        "the egress of the pod that is asked does not hinder its answer",
        "kubernetes.io concept page: reply traffic is implicitly allowed; kube-network-policies, egress on reply",
        deny_egress("shop/out", WEB) + ingress("- {} # here"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        18,
        "the ingress of the pod that asks does not hinder the answer to it",
        "kubernetes.io concept page: reply traffic is implicitly allowed",
        deny("bank/in"),
        LEDGER_TO_WEB,
        ALLOW,
    ),
    Row(
        18,
        "an answer that may come back is no leave to connect",
        "kubernetes.io concept page: reply traffic is implicitly allowed",
        deny("bank/in", decides=True) + ingress("- {}"),
        WEB_TO_LEDGER,
        DENY,
    ),
    Row(
        18,
        "answers come back for UDP too",
        "kube-network-policies: deny egress on reply does not have effect",
        deny_egress("shop/out"),
        ("bank/ledger", "shop/web", 5353),
        ALLOW,
        protocol=UDP,
    ),
    # 19. Standing connections: only new ones are judged, by the policies that stand.
    Row(
        19,
        "a connection that begins after its policy was changed is judged by the new one",
        "website 43438, network-policy-api 305: only standing connections are left open",
        deny("shop/in", decides=True),
        LEDGER_TO_WEB,
        DENY,
    ),
    Row(
        19,
        "a connection that begins after its policy was deleted is allowed",
        "website 43438, network-policy-api 305: only standing connections are left open",
        "",
        LEDGER_TO_WEB,
        ALLOW,
    ),
    # 20. Translated addresses.
    Row(
        20,
        "an address outside that asks a Service may be known by another address",
        "kubernetes.io concept page: source rewriting before or after policy is not defined",
        ingress("- from: [{ipBlock: {cidr: 203.0.113.0/24}}]"),
        ("outside 203.0.113.10", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        20,
        "an address outside that asks a Service of a closed pod may be known as the pod's own node",
        "Service.spec.externalTrafficPolicy Cluster, kube-router 87",
        deny("shop/in"),
        ("outside 203.0.113.10", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        20,
        "another node that asks a Service may be known by another address",
        "kubernetes.io concept page: source rewriting before or after policy is not defined",
        ingress("- from: [{namespaceSelector: {}}]"),
        ("node node2", "service shop/web", 80),
        UNDEFINED,
    ),
    Row(
        20,
        "a pod on the host's network of another node is such a node",
        "felix 1361",
        ingress("- from: [{namespaceSelector: {}}]"),
        ("shop/host", "service shop/api", 80),
        UNDEFINED,
    ),
    Row(
        20,
        "the backend's own node that asks a Service is allowed",
        "kube-router 87",
        deny("shop/in"),
        ("node node1", "service shop/web", 80),
        ALLOW,
    ),
    Row(
        20,
        "a Service whose backend is not isolated is open to an address outside",
        CONCEPT,
        deny_egress("shop/out"),
        ("outside 203.0.113.10", "service shop/web", 80),
        ALLOW,
    ),
    Row(
        20,
        "a Service whose backend allows anybody on the port is open to an address outside",
        "whatever the source's address, the rule allows it",
        ingress("- ports: [{port: 8080}] # here"),
        ("outside 203.0.113.10", "service shop/web", 80),
        ALLOW,
    ),
    Row(
        20,
        "a Service whose backend allows anybody on another port is not",
        "kubernetes.io concept page: source rewriting before or after policy is not defined",
        ingress("- ports: [{port: 80}]"),
        ("outside 203.0.113.10", "service shop/web", 80),
        UNDEFINED,
    ),
    # 21. Pods that come and change.
    Row(
        21,
        "a pod that comes after the policy is isolated by it",
        "website 39875",
        deny("shop/in", "{matchLabels: {app: new}}", decides=True),
        ("bank/ledger", "shop/new", 80),
        DENY,
        pods=(Pod("shop", "new", "10.1.0.9", {"app": "new"}),),
    ),
    Row(
        21,
        "a pod that comes after the policy is a peer of it",
        "website 39875",
        ingress("- from: [{podSelector: {matchLabels: {app: new}}}] # here"),
        ("shop/new", "shop/web", 8080),
        ALLOW,
        pods=(Pod("shop", "new", "10.1.0.9", {"app": "new"}),),
    ),
    Row(
        21,
        "a pod that loses the label is no longer selected",
        "kubernetes e2e netpol, updates of pod labels",
        deny("shop/in", WEB),
        LEDGER_TO_WEB,
        ALLOW,
        pods=(Pod("shop", "web", "10.1.0.1", {"app": "old"}, (HTTP,)),),
    ),
    Row(
        21,
        "a pod that gets the label is a peer from then on",
        "kubernetes e2e netpol, updates of pod labels",
        ingress(f"- from: [{{podSelector: {WEB}}}] # here"),
        ("shop/bare", "shop/api", 8000),
        ALLOW,
        pods=(Pod("shop", "bare", "10.1.0.3", {"app": "web"}),),
    ),
    # 22. Protocols without a verdict are refused below; those that have one have it alike.
    Row(
        22,
        "SCTP has a verdict as TCP has",
        "NetworkPolicyPort.protocol: TCP, UDP, or SCTP",
        deny("shop/in", decides=True),
        LEDGER_TO_WEB,
        DENY,
        protocol=SCTP,
    ),
]


def world_of_row(row: Row, folder: Path) -> World:
    """The world with the row's pods and its policies, read from a file."""
    pods = {pod.id: pod for pod in (*WORLD.pods, *row.pods)}
    world = replace(WORLD, pods=tuple(pods.values()))
    if not row.policies:
        return world
    file = folder / "policies.yaml"
    file.write_text(row.policies)
    return replace(world, policies=policies_of(load(file)))


def destination(world: World, name: str) -> Destination:
    return next(one for one in world.destinations if one.id == name)


def source(world: World, name: str) -> Source:
    return next(one for one in world.sources if one.id == name)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_connection_is_judged_as_kubernetes_says(row: Row, tmp_path: Path) -> None:
    world = world_of_row(row, tmp_path)
    asks, asked, port = row.cell

    decision = Oracle(world).verdict(source(world, asks), destination(world, asked), port, row.protocol)

    assert decision.verdict is row.verdict, f"{row.source}\n{decision}"
    marked = {number for number, line in enumerate(row.policies.splitlines(), start=1) if HERE in line}
    assert {f"{tmp_path}/policies.yaml:{number}" for number in marked} <= {reason.at for reason in decision.reasons}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_second_evaluator_judges_it_so_too(row: Row, tmp_path: Path) -> None:
    world = world_of_row(row, tmp_path)
    asks, asked, port = row.cell

    assert evaluate(world, source(world, asks), destination(world, asked), port, row.protocol) is row.verdict


def test_every_point_has_several_rows_and_each_of_them_its_source() -> None:
    assert {row.point for row in ROWS} == set(range(1, 23))
    assert all(sum(row.point == point for row in ROWS) > 1 for point in range(1, 22))
    assert [str(row) for row in ROWS if not row.source] == []


def test_each_row_has_a_sentence_of_its_own() -> None:
    assert len({str(row) for row in ROWS}) == len(ROWS)


def test_a_protocol_without_ports_has_no_verdict_and_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ingress("- ports: [{protocol: ICMP}]"))

    with pytest.raises(ManifestError, match=r"a\.yaml:9: NetworkPolicy/in: .*'ICMP' is no protocol"):
        policies_of(load(tmp_path))


def test_a_denial_names_the_rule_that_would_have_allowed_another_port(tmp_path: Path) -> None:
    row = Row(10, "", "", ingress("- ports: [{port: 9}]"), LEDGER_TO_WEB, DENY)
    world = world_of_row(row, tmp_path)

    decision = Oracle(world).verdict(source(world, "bank/ledger"), destination(world, "shop/web"), 8080, TCP)

    assert [reason.at.rpartition(":")[2] for reason in decision.reasons] == ["2", "9"]
    assert "only on port 9" in str(decision)
