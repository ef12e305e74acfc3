"""What the API server refused is told of each object, in words that can be read."""

from pathlib import Path

import pytest

from harness.errors import CommandError, ObjectsRefused
from harness.kube.manifests import load
from harness.kube.refused import Sent, refused

JOB_DUMP = (
    'Job.batch "seed" is invalid: spec.template: Invalid value: {"labels":{"a":"}\\""},"Spec":{"Volumes":null,'
    '"Containers":[{"Name":"a","Image":"shop:2"}]}}: field is immutable'
)
OLD_DUMP = (
    'Job.batch "seed" is invalid: spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"",'
    'Labels:map[string]string{"a":"}"}}}: field is immutable'
)
STATEFUL = (
    'StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than'
    " 'replicas', 'template' are forbidden"
)

MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: batch/v1
kind: Job
metadata: {name: seed, namespace: shop}
spec:
  template: {spec: {containers: []}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {selector: {}, template: {}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  ports:
    - port: 80
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
"""
PATHS = (
    "/api/v1/namespaces/shop",
    "/apis/batch/v1/namespaces/shop/jobs/seed",
    "/apis/apps/v1/namespaces/shop/statefulsets/db",
    "/api/v1/namespaces/shop/services/web",
    "/api/v1/namespaces/other/services/web",
    "/api/v1/namespaces/shop/persistentvolumeclaims/data",
)


@pytest.fixture
def sent(tmp_path: Path) -> list[Sent]:
    file = tmp_path / "shop.yaml"
    file.write_text(MANIFESTS)
    by_place = sorted(load(file), key=lambda one: one.line)
    return [Sent(one, path) for one, path in zip(by_place, PATHS, strict=True)]


def told(sent: list[Sent], output: str) -> list[str]:
    error = refused(CommandError(["kubectl", "apply"], 1, output), sent)
    assert isinstance(error, ObjectsRefused)
    return str(error).replace(f"{sent[0].manifest.file}:", "").splitlines()


@pytest.mark.parametrize("dump", [JOB_DUMP, OLD_DUMP, JOB_DUMP.replace('Job.batch "seed" is', 'The Job "seed" is')])
def test_a_job_that_cannot_be_changed_is_to_be_deleted(sent: list[Sent], dump: str) -> None:
    output = dump if dump.startswith("The") else f"Error from server (Invalid): {dump}"

    head, line = told(sent, f"namespace/shop serverside-applied\n{output}\n")

    assert head == "the API server refused 1 of 6 objects; 1 was applied:"
    assert line.startswith(
        "9: Job/seed: spec.template: field is immutable: delete it (`kubectl delete job seed -n shop`)"
    )
    assert line.endswith(", and deploy again")


def test_each_object_has_a_line_and_what_was_applied_has_none(sent: list[Sent]) -> None:
    output = (
        f"Warning: deprecated\nError from server (Invalid): {JOB_DUMP}\nError from server (Invalid): {STATEFUL}\n"
        "namespace/shop serverside-applied\nservice/web serverside-applied\n"
    )

    head, *lines = told(sent, output)

    assert head == "the API server refused 2 of 6 objects; 2 were applied:"
    assert [line.split(": ")[:2] for line in lines] == [["9", "Job/seed"], ["14", "StatefulSet/db"]]
    assert lines[1].endswith(
        "are forbidden: delete it (`kubectl delete statefulset db -n shop`; its claims stay), and deploy again"
    )


def test_nobody_is_told_to_delete_a_claim(sent: list[Sent]) -> None:
    said = 'Error from server (Invalid): PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable'

    [_, line] = told(sent, said)

    assert "delete" not in line
    assert line.endswith("leave it as it was, or give the new PersistentVolumeClaim another name")


def test_several_fields_of_one_object_are_one_line_at_the_first(sent: list[Sent]) -> None:
    said = (
        'The Service "web" is invalid: \n* spec.ports[0].name: Required value\n* spec.ports[0].port: Invalid value:'
        " 70000: must be between 1 and 65535, inclusive\n"
    )

    [_, line] = told(sent, said)

    assert line == (
        "21 or 23: Service/web: spec.ports[0].name: Required value; spec.ports[0].port: Invalid value: 70000: must be"
        " between 1 and 65535, inclusive"
    )


def test_objects_of_one_name_are_told_apart_by_their_order(sent: list[Sent]) -> None:
    said = 'Error from server (Invalid): Service "web" is invalid: spec: bad\n'

    [_, first, second] = told(sent, said * 2)

    assert (first.partition(":")[0], second.partition(":")[0]) == ("19", "23")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ('services "web" is forbidden: User "x" cannot patch it in the namespace "other"', "23"),
        ('namespaces "other" not found', "23"),
        ("failed to convert new object (other/web; /v1, Kind=Service) to proper version: no", "23"),
        ("failed to convert new object (shop/web; /v1, Kind=Service) to proper version: no", "16"),
    ],
)
def test_an_object_is_found_in_whatever_words_the_server_names_it(sent: list[Sent], said: str, line: str) -> None:
    [_, found] = told(sent, f"Error from server (Forbidden): {said}")

    assert found.startswith(f"{line}: Service/web: ")


def test_words_without_a_name_are_of_the_one_that_was_not_applied(sent: list[Sent]) -> None:
    said = 'Error from server: admission webhook "no.example" denied the request: not today'

    [_, line] = told(sent[:2], f"{said}\njob.batch/seed serverside-applied\n")

    assert line == '1: Namespace/shop: admission webhook "no.example" denied the request: not today'


def test_what_is_long_is_cut_and_patterns_are_left_out(sent: list[Sent]) -> None:
    said = (
        'Error from server (Invalid): Job.batch "seed" is invalid: [metadata.labels: Invalid value: "b c": a valid'
        " label must be so (e.g. 'MyValue',  or '1', regex used for validation is '(([A-Z])?'), " + "x" * 999 + "]"
    )

    [_, line] = told(sent, said)

    assert "regex" not in line
    assert line.startswith('7: Job/seed: metadata.labels: Invalid value: "b c": a valid label must be so, xxx')
    assert line.endswith("x…")
    assert len(line) < 450


@pytest.mark.parametrize("said", ["The connection to the server was refused", "error: You must be logged in", ""])
def test_a_failure_that_is_about_no_object_stays_what_it_is(sent: list[Sent], said: str) -> None:
    assert refused(CommandError(["kubectl", "apply"], 1, said), sent) is None
