"""What Minikube is told of a cluster."""

from pathlib import Path

import pytest

from harness.clusters.container.node import NodeImage, Ports, Release
from harness.clusters.embedded.gotoolchain import COMPONENTS
from harness.clusters.embedded.programs import required
from harness.clusters.minikube.config import NETWORKS, start_options
from harness.errors import UsageError
from harness.minikubewiring import PINNED

OWN = NodeImage("harness.dev/kicbase:h1", release=Release("v1.36.3", Path("/kubenode")))
STOCK = NodeImage("kicbase:v0")


def test_an_image_of_our_own_brings_its_kubernetes_and_nothing_is_downloaded() -> None:
    options = start_options("docker", OWN, "calico", Ports(6001, 6002), root=False)
    assert {"--kubernetes-version=v1.36.3", "--preload=false", "--cache-images=false", "--force"} <= set(options)
    assert {"--base-image=harness.dev/kicbase:h1", "--driver=docker", "--cni=false"} <= set(options)
    assert [one for one in options if one.startswith("--ports")] == [
        "--ports=127.0.0.1:6001:8443",
        "--ports=127.0.0.1:6002:32443",
    ]


def test_the_stock_image_comes_with_the_kubernetes_that_minikube_chooses() -> None:
    options = start_options("podman", STOCK, "bridge", Ports(), root=False)
    assert {"--driver=podman", "--cni=bridge", "--base-image=kicbase:v0"} <= set(options)
    assert not any(one.startswith(("--kubernetes-version", "--preload", "--force")) for one in options)
    assert not any(one.startswith("--ports") for one in options)


def test_root_is_let_in() -> None:
    assert "--force" in start_options("docker", STOCK, "calico", Ports(), root=True)


def test_nothing_listens_beyond_the_loopback() -> None:
    assert "--listen-address=127.0.0.1" in start_options("docker", STOCK, "calico", Ports(), root=True)


def test_clusters_get_calico_where_nobody_asks_as_minikubes_own_plugin_enforces_nothing() -> None:
    assert [NETWORKS.choose(asked, STOCK) for asked in (None, "calico", "bridge")] == ["calico", "calico", "bridge"]
    assert NETWORKS.choose(None, OWN) == "calico"
    with pytest.raises(UsageError, match=r"the node image harness\.dev/kicbase:h1 does not have bridge"):
        NETWORKS.choose("bridge", OWN)
    with pytest.raises(UsageError, match="minikube has bridge, its own, and calico, and not 'kindnet'"):
        NETWORKS.check("kindnet")


def test_the_minikube_that_is_built_is_the_pinned_one() -> None:
    assert required((COMPONENTS / "minikube" / "go.mod").read_text(), "k8s.io/minikube") == PINNED
