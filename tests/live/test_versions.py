"""Versions report themselves truly."""

import json
import re
from importlib import resources

from harness.clusters.provider import Cluster
from harness.kube.client import Api


def version_in_go_mod(module: str) -> str:
    text = resources.files("harness.clusters.embedded").joinpath("components/node/go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    assert found is not None, f"go.mod does not require {module}"
    return found[1]


def test_kubernetes_says_which_release_it_is(cluster: Cluster) -> None:
    said = json.loads(cluster.kubectl.run("version", "-o", "json"))

    release = version_in_go_mod("k8s.io/kubernetes")
    assert release.startswith("v1.36.")
    assert said["serverVersion"]["gitVersion"] == release
    assert said["clientVersion"]["gitVersion"] == release
    assert (said["serverVersion"]["major"], said["serverVersion"]["minor"]) == ("1", "36")


def test_the_node_says_which_kubelet_and_containerd_it_runs(api: Api) -> None:
    [node] = api.items("/api/v1/nodes")

    info = node["status"]["nodeInfo"]
    assert info["kubeletVersion"] == version_in_go_mod("k8s.io/kubernetes")
    containerd = version_in_go_mod("github.com/containerd/containerd/v2").removeprefix("v")
    assert info["containerRuntimeVersion"] in {f"containerd://{containerd}", f"containerd://v{containerd}"}
    assert containerd.startswith("2.")
