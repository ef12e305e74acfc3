"""Two files compared: who gains and loses what, with the lines of both."""

from pathlib import Path

import pytest

from harness.access.diff import differences
from harness.access.expectations import Expectations, parse
from harness.access.resources import Resource
from harness.errors import ManifestError
from harness.kube.sources import read_text

PODS = Resource("pods", verbs=("create", "delete", "get", "list", "patch", "watch"))
LOG = Resource("pods", subresource="log", verbs=("get",))
NODES = Resource("nodes", verbs=("get", "list"), namespaced=False)
SERVED = (PODS, LOG, NODES)
TABLE = ("namespace:shop  team  app", "pods  read,delete  get", "*  -  -")


def file(name: str, *lines: str, subjects: str = "") -> Expectations:
    """One table of team and app, which begins in line 5."""
    own = subjects or "  team: {user: anna}\n  app: {service-account: shop/app}"
    text = "".join(f"  {line}\n" for line in lines)
    return parse(read_text(f"subjects:\n{own}\nrights: |\n{text}", Path(name))[0])


def told(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    return list(map(str, differences(file("a.yaml", *before), file("b.yaml", *after), SERVED)))


def test_the_same_in_other_words_is_no_difference() -> None:
    same = ("namespace:shop  app  team", "*  -  -", "pods  get  get,list,watch,delete", "pods/log  -  -")

    assert told(TABLE, TABLE) == []
    assert told(TABLE, same) == []


def test_what_somebody_gains_and_loses_is_told_by_resource_with_the_lines_of_both() -> None:
    changed = ("namespace:shop  team  app", "pods/log  -  get", "pods  read,patch  get", "*  -  -")

    assert told(TABLE, changed) == [
        "namespace:shop pods: team gains patch, loses delete (a.yaml:6, b.yaml:7)",
        "namespace:shop pods/log: app gains get (a.yaml:7, b.yaml:6)",
    ]


def test_a_row_that_is_gone_is_what_the_last_row_says() -> None:
    assert told(TABLE, ("namespace:shop  team  app", "pods  read,delete  -", "pods/log  -  get", "*  -  -"))[0] == (
        "namespace:shop pods: app loses get (a.yaml:6, b.yaml:6)"
    )


def test_another_last_row_is_told_once() -> None:
    changed = ("namespace:shop  team  app", "pods  read,delete  get", "*  read  ?")

    assert told(TABLE, changed) == [
        "namespace:shop *: team has read, not - (a.yaml:7, b.yaml:7)",
        "namespace:shop *: app has ?, not - (a.yaml:7)",
    ]


def test_what_is_newly_said_or_no_longer_said_is_neither_gained_nor_lost() -> None:
    without = ("namespace:shop  team  app", "pods  read,delete  get")
    more = (*without, "pods/log  get  -")

    assert told(without, more) == [
        "namespace:shop pods/log: team is newly said to have get (b.yaml:7)",
        "namespace:shop pods/log: app is newly said not to have get (b.yaml:7)",
    ]
    assert told(more, without) == [
        "namespace:shop pods/log: team is no longer said to have get (a.yaml:7)",
        "namespace:shop pods/log: app is no longer said not to have get (a.yaml:7)",
    ]


def test_an_object_is_told_by_its_name() -> None:
    named = ("namespace:shop  team  app", "pods  read,delete  get", "pods[db]  patch  get", "*  -  -")
    other = ("namespace:shop  team  app", "pods  read,delete  get", "pods[db]  delete  get", "*  -  -")

    assert told(named, other) == ["namespace:shop pods[db]: team gains delete, loses patch (a.yaml:7, b.yaml:7)"]


def test_subjects_that_came_went_or_changed_are_told_and_only_those_of_both_are_compared() -> None:
    before = file("a.yaml", "cluster  x  v", "nodes  get  get", subjects="  x: {user: x}\n  v: {user: z}")
    after = file("b.yaml", "cluster  x  z", "nodes  get  list", subjects="  x: {user: x, groups: [g]}\n  z: {user: z}")

    assert list(map(str, differences(before, after, SERVED))) == [
        "subject x: is now {user: x, groups: [g]}, not {user: x} (a.yaml:2, b.yaml:2)",
        "subject v: is removed (a.yaml:3)",
        "subject z: is added (b.yaml:3)",
    ]


def test_custom_resources_are_compared_too() -> None:
    before = (*TABLE, "orders.shop.example  -  get")
    after = (*TABLE, "orders.shop.example  read  get")

    assert told(before, after) == [
        "namespace:shop orders.shop.example: team gains get, list, watch (a.yaml:8, b.yaml:8)"
    ]


def test_a_row_that_is_a_slip_is_an_error_of_its_file() -> None:
    with pytest.raises(ManifestError, match=r"b\.yaml:6: row pdos: is nothing that the API serves; did you mean pods"):
        told(TABLE, ("namespace:shop  team  app", "pdos  get  get"))
