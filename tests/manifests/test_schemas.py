"""Every document is what Kubernetes says it may be, and kustomize can put them together."""

import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from .documents import DOCUMENTS, FOLDERS, KUSTOMIZATIONS, MANIFESTS, Document

BROKEN = MANIFESTS.parent / "scenarios" / "e2e" / "broken"


@pytest.mark.parametrize("version", ["1.36", "1.37"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_document_follows_the_schema_of_this_and_the_next_kubernetes(document: Document, version: str) -> None:
    assert kubernetes_validate.validate(document.body, version, strict=True).startswith(version)


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: str(path.name))
def test_the_broken_workloads_of_the_scenarios_are_broken_in_no_other_way(path: Path) -> None:
    for body in YAML(typ="safe").load_all(path.read_text()):
        kubernetes_validate.validate(body, "1.36", strict=True)


def test_the_schema_check_is_strict_about_fields_that_do_not_exist() -> None:
    misspelt = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"selectors": {"a": "b"}}}

    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(misspelt, "1.36", strict=True)


def test_every_file_is_named_by_the_kustomization_of_its_folder() -> None:
    named = {
        (MANIFESTS / kustomization.where).parent / resource
        for kustomization in KUSTOMIZATIONS
        for resource in kustomization.body["resources"]
    }
    present = {path for path in MANIFESTS.rglob("*.yaml") if path.name != "kustomization.yaml"}

    assert named == present | {MANIFESTS / folder for folder in FOLDERS}


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_kustomize_builds_each_folder_alone_and_both_together(kustomize: list[str], folder: str) -> None:
    built = subprocess.run([*kustomize, str(MANIFESTS / folder)], capture_output=True, text=True, check=True).stdout
    objects = list(YAML(typ="safe").load_all(built))
    in_files = [document for document in DOCUMENTS if Path(folder) in Path(document.where).parents]

    assert {(o["kind"], o["metadata"]["name"]) for o in objects} >= {(d.kind, d.name) for d in in_files}
    for built_object in objects:
        kubernetes_validate.validate(built_object, "1.36", strict=True)
        assert built_object["metadata"]["labels"]["app.kubernetes.io/part-of"] == "invoices"
        assert built_object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kustomize"


def test_an_edited_setting_gives_the_pods_another_config_map_so_that_it_takes_effect(
    kustomize: list[str], tmp_path: Path
) -> None:
    def config_map_used_by_the_pods(folder: Path) -> str:
        built = subprocess.run([*kustomize, str(folder)], capture_output=True, text=True, check=True).stdout
        [deployment] = [o for o in YAML(typ="safe").load_all(built) if o["kind"] == "Deployment"]
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        return str(container["envFrom"][0]["configMapRef"]["name"])

    before = config_map_used_by_the_pods(MANIFESTS / "invoice-app")
    for path in (MANIFESTS / "invoice-app").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG"))

    assert config_map_used_by_the_pods(tmp_path) != before
