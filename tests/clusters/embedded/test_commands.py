import json
import re
import tomllib
from typing import Any

import pytest

from harness.clusters.embedded import commands, layout
from harness.clusters.embedded.assets import BINARIES, MULTI_CALL
from harness.kube import sysctls

ALL = commands.commands()


def files() -> dict[str, str]:
    return commands.configuration("harness.dev/pause:abc")


def option(component: str, name: str) -> str:
    [value] = [a.partition("=")[2] for a in ALL[component].arguments if a.partition("=")[0] == f"--{name}"]
    return value


def parsed(file: str) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(files()[file])


def test_every_component_is_started_in_one_of_the_two_groups() -> None:
    assert sorted(ALL) == sorted((*commands.CONTROL_PLANE, *commands.NODE))


@pytest.mark.parametrize("component", ALL)
def test_a_component_is_a_program_that_the_node_has(component: str) -> None:
    program = ALL[component].arguments[0]
    called = {name for names in MULTI_CALL.values() for name in names} | set(BINARIES)

    assert program.removeprefix(f"{layout.INSIDE}/bin/") in called


@pytest.mark.parametrize("component", ALL)
def test_no_component_is_told_of_a_path_of_the_machine(component: str) -> None:
    paths = re.findall(
        r"(?<![\w/:])/[\w./-]+", " ".join((*ALL[component].arguments, *ALL[component].environment.values()))
    )

    assert all(path.startswith(("/run/node/", "/run/containerd/")) for path in paths)


def test_client_certificates_can_be_signed_by_request() -> None:
    assert option("kube-controller-manager", "cluster-signing-cert-file").endswith("/pki/ca.crt")
    assert option("kube-controller-manager", "cluster-signing-key-file").endswith("/pki/ca.key")


def test_services_are_where_the_add_ons_expect_them() -> None:
    assert option("kube-apiserver", "service-cluster-ip-range") == layout.SERVICE_NETWORK
    assert parsed("kubelet.json")["clusterDNS"] == [layout.DNS_ADDRESS]


def test_pods_get_addresses_of_the_nodes_part_of_the_cluster_network() -> None:
    calico = next(p for p in parsed("cni/10-calico.conflist")["plugins"] if p["type"] == "calico")

    assert calico["ipam"]["ranges"] == [[{"subnet": layout.POD_NETWORK}]]
    assert option("kube-controller-manager", "cluster-cidr") == layout.CLUSTER_NETWORK
    assert parsed("kube-proxy.json")["clusterCIDR"] == layout.CLUSTER_NETWORK


def test_containerd_is_told_which_image_holds_a_pods_namespaces() -> None:
    containerd = tomllib.loads(files()["containerd.toml"])

    assert containerd["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "harness.dev/pause:abc"


def test_containerd_never_lowers_an_oom_score_which_root_may_not_be_allowed_to() -> None:
    containerd = tomllib.loads(files()["containerd.toml"])

    assert containerd["plugins"]["io.containerd.cri.v1.runtime"]["restrict_oom_score_adj"] is True


def test_the_kubelet_finds_its_sysctls_as_it_wants_them_and_does_not_write() -> None:
    assert parsed("kubelet.json")["protectKernelDefaults"] is True
    # setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go
    assert sysctls.KUBELET == {
        "vm/overcommit_memory": "1",
        "vm/panic_on_oom": "0",
        "kernel/panic": "10",
        "kernel/panic_on_oops": "1",
        "kernel/keys/root_maxkeys": "1000000",
        "kernel/keys/root_maxbytes": "25000000",
    }


def test_kube_proxy_leaves_the_machines_limits_of_connection_tracking_alone() -> None:
    assert set(parsed("kube-proxy.json")["conntrack"].values()) == {0, "0s"}


def test_nobody_is_let_into_the_kubelet_without_a_credential() -> None:
    kubelet = parsed("kubelet.json")

    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}


def test_etcd_and_metrics_listen_on_the_nodes_loopback_only() -> None:
    assert option("etcd", "listen-client-urls") == "http://127.0.0.1:2379"
    assert option("etcd", "listen-peer-urls") == "http://127.0.0.1:2380"
    assert parsed("kube-proxy.json")["metricsBindAddress"].startswith("127.0.0.1:")
    assert option("kube-controller-manager", "bind-address") == "127.0.0.1"
    assert option("kube-scheduler", "bind-address") == "127.0.0.1"


def test_disk_figures_are_gathered_so_that_eviction_works() -> None:
    assert parsed("kubelet.json").get("localStorageCapacityIsolation", True)


def test_the_front_proxys_authority_is_not_the_one_that_signs_for_users() -> None:
    authority = option("kube-apiserver", "requestheader-client-ca-file")
    assert authority.endswith("/pki/front-proxy-ca.crt")
    assert authority != option("kube-controller-manager", "cluster-signing-cert-file")
