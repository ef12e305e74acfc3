"""An object in a namespace that is nowhere is refused before anything is applied."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube.client import Api
from harness.kube.deploy import apply
from harness.kube.homes import check, home_of
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import Manifest, load

from .conftest import FakeApi, Reached

SPACES = "/api/v1/namespaces"
LOST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {home}\n"
SPACE = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: invoice}\n"


def loaded(folder: Path, text: str) -> tuple[list[Manifest], dict[str, Manifest]]:
    """The manifests of a text, and those of them that are not there yet."""
    (folder / "a.yaml").write_text(text)
    found = load(folder)
    maps = [one for one in found if one.object["kind"] == "ConfigMap"]
    return found, {
        f"{SPACES}/{one.object['metadata']['namespace']}/configmaps/{one.object['metadata']['name']}": one
        for one in maps
    }


def named(name: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("/api/v1/namespaces/shop/configmaps/x", "shop"),
        ("/apis/apps/v1/namespaces/shop/deployments/x", "shop"),
        ("/api/v1/namespaces/shop", ""),
        ("/api/v1/nodes/namespaces", ""),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x", ""),
        ("", ""),
    ],
)
def test_a_path_tells_the_namespace(path: str, home: str) -> None:
    assert home_of(path) == home


def test_each_object_without_a_home_is_told_with_what_was_meant(fake: FakeApi, api: Api, tmp_path: Path) -> None:
    fake.holds(SPACES, "Namespace", named("payments"))
    text = LOST.format(name="a", home="payment") + "---\n" + LOST.format(name="b", home="invoce") + SPACE

    with pytest.raises(ManifestError) as raised:
        check(api, *loaded(tmp_path, text))

    told = "metadata.namespace: neither the manifests nor the cluster have the namespace"
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/a.yaml:5: ConfigMap/a: {told} payment; did you mean payments?",
        f"{tmp_path}/a.yaml:11: ConfigMap/b: {told} invoce; did you mean invoice?",
    ]


def test_what_is_far_from_all_of_many_is_told_to_bring_its_own(fake: FakeApi, api: Api, tmp_path: Path) -> None:
    fake.holds(SPACES, "Namespace", *(named(f"n{number}") for number in range(20)))

    with pytest.raises(ManifestError, match="have the namespace nowhere: put its Namespace beside it"):
        check(api, *loaded(tmp_path, LOST.format(name="a", home="nowhere")))


@pytest.mark.parametrize("home", ["payments", "invoice", "default", "hidden"])
def test_a_home_in_the_manifests_or_the_cluster_or_out_of_sight_is_one(
    fake: FakeApi, api: Api, tmp_path: Path, home: str
) -> None:
    fake.answers[f"{SPACES}/payments"] = named("payments")
    fake.answers[f"{SPACES}/hidden"] = {"kind": "Status", "code": 403, "message": "no"}

    check(api, *loaded(tmp_path, LOST.format(name="a", home=home) + SPACE))


def test_whoever_may_not_list_namespaces_is_told_all_the_same(fake: FakeApi, api: Api, tmp_path: Path) -> None:
    fake.answers[SPACES] = {"kind": "Status", "code": 403, "message": "no"}

    with pytest.raises(ManifestError, match="have the namespace payment: put its Namespace beside it"):
        check(api, *loaded(tmp_path, LOST.format(name="a", home="payment")))


def test_nothing_is_applied_then(fake: FakeApi, reached: Reached, tmp_path: Path) -> None:
    fake.answers["/api/v1"] = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(LOST.format(name="a", home="payment"))

    with pytest.raises(ManifestError, match=r"a.yaml:5: ConfigMap/a: .* namespace payment"):
        apply(reached, [folder], {}, {}, seconds=60)

    assert not (reached.kubectl.binary.parent / "applied.json").exists()
