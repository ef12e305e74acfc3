"""Proofs of access can fail: with each slip of the hand in the roles, told with the cell, its row and the rule."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.access import own
from harness.access.expectations import read
from harness.access.lab import Lab
from harness.access.matrix import Standing
from harness.access.own import Own
from harness.access.proving import Proof, prove_table
from harness.access.request import Request
from harness.errors import ManifestError
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import load

ROLES = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: dev, namespace: NS}
rules:
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [get, list]
  - apiGroups: [""]
    resources: [pods, pods/log]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: dev, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: dev}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-devs}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NS-see}
aggregationRule:
  clusterRoleSelectors:
    - matchLabels: {see: NS}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NS-services, labels: {see: NS}}
rules:
  - apiGroups: [""]
    resources: [services]
    verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NS-secrets, labels: {see: nobody}}
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: see, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NS-see}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-devs}
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-ops}
"""
TABLE = """\
subjects:
  dev: {user: dora, groups: [NS-devs]}
  ops: {user: otto, groups: [NS-ops]}
rights: |
  namespace:NS  dev       ops
  configmaps    get,list  -
  pods          get       -
  pods/log      get       -
  services      list      list
  *             -         -
"""


@dataclass(frozen=True)
class Given:
    """Roles that are written and on the cluster, and a table of them."""

    namespace: str
    roles: Path
    table: Path
    written: Own


@contextmanager
def given(
    access: Lab, folder: Path, slip: tuple[str, str] = ("", ""), table: tuple[str, str] = ("", "")
) -> Iterator[Given]:
    """The roles, in which the first text of ``slip`` was written as the second; ``table`` is the same of the table."""
    namespace = f"rights-{secrets.token_hex(3)}"  # of its own: one that is going takes its time
    assert slip[0] in ROLES
    assert table[0] in TABLE
    (folder / "roles").mkdir()
    roles, expected = folder / "roles" / "roles.yaml", folder / "table.yaml"
    roles.write_text(ROLES.replace(*slip).replace("NS", namespace) if slip[0] else ROLES.replace("NS", namespace))
    expected.write_text(TABLE.replace(*table).replace("NS", namespace) if table[0] else TABLE.replace("NS", namespace))
    written = own.of_manifests(load(roles))
    with own.staged(access.api, written, {"harness.dev/owner": "tests"}):
        yield Given(namespace, roles, expected, written)


def proven(access: Lab, one: Given) -> Proof:
    return prove_table(access, read(one.table), one.written.realm, one.written.namespaces)


@dataclass(frozen=True)
class Slip:
    """A slip in the roles, how many cells it breaks, and one of them: its words, its row, the lines that are named."""

    name: str
    before: str
    after: str
    broken: int
    cell: str
    must: str
    row: int
    named: Sequence[str]

    def __str__(self) -> str:
        return self.name


SLIPS = [
    Slip(
        "a widened verb",
        "verbs: [get, list]",
        "verbs: [get, list, delete]",
        1,
        "dev: delete configmaps in NS",
        "denied",
        6,
        ("binds Group NS-devs to Role NS/dev, which allows it", "roles.yaml:5)"),
    ),
    Slip(
        "a binding to the wrong group",
        "name: dev}\nsubjects:\n  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-devs}",
        "name: dev}\nsubjects:\n  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-ops}",
        8,
        "ops: get configmaps in NS",
        "denied",
        6,
        ("RoleBinding NS/dev (", "roles.yaml:12) binds Group NS-ops to Role NS/dev"),
    ),
    Slip(
        "a forgotten subresource",
        "resources: [pods, pods/log]",
        "resources: [pods]",
        1,
        "dev: get pods/log in NS",
        "allowed",
        8,
        ("Role NS/dev allows pods, which is not pods/log", "roles.yaml:8)"),
    ),
    Slip(
        "a label that widens an aggregated role",
        "labels: {see: nobody}",
        "labels: {see: NS}",
        2,
        "ops: list secrets in NS",
        "denied",
        10,
        ("binds Group NS-ops to ClusterRole NS-see, which allows it", "roles.yaml:39)"),
    ),
]


def test_roles_that_are_as_the_table_says_pass(access: Lab, tmp_path: Path) -> None:
    with given(access, tmp_path) as one:
        proof = proven(access, one)

    assert not proof.broken, proof.broken[0]
    assert proof.drift == []


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_is_told_with_the_cell_its_row_and_the_rule(access: Lab, tmp_path: Path, slip: Slip) -> None:
    with given(access, tmp_path, (slip.before, slip.after)) as one:
        proof = proven(access, one)

    told = {str(broken.expected.cell): str(broken) for broken in proof.broken}
    line = told[slip.cell.replace("NS", one.namespace)]
    assert len(told) == slip.broken, list(told)
    assert f" must be {slip.must} ({one.table}:{slip.row}), but its review says " in line
    assert "and a request met: " in line
    assert all(named.replace("NS", one.namespace) in line for named in slip.named), line
    assert all(broken.compared.standing is Standing.AGREES for broken in proof.broken)


def test_a_wildcard_breaks_every_cell_that_it_opens_and_names_itself(access: Lab, tmp_path: Path) -> None:
    with given(
        access, tmp_path, ("resources: [configmaps]\n    verbs: [get, list]", 'resources: ["*"]\n    verbs: ["*"]')
    ) as one:
        proof = proven(access, one)

    opened = {broken.expected.cell.request for broken in proof.broken}
    for request in (
        Request("create", "pods", "", "exec", one.namespace),
        Request("delete", "secrets", namespace=one.namespace),
    ):
        assert request in opened
    assert {broken.expected.cell.who.name for broken in proof.broken} == {"dev"}
    assert all(f"to Role {one.namespace}/dev, which allows it" in str(broken) for broken in proof.broken)
    assert all(broken.compared.standing is Standing.AGREES for broken in proof.broken)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("groups: [NS-devs]", "groups: [NS-dvs]", "group NS-dvs; did you mean NS-devs"),
        (
            "dev: {user: dora, groups: [NS-devs]}",
            "dev: {service-account: NS/defaults}",
            "NS/defaults; did you mean NS/default",
        ),
    ],
)
def test_a_misspelt_subject_is_an_error_and_no_denial(
    access: Lab, tmp_path: Path, before: str, after: str, problem: str
) -> None:
    with given(access, tmp_path, table=(before, after)) as one, pytest.raises(ManifestError) as error:
        proven(access, one)

    assert f"{one.table}:2: subject dev" in str(error.value)
    assert problem.replace("NS", one.namespace) in str(error.value)


def test_what_the_cluster_has_beside_the_files_is_told_with_the_cell_and_as_drift(access: Lab, tmp_path: Path) -> None:
    with given(access, tmp_path) as one:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{one.namespace}/roles/dev"
        role: JsonObject = access.api.get(path)
        access.api.put(path, {**role, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]})
        proof = proven(access, one)

    told = {str(broken.expected.cell): broken for broken in proof.broken}
    deleting, reading = told[f"dev: delete configmaps in {one.namespace}"], told[f"dev: get pods in {one.namespace}"]
    assert deleting.compared.standing is reading.compared.standing is Standing.DIFFERS
    assert "The roles as written say deny: no rule that user dora has allows it" in str(deleting)
    assert f"but only to get, list ({one.roles}:5)" in str(deleting)
    assert proof.drift == [f"Role {one.namespace}/dev on the cluster is not as written at {one.roles}:1"]
