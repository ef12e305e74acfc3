"""YAML is read as Kubernetes reads it, and what is wrong with it is said by file and line."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube import sources
from harness.kube.sources import read_file, read_text, subject_of

FILE = Path("shop.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 0644", 420),
        ("a: 0x10", 16),
        ("a: yes", True),
        ("a: off", False),
        ("a: 'yes'", "yes"),
        ("a: 22:22", "22:22"),
        ("a: 1:30.5", "1:30.5"),
        ("a: 2026-11-24", "2026-11-24"),
        ("a: 1e3", 1000.0),
        ("a: 1.5", 1.5),
        ("a: 1_000", 1000),
        ("a: ~", None),
        ("a: '1'", "1"),
        ("a: &x [1]\n", [1]),
        ("a: 3e846736", "3e846736"),
        ("a: .5_0", 0.5),
        ("a: ._5", "._5"),
        ("a: 0o17", 15),
        ("a: 08", 8.0),
        ("a: y", True),
        ("a: ! 12", "12"),
        ("a: !!str 12", "12"),
        ("a: !!float 12", 12.0),
        ("a: !!int '12'", 12),
        ("a: !!binary aGVsbG8=", "hello"),
        ("a: !!binary 4oI=", "\ufffd\ufffd"),
        ("a: !!timestamp 2026-11-24", "2026-11-24"),
        ("a: !ours 12", "12"),
        ("a: !!set {b}", {"b": None}),
        ("a: !!omap [b: 1]", [{"b": 1}]),
        ("a: !!pairs [b: 1, b: 2]", [{"b": 1}, {"b": 2}]),
        ("a: !!binary |\n  aGVsbG8g\n  d29ybGQ=\n", "hello world"),
        ("a: !<tag:yaml.org,2002:binary> aGVsbG8=", "hello"),
        ("a: !!binary MDY0NA==", "0644"),
        ("a: !!binary", ""),
        ("a: !!timestamp '2026-11-24 10:00:00'", "2026-11-24 10:00:00"),
        ("a: !!python/tuple [1]", [1]),
        ("a: &x [&x 1, *x]", [1, 1]),
        ('a: "\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text: str, value: object) -> None:
    read = read_text(text, FILE)[0].object["a"]

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("key", "name"),
    [("yes", "true"), ("0x10", "16"), ("1.50", "1.5"), ("1e6", "1e+06"), ("123456.7", "123456.7"), ("3e39", ".inf")],
)
def test_keys_become_the_text_that_they_are_to_kubernetes(key: str, name: str) -> None:
    assert read_text(f"{key}: x", FILE)[0].object == {name: "x"}


def test_documents_that_are_empty_are_passed_over() -> None:
    assert [one.object for one in read_text("---\n# nothing\n---\na: 1\n---\n", FILE)] == [{"a": 1}]


def test_the_items_of_a_list_of_one_kind_need_not_say_what_they_are() -> None:
    text = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n"
    found = read_text(text, Path("list.yaml"))
    assert [(subject_of(one.object), one.object["apiVersion"], one.line) for one in found] == [
        ("Pod/a", "v1", 4),
        ("Pod/b", "v1", 5),
    ]


def test_a_list_gives_its_items() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n- kind: Service\n"

    assert [(one.object["kind"], one.line) for one in read_text(text, FILE)] == [("Pod", 4), ("Service", 5)]


@pytest.mark.parametrize(
    ("kind", "version", "item", "found"),
    [
        ("ConfigMapList", "v1", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", ("v1", "ConfigMap/a")),
        ("ConfigMapList", "v1", "{metadata: {name: a}}", ("v1", "ConfigMap/a")),
        ("DeploymentList", "apps/v1", "{metadata: {name: a}}", ("apps/v1", "Deployment/a")),
        ("DeploymentList", "apps/v1", "{kind: null, apiVersion: '', metadata: {name: a}}", ("apps/v1", "Deployment/a")),
        ("WidgetList", "example.test/v1", "{metadata: {name: a}}", ("example.test/v1", "Widget/a")),
        ("List", "v1", "{apiVersion: v1, kind: List, items: [{kind: Pod, apiVersion: v1}]}", ("v1", "Pod")),
        ("List", "v1", "{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}]}", ("v1", "Pod/a")),
        ("PodList", "v1", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}", ("apps/v1", "Deployment/a")),
    ],
)
def test_a_typed_or_nested_list_is_read_as_kubectl_does(
    kind: str, version: str, item: str, found: tuple[str, str]
) -> None:
    [one] = read_text(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{}}\nitems:\n- {item}\n", FILE)

    assert (one.object["apiVersion"], subject_of(one.object), one.line) == (*found, 5)


@pytest.mark.parametrize("items", ["[]", "", "null"])
def test_a_list_of_nothing_holds_nothing(items: str) -> None:
    assert read_text(f"apiVersion: v1\nkind: ConfigMapList\nitems: {items}\n", FILE) == []


@pytest.mark.parametrize(("item", "held"), [("", "null"), ("[a]", "a list"), ("hello", "the text hello")])
def test_what_is_no_object_in_a_list_is_said_with_its_line(item: str, held: str) -> None:
    with pytest.raises(ManifestError, match=rf"^shop.yaml:4: PodList: holds {held} among its items, not a Kubernetes"):
        read_text(f"apiVersion: v1\nkind: PodList\nitems:\n- {item}\n", FILE)


def test_a_kind_that_only_ends_like_a_list_is_an_object() -> None:
    [one] = read_text("kind: AllowList\nmetadata: {name: a}\nspec: {items: [x]}\n", FILE)

    assert subject_of(one.object) == "AllowList/a"


def test_every_field_knows_its_line_and_an_unknown_one_the_nearest_above() -> None:
    source = read_text("# a shop\nkind: Pod\nspec:\n  containers:\n  - name: app\n    image: x\n", FILE)[0]

    assert source.line == 2
    assert source.where(("spec", "containers", 0, "image")) == "shop.yaml:6"
    assert source.where(("spec", "containers", 0, "ports", 0)) == "shop.yaml:5"
    assert source.where(("status",)) == "shop.yaml:2"


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("a: [1", "shop.yaml:1", "is not YAML"),
        ("a: 1\nb: 2\na: 3\n", "shop.yaml:3", 'duplicate key "a"'),
        ("a: *nobody\n", "shop.yaml:1", "undefined alias"),
        ("a:\n\t- b\n", "shop.yaml:2", "is not YAML"),
        ("a: 1\nb: !!int x\n", "shop.yaml:2", "`x` is not what its tag !!int says"),
        ("a: 1\nb: !!binary x\n", "shop.yaml:2", "is not base64"),
        ("a: 1\nb: !!binary 'aGVs bG8='\n", "shop.yaml:2", "is not base64"),
        ("a: 1\nb: &x\n  c: *x\n", "shop.yaml:3", "the value of the anchor x contains itself"),
        ("a: 1\nb: &x [[*x]]\n", "shop.yaml:2", "the value of the anchor x contains itself"),
        ("&x\na: *x\n", "shop.yaml:2", "the value of the anchor x contains itself"),
        ('a: 1\nb: "\\ud83d"\n', "shop.yaml:2", "holds half of a character"),
        ("a: 1\nb: !!timestamp 2026-13-01\n", "shop.yaml:2", "is no time"),
        ("a: 1\nb: [1, -.inf]\n", "shop.yaml:2", "the number -inf, which JSON does not have"),
        ("a: 1\n~: 2\n", "shop.yaml:2", "uses null as a key"),
        ("a: 1\n9223372036854775808: 2\n", "shop.yaml:2", "uses 9223372036854775808 as a key"),
        ("- a\n", "shop.yaml:1", "is a list, not a Kubernetes object"),
        ("hello\n", "shop.yaml:1", "is plain text, not a Kubernetes object"),
        ("a: 1\nb: {{ c }}\n", "shop.yaml:2", "braces that are meant as text need quotes"),
        ("kind: Pod\nreplicas: {{ .Values.replicas }}\n", "shop.yaml:2", "helm template"),
        ("kind: Pod\nspec:\n  containers:\n  - image: '{{ .Values.image }}'\n", "shop.yaml:4", "helm template"),
        ("kind: ConfigMap\nmetadata:\n  name: '{{ include \"x\" . }}'\n", "shop.yaml:3", "helm template"),
        ("kind: A\na: '{{ .Values.x }}'\na: b\n", "shop.yaml:3", 'duplicate key "a"'),
        ("kind: A\na: '{{ .Values.x }}'\nb: !!int x\n", "shop.yaml:3", "is not what its tag"),
        ("kind: A\na: '{{ .Values.x }}'\n~: x\n", "shop.yaml:3", "uses null as a key"),
        ("kind: A\na: '{{ .Values.x }}'\nb: [\n", "shop.yaml:2", "(as it stands it is not YAML"),
        ("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n{{ include 'x' . }}", "shop.yaml:4", "helm template"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, where: str, problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        read_text(text, FILE)

    assert raised.value.where == where
    assert problem in raised.value.problem


@pytest.mark.parametrize("text", ['{{ template "x" . }}', "{{ .Values.x }} {{ $labels.pod }}", '{{- include "x" . }}'])
@pytest.mark.parametrize(
    "body",
    [
        "kind: ConfigMap\ndata:\n  rule: '{}'\n",
        "kind: Secret\nstringData:\n  rule: |\n    {}\n",
        "kind: AlertmanagerConfig\napiVersion: monitoring.coreos.com/v1alpha1\nspec:\n  text: '{}'\n",
        "kind: Settings\ndata: {{image: '{}'}}\n",
        "kind: Deployment\nmetadata: {{annotations: {{note: '{}'}}}}\n",
        "kind: Pod\nspec:\n  containers:\n  - args: ['--format', '{}']\n",
    ],
)
def test_any_text_may_hold_anybody_s_templates(body: str, text: str) -> None:
    assert len(read_text(body.format(text), FILE)) == 1


def test_a_file_that_is_nested_too_deeply_is_named() -> None:
    with pytest.raises(ManifestError, match=r"^shop.yaml: is nested too deeply to be read"):
        read_text("a: " + "[" * 600 + "]" * 600, FILE)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ManifestError, match="is not UTF-8 text"):
        read_file(binary)
    with pytest.raises(ManifestError, match="cannot be read: No such file"):
        read_file(tmp_path / "gone.yaml")


def test_a_kind_that_is_no_text_is_read_as_it_stands() -> None:
    [source] = read_text("kind: [Role]\nmetadata: {name: x}\n", FILE)

    assert source.object["kind"] == ["Role"]


def test_aliases_of_aliases_are_not_followed_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MOST_FIELDS", 500)
    levels = "".join(f"l{one}: &l{one} [{', '.join([f'*l{one - 1}'] * 10)}]\n" for one in range(1, 9))

    with pytest.raises(ManifestError, match=r"shop\.yaml:5: holds more than 500 fields, by aliases of aliases"):
        read_text(f"kind: X\nl0: &l0 [1]\n{levels}", FILE)
