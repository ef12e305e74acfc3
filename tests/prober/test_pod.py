"""The prober's pod as an API object."""

from harness.kube.schemas import problems
from harness.prober.pod import CONTAINER, prober_pod

PORTS = [{"containerPort": 80, "protocol": "TCP"}]


def test_it_serves_what_it_is_told_under_its_own_name_and_labels() -> None:
    pod = prober_pod("shop", "web", {"app": "web"}, "image:1", ["--tcp", "80"], ports=PORTS)

    assert list(problems(pod)) == []
    assert pod["metadata"] == {"name": "web", "namespace": "shop", "labels": {"app": "web"}}
    [container] = pod["spec"]["containers"]
    assert (container["name"], container["image"]) == (CONTAINER, "image:1")
    assert (container["args"], container["ports"]) == (["serve", "--tcp", "80"], PORTS)


def test_it_may_run_where_pod_security_is_restricted_and_holds_no_token() -> None:
    spec = prober_pod("shop", "web", {}, "image:1", [])["spec"]

    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["hostNetwork"] is False


def test_it_can_stand_on_the_hosts_network() -> None:
    assert prober_pod("shop", "web", {}, "image:1", [], host_network=True)["spec"]["hostNetwork"] is True
