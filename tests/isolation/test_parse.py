"""From manifests to policies, and what is said of a wrong one."""

import os
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path
from textwrap import dedent, indent

import pytest

from harness.errors import ManifestError
from harness.isolation.parse import policies_of, policy_of, policy_of_object
from harness.isolation.policy import Direction, IpBlock, Peer, Policy, Port, Rule
from harness.kube.manifests import load
from harness.kube.protocol import Protocol
from harness.kube.selectors import Operator, Requirement, Selector
from harness.paths import Paths

HEADER = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: doors
  namespace: shop
"""
SPEC_LINE = 6


def written(folder: Path, spec: str) -> Path:
    """A file with one policy, whose ``spec`` begins in line 6; the text's own first line stands in line 7."""
    file = folder / "doors.yaml"
    file.write_text(HEADER + "spec:\n" + indent(dedent(spec).strip(), "  ") + "\n")
    return file


def read(folder: Path, spec: str) -> Policy:
    [policy] = policies_of(load(written(folder, spec)))
    return policy


EVERYTHING = """
podSelector:
  matchLabels: {app: web, tier: front}
  matchExpressions:
    - {key: track, operator: NotIn, values: [canary, beta]}
    - {key: legacy, operator: DoesNotExist}
policyTypes: [Ingress, Egress]
ingress:
  - from:
      - podSelector: {matchExpressions: [{key: app, operator: In, values: [api]}]}
        namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}
      - ipBlock:
          cidr: 203.0.113.0/24
          except: [203.0.113.128/25]
    ports:
      - port: 8080
      - port: 9000
        endPort: 9010
        protocol: UDP
egress:
  - to:
      - namespaceSelector: {}
  - ports:
      - port: dns
        protocol: SCTP
      - protocol: UDP
"""


def test_everything_that_a_policy_can_say_is_read(tmp_path: Path) -> None:
    policy = read(tmp_path, EVERYTHING)

    assert policy == Policy(
        namespace="shop",
        name="doors",
        pods=Selector(
            (("app", "web"), ("tier", "front")),
            (
                Requirement("track", Operator.NOT_IN, ("canary", "beta")),
                Requirement("legacy", Operator.DOES_NOT_EXIST),
            ),
        ),
        ingress=(
            Rule(
                peers=(
                    Peer(
                        pods=Selector(requirements=(Requirement("app", Operator.IN, ("api",)),)),
                        namespaces=Selector(requirements=(Requirement("team", Operator.EXISTS),)),
                    ),
                    Peer(block=IpBlock(ip_network("203.0.113.0/24"), (ip_network("203.0.113.128/25"),))),
                ),
                ports=(Port(Protocol.TCP, 8080), Port(Protocol.UDP, 9000, 9010)),
            ),
        ),
        egress=(
            Rule(peers=(Peer(namespaces=Selector()),)),
            Rule(ports=(Port(Protocol.SCTP, "dns"), Port(Protocol.UDP))),
        ),
        types=(Direction.INGRESS, Direction.EGRESS),
    )


def test_every_part_says_file_and_line_of_where_it_is_written(tmp_path: Path) -> None:
    policy = read(tmp_path, EVERYTHING)
    file = tmp_path / "doors.yaml"
    [ingress], [to, ports] = policy.ingress, policy.egress

    assert policy.at == f"{file}:1"
    assert ingress.at == f"{file}:14"
    assert [peer.at for peer in ingress.peers] == [f"{file}:15", f"{file}:17"]
    assert [port.at for port in ingress.ports] == [f"{file}:21", f"{file}:22"]
    assert (to.at, to.peers[0].at) == (f"{file}:26", f"{file}:27")
    assert (ports.at, ports.ports[1].at) == (f"{file}:28", f"{file}:31")


def test_a_policy_without_a_namespace_lies_in_default(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(HEADER.replace("  namespace: shop\n", "") + "spec: {podSelector: {}}\n")

    assert [policy.namespace for policy in policies_of(load(file))] == ["default"]


@pytest.mark.parametrize("spec", ["podSelector: {}", "podSelector:", "podSelector: {matchLabels: null}", "ingress: []"])
def test_an_absent_or_null_pod_selector_of_a_policy_selects_every_pod(tmp_path: Path, spec: str) -> None:
    assert read(tmp_path, spec) == Policy("shop", "doors")


def test_a_policy_without_a_spec_is_one_that_denies_all_ingress(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEADER)

    assert policies_of(load(tmp_path)) == (Policy("shop", "doors"),)


@pytest.mark.parametrize(
    "rule",
    ["{}", "{from: null, ports: null}", "{from: [], ports: []}", "null"],
    ids=["empty", "null", "none", "no item"],
)
def test_a_rule_whose_lists_are_absent_null_or_empty_allows_everything(tmp_path: Path, rule: str) -> None:
    assert read(tmp_path, f"ingress: [{rule}]").ingress == (Rule(),)


def test_an_empty_selector_of_a_peer_is_not_an_absent_one(tmp_path: Path) -> None:
    peers = read(tmp_path, "ingress: [{from: [{podSelector: {}}, {podSelector: {}, namespaceSelector: {}}]}]").ingress

    assert peers == (Rule(peers=(Peer(pods=Selector()), Peer(pods=Selector(), namespaces=Selector()))),)


def test_an_empty_port_item_means_every_tcp_port(tmp_path: Path) -> None:
    assert read(tmp_path, "ingress: [{ports: [{}]}]").ingress == (Rule(ports=(Port(Protocol.TCP),)),)


def test_policy_types_are_kept_as_written(tmp_path: Path) -> None:
    assert read(tmp_path, "policyTypes: [Egress, Egress]").types == (Direction.EGRESS, Direction.EGRESS)
    assert read(tmp_path, "policyTypes: []").types == ()


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "10.0.0.1/32", "2001:DB8:0::/48", "10.9.8.0/24"])
def test_a_range_may_be_written_in_any_form_that_is_not_ambiguous(tmp_path: Path, cidr: str) -> None:
    [rule] = read(tmp_path, f"egress: [{{to: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]").egress

    assert rule.peers == (Peer(block=IpBlock(ip_network(cidr))),)


def peer(text: str) -> str:
    """An ingress rule with one peer, which begins in line 9."""
    return "ingress:\n  - from:\n" + indent(dedent(text).strip("\n"), " " * 6)


def ports(text: str) -> str:
    """An ingress rule with one port item, which begins in line 9."""
    return "ingress:\n  - ports:\n" + indent(dedent(text).strip("\n"), " " * 6)


BLOCK = "- ipBlock:\n    cidr: {}"
EXCEPT = "- ipBlock:\n    cidr: 10.0.0.0/8\n    except:\n      - 10.1.0.0/16\n      - {}"
EXPRESSION = "- podSelector:\n    matchExpressions:\n      - key: app\n        operator: {}\n        values: {}"

WRONG: dict[str, tuple[str, int, str]] = {
    "a block beside a selector": (
        peer("- podSelector: {}\n  ipBlock: {cidr: 10.0.0.0/8}"),
        9,
        "spec.ingress[0].from[0]: has ipBlock and a selector: a block stands alone, so write two items",
    ),
    "a block beside a namespace selector": (
        peer("- namespaceSelector: {}\n  ipBlock: {cidr: 10.0.0.0/8}"),
        9,
        "has ipBlock and a selector",
    ),
    "an empty peer": (peer("- {}"), 9, "spec.ingress[0].from[0]: names no peer: write podSelector"),
    "a peer that is null": (peer("- null"), 9, "names no peer"),
    "a selector of a peer that is null": (
        peer("-\n  podSelector:"),
        10,
        "spec.ingress[0].from[0].podSelector: null is the same as absent: write `podSelector: {}`",
    ),
    "an address that is no range": (peer(BLOCK.format("10.0.0.1")), 10, "'10.0.0.1' is no range of addresses"),
    "an empty range": (peer(BLOCK.format("''")), 10, "'' is no range of addresses: write address/length"),
    "a netmask": (peer(BLOCK.format("10.0.0.0/255.0.0.0")), 10, "is no range of addresses"),
    "a length that is too long": (peer(BLOCK.format("10.0.0.0/33")), 10, "is no range of addresses"),
    "a leading zero in the address": (peer(BLOCK.format("10.010.0.0/16")), 10, "is no range of addresses"),
    "a leading zero in the length": (peer(BLOCK.format("10.0.0.0/08")), 10, "is no range of addresses"),
    "an address with a zone": (peer(BLOCK.format("fe80::%1/64")), 10, "is no range of addresses"),
    "bits beyond the length": (
        peer(BLOCK.format("10.0.0.5/24")),
        10,
        "has bits beyond its length: write 10.0.0.0/24 for the range, or 10.0.0.5/32 for the address",
    ),
    "bits beyond the length of IPv6": (
        peer(BLOCK.format("2001:db8::1/64")),
        10,
        "write 2001:db8::/64 for the range, or 2001:db8::1/128 for the address",
    ),
    "an IPv4-mapped IPv6 range": (
        peer(BLOCK.format("'::ffff:10.0.0.0/104'")),
        10,
        "is an IPv4 address as IPv6 writes it: write the IPv4 range",
    ),
    "an exception outside the range": (
        peer(EXCEPT.format("11.0.0.0/16")),
        13,
        "spec.ingress[0].from[0].ipBlock.except[1]: 11.0.0.0/16 does not lie strictly inside 10.0.0.0/8",
    ),
    "an exception that is the whole range": (peer(EXCEPT.format("10.0.0.0/8")), 13, "does not lie strictly inside"),
    "an exception that is wider": (peer(EXCEPT.format("0.0.0.0/0")), 13, "does not lie strictly inside"),
    "an exception of the other family": (peer(EXCEPT.format("2001:db8::/64")), 13, "does not lie strictly inside"),
    "an exception that is no range": (peer(EXCEPT.format("10.1.1.1")), 13, "is no range of addresses"),
    "an end without a port": (
        ports("- protocol: TCP\n  endPort: 90"),
        10,
        "spec.ingress[0].ports[0].endPort: needs a port that is a number",
    ),
    "an end after a name": (ports("- port: http\n  endPort: 90"), 10, "needs a port that is a number"),
    "an end before the port": (ports("- port: 90\n  endPort: 80"), 10, "80 is less than port 90"),
    "an end that is no port": (ports("- port: 90\n  endPort: 65536"), 10, "65536 is no port: write one of 1 to 65535"),
    "a port of 0": (ports("- port: 0"), 9, "spec.ingress[0].ports[0].port: 0 is no port: write one of 1 to 65535"),
    "a port that is too large": (ports("- port: 65536"), 9, "65536 is no port"),
    "a negative port": (ports("- port: -1"), 9, "-1 is no port"),
    "a number in quotes": (ports("- port: '80'"), 9, "write 80 without quotes"),
    "a name of capitals": (ports("- port: HTTP"), 9, "'HTTP' is no name of a port"),
    "a name that is too long": (ports("- port: sixteen-letters-"), 9, "is no name of a port: write up to 15"),
    "a name with two hyphens in a row": (ports("- port: a--b"), 9, "is no name of a port"),
    "a name that begins with a hyphen": (ports("- port: -ab"), 9, "is no name of a port"),
    "a name without a letter": (ports("- port: 1-1"), 9, "is no name of a port"),
    "an empty name": (ports("- port: ''"), 9, "'' is no name of a port"),
    "a protocol that has no ports": (
        ports("- protocol: ICMP"),
        9,
        "'ICMP' is no protocol: write one of TCP, UDP, SCTP",
    ),
    "a protocol in small letters": (ports("- protocol: tcp"), 9, "'tcp' is no protocol"),
    "an unknown policy type": (
        "policyTypes:\n  - Ingress\n  - egress",
        9,
        "spec.policyTypes[1]: 'egress' is no policy type: write Ingress or Egress",
    ),
    "three policy types": ("policyTypes: [Ingress, Egress, Egress]", 7, "has more than two items"),
    "an unknown operator": (peer(EXPRESSION.format("in", "[a]")), 12, "'in' is no operator: write one of In, NotIn"),
    "In without values": (peer(EXPRESSION.format("In", "[]")), 13, "In needs values"),
    "NotIn with values that are null": (peer(EXPRESSION.format("NotIn", "null")), 13, "NotIn needs values"),
    "Exists with values": (peer(EXPRESSION.format("Exists", "[a]")), 13, "Exists takes no values"),
    "DoesNotExist with values": (peer(EXPRESSION.format("DoesNotExist", "[a]")), 13, "DoesNotExist takes no values"),
    "a value that no label can have": (peer(EXPRESSION.format("In", "[a, -b]")), 13, "'-b' is no value of a label"),
    "a value that is null": (peer(EXPRESSION.format("In", "[null]")), 13, 'write "" for an empty one'),
    "a key that no label can have": (
        "podSelector:\n  matchLabels:\n    ok: a\n    a/b/c: a",
        10,
        "spec.podSelector.matchLabels.a/b/c: 'a/b/c' is no key of a label",
    ),
    "a key with an empty prefix": ("podSelector: {matchLabels: {/a: b}}", 7, "'/a' is no key of a label"),
    "a key that is too long": (f"podSelector: {{matchLabels: {{{'a' * 64}: b}}}}", 7, "is no key of a label"),
    "an empty key of an expression": (
        "podSelector: {matchExpressions: [{key: '', operator: Exists}]}",
        7,
        "'' is no key of a label",
    ),
    "a label whose value is too long": (
        f"podSelector: {{matchLabels: {{a: {'b' * 64}}}}}",
        7,
        "is no value of a label",
    ),
    "a label whose value is null": ("podSelector: {matchLabels: {a: null}}", 7, "null is no value of a label"),
}


@pytest.mark.parametrize(("spec", "line", "problem"), WRONG.values(), ids=WRONG)
def test_what_schemas_do_not_see_is_refused_with_its_line(tmp_path: Path, spec: str, line: int, problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        policies_of(load(written(tmp_path, spec)))  # which refuses ports itself

    assert raised.value.where == f"{tmp_path}/doors.yaml:{line}"
    assert raised.value.subject == "NetworkPolicy/doors"
    assert problem in raised.value.problem


@pytest.mark.parametrize(
    ("replaced", "by", "line", "problem"),
    [
        ("name: doors", "name: Doors", 4, "metadata.name: 'Doors' is no name"),
        ("namespace: shop", "namespace: shop.one", 5, "metadata.namespace: 'shop.one' is no name"),
    ],
)
def test_a_name_that_kubernetes_refuses_is_refused(
    tmp_path: Path, replaced: str, by: str, line: int, problem: str
) -> None:
    (tmp_path / "a.yaml").write_text(HEADER.replace(replaced, by))

    with pytest.raises(ManifestError) as raised:
        policies_of(load(tmp_path))

    assert raised.value.where == f"{tmp_path}/a.yaml:{line}"
    assert problem in raised.value.problem


def test_every_wrong_policy_is_named_at_once(tmp_path: Path) -> None:
    wrong = HEADER + "spec: {policyTypes: [Both]}\n"
    (tmp_path / "a.yaml").write_text(wrong + "---\n" + wrong.replace("doors", "gates"))

    with pytest.raises(ManifestError) as raised:
        policies_of(load(tmp_path))

    assert f"{tmp_path}/a.yaml:6: NetworkPolicy/doors: spec.policyTypes[0]: 'Both'" in str(raised.value)
    assert f"{tmp_path}/a.yaml:13: NetworkPolicy/gates: spec.policyTypes[0]: 'Both'" in str(raised.value)


def test_a_policy_of_the_same_name_once_without_its_namespace_is_defined_twice(tmp_path: Path) -> None:
    text = HEADER.replace("shop", "default")
    (tmp_path / "a.yaml").write_text(text + "---\n" + text.replace("  namespace: default\n", ""))

    with pytest.raises(ManifestError, match="is defined already in namespace default, at ") as raised:
        policies_of(load(tmp_path))

    assert raised.value.where == f"{tmp_path}/a.yaml:7"


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("cilium.io/v2", "CiliumNetworkPolicy"),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
        ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy"),
    ],
)
def test_a_policy_of_another_api_is_an_error_and_not_overlooked(tmp_path: Path, api_version: str, kind: str) -> None:
    text = HEADER.replace("networking.k8s.io/v1", api_version).replace("kind: NetworkPolicy", f"kind: {kind}")
    (tmp_path / "a.yaml").write_text("# first\n" + text)

    with pytest.raises(ManifestError) as raised:
        policies_of(load(tmp_path))

    assert raised.value.where == f"{tmp_path}/a.yaml:2"
    assert f"{api_version} {kind} is a CRD of its own: the model does not know it" in raised.value.problem


def test_the_group_that_policies_once_had_is_named_as_gone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEADER.replace("networking.k8s.io/v1", "extensions/v1beta1"))

    with pytest.raises(ManifestError, match=r"is gone since Kubernetes 1\.16: write networking\.k8s\.io/v1"):
        policies_of(load(tmp_path))


def test_other_objects_are_no_policies(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")

    assert policies_of(load(tmp_path)) == ()


# What the loader refuses before: unknown fields, and templates, in each of the ways in which policies are given.

SPEC_WITH_A_TYPO = "ingress:\n  - from:\n      - podSelecter: {}"
SPEC_WITH_A_TEMPLATE = "podSelector:\n  matchLabels:\n    app: {{ .Values.app }}"
IN_A_LIST = "apiVersion: v1\nkind: List\nitems:\n  -\n"


@pytest.mark.parametrize(
    "refused",
    [
        (SPEC_WITH_A_TYPO, 9, "unknown field spec.ingress[0].from[0].podSelecter; did you mean podSelector?"),
        (SPEC_WITH_A_TEMPLATE, 9, "holds Helm's template braces"),
    ],
    ids=["unknown field", "Helm template"],
)
@pytest.mark.parametrize("way", ["folder", "list", "kustomization"])
def test_what_the_loader_refuses_has_file_and_line(
    tmp_path: Path, way: str, refused: tuple[str, int, str], kustomize: list[str]
) -> None:
    spec, line, problem = refused
    file = written(tmp_path, spec)
    if way == "list":
        file.write_text(IN_A_LIST + indent(file.read_text(), "    "))
        line += 4
    if way == "kustomization":
        (tmp_path / "kustomization.yaml").write_text("namespace: other\nresources: [doors.yaml]\n")

    with pytest.raises(ManifestError) as raised:
        load(tmp_path, lambda folder: rendered(kustomize, folder))

    assert raised.value.where == f"{file}:{line}"
    assert problem in raised.value.problem


@pytest.mark.parametrize("way", ["folder", "list", "kustomization"])
def test_what_the_parser_refuses_has_file_and_line_in_every_way_too(
    tmp_path: Path, way: str, kustomize: list[str]
) -> None:
    file, line = written(tmp_path, ports("- port: 80\n- port: 81\n  protocol: ICMP")), 11
    if way == "list":
        file.write_text(IN_A_LIST + indent(file.read_text(), "    "))
        line += 4
    if way == "kustomization":
        (tmp_path / "kustomization.yaml").write_text("namespace: other\nresources: [doors.yaml]\n")

    manifests = load(tmp_path, lambda folder: rendered(kustomize, folder))

    with pytest.raises(ManifestError, match=r"spec\.ingress\[0\]\.ports\[1\]\.protocol: 'ICMP' is no") as raised:
        policies_of(manifests)
    assert raised.value.where == f"{file}:{line}"


def test_a_kustomization_that_renames_a_policy_leaves_the_file_to_name(tmp_path: Path, kustomize: list[str]) -> None:
    file = written(tmp_path, "ingress:\n  - {}")
    (tmp_path / "kustomization.yaml").write_text("namespace: other\nnamePrefix: my-\nresources: [doors.yaml]\n")

    [policy] = policies_of(load(tmp_path, lambda folder: rendered(kustomize, folder)))

    assert (policy.namespace, policy.name) == ("other", "my-doors")
    assert policy.ingress[0].at == f"{file}:1"


@pytest.fixture(scope="session")
def kustomize() -> list[str]:
    """The command that renders a folder: the project's own kubectl where it was built, else the one on PATH."""
    components = Paths.from_environment(os.environ).cache / "components"
    built = sorted(components.glob("kubenode/*/kubenode"), key=lambda path: path.stat().st_mtime)
    if built:
        return [str(built[-1]), "kubectl", "kustomize"]
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("no kubectl was built yet, and none is on PATH: `nox -s up` builds it")
    return [kubectl, "kustomize"]


def rendered(kustomize: list[str], folder: Path) -> str:
    return subprocess.run([*kustomize, str(folder)], capture_output=True, text=True, check=True).stdout


# What a cluster gives.

FROM_A_CLUSTER = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {
        "name": "doors",
        "namespace": "shop",
        "uid": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
    },
    "spec": {
        "podSelector": {},
        "ingress": [{}, {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 80}]}],
        "policyTypes": ["Ingress"],
    },
}


def test_an_object_of_a_cluster_is_read_and_its_parts_are_named_by_their_fields() -> None:
    policy = policy_of_object(FROM_A_CLUSTER, "policy shop/doors")

    assert policy.types == (Direction.INGRESS,)
    assert policy.at == "policy shop/doors"
    assert policy.ingress[1].at == "policy shop/doors spec.ingress[1]"
    assert policy.ingress[1].peers[0].at == "policy shop/doors spec.ingress[1].from[0]"


def test_an_item_of_a_list_of_the_api_needs_no_kind() -> None:
    item = {key: value for key, value in FROM_A_CLUSTER.items() if key in ("metadata", "spec")}

    assert policy_of_object(item, "policy shop/doors") == policy_of_object(FROM_A_CLUSTER, "")


def test_a_field_that_is_not_known_is_an_error_in_an_object_of_a_cluster_too() -> None:
    newer = FROM_A_CLUSTER | {"spec": {"podSelector": {}, "ingress": [{"fromService": "web"}]}}

    with pytest.raises(ManifestError, match=r"^policy shop/doors: .*unknown field spec\.ingress\[0\]\.fromService"):
        policy_of_object(newer, "policy shop/doors")


def test_an_object_of_another_api_is_no_policy() -> None:
    with pytest.raises(ManifestError, match=r"policy shop/doors: NetworkPolicy/doors: .* is a CRD of its own"):
        policy_of_object(FROM_A_CLUSTER | {"apiVersion": "crd.projectcalico.org/v1"}, "policy shop/doors")


def test_a_manifest_of_another_kind_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: doors}\n")
    [manifest] = load(tmp_path)

    with pytest.raises(ManifestError, match="is a CRD of its own"):
        policy_of(manifest)
