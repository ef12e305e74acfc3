"""Quantities as the API server takes them, told before anything is applied."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kube import quantities
from harness.kube.kubectl import JsonObject
from harness.kube.schemas import problems

DIGITS = frozenset("0123456789")
SUFFIXES = frozenset(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])


def parsed(text: str) -> bool:
    """Whether Go's ``ParseQuantity`` takes a text, step by step as it reads one."""
    text = text.strip()
    if not text:
        return False
    at = 1 if text[0] in "-+" else 0
    while at < len(text) and text[at] in DIGITS:
        at += 1
    if text[at : at + 1] == ".":
        at += 1
        while at < len(text) and text[at] in DIGITS:
            at += 1
    start = at
    while at < len(text) and text[at] in "eEinumkKMGTP":
        at += 1
    if text[at : at + 1] in ("-", "+"):
        at += 1
    while at < len(text) and text[at] in DIGITS:
        at += 1
    suffix = text[start:]
    return at == len(text) and (suffix in SUFFIXES or re.fullmatch(r"[eE][-+]?[0-9]+", suffix) is not None)


@given(st.text(alphabet="+-.0159eEinumkKMGTPbB ٣", max_size=9))
def test_what_is_a_quantity_is_as_gos_parser_has_it(text: str) -> None:
    assert (quantities.problem(text) == "") == parsed(text)


@pytest.mark.parametrize(
    "text", ["0", "64Mi", "250m", "1.5", "1.G", ".5Gi", "+1", "-1k", "1e3", "1E-3", "1E", "12E6", "5n", " 1Gi ", "Ki"]
)
def test_what_the_api_server_takes_is_no_problem(text: str) -> None:
    assert quantities.problem(text) == ""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("64Mib", "64Mi"),
        ("64MiB", "64Mi"),
        ("1GB", "1G or 1Gi"),
        ("1gb", "1G or 1Gi"),
        ("512K", "512k or 512Ki"),
        ("512KB", "512k or 512Ki"),
        ("64mi", "64Mi"),
        ("64 Mi", "64Mi"),
        ("1,5Gi", "1.5Gi"),
        ("64Mbytes", "64M or 64Mi"),
        ("100B", "100"),
        ("2 cores", "2"),
        ("100mcpu", "100m"),
    ],
)
def test_what_is_none_is_told_with_what_was_meant(text: str, meant: str) -> None:
    assert quantities.problem(text) == f"{text!r} is no quantity: write {meant}"
    assert all(quantities.problem(one) == "" for one in meant.split(" or "))


@pytest.mark.parametrize("text", ["", " ", "much", "1.2.3", "1e", "1ki5", "0x10", "1_000", "50%"])
def test_what_nobody_can_guess_is_told_with_the_units_there_are(text: str) -> None:
    assert quantities.problem(text).startswith(f"{text!r} is no quantity: write a number, and behind it ")


POD: JsonObject = {"containers": [{"name": "app", "image": "x"}]}


@pytest.mark.parametrize(
    ("version", "kind", "spec", "field"),
    [
        ("v1", "ResourceQuota", {"hard": {"pods": "ten"}}, "spec.hard.pods"),
        (
            "v1",
            "LimitRange",
            {"limits": [{"type": "Container", "max": {"memory": "1GB"}}]},
            "spec.limits[0].max.memory",
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            {"resources": {"requests": {"storage": "1gb"}}},
            "spec.resources.requests.storage",
        ),
        (
            "v1",
            "Pod",
            {**POD, "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1MB"}}]},
            "spec.volumes[0].emptyDir.sizeLimit",
        ),
        (
            "batch/v1",
            "Job",
            {"template": {"spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "1 core"}}}]}}},
            "spec.template.spec.containers[0].resources.limits.cpu",
        ),
        (
            "apps/v1",
            "StatefulSet",
            {
                "selector": {},
                "template": {"spec": POD},
                "volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "1Gib"}}}}],
            },
            "spec.volumeClaimTemplates[0].spec.resources.requests.storage",
        ),
    ],
)
def test_a_quantity_is_looked_at_wherever_kubernetes_has_one(
    version: str, kind: str, spec: JsonObject, field: str
) -> None:
    [(path, told)] = problems({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})

    assert told.startswith(f"{field}: '")
    assert "is no quantity: write " in told
    assert path[-1] == field.rpartition(".")[2]


@pytest.mark.parametrize("value", [1, 0.5, 1e21, "500m", None])
def test_numbers_and_null_are_taken_as_they_are(value: object) -> None:
    hard = {"limits.cpu": value}

    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "x"}, "spec": {"hard": hard}}

    assert list(problems(body)) == []
