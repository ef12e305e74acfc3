"""Objects are checked against the published schemas, strictly."""

import copy

import pytest

from harness.kube.kubectl import JsonObject
from harness.kube.schemas import UnknownKind, problems

DEPLOYMENT: JsonObject = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop", "creationTimestamp": None},
    "spec": {
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {
                "containers": [
                    {
                        "name": "app",
                        "image": "shop:1",
                        "ports": [{"containerPort": 80}],
                        "resources": {"requests": {"cpu": 1, "memory": "64Mi"}},
                        "readinessProbe": {"httpGet": {"port": "http"}},
                    }
                ]
            },
        },
    },
}


def broken(**container: object) -> list[str]:
    body = copy.deepcopy(DEPLOYMENT)
    body["spec"]["template"]["spec"]["containers"][0] |= container
    return [told for _, told in problems(body)]


def test_a_sound_object_has_no_problem() -> None:
    assert list(problems(DEPLOYMENT)) == []


def test_an_unknown_field_is_named_with_the_one_that_was_meant() -> None:
    place = "spec.template.spec.containers[0]"

    assert broken(imagePulPolicy="Always") == [f"unknown field {place}.imagePulPolicy; did you mean imagePullPolicy?"]


def test_a_wrong_type_is_told_with_its_field() -> None:
    assert broken(ports=[{"containerPort": "80"}]) == [
        "spec.template.spec.containers[0].ports[0].containerPort: '80' is not of type 'integer'"
    ]


def test_a_field_that_is_required_is_missed() -> None:
    assert next(problems({**DEPLOYMENT, "spec": {"template": {}}}))[1] == "spec lacks 'selector'"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"apiVersion": None}, "has no apiVersion"),
        ({"kind": 3}, "kind is not text"),
        ({"metadata": {}}, "has no metadata.name"),
        ({"metadata": None}, "has no metadata.name"),
        ({"kind": "Deploymnt"}, "has no kind Deploymnt in apps/v1; did you mean Deployment?"),
        ({"apiVersion": "apps/v1beta1"}, "has no Deployment in apps/v1beta1: it is in apps/v1"),
        ({"apiVersion": "v1"}, "has no Deployment in v1: it is in apps/v1"),
    ],
)
def test_what_the_object_is_must_be_known(change: JsonObject, problem: str) -> None:
    (_, told), *_ = problems({**DEPLOYMENT, **change})

    assert problem in told


@pytest.mark.parametrize("group", ["example.com/v1", "gateway.networking.k8s.io/v1", "serving.knative.dev/v1"])
def test_a_group_that_is_not_kubernetes_own_holds_custom_resources(group: str) -> None:
    with pytest.raises(UnknownKind):
        list(problems({**DEPLOYMENT, "apiVersion": group}))
