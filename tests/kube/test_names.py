"""Names as the API server takes them, told before anything is applied."""

import pytest

from harness.kube import names
from harness.kube.schemas import problems


def of(kind: str, name: str, version: str = "v1", **meta: str) -> list[tuple[tuple[str, ...], str]]:
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **meta}}
    return list(names.problems(body))


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        ("ConfigMap", "shop.example-1", "v1"),
        ("ConfigMap", "a" * 253, "v1"),
        ("Service", "1-web", "v1"),  # since Kubernetes 1.34
        ("Namespace", "a" * 63, "v1"),
        ("ClusterRole", "system:shop_Reader", "rbac.authorization.k8s.io/v1"),
        ("IPAddress", "2001:db8::1", "networking.k8s.io/v1"),
        ("Widget", "My_Own", "example.com/v1"),  # its own server may take it
    ],
)
def test_what_the_api_server_takes_is_no_problem(kind: str, name: str, version: str) -> None:
    assert of(kind, name, version) == []


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        ("ConfigMap", "My_Config", "v1"),
        ("Deployment", "web.", "apps/v1"),
        ("Job", "a" * 254, "batch/v1"),
        ("Service", "web.shop", "v1"),
        ("Namespace", "a" * 64, "v1"),
        ("NetworkPolicy", "-deny", "networking.k8s.io/v1"),
    ],
)
def test_what_it_refuses_is_told_at_the_name(kind: str, name: str, version: str) -> None:
    [(path, told)] = of(kind, name, version)

    assert path == ("metadata", "name")
    assert told.startswith(f"metadata.name: {name!r} is no name: write up to ")


def test_a_namespace_is_one_label_of_any_kind() -> None:
    [(path, told)] = of("Role", "reader:all", "rbac.authorization.k8s.io/v1", namespace="Shop")

    assert path == ("metadata", "namespace")
    assert told.startswith("metadata.namespace: 'Shop' is no name: ")


def test_an_object_is_looked_at_for_it() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "My_Config"}}

    assert list(problems(body)) == list(names.problems(body))
