"""Objects are checked against the published schemas, strictly."""

import copy

import pytest

from harness.kube import moved
from harness.kube.kubectl import JsonObject
from harness.kube.schemas import UnknownKind, misplaced, problems

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
        ({"apiVersion": "apps/v1alpha9"}, "has no Deployment in apps/v1alpha9: it is in apps/v1"),
        ({"apiVersion": "extensions/v1"}, "has no Deployment in extensions/v1: it is in apps/v1"),
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


@pytest.mark.parametrize(
    ("version", "kind", "since", "home"),
    [
        ("extensions/v1beta1", "Deployment", "1.16", "apps/v1"),
        ("extensions/v1beta1", "NetworkPolicy", "1.16", "networking.k8s.io/v1"),
        ("extensions/v1beta1", "Ingress", "1.22", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1beta1", "IngressClass", "1.22", "networking.k8s.io/v1"),
        ("apps/v1beta1", "StatefulSet", "1.16", "apps/v1"),
        ("apps/v1beta2", "DaemonSet", "1.16", "apps/v1"),
        ("batch/v1beta1", "CronJob", "1.25", "batch/v1"),
        ("batch/v2alpha1", "CronJob", "1.21", "batch/v1"),
        ("policy/v1beta1", "PodDisruptionBudget", "1.25", "policy/v1"),
        ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "1.26", "autoscaling/v2"),
        ("rbac.authorization.k8s.io/v1beta1", "RoleBinding", "1.22", "rbac.authorization.k8s.io/v1"),
        ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", "1.22", "apiextensions.k8s.io/v1"),
        ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", "1.32", "flowcontrol.apiserver.k8s.io/v1"),
        ("storage.k8s.io/v1beta1", "CSIStorageCapacity", "1.27", "storage.k8s.io/v1"),
    ],
)
def test_a_kind_that_has_moved_is_told_with_its_home(version: str, kind: str, since: str, home: str) -> None:
    [(path, told)] = problems({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})

    assert path == ("apiVersion",)
    assert told.startswith(f"{version} {kind} is gone since Kubernetes {since}: write {home}, ")


def test_every_home_that_is_told_is_one() -> None:
    for (version, kind), (_, home) in moved._BY_KIND.items():
        assert misplaced({"apiVersion": version, "kind": kind})
        assert not home or not misplaced({"apiVersion": home, "kind": kind}), (version, kind)


def test_a_kind_that_is_gone_for_good_is_told_with_what_to_do() -> None:
    [(_, told)] = problems({"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": {"name": "a"}})

    assert "gone since Kubernetes 1.25, and nothing has its name now: label the namespace for Pod Security" in told
