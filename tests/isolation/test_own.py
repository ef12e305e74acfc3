"""A user's own manifests: what is asked where no table says it, and which pods are a workload's."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import ClusterError
from harness.isolation import own
from harness.isolation.own import Staged
from harness.isolation.policy import Direction, Policy, Port, Rule
from harness.isolation.stage import PORTS
from harness.isolation.world import ContainerPort, External, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube import client
from harness.kube.kubectl import JsonObject
from harness.kube.manifests import load
from harness.kube.protocol import Protocol

WEB = (ContainerPort(80, Protocol.TCP, "http"),)
NODE, OUTSIDE = Node("node1", "192.0.2.1"), External("203.0.113.10")
DNS = Pod("kube-system", "dns", "10.1.0.9", {"k8s-app": "kube-dns"})
TCP_AND_UDP = (Protocol.TCP, Protocol.UDP)


def pod(name: str, address: str = "10.1.0.1", namespace: str = "shop", **labels: str) -> Pod:
    return Pod(namespace, name, address, labels, WEB)


def world(*pods: Pod) -> World:
    homes = tuple(Namespace(name) for name in dict.fromkeys(one.namespace for one in pods))
    return World(homes, pods, nodes=(NODE,), externals=(OUTSIDE,))


def test_thepods_of_a_workload_have_all_its_labels_its_ports_and_its_namespace() -> None:
    workload = pod("web", app="web")
    mine = [pod("web-1", app="web"), pod("web-2", app="web", hash="1")]
    others = [
        pod("db", app="db"),
        pod("web", namespace="elsewhere", app="web"),
        Pod("shop", "no-port", "10.1.0.5", {"app": "web"}),
    ]
    assert own.pods_of(workload, world(*mine, *others)) == mine


def test_everybody_is_asked_on_declared_ports_and_on_one_that_nobody_has() -> None:
    web, stranger = pod("web"), pod("stranger", "10.1.0.2", "elsewhere")
    service = Service("shop", "web", "10.96.0.1", {}, (ServicePort(8080, "http"),))
    staged = Staged(world(web, stranger, DNS), (web,), (service,), stranger, ())

    asked = {str(cell) for cell in own.cells(staged, TCP_AND_UDP)}

    assert "elsewhere/stranger -> shop/web TCP 80" in asked
    assert f"elsewhere/stranger -> shop/web TCP {own.NOBODYS_PORT}" in asked
    assert "elsewhere/stranger -> service shop/web TCP 8080" in asked
    assert "outside 203.0.113.10 -> shop/web TCP 80" in asked
    assert "node node1 -> shop/web TCP 80" in asked
    assert "shop/web -> kube-system/dns UDP 53" in asked
    assert "shop/web -> outside 203.0.113.10 TCP 8080" in asked
    assert not [cell for cell in asked if cell.startswith("kube-system/dns")]


def test_a_declared_port_of_a_protocol_that_the_kernel_lacks_is_asked_for_and_so_counted_and_no_other() -> None:
    signal = Pod("shop", "sig", "10.1.0.1", {}, (ContainerPort(7, Protocol.SCTP),))
    stranger = pod("stranger", "10.1.0.2", "elsewhere")
    staged = Staged(world(signal, stranger, DNS), (signal,), (), stranger, ())

    asked = [cell for cell in own.cells(staged, TCP_AND_UDP) if cell.protocol is Protocol.SCTP]

    assert {cell.destination for cell in asked} == {signal}
    assert {cell.port for cell in asked} == {7}
    assert {cell.source.id for cell in asked} == {"shop/sig", "elsewhere/stranger", NODE.id, OUTSIDE.id}


def test_nodes_and_outside_are_asked_where_a_rule_for_what_leaves_may_change_its_mind() -> None:
    web, stranger = pod("web"), pod("stranger", "10.1.0.2", "elsewhere")
    ports = (Port(Protocol.TCP, 443), Port(Protocol.TCP, 5000, 5010), Port(Protocol.UDP, "dns"))
    leaving = Policy("shop", "out", egress=(Rule(ports=ports),), types=(Direction.EGRESS,))
    entering = Policy("shop", "in", ingress=(Rule(ports=(Port(Protocol.TCP, 9999),)),))
    here = replace(world(web, stranger, DNS), policies=(leaving, entering))

    asked = own.cells(Staged(here, (web,), (), stranger, (), forwarded=frozenset({443})), TCP_AND_UDP)

    outside = {(cell.port, cell.protocol) for cell in asked if cell.destination == OUTSIDE and cell.source == web}
    numbers = {1, 442, 443, 444, 4999, 5000, 5001, 5009, 5010, 5011, 8080, 8081, 65535}
    by_udp = {(number, Protocol.UDP) for number in PORTS}  # of many closed ports most would be silent
    assert outside == {(number, Protocol.TCP) for number in numbers} | by_udp
    node = {cell.port for cell in asked if cell.destination == NODE and cell.source == web}
    assert node == numbers - {443}


def test_ports_of_nodes_that_lead_on_to_pods_are_known() -> None:
    class Api:
        def items(self, path: str) -> list[JsonObject]:
            """A Service and a pod."""
            if path.endswith("services"):
                return [{"spec": {"ports": [{"port": 80, "nodePort": 30080}, {"port": 81}]}}, {"spec": {}}]
            return [{"spec": {"containers": [{}, {"ports": [{"hostPort": 443}, {"containerPort": 8}]}]}}]

    assert own._forwarded(cast("client.Api", cast("Any", Api()))) == {30080, 443}


def test_a_workload_or_service_that_is_not_there_any_more_is_an_error_and_no_smaller_world() -> None:
    web, db = pod("web"), pod("db", "10.1.0.2")
    here = replace(world(web), services=(Service("shop", "web", "10.96.0.1", {}, ()),))

    own._refuse_gaps({web.id: {web.id, "shop/web-2"}}, [here.services[0].id], here)
    with pytest.raises(ClusterError, match=r"not any more: shop/db, service shop/db\. Does somebody else change it\?"):
        own._refuse_gaps({web.id: {web.id}, db.id: {db.id}}, ["service shop/db"], here)


def test_a_folder_with_nothing_that_could_be_probed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: about}\n")

    with pytest.raises(ClusterError, match=r"nothing of yours to try\. Is it the right folder\?"):
        own.stage(cast("Any", None), own.of_manifests(load(tmp_path)))


def test_why_pods_that_are_there_do_not_run_is_known() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    bodies = [
        {
            "metadata": {"namespace": "shop", "name": "other", "labels": {"app": "other"}},
            "status": {"phase": "Pending"},
        },
        {
            "metadata": {"namespace": "shop", "name": "web-1", "labels": {"app": "web"}},
            "status": {"phase": "Pending", "containerStatuses": [waiting]},
        },
    ]

    assert own._idle(bodies, pod("web", app="web")) == "Pending (no such image)"
    assert own._idle(bodies, pod("db", app="db")) == ""


@pytest.mark.parametrize("template", [None, {"app": "web"}])
def test_a_workload_that_runs_otherwise_than_it_is_written_is_told(template: dict[str, str] | None) -> None:
    """Its labels are others on the cluster: no policy of the files selects it any more."""
    changed = pod("web-1", app="web", tier="new") if template else pod("web", app="changed")
    body: JsonObject = {
        "kind": "Deployment" if template else "Pod",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {},
    }
    if template:
        body["spec"] = {"selector": {"matchLabels": template}}

    class Api:
        def path_of(self, _body: JsonObject) -> str:
            return "path"

        def find(self, _path: str) -> JsonObject | None:
            return body

    api = cast("client.Api", cast("Any", Api()))

    assert own._strayed(api, body, world(changed)) == (
        f"{body['kind']} shop/web is otherwise than written: {changed.id} lacks its labels or ports"
    )
    assert own._strayed(api, body, world(pod("other", app="other"))) == ""


def test_a_folder_of_policies_alone_gets_pods_that_they_select_and_pods_that_they_do_not(tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: shop}\n"
        "spec: {podSelector: {matchLabels: {app: db}}}\n"
    )
    read = own.of_manifests(load(tmp_path))
    assert sorted(one.labels.get("app", "") for one in read.written.pods) == ["any", "db"]
    assert read.namespaces == {"shop"}
