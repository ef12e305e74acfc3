"""The proof of who may do what by a user's own roles and table, as a user runs it: pytest on a folder and a file."""

import json
import secrets
from pathlib import Path

import pytest

from harness.kube.client import Api
from harness.kube.wait import wait_until

from .pods import SECONDS
from .user import User, nothing_is_left_of

ROLES = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: dev, namespace: NS}
rules:
  - apiGroups: [""]
    resources: [pods, pods/log]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: dev, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: dev}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-devs}
"""
TABLE = """\
subjects:
  dev: {user: dora, groups: [NS-devs], home: [NS]}
  web: {service-account: NS/web, home: [NS]}
rights:
  - |
    namespace:NS  dev   web
    pods          read  -
    pods/log      get   -
    *             -     -
  - |
    cluster                                   dev     web
    selfsubjectreviews.authentication.k8s.io  create  create
"""
TABLE_OPTION = "--access-expectations=rights.yaml"


@pytest.fixture
def namespace_name() -> str:
    """A namespace that is on no cluster."""
    return f"rights-{secrets.token_hex(3)}"


@pytest.fixture
def roles(user: User, namespace_name: str) -> Path:
    """A user's folder with ``roles/roles.yaml``, and beside it ``rights.yaml``, which says just what they say."""
    (user.folder / "roles").mkdir()
    (user.folder / "roles" / "roles.yaml").write_text(ROLES.replace("NS", namespace_name))
    (user.folder / "rights.yaml").write_text(TABLE.replace("NS", namespace_name))
    return user.folder


def test_roles_that_are_not_on_the_cluster_are_made_for_the_run_proved_and_removed(
    roles: Path, user: User, api: Api, namespace_name: str
) -> None:
    done = user.pytest("access", "--manifests=roles", TABLE_OPTION)

    assert done.status == pytest.ExitCode.OK, done.said
    assert "3 passed" in done.said
    assert "made for the run, and removed after it: 4 objects" in done.said
    assert "dev by client certificate" in done.said
    assert "web by ServiceAccount token" in done.said
    [lines] = (roles / "artifacts").glob("**/matrix.jsonl")
    said = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {one["standing"] for one in said} == {"agrees"}
    assert {one["expected"] for one in said if "expected" in one} == {True, False}
    nothing_is_left_of(done.run, api)
    wait_until(
        "its namespace to be gone", lambda: not api.find(f"/api/v1/namespaces/{namespace_name}"), seconds=SECONDS
    )


def test_a_right_too_many_is_told_with_its_row_and_its_rule_on_one_line(
    roles: Path, user: User, namespace_name: str
) -> None:
    file = roles / "roles" / "roles.yaml"
    file.write_text(file.read_text().replace("[get, list, watch]", "[get, list, watch, delete]"))

    done = user.pytest("access", "--manifests=roles", TABLE_OPTION)

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "1 failed, 2 passed" in done.said  # the ways agree: only the table means another thing
    [told] = [
        line for line in done.said.splitlines() if line.startswith(f"dev: delete pods in {namespace_name} must be")
    ]
    assert "rights.yaml:7" in told
    assert f"RoleBinding {namespace_name}/dev (roles/roles.yaml:13)" in told
    assert "(roles/roles.yaml:9)" in told


def test_roles_without_a_table_are_held_against_the_cluster_and_it_says_that_this_is_all(
    roles: Path, user: User
) -> None:
    done = user.pytest("access", "--manifests=roles")

    assert done.status == pytest.ExitCode.OK, done.said
    assert "1 passed, 2 skipped" in done.said
    assert "proves only that the cluster does as the roles say" in done.said


def test_a_table_alone_is_held_against_what_is_on_the_cluster(roles: Path, user: User, namespace_name: str) -> None:
    done = user.pytest("access", TABLE_OPTION)

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "there is no such namespace" in done.said
    assert "no binding names user dora" in done.said
    assert "Traceback" not in done.said


def test_a_way_out_of_a_home_is_told_step_by_step(roles: Path, user: User, namespace_name: str) -> None:
    for file, old, new in (
        ("roles/roles.yaml", "    verbs: [get, list, watch]", "    verbs: [get, list, watch, create]"),
        ("rights.yaml", "pods          read ", "pods          read,create "),
    ):
        path = roles / file
        path.write_text(path.read_text().replace(old, new))

    done = user.pytest("access", "--manifests=roles", TABLE_OPTION)

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "1 failed, 2 passed" in done.said
    assert "dev, to a node:" in done.said  # its namespace enforces no Pod Security
    assert f"1. runs a privileged pod -> a node [user dora may create pods in {namespace_name}" in done.said


@pytest.mark.usefixtures("roles")
def test_a_role_that_is_another_on_the_cluster_fails_without_a_table_too(
    user: User, api: Api, namespace_name: str
) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "dev", "namespace": namespace_name},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    api.post("/api/v1/namespaces", {"metadata": {"name": namespace_name}})
    try:
        api.post(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace_name}/roles", role)
        done = user.pytest("access", "--manifests=roles")
    finally:
        api.delete(f"/api/v1/namespaces/{namespace_name}")

    assert done.status == pytest.ExitCode.TESTS_FAILED, done.said
    assert "must be" not in done.said
    assert f"{namespace_name}/dev" in done.said
