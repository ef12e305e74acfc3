"""A cluster read as a world: what counts as running, and which place a policy's reasons name."""

from collections.abc import Mapping
from typing import Any, cast

from harness.isolation import snapshot
from harness.isolation.policy import Direction, Policy
from harness.isolation.world import ContainerPort, External, Node, ServicePort, World
from harness.kube.client import Api
from harness.kube.protocol import Protocol
from harness.kube.selectors import Selector


class Objects:
    """The lists that an API server would give."""

    def __init__(self, lists: Mapping[str, list[dict[str, Any]]]) -> None:
        self._lists = lists

    def items(self, path: str) -> list[dict[str, Any]]:
        return self._lists.get(path.rpartition("/")[2], [])


def pod(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, **changes.get("metadata", {})},
        "spec": {
            "nodeName": "node1",
            "containers": [{"ports": [{"containerPort": 80, "name": "web"}]}],
            "initContainers": [
                {"restartPolicy": "Always", "ports": [{"containerPort": 90, "protocol": "UDP"}]},
                {"ports": [{"containerPort": 91}]},
            ],
            **changes.get("spec", {}),
        },
        "status": {
            "phase": "Running",
            "podIP": "10.1.0.1",
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
            **changes.get("status", {}),
        },
    }


def take(*, written: list[Policy] | None = None, **lists: list[dict[str, Any]]) -> World:
    lists.setdefault("namespaces", [{"metadata": {"name": "shop"}}])
    return snapshot.take(cast("Api", Objects(lists)), written or (), [External("203.0.113.10")])


def test_pods_are_those_that_run_have_an_address_and_are_not_being_deleted() -> None:
    pods = [
        pod("runs"),
        pod("pending", status={"phase": "Pending"}),
        pod("young", status={"podIP": ""}),
        pod("going", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    ]
    assert [one.id for one in take(pods=pods).pods] == ["shop/runs"]


def test_no_service_leads_to_a_pod_that_is_not_ready() -> None:
    young = pod("young", status={"conditions": [{"type": "Ready", "status": "False"}]})
    spec = {"clusterIP": "10.96.0.1", "selector": {"app": "young"}, "ports": [{"port": 80}]}
    service = {"metadata": {"name": "young", "namespace": "shop"}, "spec": spec}

    def backends(body: dict[str, Any]) -> list[str]:
        world = take(pods=[body], services=[service])
        return [one.id for one, _ in world.backends(world.services[0], world.services[0].ports[0])]

    assert backends(pod("young")) == ["shop/young"]
    assert backends(young) == backends(pod("young", status={"conditions": None})) == []


def test_a_pod_has_the_ports_of_its_containers_and_sidecars_and_none_of_what_ended_before_them() -> None:
    [one] = take(pods=[pod("web")]).pods
    assert one.ports == (ContainerPort(80, Protocol.TCP, "web"), ContainerPort(90, Protocol.UDP))
    assert (one.address, one.node, one.host_network, one.labels) == ("10.1.0.1", "node1", False, {"app": "web"})


def test_services_without_an_address_of_their_own_are_no_destinations() -> None:
    def service(name: str, **spec: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field
        ports = [{"port": 80, "targetPort": "web"}, {"port": 53, "protocol": "UDP"}]
        return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": ports, **spec}}

    world = take(
        services=[
            service("web", clusterIP="10.96.0.1", selector={"app": "web"}),
            service("headless", clusterIP="None"),
            service("elsewhere", type="ExternalName"),
        ]
    )
    [one] = world.services
    assert one.ports == (ServicePort(80, "web"), ServicePort(53, 53, Protocol.UDP))
    assert one.selector == {"app": "web"}


def test_a_node_is_known_by_its_internal_address() -> None:
    addresses = [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "192.0.2.1"}]
    node = {"metadata": {"name": "node1"}, "status": {"addresses": addresses}}
    assert take(nodes=[node]).nodes == (Node("node1", "192.0.2.1"),)


def test_a_policy_that_is_as_written_keeps_its_place_though_the_server_wrote_its_types_out() -> None:
    body = {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]},
    }
    written = Policy("shop", "db", Selector((("app", "db"),)), at="network.yaml:1")
    [same] = take(networkpolicies=[body], written=[written]).policies
    assert same.at == "network.yaml:1"
    assert same.isolates == (Direction.INGRESS,)


def test_a_policy_that_is_not_as_written_stands_where_it_was_found() -> None:
    body = {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"podSelector": {}}}
    written = Policy("shop", "db", Selector((("app", "db"),)), at="network.yaml:1")
    [other] = take(networkpolicies=[body], written=[written]).policies
    assert other.at == "policy shop/db"
