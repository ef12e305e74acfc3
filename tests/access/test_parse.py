"""From manifests and a cluster's objects to a realm, and what is said of wrong ones: file, line, object and fix."""

import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from harness.access.parse import joined, realm_of, realm_of_objects
from harness.access.rules import Account, Binding, Home, Kind, Realm, Role, Rule, Subject
from harness.errors import ManifestError
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest, load
from harness.kube.selectors import Operator, Requirement, Selector
from harness.kube.sources import read_file

EVERYTHING = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: till, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: worker, namespace: shop}
rules:
  - {apiGroups: ["", apps], resources: [pods, pods/log], verbs: [get], resourceNames: [web]}
  - apiGroups: ["*"]
    resources: ["*"]
    verbs: ["*"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: view, labels: {to: edit}}
aggregationRule:
  clusterRoleSelectors:
    - {matchLabels: {to: view}, matchExpressions: [{key: old, operator: DoesNotExist}]}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: health}
rules:
  - {nonResourceURLs: [/healthz, "/livez/*", "*"], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: workers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: worker}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop}
  - {kind: User, name: jane}
  - {kind: ServiceAccount, name: till}
  - {kind: ServiceAccount, name: boss, namespace: bank}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:viewers"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:view"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other, namespace: shop}
"""


def written(folder: Path, text: str) -> list[Manifest]:
    """The objects of one file, whose first line is 1. Not held against schemas: what they refuse is none of ours."""
    file = folder / "rbac.yaml"
    file.write_text(dedent(text).lstrip("\n"))
    return [Manifest(one.object, Path("rbac.yaml"), one.line, "", one.lines) for one in read_file(file)]


def test_everything_that_can_be_said_of_access_is_read(tmp_path: Path) -> None:
    realm = realm_of(written(tmp_path, EVERYTHING))

    assert realm == Realm(
        roles=(
            Role(
                "worker",
                (Rule(("get",), ("", "apps"), ("pods", "pods/log"), ("web",)), Rule(("*",), ("*",), ("*",))),
                "shop",
            ),
            Role(
                "view",
                labels={"to": "edit"},
                aggregates=(Selector((("to", "view"),), (Requirement("old", Operator.DOES_NOT_EXIST),)),),
            ),
            Role("health", (Rule(("get",), urls=("/healthz", "/livez/*", "*")),)),
        ),
        bindings=(
            Binding(
                "workers",
                "worker",
                (
                    Subject(Kind.GROUP, "shop"),
                    Subject(Kind.USER, "jane"),
                    Subject(Kind.ACCOUNT, "till", "shop"),
                    Subject(Kind.ACCOUNT, "boss", "bank"),
                ),
                "shop",
                "shop",
            ),
            Binding("system:viewers", "system:view"),
        ),
        accounts=(Account("shop", "default"), Account("shop", "till")),
        homes=(Home("shop", "restricted"),),
    )


def test_each_thing_knows_its_line(tmp_path: Path) -> None:
    realm = realm_of(written(tmp_path, EVERYTHING))

    assert [one.at for one in realm.homes] == ["rbac.yaml:1"]
    assert [rule.at for role in realm.roles for rule in role.rules] == ["rbac.yaml:13", "rbac.yaml:14", "rbac.yaml:30"]
    assert [one.at for one in realm.bindings] == ["rbac.yaml:32", "rbac.yaml:42"]
    assert [one.at for one in realm.bindings[0].subjects] == [f"rbac.yaml:{line}" for line in (37, 38, 39, 40)]


def test_what_schemas_check_is_read_alike(tmp_path: Path) -> None:
    file = tmp_path / "rbac.yaml"
    file.write_text(EVERYTHING)

    assert realm_of(load(file)) == realm_of(written(tmp_path, EVERYTHING))


def test_what_has_no_namespace_is_of_the_default_one(tmp_path: Path) -> None:
    [role] = realm_of(
        written(
            tmp_path,
            """
            apiVersion: rbac.authorization.k8s.io/v1
            kind: Role
            metadata: {name: worker}
            rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
            """,
        )
    ).roles

    assert role.namespace == "default"


# --------------------------------------------------------------------------------------------------------------- errors

HEAD = "apiVersion: rbac.authorization.k8s.io/v1"
ROLE = f"{HEAD}\nkind: Role\nmetadata: {{name: worker, namespace: shop}}\nrules:\n  - "
POD_ROLE = ROLE + '{apiGroups: [""], resources: [pods], verbs: [get]}'
CLUSTER_ROLE = f"{HEAD}\nkind: ClusterRole\nmetadata: {{name: worker}}\nrules:\n  - "
AGGREGATE = f"{HEAD}\nkind: ClusterRole\nmetadata: {{name: worker}}\naggregationRule: "
BINDING = f"{HEAD}\nkind: RoleBinding\nmetadata: {{name: those, namespace: shop}}\n"
CLUSTER_BINDING = f"{HEAD}\nkind: ClusterRoleBinding\nmetadata: {{name: those}}\n"
TO = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (POD_ROLE.replace("/v1", "/v1beta1"), 1, "apiVersion: rbac.authorization.k8s.io/v1beta1 Role is not known"),
        (
            POD_ROLE.replace("rbac.authorization.k8s", "authorization.openshift"),
            1,
            "write rbac.authorization.k8s.io/v1",
        ),
        (POD_ROLE.replace("name: worker", 'name: "a/b"'), 3, "metadata.name: 'a/b' is no name: write one without /"),
        (POD_ROLE.replace("name: worker", 'name: ".."'), 3, "metadata.name: '..' is no name"),
        (POD_ROLE.replace("namespace: shop", "namespace: Shop"), 3, "metadata.namespace: 'Shop' is no name"),
        (ROLE + '{apiGroups: [""], resources: [pods], verbs: []}', 5, "rules[0].verbs: is empty: write at least one"),
        (ROLE + "{resources: [pods], verbs: [get]}", 5, "rules[0].apiGroups: is empty: write the groups of the resour"),
        (ROLE + '{apiGroups: [""], verbs: [get]}', 5, "rules[0].resources: is empty: write at least one resource"),
        (ROLE + "{nonResourceURLs: [/metrics], verbs: [get]}", 5, "has no meaning in a namespace"),
        (
            CLUSTER_ROLE + '{nonResourceURLs: [/x], apiGroups: [""], resources: [pods], verbs: [get]}',
            5,
            "rules[0]: has nonResourceURLs and resources: write two rules",
        ),
        (CLUSTER_ROLE + "{nonResourceURLs: [metrics], verbs: [get]}", 5, "nonResourceURLs[0]: 'metrics' is no path"),
        (
            CLUSTER_ROLE + '{nonResourceURLs: ["/*/x"], verbs: [get]}',
            5,
            "'/*/x' is no path: begin it with /, and write *",
        ),
        (
            AGGREGATE + "{}",
            4,
            "aggregationRule: selects nothing",
        ),
        (
            AGGREGATE + "{clusterRoleSelectors: [null]}",
            4,
            "aggregationRule.clusterRoleSelectors[0]: is null: write a label selector",
        ),
        (
            AGGREGATE + "{clusterRoleSelectors: [{matchExpressions: [{key: a, operator: Is}]}]}",
            4,
            "'Is' is no operator",
        ),
        (f"{HEAD}\nkind: ClusterRole\nmetadata: {{name: w, labels: {{a: 'x y'}}}}", 3, "'x y' is no value of a label"),
        (BINDING + "roleRef: {kind: Group, name: view}", 4, "roleRef.kind: 'Group' is not known here: write Role or"),
        (
            CLUSTER_BINDING + "roleRef: {kind: Role, name: view}",
            4,
            "roleRef.kind: 'Role' is not known here: write Clust",
        ),
        (
            BINDING + "roleRef: {apiGroup: apps, kind: Role, name: view}",
            4,
            "roleRef.apiGroup: 'apps' is not known here",
        ),
        (BINDING + "roleRef: {kind: Role}", 4, "roleRef.name: '' is no name"),
        (
            BINDING + TO + "subjects:\n  - {kind: Robot, name: x}",
            6,
            "subjects[0].kind: 'Robot' is nobody: write one of",
        ),
        (
            BINDING + TO + "subjects:\n  - {kind: ServiceAccount, name: Web_1}",
            6,
            "name: 'Web_1' is no name: write up to",
        ),
        (BINDING + TO + "subjects:\n  - {kind: User}", 6, "subjects[0].name: is empty: write whom the binding is for"),
        (
            BINDING + TO + "subjects:\n  - {kind: User, name: x, apiGroup: apps}",
            6,
            "'apps' is not that of a User: write",
        ),
        (
            BINDING + TO + "subjects:\n  - {kind: ServiceAccount, name: x, apiGroup: rbac.authorization.k8s.io}",
            6,
            "'rbac.authorization.k8s.io' is not that of a ServiceAccount: write ''",
        ),
        (
            BINDING + TO + "subjects:\n  - {kind: User, name: x, namespace: shop}",
            6,
            "subjects[0].namespace: a User lies in no namespace: leave it out",
        ),
        (
            CLUSTER_BINDING + TO + "subjects:\n  - {kind: ServiceAccount, name: x}",
            6,
            "subjects[0].namespace: is missing: a ServiceAccount lies in a namespace",
        ),
        ("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: Till}", 3, "metadata.name: 'Till' is no name"),
    ],
)
def test_what_the_api_server_would_refuse_is_told_by_line(text: str, line: int, told: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=re.escape(told)) as error:
        realm_of(written(tmp_path, text))

    assert error.value.where == f"rbac.yaml:{line}"
    assert "/" in error.value.subject


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = f"{ROLE}{{resources: [pods], verbs: [get]}}\n---\n{BINDING}roleRef: {{kind: Group, name: view}}"

    with pytest.raises(ManifestError) as error:
        realm_of(written(tmp_path, text))

    assert re.findall(r"rbac\.yaml:\d+", str(error.value)) == ["rbac.yaml:5", "rbac.yaml:10"]


def test_two_of_one_name_are_told_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"^rbac\.yaml:7: Role shop/worker: is defined already, at rbac\.yaml:1$"):
        realm_of(written(tmp_path, f"{POD_ROLE}\n---\n{POD_ROLE}"))


def test_a_role_and_a_cluster_role_may_have_one_name(tmp_path: Path) -> None:
    rule = '{apiGroups: [""], resources: [pods], verbs: [get]}'

    assert len(realm_of(written(tmp_path, f"{ROLE}{rule}\n---\n{CLUSTER_ROLE}{rule}")).roles) == 2


def test_the_default_service_account_may_be_written(tmp_path: Path) -> None:
    text = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop}
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: default, namespace: shop}
    """

    assert realm_of(written(tmp_path, text)).accounts == (Account("shop", "default"),)


# --------------------------------------------------------------------------------------------------------- on a cluster


def body(kind: str, name: str, namespace: str = "", **fields: object) -> JsonObject:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": meta, **fields}


def test_what_a_cluster_gives_is_told_by_what_it_is_there() -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    realm = realm_of_objects(
        [
            body("ClusterRole", "view", rules=rules),
            body("Role", "worker", "shop", rules=rules),
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "till", "namespace": "shop"}},
        ]
    )

    assert [rule.at for role in realm.roles for rule in role.rules] == [
        "ClusterRole view on the cluster rules[0]",
        "Role shop/worker on the cluster rules[0]",
    ]
    assert realm.accounts == (Account("shop", "till"),)


def test_what_the_api_server_takes_and_passes_over_is_told_of_files_alone() -> None:
    subject = {"kind": "Group", "name": "shop", "namespace": "shop", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    realm = realm_of_objects(
        [
            body("ClusterRole", "view", rules=[{"nonResourceURLs": ["metrics", "/*/x"], "verbs": ["get"]}]),
            body("RoleBinding", "those", "shop", roleRef=reference, subjects=[subject]),
        ]
    )

    assert realm.roles[0].rules == (Rule(("get",), urls=("metrics", "/*/x")),)
    assert realm.bindings[0].subjects == (Subject(Kind.GROUP, "shop"),)


def test_a_role_without_rules_is_read_as_a_cluster_gives_it() -> None:
    assert realm_of_objects([body("ClusterRole", "none", rules=None)]).roles == (Role("none"),)


# --------------------------------------------------------------------------------------------------------------- joined

WRITTEN = Realm(
    (Role("worker", namespace="shop", at="file"),), (), (Account("shop", "till"),), (Home("shop", "restricted"),)
)
LIVE = Realm(
    (Role("worker", namespace="shop", at="cluster"), Role("extra", namespace="shop"), Role("view", at="cluster")),
    (Binding("extra", "extra", namespace="shop"), Binding("extra", "view")),
    (Account("shop", "till"), Account("shop", "made"), Account("bank", "boss")),
    (Home("shop"), Home("bank")),
)


def test_what_is_written_counts_where_a_cluster_has_it_too() -> None:
    realm = joined(WRITTEN, LIVE)

    assert [(str(role), role.at) for role in realm.roles] == [
        ("Role shop/worker", "file"),
        ("Role shop/extra", ""),
        ("ClusterRole view", "cluster"),
    ]
    assert realm.homes == (Home("shop", "restricted"), Home("bank"))


def test_in_owned_namespaces_only_what_is_written_counts_but_for_service_accounts() -> None:
    realm = joined(WRITTEN, LIVE, ["shop"])

    assert [str(role) for role in realm.roles] == ["Role shop/worker", "ClusterRole view"]
    assert realm.bindings == (Binding("extra", "view"),)
    assert realm.accounts == (Account("shop", "till"), Account("shop", "made"), Account("bank", "boss"))


def test_joining_a_realm_with_itself_changes_nothing() -> None:
    assert joined(LIVE, LIVE) == LIVE
    assert joined(Realm(), replace(LIVE)) == LIVE
