"""What a cluster serves: by aggregated discovery, by the plain one, and as the package carries it."""

from typing import Any

import pytest

from harness.access import discovery
from harness.access.discovery import discovered, shipped
from harness.access.resources import SERVED, Resource, served
from harness.errors import WaitTimeout

from .fakes import FakeApi, refusal


def kind(name: str, *verbs: str, scope: str = "Namespaced", **subresources: list[str]) -> dict[str, Any]:
    parts = [{"subresource": part, "verbs": known} for part, known in subresources.items()]
    return {"resource": name, "scope": scope, "verbs": list(verbs), "subresources": parts}


def group(name: str, **versions: Any) -> dict[str, Any]:  # noqa: ANN401 -- resources, or "Stale"
    listed = [
        {"version": version, "freshness": "Stale"} if found == "Stale" else {"version": version, "resources": found}
        for version, found in versions.items()
    ]
    return {"metadata": {"name": name} if name else {}, "versions": listed}


def aggregated(core: list[Any], *groups: Any) -> FakeApi:  # noqa: ANN401 -- JSON
    def answer(*items: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        return {"kind": "APIGroupDiscoveryList", "items": list(items)}

    return FakeApi({("GET", "/api"): answer(group("", v1=core)), ("GET", "/apis"): answer(*groups)})


def test_resources_and_subresources_come_with_their_verbs_sorted() -> None:
    api = aggregated([kind("pods", "list", "get", exec=["get", "create"]), kind("nodes", "get", scope="Cluster")])

    assert discovered(api.real) == (
        Resource("nodes", verbs=("get",), namespaced=False),
        Resource("pods", verbs=("get", "list")),
        Resource("pods", subresource="exec", verbs=("create", "get")),
    )


def test_of_a_group_the_preferred_version_counts_and_what_only_another_has_is_not_lost() -> None:
    api = aggregated([], group("shop", v2=[kind("carts", "get")], v1=[kind("carts", "list"), kind("tills", "get")]))

    assert discovered(api.real) == (
        Resource("carts", "shop", verbs=("get",), version="v2"),
        Resource("tills", "shop", verbs=("get",), version="v1"),
    )


def test_what_is_only_there_to_have_subresources_is_no_resource() -> None:
    [one] = discovered(aggregated([kind("replicationcontrollers", scale=["get"])]).real)

    assert one.what == "replicationcontrollers/scale"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for: what does not answer at once never does."""
    monkeypatch.setattr(discovery, "STARTED_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_an_aggregated_api_that_does_not_answer_is_an_error_that_names_it() -> None:
    api = aggregated([kind("pods", "get")], group("metrics.k8s.io", v1beta1="Stale"))

    with pytest.raises(WaitTimeout, match=r"aggregated API metrics\.k8s\.io/v1beta1 does not answer"):
        discovered(api.real)


PLAIN: dict[tuple[str, str], Any] = {
    ("GET", "/api"): {"kind": "APIVersions", "versions": ["v1"]},
    ("GET", "/apis"): {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": "shop",
                "versions": [{"version": "v1"}, {"version": "v2"}],
                "preferredVersion": {"version": "v2"},
            }
        ],
    },
    ("GET", "/api/v1"): {
        "resources": [
            {"name": "pods", "namespaced": True, "verbs": ["list", "get"]},
            {"name": "pods/exec", "namespaced": True, "verbs": ["create", "get"]},
        ]
    },
    ("GET", "/apis/shop/v1"): {"resources": [{"name": "carts", "namespaced": False, "verbs": ["list"]}]},
    ("GET", "/apis/shop/v2"): {"resources": [{"name": "carts", "namespaced": False, "verbs": ["get"]}]},
}


def test_an_older_server_tells_the_same_version_by_version() -> None:
    assert discovered(FakeApi(PLAIN).real) == (
        Resource("pods", verbs=("get", "list")),
        Resource("pods", subresource="exec", verbs=("create", "get")),
        Resource("carts", "shop", verbs=("get",), namespaced=False, version="v2"),
    )


def test_an_aggregated_api_whose_server_is_starting_still_is_waited_for() -> None:
    api = aggregated([kind("pods", "get")])
    states = iter([group("metrics.k8s.io", v1beta1="Stale"), group("metrics.k8s.io", v1beta1=[kind("pods", "get")])])
    api.answers["GET", "/apis"] = lambda _: {"kind": "APIGroupDiscoveryList", "items": [next(states)]}

    assert [one.what for one in discovered(api.real)] == ["pods", "pods.metrics.k8s.io"]
    assert not list(states)


@pytest.mark.usefixtures("impatient")
def test_there_too_an_aggregated_api_that_does_not_answer_is_an_error_that_names_it() -> None:
    api = FakeApi({**PLAIN, ("GET", "/apis/shop/v1"): refusal(503, "service unavailable")})

    with pytest.raises(WaitTimeout, match=r"shop/v1 does not answer \(service unavailable\)"):
        discovered(api.real)


def test_what_the_package_carries_is_read_as_it_was_written() -> None:
    assert shipped(served()) == SERVED.read_text(encoding="utf-8")
    assert Resource("metrics", "x") not in served()
    assert Resource("nodes", "metrics.k8s.io", verbs=("get", "list"), namespaced=False, version="v1beta1") in served()
