"""Pods and Services of a world, as they are given to the API server."""

from dataclasses import replace

from harness.isolation.objects import pod_object, service_object
from harness.isolation.world import ContainerPort, Pod, Service, ServicePort
from harness.kube.protocol import Protocol
from harness.kube.schemas import problems

PORTS = (ContainerPort(80, Protocol.TCP, "web"), ContainerPort(53, Protocol.UDP))
POD = Pod("shop", "web", "", {"app": "web"}, PORTS)


def test_a_pod_listens_on_its_ports_and_declares_them() -> None:
    [container] = pod_object(POD, "image:1", {})["spec"]["containers"]
    assert container["args"] == ["serve", "--tcp", "80", "--udp", "53"]
    assert container["ports"] == [
        {"containerPort": 80, "protocol": "TCP", "name": "web"},
        {"containerPort": 53, "protocol": "UDP"},
    ]


def test_pods_on_a_hosts_network_share_its_ports_so_that_two_runs_fit_on_a_node() -> None:
    [container] = pod_object(replace(POD, host_network=True), "image:1", {})["spec"]["containers"]
    assert container["args"] == ["serve", "--shared", "--tcp", "80", "--udp", "53"]
    assert container["ports"] == []


def test_a_pod_may_run_where_pod_security_is_restricted() -> None:
    spec = pod_object(POD, "image:1", {})["spec"]
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_a_pods_own_labels_win_over_those_of_the_run() -> None:
    made = pod_object(POD, "image:1", {"app": "run", "harness.dev/run": "1"})
    assert made["metadata"]["labels"] == {"app": "web", "harness.dev/run": "1"}


def test_objects_are_valid() -> None:
    service = Service("shop", "web", "", {"app": "web"}, (ServicePort(80, "web"), ServicePort(53, 53, Protocol.UDP)))
    for body in (pod_object(POD, "image:1", {}), service_object(service, {})):
        assert not list(problems(body))
