"""What can be asked: the table of what no discovery shows, and the complete matrix."""

from collections import Counter

from harness.access.resources import Resource, beyond, lying_in, questions, served


def test_each_right_that_no_discovery_shows_has_its_source() -> None:
    assert all(one.source.startswith("https://") for one in beyond())


def test_no_such_right_is_written_twice_or_shown_by_discovery_after_all() -> None:
    shown = {(one.what, verb) for one in served() for verb in one.verbs}
    told = Counter((one.what, verb) for one in beyond() for verb in one.verbs)

    assert [right for right, times in told.items() if times > 1] == []
    assert shown & told.keys() == set()


def test_the_verbs_that_only_authorizers_know_are_there() -> None:
    told = {(verb, one.what) for one in beyond() for verb in one.verbs}

    assert told >= {
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("escalate", "roles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("impersonate", "userextras.authentication.k8s.io/scopes"),
        ("approve", "signers.certificates.k8s.io"),
        ("sign", "signers.certificates.k8s.io"),
        ("get", "nodes/pods"),
        ("get", "/metrics"),
    }


def test_the_matrix_asks_in_each_namespace_for_what_lies_in_one_and_once_for_what_does_not() -> None:
    resources = [
        Resource("pods", verbs=("get", "list")),
        Resource("nodes", verbs=("get",), namespaced=False),
        Resource("signers", "certificates.k8s.io", verbs=("sign",), namespaced=False, names=("a/b", "c/d"), source="x"),
        Resource(url="/metrics", verbs=("get",), source="x"),
    ]

    assert [str(one.request) for one in questions(resources, ("invoice", "payments"))] == [
        "get pods in invoice",
        "list pods in invoice",
        "get pods in payments",
        "list pods in payments",
        "get nodes in the cluster",
        "sign signers.certificates.k8s.io a/b in the cluster",
        "sign signers.certificates.k8s.io c/d in the cluster",
        "get /metrics",
    ]


def test_a_namespace_lies_in_itself_by_its_own_name() -> None:
    resources = [
        Resource("namespaces", verbs=("create", "delete", "get", "list", "watch"), namespaced=False),
        Resource("namespaces", subresource="finalize", verbs=("update",), namespaced=False),
    ]

    assert [str(one.request) for one in questions(resources, ("invoice",))][:3] == [
        "delete namespaces invoice in invoice",
        "get namespaces invoice in invoice",
        "update namespaces/finalize invoice in invoice",
    ]
    assert list(lying_in(resources, "")) == resources
