"""What is held against a table beside its cells: rights where it says nothing."""

from pathlib import Path

import pytest

from harness.access.expectations import Expectations, parse
from harness.access.proving import untold
from harness.access.rules import Binding, Kind, Realm, Role, Rule, Subject
from harness.kube.sources import read_text

EVERYTHING = Role("all", (Rule(("*",), ("*",), ("*",)),))
TEAM = Subject(Kind.GROUP, "team")
TABLE = """
subjects:
  team: {user: anna, groups: [team]}
rights:
  - |
    namespace:shop  team
    pods            read
"""


@pytest.fixture
def expectations() -> Expectations:
    return parse(read_text(TABLE, Path("table.yaml"))[0])


def realm(namespace: str, subject: Subject = TEAM) -> Realm:
    return Realm((EVERYTHING,), (Binding("b", "all", (subject,), namespace, at="b.yaml:1"),))


def test_rights_in_a_namespace_without_a_table_are_told_with_their_binding(expectations: Expectations) -> None:
    [told] = untold(expectations, realm("bank"))

    assert told == (
        "team has rights in namespace bank, of which no table says anything: RoleBinding bank/b binds Group team to "
        "ClusterRole all. Add a table that begins with namespace:bank"
    )


@pytest.mark.parametrize("namespace", ["shop", ""])
def test_rights_that_a_table_shows_are_not_told(expectations: Expectations, namespace: str) -> None:
    assert untold(expectations, realm(namespace)) == []


def test_what_a_cluster_gives_its_own_groups_in_its_own_namespaces_is_left_out(expectations: Expectations) -> None:
    everybody = Subject(Kind.GROUP, "system:authenticated")

    assert untold(expectations, realm("kube-public", everybody)) == []
    assert len(untold(expectations, realm("bank", everybody))) == 1
    assert len(untold(expectations, realm("kube-public"))) == 1
