"""A running cluster read as a realm."""

from typing import Any

from harness.access.rules import Kind, Subject
from harness.access.snapshot import LISTS, realm_on

from .fakes import FakeApi


def named(kind: str, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field
    group = "v1" if kind in ("Namespace", "ServiceAccount") else "rbac.authorization.k8s.io/v1"
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        **fields,
    }


def test_roles_bindings_accounts_and_namespaces_are_those_that_are_there() -> None:
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    anna = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "anna"}
    answers: dict[tuple[str, str], Any] = {("GET", path): [] for path in LISTS}
    answers |= {
        ("GET", LISTS[0]): [named("ClusterRole", "view", rules=None)],
        ("GET", LISTS[1]): [named("Role", "reader", "shop", rules=[rule])],
        ("GET", LISTS[3]): [named("RoleBinding", "readers", "shop", roleRef=reference, subjects=[anna])],
        ("GET", LISTS[4]): [named("ServiceAccount", "web", "shop")],
        ("GET", LISTS[5]): [named("Namespace", "shop")],
    }

    realm = realm_on(FakeApi(answers).real)

    assert [str(one) for one in realm.roles] == ["ClusterRole view", "Role shop/reader"]
    assert realm.roles[1].at == "Role shop/reader on the cluster"
    assert realm.bindings[0].subjects == (Subject(Kind.USER, "anna"),)
    assert {one.name for one in realm.accounts} == {"web", "default"}
    assert [one.name for one in realm.homes] == ["shop"]
