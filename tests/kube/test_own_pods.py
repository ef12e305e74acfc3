"""A workload whose selector does not match its own pods is refused with its line."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube.manifests import load

WORKLOAD = """\
apiVersion: {version}
kind: {kind}
metadata: {{name: shop}}
spec:
  {more}
  selector:
    {selector}
  template:
    metadata: {{labels: {labels}}}
    spec: {{containers: [{{name: app, image: shop}}]}}
"""


def text(selector: str, labels: str = "{app: shop}", kind: str = "Deployment", version: str = "apps/v1") -> str:
    more = "serviceName: shop" if kind == "StatefulSet" else "paused: false" if kind == "Deployment" else "{}"
    written = WORKLOAD.format(version=version, kind=kind, more=more, selector=selector, labels=labels)
    return written.replace("  {}\n", "")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_a_label_that_its_pods_do_not_have_is_told(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.yaml").write_text(text("matchLabels: {app: shp}", kind=kind))

    with pytest.raises(ManifestError) as raised:
        load(tmp_path)

    assert raised.value.where.startswith(f"{tmp_path}/a.yaml:")
    assert (tmp_path / "a.yaml").read_text().splitlines()[int(raised.value.where.rpartition(":")[2]) - 1].strip() == (
        "matchLabels: {app: shp}"
    )
    assert raised.value.subject == f"{kind}/shop"
    assert raised.value.problem == (
        "spec.selector.matchLabels.app: 'shp' selects none of its own pods, which have 'shop': make it and"
        " spec.template.metadata.labels agree"
    )


@pytest.mark.parametrize(
    ("selector", "labels", "told"),
    [
        ("matchLabels: {app: shop, tier: web}", "{app: shop}", "matchLabels.tier: 'web' selects none"),
        ("matchLabels: {app: shop}", "null", "which lack the label"),
        ("matchExpressions: [{key: app, operator: In, values: [a, b]}]", "{app: shop}", "'app In a, b' selects none"),
        ("matchExpressions: [{key: app, operator: NotIn, values: [shop]}]", "{app: shop}", "'app NotIn shop' selects"),
        ("matchExpressions: [{key: tier, operator: Exists}]", "{app: shop}", "'tier Exists' selects none"),
        ("matchExpressions: [{key: app, operator: DoesNotExist}]", "{app: shop}", "'app DoesNotExist' selects none"),
        ("matchExpressions: [{key: app, operator: in, values: [shop]}]", "{app: shop}", "'in' is no operator"),
    ],
)
def test_each_part_of_a_selector_is_held_against_the_labels(
    tmp_path: Path, selector: str, labels: str, told: str
) -> None:
    (tmp_path / "a.yaml").write_text(text(selector, labels))

    with pytest.raises(ManifestError) as raised:
        load(tmp_path)

    assert told in raised.value.problem


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        ("matchLabels: {app: shop}", "{app: shop, tier: web}"),
        ("matchLabels: {app: null}", '{app: ""}'),
        ('matchLabels: {app: ""}', "{app: null}"),
        ("matchExpressions: [{key: app, operator: NotIn, values: [a]}]", "{app: shop}"),
        ("matchExpressions: [{key: tier, operator: NotIn, values: [a]}]", "{app: shop}"),
        (
            "matchExpressions: [{key: app, operator: In, values: [shop]}, {key: x, operator: DoesNotExist}]",
            "{app: shop}",
        ),
    ],
)
def test_what_matches_is_taken(tmp_path: Path, selector: str, labels: str) -> None:
    (tmp_path / "a.yaml").write_text(text(selector, labels))

    assert len(load(tmp_path)) == 1


def test_of_kinds_of_others_nothing_is_said(tmp_path: Path) -> None:
    custom = text("matchLabels: {app: shp}", version="example.com/v1")
    (tmp_path / "a.yaml").write_text(custom + "---\n" + text("matchLabels: {a: b}", kind="Job", version="batch/v1"))

    assert len(load(tmp_path)) == 2
