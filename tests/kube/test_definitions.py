"""A CustomResourceDefinition beside its objects: it first, then they; and they first when all goes."""

import json
from pathlib import Path

import pytest

from harness.errors import ManifestError, WaitTimeout
from harness.kube.deploy import OWNER, apply, destroy
from harness.kube.kubectl import JsonObject

from .conftest import FakeApi, Reached

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.test"
WIDGET = "/apis/example.test/v1/namespaces/default/widgets/w"
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
    - {name: v0, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
"""
OBJECT = "apiVersion: example.test/v1\nkind: Widget\nmetadata: {name: w}\n"
RESOURCE = {"name": "widgets", "kind": "Widget", "namespaced": True}


class World:
    """A cluster that takes the definition when it is applied, establishes it at the second look, then serves it."""

    def __init__(self, fake: FakeApi, kubectl: Path) -> None:
        self.fake = fake
        self.applied = kubectl.parent / "applied.jsonl"
        self.looks = 0
        self.asked_for_groups = 0
        fake.answers["/apis/apiextensions.k8s.io/v1"] = {
            "resources": [
                {"name": "customresourcedefinitions", "kind": "CustomResourceDefinition", "namespaced": False}
            ]
        }
        fake.answers["/api"] = {"kind": "APIVersions", "versions": []}
        fake.answers["/apis"] = self.groups
        fake.answers["/apis/example.test/v1"] = lambda: {"resources": [RESOURCE]} if self.established else None
        fake.answers[DEFINITION] = self.definition
        fake.answers[WIDGET] = self.widget
        for path in (DEFINITION, WIDGET):
            fake.answers[f"DELETE {path}"] = {"kind": "Status", "code": 200}

    @property
    def lists(self) -> list[list[str]]:
        """The kinds of each list that was applied."""
        lines = self.applied.read_text().splitlines() if self.applied.exists() else []
        return [[one["kind"] for one in json.loads(line)["items"]] for line in lines]

    @property
    def established(self) -> bool:
        return self.looks > 1

    def definition(self) -> JsonObject | None:
        if not self.lists or DEFINITION in self.fake.asked("DELETE"):
            return None
        self.looks += 1
        status = {"type": "Established", "status": str(self.established), "message": "not yet"}
        return {**made("CustomResourceDefinition", "widgets.example.test"), "status": {"conditions": [status]}}

    def groups(self) -> JsonObject:
        """Knows the group at the second look."""
        self.asked_for_groups += 1
        version = {"groupVersion": "example.test/v1", "version": "v1"}
        group = {"name": "example.test", "versions": [version], "preferredVersion": version}
        return {"kind": "APIGroupList", "groups": [group] if self.asked_for_groups > 1 else []}

    def widget(self) -> JsonObject | None:
        there = any("Widget" in kinds for kinds in self.lists) and WIDGET not in self.fake.asked("DELETE")
        return made("Widget", "w", namespace="default") if there else None


def made(kind: str, name: str, **more: str) -> JsonObject:
    version = "example.test/v1" if kind == "Widget" else "apiextensions.k8s.io/v1"
    meta = {"name": name, "uid": name, "labels": {OWNER: "harness"}, **more}
    return {"apiVersion": version, "kind": kind, "metadata": meta}


@pytest.fixture
def world(fake: FakeApi, reached: Reached) -> World:
    return World(fake, reached.kubectl.binary)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "a-widget.yaml").write_text(OBJECT)
    (manifests / "crd.yaml").write_text(CRD)
    return manifests


def test_the_definition_comes_first_and_its_object_once_it_is_served(
    world: World, reached: Reached, folder: Path
) -> None:
    first = apply(reached, [folder], {}, {}, seconds=60)

    assert world.lists == [["CustomResourceDefinition"], ["Widget"]]
    assert world.established
    assert world.asked_for_groups > 1
    assert [str(one) for one in first.changes] == [
        "customresourcedefinition/widgets.example.test created",
        "widget/w created in default",
    ]

    again = apply(reached, [folder], {}, {}, seconds=60)

    assert [one.verb for one in again.changes] == ["unchanged", "unchanged"]


def test_the_definition_may_lie_in_another_folder(world: World, reached: Reached, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (folder / "crd.yaml").rename(other / "crd.yaml")

    apply(reached, [folder, other], {}, {}, seconds=60)

    assert world.lists == [["CustomResourceDefinition"], ["Widget"]]


def test_the_object_goes_before_its_definition(world: World, reached: Reached, folder: Path) -> None:
    apply(reached, [folder], {}, {}, seconds=60)

    gone = destroy(reached, [folder], seconds=60)

    assert world.fake.asked("DELETE") == [WIDGET, DEFINITION]
    last = world.fake.requests[-1]
    assert (last[0], last[1]) == ("GET", DEFINITION)
    assert gone == ["customresourcedefinition/widgets.example.test deleted", "widget/w deleted in default"]
    assert destroy(reached, [folder], seconds=60) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("/v1", "/v2"), "does not have the version v2: it serves v1"),
        (("/v1", "/v0"), "does not serve the version v0: it serves v1"),
        (("example.test", "example.com"), "the cluster does not know example.com/v1 Widget"),
        (("Widget", "Gadget"), "the cluster does not know example.test/v1 Gadget"),
    ],
)
def test_what_the_definition_does_not_bring_is_refused_before_anything_is_changed(
    world: World, reached: Reached, folder: Path, change: tuple[str, str], problem: str
) -> None:
    (folder / "a-widget.yaml").write_text(OBJECT.replace(*change))

    with pytest.raises(ManifestError) as raised:
        apply(reached, [folder], {}, {}, seconds=60)

    assert raised.value.where == f"{folder}/a-widget.yaml:1"
    assert problem in raised.value.problem
    assert world.lists == []


def test_a_definition_that_does_not_come_into_force_is_told_with_its_conditions(
    world: World, reached: Reached, folder: Path
) -> None:
    conflict = {"type": "NamesAccepted", "status": "False", "message": "widgets is taken"}
    body = {**made("CustomResourceDefinition", "widgets.example.test"), "status": {"conditions": [conflict]}}
    world.fake.answers[DEFINITION] = lambda: body if world.lists else None

    with pytest.raises(
        WaitTimeout, match=r"serve what widgets.example.test defines.*NamesAccepted is False: widgets is"
    ):
        apply(reached, [folder], {}, {}, seconds=0.2)

    assert world.lists == [["CustomResourceDefinition"]]


@pytest.mark.parametrize(
    ("written", "line", "field"),
    [
        (CRD[CRD.index("\n  group:") :], 4, "spec"),
        ("{plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}", 7, "spec.names"),
        (
            "{name: v0, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}",
            10,
            "spec.versions[1]",
        ),
    ],
)
def test_a_definition_that_says_null_is_refused_with_its_place(
    reached: Reached, tmp_path: Path, written: str, line: int, field: str
) -> None:
    folder = tmp_path / "null"
    folder.mkdir()
    (folder / "crd.yaml").write_text(CRD.replace(written, ""))

    with pytest.raises(ManifestError) as raised:
        apply(reached, [folder], {}, {}, seconds=60)

    assert raised.value.where == f"{folder}/crd.yaml:{line}"
    assert raised.value.problem == f"{field}: is null, and must say something"
