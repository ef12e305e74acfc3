"""Who may do what through the API: each team in its own namespace, and no further."""

import pytest

from .documents import DOCUMENTS, TEAMS, Document, of_kind, only

READ = {"get", "list", "watch"}


@pytest.mark.parametrize("namespace", TEAMS)
def test_every_namespace_enforces_the_restricted_pod_security_standard(namespace: str) -> None:
    labels = only("Namespace", namespace).body["metadata"]["labels"]

    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


@pytest.mark.parametrize(("namespace", "team"), TEAMS.items())
def test_a_team_has_one_role_bound_to_its_group_in_its_namespace(namespace: str, team: str) -> None:
    [role] = of_kind("Role", namespace)
    [binding] = of_kind("RoleBinding", namespace)

    assert role.name == team
    assert binding.body["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": team}
    assert binding.body["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": team}]


def test_no_right_reaches_beyond_a_namespace() -> None:
    assert not {document.kind for document in DOCUMENTS} & {"ClusterRole", "ClusterRoleBinding"}
    assert {role.namespace for role in of_kind("Role")} == set(TEAMS)


@pytest.mark.parametrize("role", of_kind("Role"), ids=str)
def test_a_role_names_every_group_resource_and_verb(role: Document) -> None:
    for rule in role.body["rules"]:
        assert rule.keys() == {"apiGroups", "resources", "verbs"}
        assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


@pytest.mark.parametrize("role", of_kind("Role"), ids=str)
def test_a_team_may_change_no_more_than_it_needs_to_restart_scale_and_configure(role: Document) -> None:
    changes = {
        (group, resource, verb)
        for rule in role.body["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in set(rule["verbs"]) - READ
    }

    assert changes == {
        ("", "pods", "delete"),
        *(("", "configmaps", verb) for verb in ("create", "patch", "update", "delete")),
        *(("apps", resource, verb) for resource in ("deployments", "statefulsets") for verb in ("patch", "update")),
        *(("apps", "deployments/scale", verb) for verb in ("patch", "update")),
        *(("autoscaling", "horizontalpodautoscalers", verb) for verb in ("patch", "update")),
    }


@pytest.mark.parametrize("role", of_kind("Role"), ids=str)
def test_a_team_cannot_read_secrets_enter_pods_or_grant_rights(role: Document) -> None:
    resources = {resource for rule in role.body["rules"] for resource in rule["resources"]}
    verbs = {verb for rule in role.body["rules"] for verb in rule["verbs"]}

    assert not resources & {
        "secrets", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "serviceaccounts/token",
        "roles", "rolebindings",
    }  # fmt: skip
    assert not verbs & {"bind", "escalate", "impersonate"}


def test_both_teams_have_the_same_rights() -> None:
    invoice, payments = (role.body["rules"] for role in of_kind("Role"))

    assert invoice == payments
