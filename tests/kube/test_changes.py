"""What applying changed, seen through what others write into the same objects."""

import copy

import pytest

from harness.kube.changes import Change, change
from harness.kube.kubectl import JsonObject

MANIFEST: JsonObject = {"kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"template": {"image": "a"}}}
BODY: JsonObject = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "shop",
        "namespace": "invoice",
        "uid": "1",
        "resourceVersion": "10",
        "generation": 1,
        "labels": {"app": "shop", "harness.dev/run": "r1"},
        "annotations": {"deployment.kubernetes.io/revision": "1"},
    },
    "spec": {"replicas": 1, "template": {"image": "a"}},
    "status": {"readyReplicas": 1},
}


def with_(path: str, value: object) -> JsonObject:
    body = copy.deepcopy(BODY)
    *parents, last = path.split(" ")
    place = body
    for key in parents:
        place = place[key]
    place[last] = value
    return body


def test_what_was_not_there_is_created() -> None:
    assert str(change(MANIFEST, None, BODY)) == "deployment/shop created in invoice"


def test_what_was_deleted_and_made_again_is_created() -> None:
    assert change(MANIFEST, with_("metadata uid", "0"), BODY).verb == "created"


@pytest.mark.parametrize(
    "after",
    [
        BODY,
        with_("metadata resourceVersion", "11"),
        with_("status readyReplicas", 3),
        with_("metadata labels harness.dev/run", "r2"),
        with_("metadata annotations deployment.kubernetes.io/revision", "2"),
        with_("spec replicas", 3),
    ],
    ids=["same", "version", "status", "run", "revision", "autoscaled"],
)
def test_what_others_write_is_no_change(after: JsonObject) -> None:
    assert change(MANIFEST, BODY, after).verb == "unchanged"


@pytest.mark.parametrize(
    "after",
    [with_("spec template", {"image": "b"}), with_("metadata labels app", "x"), with_("metadata annotations a", "b")],
)
def test_what_the_object_says_is_a_change(after: JsonObject) -> None:
    assert change(MANIFEST, BODY, after) == Change("configured", "deployment/shop", "invoice")


def test_replicas_that_the_manifest_gives_are_its_own() -> None:
    manifest = {**MANIFEST, "spec": {"replicas": 3}}

    assert change(manifest, BODY, with_("spec replicas", 3)).verb == "configured"


def test_a_spec_that_is_null_in_the_manifest_says_nothing_of_replicas() -> None:
    for spec in (None, {"replicas": None}):
        assert change({**MANIFEST, "spec": spec}, BODY, with_("spec replicas", 3)).verb == "unchanged"
    assert change({**MANIFEST, "spec": None}, {**BODY, "spec": None}, {**BODY, "spec": None}).verb == "unchanged"
