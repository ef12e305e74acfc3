"""Folders of manifests: plain or with a kustomization, and everything that can be wrong with them."""

import json
import os
from pathlib import Path

import pytest

from harness.errors import CommandError, ManifestError
from harness.kube.manifests import load

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  ports:
    - port: 80
"""


def write(folder: Path, **files: str) -> Path:
    """Files by name, ``__`` for the dot."""
    for name, text in files.items():
        file = folder / name.replace("__", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_a_plain_folder_is_read_with_all_that_lies_below_it(tmp_path: Path) -> None:
    write(tmp_path, a__yaml=SERVICE, b__txt="no manifest", __hidden__yaml="[", c__json=SERVICE.replace("shop", "c"))
    write(tmp_path / "below", d__yml=SERVICE.replace("shop", "d"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("[")

    found = load(tmp_path)

    assert [(one.subject, one.file.name, one.line) for one in found] == [
        ("Service/shop", "a.yaml", 1),
        ("Service/d", "d.yml", 1),
        ("Service/c", "c.json", 1),
    ]


def test_a_single_file_will_do(tmp_path: Path) -> None:
    assert [one.subject for one in load(write(tmp_path, a__yaml=SERVICE) / "a.yaml")] == ["Service/shop"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "holds no Kubernetes object"),
        ({"a__yaml": "# nothing\n"}, "holds no Kubernetes object"),
        ({"Chart__yaml": "name: shop\n"}, "is a Helm chart: render it first"),
        ({"a__yaml": SERVICE.replace("port: 80", "prt: 80")}, "unknown field spec.ports[0].prt; did you mean port?"),
        ({"a__yaml": SERVICE, "b__yaml": SERVICE}, "is defined already, at "),
    ],
)
def test_a_folder_that_is_wrong_is_refused(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        load(write(tmp_path, **files))

    assert problem in str(raised.value)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no such folder"):
        load(tmp_path / "gone")


def test_all_that_is_wrong_is_said_at_once_each_with_its_line(tmp_path: Path) -> None:
    wrong = SERVICE.replace("port: 80", "port: many")
    write(tmp_path, a__yaml=wrong, b__yaml=SERVICE.replace("Service", "Sorvice"))

    with pytest.raises(ManifestError) as raised:
        load(tmp_path)

    assert f"{tmp_path}/a.yaml:7: Service/shop: spec.ports[0].port: 'many' is not of type 'integer'" in str(
        raised.value
    )
    assert f"{tmp_path}/b.yaml:2: Sorvice/shop:" in str(raised.value)


def test_a_custom_resource_passes_with_a_note(tmp_path: Path) -> None:
    found = load(write(tmp_path, a__yaml=SERVICE.replace("v1", "example.com/v1")))

    assert "could not be checked" in found[0].note


KUSTOMIZATION = "kind: Kustomization\nresources:\n  - a.yaml\n"


def test_a_kustomization_is_rendered_and_its_objects_are_placed_where_they_were_written(tmp_path: Path) -> None:
    write(tmp_path, kustomization__yaml=KUSTOMIZATION, a__yaml="# first\n" + SERVICE)

    def render(overlay: Path) -> str:
        asked = json.loads((overlay / "kustomization.yaml").read_text())
        assert (overlay / asked["resources"][0]).resolve() == tmp_path.resolve()
        assert asked["images"] == [{"name": "shop", "newName": "localhost:5000/team/shop", "newTag": "2"}]
        assert asked["labels"] == [{"pairs": {"a": "b"}, "includeSelectors": False, "includeTemplates": False}]
        origin = "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: "
        return SERVICE.replace("metadata:\n", f"{origin}{asked['resources'][0]}/a.yaml\n")

    found = load(tmp_path, render, images={"shop": "localhost:5000/team/shop:2"}, labels={"a": "b"})

    assert [(one.subject, one.file, one.line) for one in found] == [("Service/shop", tmp_path / "a.yaml", 2)]
    assert "annotations" not in found[0].object["metadata"]


def test_a_plain_folder_is_given_its_labels_by_kustomize_too(tmp_path: Path) -> None:
    def render(overlay: Path) -> str:
        origin = "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: 0.yaml\n    mine: stays\n"
        assert json.loads((overlay / "0.yaml").read_text())["kind"] == "Service"
        return SERVICE.replace("metadata:\n", origin)

    found = load(write(tmp_path, a__yaml=SERVICE), render, labels={"a": "b"})

    assert [(one.file, one.line) for one in found] == [(tmp_path / "a.yaml", 1)]
    assert found[0].object["metadata"]["annotations"] == {"mine": "stays"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("gone.yaml", "names gone.yaml, which does not exist"),
        ("empty", "names the folder empty, which holds no kustomization"),
        ("bad.yaml", "is not YAML"),
    ],
)
def test_what_a_kustomization_names_is_read_before_it_is_rendered(tmp_path: Path, entry: str, problem: str) -> None:
    write(tmp_path, kustomization__yaml=KUSTOMIZATION + f"  - {entry}\n", a__yaml=SERVICE, bad__yaml="a: [")
    (tmp_path / "empty").mkdir()

    with pytest.raises(ManifestError) as raised:
        load(tmp_path, lambda _: pytest.fail("rendered"))

    assert problem in raised.value.problem
    assert raised.value.where == f"{tmp_path}/" + ("bad.yaml:1" if entry == "bad.yaml" else "kustomization.yaml:4")


def test_a_repository_that_a_kustomization_names_is_left_to_kustomize(tmp_path: Path) -> None:
    write(tmp_path, kustomization__yaml=KUSTOMIZATION + "  - https://example.com/shop?ref=v1\n", a__yaml=SERVICE)

    assert [one.subject for one in load(tmp_path, lambda _: SERVICE)] == ["Service/shop"]


def test_what_kustomize_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    def render(overlay: Path) -> str:
        raise CommandError(["kubectl"], 1, f"error: {overlay}/x: no matches for patch")

    with pytest.raises(ManifestError, match=r"cannot be rendered: error: x: no matches for patch"):
        load(write(tmp_path, kustomization__yaml=KUSTOMIZATION, a__yaml=SERVICE), render)


def test_a_kustomization_cannot_be_read_without_kubectl(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="needs kubectl"):
        load(write(tmp_path, kustomization__yaml=KUSTOMIZATION, a__yaml=SERVICE))


def test_a_character_that_json_writes_as_two_is_given_to_kustomize_as_one(tmp_path: Path) -> None:
    """As two escapes, kustomize's YAML parser refuses it."""
    text = "\U0001f600 \\\\ud83d\\\\ude00"
    write(tmp_path, a__yaml=f'kind: ConfigMap\napiVersion: v1\nmetadata: {{name: a}}\ndata: {{face: "{text}"}}\n')
    written: list[str] = []

    def render(overlay: Path) -> str:
        written.append((overlay / "0.yaml").read_text(encoding="utf-8"))
        return written[0]

    [found] = load(tmp_path, render, labels={"a": "b"})

    assert found.object["data"]["face"] == "\U0001f600 \\ud83d\\ude00"
    assert '"\U0001f600 ' in written[0]


def test_what_an_editor_leaves_is_no_manifest(tmp_path: Path) -> None:
    write(tmp_path, a__yaml=SERVICE)
    for name in ("a.yaml~", "#a.yaml#", ".a.yaml.swp", "4913", "._a.yaml", ".DS_Store", "a.yaml___jb_tmp___"):
        (tmp_path / name).write_text("[")
    (tmp_path / ".#a.yaml").symlink_to("ann@host:1")
    os.mkfifo(tmp_path / "pipe.yaml")

    assert [one.subject for one in load(tmp_path)] == ["Service/shop"]


def test_a_link_to_nothing_among_the_manifests_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone.yaml")

    with pytest.raises(ManifestError, match=r"a.yaml: is a link to gone.yaml, which does not exist"):
        load(tmp_path)


def test_a_chart_further_down_is_told_and_an_object_in_a_file_of_its_name_is_none(tmp_path: Path) -> None:
    write(tmp_path / "shop", Chart__yaml="apiVersion: v2\nname: shop\n", a__yaml="[")
    with pytest.raises(ManifestError, match=r"/shop: is a Helm chart: render it first"):
        load(tmp_path)

    write(tmp_path / "shop", Chart__yaml=SERVICE, a__yaml="")
    assert [one.subject for one in load(tmp_path)] == ["Service/shop"]


def test_what_is_null_in_the_metadata_is_as_if_it_were_left_out(tmp_path: Path) -> None:
    text = SERVICE.replace("  name: shop\n", "  name: shop\n  namespace: null\n  labels:\n  annotations: ~\n")
    write(tmp_path, a__yaml=text, b__yaml=SERVICE)

    with pytest.raises(ManifestError, match=r"b.yaml:1: Service/shop: is defined already, at .*a.yaml:1"):
        load(tmp_path)
    (tmp_path / "b.yaml").unlink()
    assert load(tmp_path)[0].object["metadata"] == {"name": "shop"}


@pytest.mark.parametrize("field", ["name", "namespace"])
def test_a_name_that_is_no_text_is_said_of_a_custom_resource_too(tmp_path: Path, field: str) -> None:
    meta = {"name": "shop", field: 12}
    write(tmp_path, a__yaml=f"apiVersion: example.com/v1\nkind: Thing\nmetadata: {json.dumps(meta)}\n")

    with pytest.raises(ManifestError, match=rf"a.yaml:3: .*metadata.{field}: 12 is not text: put quotes around it"):
        load(tmp_path)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said here: root, as whom tests may run, reads everything."""
    write(tmp_path, a__yaml=SERVICE)
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "closed")

    with pytest.raises(ManifestError, match=r"/closed: cannot be read: Permission denied"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("resources", "line", "problem"),
    [
        ("resources: a.yaml", 1, "resources must be a list, not 'a.yaml'"),
        ("components: 5", 1, "components must be a list, not 5"),
        ("resources:\n  - a.yaml\n  - 2024", 3, "must name a file or folder, and is 2024"),
        ("resources:\n  -", 2, "must name a file or folder, and is None"),
        ("resources:\n  - ../shop", 2, "names ../shop, which leads back to "),
        ("resources:\n  - below", 1, "names .., which leads back to "),
        (f"resources:\n  - {'a' * 300}", 2, "which cannot be read: File name too long"),
    ],
)
def test_an_entry_of_a_kustomization_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, resources: str, line: int, problem: str
) -> None:
    folder = write(tmp_path / "shop", kustomization__yaml=resources, a__yaml=SERVICE)
    write(folder / "below", kustomization__yaml="resources: [..]")

    with pytest.raises(ManifestError) as raised:
        load(folder)

    assert raised.value.where.endswith(f"kustomization.yaml:{line}")
    assert problem in raised.value.problem


def test_two_overlays_may_share_a_base(tmp_path: Path) -> None:
    write(tmp_path / "base", kustomization__yaml="resources: [a.yaml]", a__yaml=SERVICE)
    for name in ("one", "two"):
        write(tmp_path / name, kustomization__yaml=f"resources: [../base]\nnameSuffix: -{name}")
    folder = write(tmp_path / "both", kustomization__yaml="resources: [../one, ../two]")

    def render(_: Path) -> str:
        return "---\n".join(SERVICE.replace("name: shop", f"name: shop-{name}") for name in ("one", "two"))

    assert [one.subject for one in load(folder, render)] == ["Service/shop-one", "Service/shop-two"]


def test_what_cannot_be_rendered_is_told_of_the_user_s_own_file(tmp_path: Path) -> None:
    def render(_: Path) -> str:
        raise CommandError(["kubectl", "kustomize"], 1, "must build at directory: '0.yaml': file is not directory")

    write(tmp_path, a__yaml=SERVICE, b__yaml=SERVICE.replace("name: shop", "name: [shop]"))

    with pytest.raises(ManifestError) as raised:
        load(tmp_path, render, labels={"a": "b"})

    assert raised.value.where == f"{tmp_path}/b.yaml:4"
    assert "is not text" in raised.value.problem
