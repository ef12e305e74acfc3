"""What Calico's pod does on a node before the agent starts, and when all agents are ready."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from harness import addons
from harness.clusters import calico
from harness.images.store import Image
from harness.kube.client import Api

IMAGE = "harness.dev/policy:h1"


def daemon_set() -> dict[str, Any]:
    documents = YAML(typ="safe", pure=True).load_all(addons.render("calico", {"policy": IMAGE}))
    (found,) = [one for one in documents if one["kind"] == "DaemonSet"]
    return cast("dict[str, Any]", found["spec"]["template"]["spec"])


def run_on_a_node(tmp_path: Path) -> Path:
    """Run the first container's script where its mounts are folders of this machine."""
    node = tmp_path / "node"
    for folder in ("bin", "conf", "lib"):
        (node / folder).mkdir(parents=True)
    program = tmp_path / "policynode"
    program.write_text("the program")
    (container,) = daemon_set()["initContainers"]
    (script,) = container["args"]
    assert {one["mountPath"] for one in container["volumeMounts"]} == {"/node/bin", "/node/conf", "/node/lib"}
    script = script.replace("/node/", f"{node}/").replace("/usr/local/bin/policynode", str(program))
    given = {"NODE": "a-control-plane", "POD": "1-2", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    subprocess.run(
        [*container["command"], script],
        check=True,
        env={"PATH": os.environ["PATH"], "KUBERNETES_SERVICE_PORT": "443", **given},
    )
    return node


def test_both_containers_run_the_image_that_was_built() -> None:
    spec = daemon_set()
    assert [one["image"] for one in (*spec["initContainers"], *spec["containers"])] == [IMAGE, IMAGE]


def test_the_plugin_is_configured_for_its_node(tmp_path: Path) -> None:
    node = run_on_a_node(tmp_path)
    assert (node / "bin" / "calico").read_text() == "the program"
    assert (node / "lib" / "nodename").read_text() == "a-control-plane"
    plugins = json.loads((node / "conf" / "10-calico.conflist").read_text())["plugins"]
    assert [one["type"] for one in plugins] == ["calico", "portmap"]
    assert plugins[0]["nodename"] == "a-control-plane"
    assert 500 < plugins[0]["mtu"] < 100_000
    assert sorted(file.name for file in (node / "conf").iterdir()) == ["10-calico.conflist", "calico-kubeconfig"]


def test_the_plugin_reads_the_token_that_the_kubelet_keeps_fresh(tmp_path: Path) -> None:
    file = run_on_a_node(tmp_path) / "conf" / "calico-kubeconfig"
    config = YAML(typ="safe", pure=True).load(file)
    (volume,) = [one["name"] for one in daemon_set()["volumes"] if "projected" in one]
    folder = f"/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~projected/{volume}"
    assert config["users"] == [{"name": "calico-node", "user": {"tokenFile": f"{folder}/token"}}]
    (cluster,) = config["clusters"]
    assert cluster["cluster"] == {"server": "https://10.96.0.1:443", "certificate-authority": f"{folder}/ca.crt"}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({}, False),
        ({"desiredNumberScheduled": 0, "numberReady": 0}, False),
        ({"desiredNumberScheduled": 2, "numberReady": 1}, False),
        ({"desiredNumberScheduled": 2, "numberReady": 2}, True),
    ],
)
def test_calico_is_ready_when_every_node_has_an_agent_that_is(status: dict[str, int], ready: bool) -> None:  # noqa: FBT001 -- a parameter of the table
    class Made:
        def get(self, path: str) -> dict[str, Any]:
            assert path.endswith("/namespaces/kube-system/daemonsets/calico-node")
            return {"status": status}

    installed = calico.Calico(Image(IMAGE, Path("policy.tar")), Path("crds"), "10.244.0.0/16")
    assert installed.ready(cast("Api", Made())) is ready


def test_pods_reach_what_is_outside_with_their_nodes_address() -> None:
    spec = calico.ip_pool("10.244.0.0/16")["spec"]
    assert (spec["cidr"], spec["natOutgoing"]) == ("10.244.0.0/16", True)
