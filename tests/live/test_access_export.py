"""What `access export` writes down of a cluster is what its roles grant, and is read again as it was found."""

from pathlib import Path

import pytest

from harness.access.commands import export
from harness.access.discovery import discovered
from harness.access.expectations import parse
from harness.access.oracle import Oracle
from harness.access.resources import beyond
from harness.access.snapshot import realm_on
from harness.access.table import expected, unknown_namespaces, unknown_subjects
from harness.clusters.provider import Cluster
from harness.errors import UsageError
from harness.kube.client import Api
from harness.kube.sources import read_text

GROUP = "rbac.authorization.k8s.io"
RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]},
]


@pytest.fixture
def home(cluster: Cluster, namespace: str) -> str:
    """A namespace with a role for a group."""
    meta = {"name": "team", "namespace": namespace}
    cluster.kubectl.apply(
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": meta, "rules": RULES},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "team"},
            "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": "team-export"}],
        },
    )
    return namespace


def test_the_export_of_a_namespace_says_what_its_roles_grant(api: Api, home: str) -> None:
    text = export(api, [], [home])

    expectations = parse(read_text(text, Path("today.yaml"))[0])
    realm = realm_on(api)
    found = expected(expectations, (*discovered(api), *beyond()))
    oracle = Oracle(realm)
    assert not [*unknown_subjects(expectations, realm), *unknown_namespaces(expectations, realm)]
    assert [one for one in found if oracle.decide(one.cell.who.identity, one.cell.request).allowed != one.allowed] == []
    assert {
        f"{one.cell}".partition(f" in {home}")[0] for one in found if one.allowed and one.cell.request.namespace
    } == {
        "team-export: delete pods",
        "team-export: get pods",
        "team-export: list pods",
        "team-export: watch pods",
        "team-export: get pods/log",
        "team-export: get secrets db",
    }


def test_only_whom_one_names_is_asked_for(api: Api, home: str) -> None:
    text = export(api, ["anna=user:anna,group:team-export", "nobody=anonymous"], [home])

    subjects = parse(read_text(text, Path("today.yaml"))[0]).subjects
    assert list(subjects) == ["anna", "nobody"]


def test_a_misspelt_group_is_an_error(api: Api, home: str) -> None:
    with pytest.raises(UsageError, match=r"group team-exprot; did you mean team-export\?"):
        export(api, ["anna=user:anna,group:team-exprot"], [home])
