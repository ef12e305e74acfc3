"""From manifests to a world."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.isolation.workloads import world_of
from harness.isolation.world import ContainerPort, Namespace, Node, Pod, Service, ServicePort, World
from harness.kube.manifests import Manifest, load
from harness.kube.protocol import Protocol

TEMPLATE = """\
    metadata: {labels: {app: NAME}}
    spec:
      containers: [{name: app, image: app, ports: [{containerPort: 8080, name: http}]}]
"""


def workload(kind: str, name: str, group: str = "apps/v1", spec: str = "") -> str:
    """A workload in namespace ``shop`` with the template above."""
    template = TEMPLATE.replace("NAME", name)
    if kind == "CronJob":
        template = "    spec:\n      template:\n" + "".join(f"    {line}\n" for line in template.splitlines())
        return f"{head(group, kind, name)}spec:\n  schedule: '0 * * * *'\n  jobTemplate:\n{template}"
    if group == "apps/v1":
        spec += f"  selector: {{matchLabels: {{app: {name}}}}}\n"
    return f"{head(group, kind, name)}spec:\n{spec}  template:\n{template}"


def head(group: str, kind: str, name: str, namespace: str = "shop") -> str:
    return f"---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n"


def pod(name: str, spec: str, namespace: str = "shop") -> str:
    return head("v1", "Pod", name, namespace) + spec


PLAIN = "spec: {containers: [{name: app, image: app}]}\n"


def world(folder: Path, *texts: str) -> World:
    (folder / "all.yaml").write_text("".join(texts))
    return world_of(load(folder))


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "CronJob"),
    ],
)
def test_a_workload_is_one_pod_of_its_name_with_labels_and_ports_of_its_template(
    tmp_path: Path, group: str, kind: str
) -> None:
    assert world(tmp_path, workload(kind, "web", group)).pods == (
        Pod("shop", "web", "10.1.0.1", {"app": "web"}, (ContainerPort(8080, Protocol.TCP, "http"),)),
    )


def test_pods_of_a_stateful_set_and_of_a_job_have_the_labels_that_their_controllers_add(tmp_path: Path) -> None:
    numbered = workload("StatefulSet", "db", spec="  serviceName: db\n  ordinals: {start: 3}\n")
    found = world(tmp_path, numbered, workload("Job", "once", "batch/v1"))

    assert {one.name: dict(one.labels) for one in found.pods} == {
        "db": {"app": "db", "apps.kubernetes.io/pod-index": "3", "statefulset.kubernetes.io/pod-name": "db-3"},
        "once": {"app": "once", "batch.kubernetes.io/job-name": "once", "job-name": "once"},
    }


def test_workloads_of_one_name_are_told_apart_by_their_kind(tmp_path: Path) -> None:
    found = world(tmp_path, workload("Deployment", "web"), workload("Job", "web", "batch/v1"), pod("api", PLAIN))

    assert [one.id for one in found.pods] == ["shop/web-deployment", "shop/web-job", "shop/api"]
    assert len({one.address for one in found.pods}) == 3


def test_an_object_of_another_group_is_no_workload_though_its_kind_sounds_like_one(tmp_path: Path) -> None:
    found = world(tmp_path, pod("api", PLAIN), head("serving.knative.dev/v1", "Service", "web") + "spec: {}\n")

    assert [one.id for one in found.pods] == ["shop/api"]
    assert found.services == ()


PORTS = """\
spec:
  initContainers:
    - {name: first, image: a, ports: [{containerPort: 1000, name: http}]}
    - {name: proxy, image: a, restartPolicy: Always, ports: [{containerPort: 2000, name: http}]}
  containers:
    - {name: app, image: a, ports: [{containerPort: 3000, name: http}, {containerPort: 53, protocol: UDP}]}
    - {name: other, image: a, ports: [{containerPort: 4000, name: http}]}
"""


def test_ports_are_those_of_containers_and_then_of_sidecars_and_a_name_may_come_again(tmp_path: Path) -> None:
    [found] = world(tmp_path, pod("web", PORTS)).pods

    assert [port.number for port in found.ports] == [3000, 53, 4000, 2000]
    assert found.resolve("http", Protocol.TCP) == [3000, 4000, 2000]
    assert found.ports[1] == ContainerPort(53, Protocol.UDP)


def test_a_name_twice_in_one_container_is_refused_as_kubernetes_does(tmp_path: Path) -> None:
    ports = "[{containerPort: 1, name: http}, {containerPort: 2, name: http}]"

    with pytest.raises(ManifestError, match=r"all\.yaml:5: Pod/web: .*'http' stands twice in one container"):
        world(tmp_path, pod("web", f"spec: {{containers: [{{name: a, image: a, ports: {ports}}}]}}\n"))


def test_a_pod_on_the_hosts_network_has_the_address_of_its_node(tmp_path: Path) -> None:
    on_host = "spec: {hostNetwork: true, nodeName: w2, containers: [{name: a, image: a}]}\n"
    found = world(tmp_path, pod("agent", on_host), pod("web", PLAIN))

    agent, web = found.pods
    assert (agent.host_network, agent.node, agent.address) == (True, "w2", "172.16.0.2")
    assert (web.host_network, web.node, web.address) == (False, "node1", "10.1.0.1")
    assert found.nodes == (Node("node1", "172.16.0.1"), Node("w2", "172.16.0.2"))


def test_a_world_without_pods_has_a_node_all_the_same(tmp_path: Path) -> None:
    assert world(tmp_path, head("v1", "ConfigMap", "a")).nodes == (Node("node1", "172.16.0.1"),)


def test_addresses_that_objects_have_are_kept_and_given_to_nobody_else(tmp_path: Path) -> None:
    placed = PLAIN + "status: {podIP: 10.1.0.1, hostIP: 172.16.0.9}\n"
    service = head("v1", "Service", "api") + "spec: {}\n"
    found = world(
        tmp_path,
        pod("api", PLAIN),
        pod("web", placed),
        service,
        head("v1", "Service", "web"),
        "spec: {clusterIP: 10.96.0.1}\n",
    )

    assert [one.address for one in found.pods] == ["10.1.0.2", "10.1.0.1"]
    assert [one.address for one in found.services] == ["10.96.0.2", "10.96.0.1"]
    assert found.nodes == (Node("node1", "172.16.0.9"),)


def test_namespaces_are_those_declared_and_then_those_only_used(tmp_path: Path) -> None:
    declared = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bank, labels: {team: bank}}\n"
    policy = head("networking.k8s.io/v1", "NetworkPolicy", "deny", "lab") + "spec: {podSelector: {}}\n"
    unnamed = pod("web", PLAIN).replace(", namespace: shop", "")

    assert world(tmp_path, policy, unnamed, declared).namespaces == (
        Namespace("bank", {"team": "bank"}),
        Namespace("default"),
        Namespace("lab"),
    )


SERVICE = """\
spec:
  selector: {app: web}
  ports:
    - {name: a, port: 80}
    - {name: b, port: 81, targetPort: http}
    - {name: c, port: 53, targetPort: 5353, protocol: UDP}
    - {name: d, port: 82, targetPort: 0}
"""


def test_a_service_leads_to_its_own_port_where_no_other_is_written(tmp_path: Path) -> None:
    assert world(tmp_path, head("v1", "Service", "web") + SERVICE).services == (
        Service(
            "shop",
            "web",
            "10.96.0.1",
            {"app": "web"},
            (
                ServicePort(80, 80),
                ServicePort(81, "http"),
                ServicePort(53, 5353, Protocol.UDP),
                ServicePort(82, 82),
            ),
        ),
    )


@pytest.mark.parametrize("spec", ["clusterIP: None", "type: ExternalName, externalName: example.com"])
def test_a_service_without_an_address_of_its_own_is_left_out(tmp_path: Path, spec: str) -> None:
    assert world(tmp_path, head("v1", "Service", "web") + f"spec: {{{spec}}}\n").services == ()


def test_a_port_in_quotes_is_refused_as_the_target_of_a_service(tmp_path: Path) -> None:
    service = head("v1", "Service", "web") + "spec: {ports: [{port: 80, targetPort: '8080'}]}\n"

    with pytest.raises(ManifestError, match=r"all\.yaml:5: Service/web: .*write 8080 without quotes"):
        world(tmp_path, service)


def test_a_label_that_kubernetes_refuses_is_refused(tmp_path: Path) -> None:
    text = workload("Deployment", "web").replace("labels: {app: web}", "labels: {app: we b}")

    with pytest.raises(
        ManifestError, match=r"all\.yaml:8: Deployment/web: spec\.template\.metadata\.labels\.app: 'we b' is"
    ):
        world(tmp_path, text)


def test_the_same_manifests_make_the_same_world(tmp_path: Path) -> None:
    texts = (pod("api", PLAIN), workload("Deployment", "web"), head("v1", "Service", "web") + SERVICE)

    assert world(tmp_path, *texts) == world(tmp_path, *texts)


def test_the_case_is_a_world_of_two_teams() -> None:
    manifests = Path(__file__).parents[2] / "manifests"
    found = world_of([one for folder in ("invoice-app", "payment-provider") for one in load_plain(manifests / folder)])

    assert {"invoice", "payments"} <= {one.name for one in found.namespaces}
    assert {"invoice/invoice-app", "payments/payment-provider"} <= {one.id for one in found.pods}
    assert {one.namespace for one in found.policies} == {"invoice", "payments"}


def load_plain(folder: Path) -> list[Manifest]:
    return [one for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml" for one in load(file)]
