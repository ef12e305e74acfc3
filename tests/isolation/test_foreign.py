"""Policies of other APIs: which kinds are such, whom they may mean, that nothing is expected of what they decide."""

from pathlib import Path
from typing import Any, cast

import pytest

from harness.isolation import own
from harness.isolation.foreign import foreign_of, is_foreign, split, undecided
from harness.isolation.matrix import Cell, Seen, Standing, State, compare
from harness.isolation.oracle import Oracle
from harness.isolation.policy import Direction, Policy
from harness.isolation.snapshot import Others, others_on
from harness.isolation.world import Foreign, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.client import Api, ApiError, ApiUnreachable
from harness.kube.fields import of_object
from harness.kube.manifests import load
from harness.kube.selectors import Selector

WEB = Pod("shop", "web", "10.1.0.1", {"app": "web"})
DB = Pod("shop", "db", "10.1.0.2", {"app": "db"})
ELSEWHERE = Pod("other", "web", "10.1.0.3", {"app": "web"})
NODE = Node("node1", "192.0.2.1")
DOOR = Service("shop", "door", "10.96.0.1", {"app": "db"}, (ServicePort(80, 8080),))
HOMES = (Namespace("shop", {"team": "shop"}), Namespace("other"))


def world(*foreign: Foreign) -> World:
    return World(HOMES, (WEB, DB, ELSEWHERE), services=(DOOR,), nodes=(NODE,), foreign=foreign)


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("policy.networking.k8s.io", "AdminNetworkPolicy"),
        ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
        ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
        ("projectcalico.org", "NetworkPolicy"),
        ("crd.projectcalico.org", "GlobalNetworkPolicy"),
        ("cilium.io", "CiliumNetworkPolicy"),
        ("cilium.io", "CiliumClusterwideNetworkPolicy"),
        ("crd.antrea.io", "ClusterNetworkPolicy"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("policy.linkerd.io", "Server"),
    ],
)
def test_kinds_that_decide_on_connections_are_known(group: str, kind: str) -> None:
    assert is_foreign(group, kind)


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("networking.k8s.io", "NetworkPolicy"),
        ("crd.projectcalico.org", "StagedGlobalNetworkPolicy"),
        ("crd.projectcalico.org", "IPPool"),
        ("controlplane.antrea.io", "NetworkPolicy"),
        ("example.com", "Server"),
        ("apps", "Deployment"),
    ],
)
def test_other_kinds_are_none(group: str, kind: str) -> None:
    assert not is_foreign(group, kind)


def made(api_version: str, kind: str, name: str = "p", namespace: str = "", **spec: Any) -> Foreign | None:  # noqa: ANN401 -- JSON
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return foreign_of(
        of_object({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}, "on the cluster")
    )


def test_a_policy_of_a_namespace_may_mean_every_pod_of_it() -> None:
    found = made("cilium.io/v2", "CiliumNetworkPolicy", namespace="shop", endpointSelector={})

    assert found is not None
    assert found.what == "CiliumNetworkPolicy.cilium.io p of namespace shop"
    assert found.at == "on the cluster"
    assert found.may_mean(WEB, {})
    assert not found.may_mean(ELSEWHERE, {})


SUBJECTS: list[tuple[dict[str, Any], set[Pod]]] = [
    ({}, {WEB, DB, ELSEWHERE}),
    ({"subject": {"namespaces": {"matchLabels": {"team": "shop"}}}}, {WEB, DB}),
    ({"subject": {"namespaces": {}}}, {WEB, DB, ELSEWHERE}),
    (
        {"subject": {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}}},
        {WEB, ELSEWHERE},
    ),
    (
        {
            "subject": {
                "pods": {
                    "namespaceSelector": {"matchLabels": {"team": "shop"}},
                    "podSelector": {"matchLabels": {"app": "web"}},
                }
            }
        },
        {WEB},
    ),
    ({"subject": {"namespaces": {"matchExpressions": [{"key": "team", "operator": "Newer"}]}}}, {WEB, DB, ELSEWHERE}),
]


@pytest.mark.parametrize(("spec", "meant"), SUBJECTS)
def test_the_subject_of_a_cluster_network_policy_is_read_and_what_is_not_understood_means_anybody(
    spec: dict[str, Any], meant: set[Pod]
) -> None:
    found = made("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", **spec)

    assert found is not None
    labels = {one.name: one.all_labels for one in HOMES}
    assert {pod for pod in (WEB, DB, ELSEWHERE) if found.may_mean(pod, labels[pod.namespace])} == meant


def test_what_stands_in_the_root_namespace_of_a_mesh_means_all_of_it() -> None:
    everywhere = made("security.istio.io/v1", "AuthorizationPolicy", namespace="istio-system")
    here = made("security.istio.io/v1", "AuthorizationPolicy", namespace="shop")

    assert everywhere is not None
    assert here is not None
    assert everywhere.may_mean(WEB, {})
    assert not here.may_mean(ELSEWHERE, {})


def test_what_calico_only_shows_once_more_is_none() -> None:
    assert made("projectcalico.org/v3", "NetworkPolicy", "knp.default.db", "shop") is None
    assert made("cilium.io/v2", "CiliumNetworkPolicy", "knp.default.db", "shop") is not None


# ------------------------------------------------------------------------------------------------- nothing is expected

ANYBODY = Foreign("GlobalNetworkPolicy.crd.projectcalico.org all", at="on the cluster")
OF_DB = Foreign("theirs", "shop", pods=Selector((("app", "db"),)))


def test_either_end_makes_it_undecided_with_the_policies_that_may_decide() -> None:
    for cell in (Cell(WEB, DB, 80), Cell(DB, ELSEWHERE, 80), Cell(NODE, DB, 80), Cell(ELSEWHERE, DOOR, 80)):
        found = undecided(world(OF_DB), cell.source, cell.destination, cell.port)
        assert found is not None, cell
        assert "theirs may decide it" in str(found)


def test_what_they_cannot_touch_stays_as_it_is() -> None:
    for cell in (Cell(WEB, ELSEWHERE, 80), Cell(NODE, WEB, 80), Cell(WEB, DOOR, 81), Cell(DB, DB, 80)):
        assert undecided(world(OF_DB), cell.source, cell.destination, cell.port) is None, cell


def test_between_a_node_and_outside_there_is_no_pod_to_mean() -> None:
    assert undecided(world(ANYBODY), NODE, NODE, 80) is None


def test_whatever_is_seen_of_such_a_cell_stands_as_undefined_and_names_the_policy() -> None:
    denied = Policy("shop", "db", types=(Direction.INGRESS,))
    oracle = Oracle(World(HOMES, (WEB, DB), (denied,), foreign=(ANYBODY,)))

    for state in (State.ALLOWED, State.DENIED):
        [one] = compare(oracle, {Cell(WEB, DB, 80): Seen(state, "")})
        assert one.standing is Standing.UNDEFINED
        assert "GlobalNetworkPolicy.crd.projectcalico.org all may decide it, and has no model (on the cluster)" in str(
            one
        )


# ----------------------------------------------------------------------------------------------------- among manifests

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {endpointSelector: {}}
"""


def test_a_users_policy_of_another_api_is_told_with_its_place_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MANIFESTS)
    manifests = load(tmp_path)

    found = own.of_manifests(manifests)

    [foreign] = found.written.foreign
    assert foreign.at == f"{tmp_path}/a.yaml:10"
    assert [pod.id for pod in found.written.pods] == ["shop/web"]
    [note] = found.notes
    assert note.startswith(f"CiliumNetworkPolicy.cilium.io deny of namespace shop ({tmp_path}/a.yaml:10) has no model")
    assert note.endswith(", and is not applied: what it may decide is undefined")
    assert len(split(manifests)[0]) == 1


# -------------------------------------------------------------------------------------------------------- on a cluster


class Server:
    """Discovery in its plain form, and some lists. A list that is an error is raised."""

    def __init__(self, groups: dict[str, list[dict[str, Any]]], lists: dict[str, Any]) -> None:
        self._groups = groups
        self._lists = lists

    def get(self, path: str, **_: str) -> dict[str, Any]:
        if path == "/api":
            return {"kind": "APIVersions", "versions": []}
        if path == "/apis":
            versions = {name.partition("/")[0]: name.partition("/")[2] for name in self._groups}
            groups = [
                {"name": name, "versions": [{"version": one}], "preferredVersion": {"version": one}}
                for name, one in versions.items()
            ]
            return {"kind": "APIGroupList", "groups": groups}
        resources = self._groups[path.removeprefix("/apis/")]
        if not resources:
            raise ApiError("GET", path, 503, "its server is away")
        return {"resources": resources}

    def items(self, path: str) -> list[dict[str, Any]]:
        found = self._lists[path]
        if isinstance(found, Exception):
            raise found
        return cast("list[dict[str, Any]]", found)

    @property
    def real(self) -> Api:
        return cast("Api", self)


def kind(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "namespaced": True, "verbs": ["list"]}


CALICO = {
    "crd.projectcalico.org/v1": [kind("globalnetworkpolicies", "GlobalNetworkPolicy"), kind("ippools", "IPPool")],
    "networking.k8s.io/v1": [kind("networkpolicies", "NetworkPolicy")],
}
PATH = "/apis/crd.projectcalico.org/v1/globalnetworkpolicies"


def test_what_a_cluster_has_is_found_by_its_discovery_and_named() -> None:
    found = others_on(Server(CALICO, {PATH: [{"metadata": {"name": str(number)}} for number in range(7)]}).real)

    assert len(found.policies) == 7
    assert found.policies[0].at == f"{PATH} on the cluster"
    [note] = found.notes
    assert note.startswith("policies that have no model: GlobalNetworkPolicy.crd.projectcalico.org 0, ")
    assert note.endswith(" and 2 more. What they may decide is undefined")


def test_a_cluster_without_any_has_nothing_to_tell() -> None:
    assert others_on(Server(CALICO, {PATH: []}).real) == Others()
    assert Others().notes == []


@pytest.mark.parametrize("status", [403, 405, 503])
def test_those_that_cannot_be_listed_are_told_as_unknown(status: int) -> None:
    found = others_on(Server(CALICO, {PATH: ApiError("GET", PATH, status, "you may not")}).real)

    assert found.notes == ["policies of kind GlobalNetworkPolicy.crd.projectcalico.org are unknown: you may not"]


def test_a_server_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(ApiUnreachable):
        others_on(Server(CALICO, {PATH: ApiUnreachable("GET", PATH, 0, "no answer")}).real)


def test_the_api_of_metrics_is_not_told_which_is_late_on_a_young_cluster() -> None:
    assert others_on(Server({"metrics.k8s.io/v1beta1": []}, {}).real).notes == []


def test_an_api_whose_server_is_away_is_told() -> None:
    found = others_on(Server({"projectcalico.org/v3": []}, {}).real)

    assert found.notes == ["whether the API projectcalico.org/v3 has policies is unknown: its server is away"]
