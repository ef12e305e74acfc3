"""What a kustomization says wrongly is told with its line, before kustomize says it without."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube.kustomizations import written

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def kustomization(folder: Path, text: str) -> Path:
    (folder / "a.yaml").write_text(OBJECT)
    (folder / "empty.yaml").write_text("# nothing\n")
    (folder / "below").mkdir()
    (folder / "below" / "kustomization.yaml").write_text("resources: [b.yaml]\n")
    (folder / "below" / "b.yaml").write_text(OBJECT.replace("name: a", "name: b"))
    (folder / "kustomization.yaml").write_text(text)
    return folder / "kustomization.yaml"


@pytest.mark.parametrize(("first", "again"), [("a.yaml", "a.yaml"), ("a.yaml", "./a.yaml"), ("below", "below/")])
def test_a_resource_that_is_named_twice_is_told_with_both_places(tmp_path: Path, first: str, again: str) -> None:
    file = kustomization(tmp_path, f"resources:\n  - {first}\n  - {again}\n")

    with pytest.raises(ManifestError) as raised:
        written(file)

    assert raised.value.where == f"{file}:3"
    assert raised.value.problem == f"names {again}, which is named already, at {file}:2: take one of the two out"


def test_a_file_without_objects_may_be_named_twice_as_kustomize_has_it(tmp_path: Path) -> None:
    assert len(written(kustomization(tmp_path, "resources: [empty.yaml, empty.yaml, a.yaml, below]\n"))) == 2


@pytest.mark.parametrize(
    ("literal", "problem"),
    [
        ("PORT: 8082", "must be text with a key, and is a mapping: write `- PORT=8082`"),
        ("{A: 1, B: 2}", "must be text with a key, and is a mapping: write `- KEY=value`"),
        ("8082", "must be text with a key, and is a number: write `- KEY=value`"),
        ("true", "must be text with a key, and is true or false: write `- KEY=value`"),
        ("", "must be text with a key, and is nothing: write `- KEY=value`"),
        ("[a]", "must be text with a key, and is a list: write `- KEY=value`"),
        ("PORT", "must be text with a key, and is text without one: write `- KEY=value`"),
        ("=8082", "must be text with a key, and is text without one: write `- KEY=value`"),
    ],
)
def test_a_literal_that_is_no_text_with_a_key_is_told_with_its_line(tmp_path: Path, literal: str, problem: str) -> None:
    file = kustomization(tmp_path, f"configMapGenerator:\n  - name: x\n    literals:\n      - A=b\n      - {literal}\n")

    with pytest.raises(ManifestError) as raised:
        written(file)

    assert raised.value.where == f"{file}:5"
    assert raised.value.problem == f"configMapGenerator[0].literals[1]: {problem}"


@pytest.mark.parametrize(("literals", "sort"), [("A=b", "text"), ("{A: b}", "a mapping"), ("3", "a number")])
def test_literals_that_are_no_list_are_told(tmp_path: Path, literals: str, sort: str) -> None:
    file = kustomization(tmp_path, f"configMapGenerator:\n  - name: x\n    literals: {literals}\n")

    with pytest.raises(ManifestError) as raised:
        written(file)

    assert raised.value.where == f"{file}:3"
    assert raised.value.problem.startswith(f"configMapGenerator[0].literals: must be a list, and is {sort}: ")


def test_the_value_of_a_secret_is_not_told(tmp_path: Path) -> None:
    file = kustomization(
        tmp_path, "secretGenerator:\n  - name: x\n    literals:\n      - PASSWORD: hush\n      - hush\n"
    )

    with pytest.raises(ManifestError) as raised:
        written(file)

    assert "hush" not in str(raised.value)
    assert "write `- PASSWORD=…`" in str(raised.value)
    assert f"\n{file}:5: " in str(raised.value)


@pytest.mark.parametrize("literals", ["null", "[]", "[A=b, 'C=', 'D==x', \"E=f=g\"]"])
def test_what_kustomize_takes_is_taken(tmp_path: Path, literals: str) -> None:
    text = f"resources: [a.yaml]\nconfigMapGenerator:\n  - name: x\n    literals: {literals}\n  - name: y\n"

    assert len(written(kustomization(tmp_path, text))) == 1
