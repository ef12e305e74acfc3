"""The node can be hurt in each of the ways that its protocol names, and it recovers."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.clusters.embedded.provider import EmbeddedCluster
from harness.clusters.provider import Node
from harness.errors import ClusterError
from harness.kube.client import ApiError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.probing import prove_policy_on

from .holding import Holding
from .pods import SERVER, Pods

SECONDS = 120.0
COMPONENTS = ("etcd", "kube-apiserver", "kubelet", "containerd", "felix")
ASK = """\
import sys, urllib.error, urllib.request
for url in sys.stdin:
    try:
        answer = urllib.request.urlopen(url.strip(), timeout=1).status
    except urllib.error.HTTPError as error:
        answer = error.code
    except OSError as error:
        answer = "silence"
    print(answer, flush=True)
"""


class Outside:
    """A program in the external peer's network that stays, and asks for URLs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, url: str) -> str:
        """The status of the answer, or ``silence``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{url}\n".encode())
        self._process.stdin.flush()
        return self._process.stdout.readline().decode().strip()

    def until(self, url: str, answer: str) -> None:
        """Ask until the answer is this one."""
        wait_until(f"{url} to be answered by {answer}", lambda: self.ask(url) == answer, seconds=SECONDS)


@pytest.fixture
def outside(embedded: EmbeddedCluster) -> Iterator[Outside]:
    with embedded.start_outside([sys.executable, "-uc", ASK]) as process:
        yield Outside(process)
        process.communicate()


def status(pods: Pods, name: str) -> JsonObject:
    """The status of a pod's container."""
    found: JsonObject = pods.get(name)["status"]["containerStatuses"][0]
    return found


def container_id(pods: Pods, name: str) -> str:
    return str(status(pods, name)["containerID"]).removeprefix("containerd://")


def serve(pods: Pods, name: str = "server") -> str:
    """Start a server that is started again when it ends; its URL. It is there when the prober can reach it."""
    pods.start(name, SERVER, restartPolicy="Always")
    return f"http://{pods.until(name, 'Running')['status']['podIP']}:8080"


def every_container(pods: Pods) -> dict[tuple[str, str], JsonObject]:
    """The status of each container of the cluster's own pods and of the test's, by the pod's UID and its own name.

    Those of earlier tests are none of them: their namespaces may be going, and they with them.
    """
    return {
        (pod["metadata"]["uid"], container["name"]): container
        for namespace in ("kube-system", pods.namespace)
        for pod in pods.api.items(f"/api/v1/namespaces/{namespace}/pods")
        if "deletionTimestamp" not in pod["metadata"]
        for container in pod["status"].get("containerStatuses", ())
    }


def roots(node: Node) -> set[str]:
    """The ids of the containers whose file systems are mounted on the node."""
    mounts = Path(f"/proc/{node.components()['containerd']}/mountinfo").read_text()
    return set(re.findall(r"runtime\.v2\.task/k8s\.io/(\w+)/rootfs", mounts))


def test_an_embedded_cluster_is_one_whose_node_can_be_hurt(embedded: EmbeddedCluster) -> None:
    assert isinstance(embedded, Node)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_killed_component_is_started_again_and_pods_run_on(
    embedded: EmbeddedCluster, pods: Pods, outside: Outside, name: str
) -> None:
    url = serve(pods)
    outside.until(url, "200")
    before, process = container_id(pods, "server"), embedded.components()[name]

    embedded.stop_component(name, signal.SIGKILL)
    stopped = embedded.components()
    still = outside.ask(url)
    embedded.start_component(name)

    assert name not in stopped
    assert not Path(f"/proc/{process}").exists()
    assert still == "200"
    assert embedded.components()[name] != process
    ready = "the API server to be ready"
    wait_until(ready, lambda: pods.api.text("/readyz") == "ok", seconds=SECONDS, tolerate=(ApiError,))
    outside.until(serve(pods, "another"), "200")
    assert (container_id(pods, "server"), status(pods, "server")["restartCount"]) == (before, 0)
    embedded.check()


def test_a_signal_to_a_container_ends_it_and_it_is_started_again(embedded: EmbeddedCluster, pods: Pods) -> None:
    serve(pods)
    before = container_id(pods, "server")

    process = embedded.signal_container(before, signal.SIGKILL)

    wait_until("the server to run again", lambda: "running" in restarted(pods, before), seconds=SECONDS)
    assert not Path(f"/proc/{process}").exists()
    after = status(pods, "server")
    assert after["restartCount"] == 1
    assert after["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    with pytest.raises(ClusterError, match=f"no container '{before}' runs"):
        embedded.signal_container(before, signal.SIGKILL)


def restarted(pods: Pods, before: str) -> JsonObject:
    """The state of the server's container once it is another one; empty until then."""
    found: JsonObject = status(pods, "server")["state"] if container_id(pods, "server") != before else {}
    return found


def test_a_frozen_pod_is_silent_and_goes_on_where_it_was_when_it_is_thawed(
    embedded: EmbeddedCluster, pods: Pods, outside: Outside
) -> None:
    url = serve(pods)
    outside.until(url, "200")
    uid, before = pods.get("server")["metadata"]["uid"], container_id(pods, "server")

    embedded.freeze_pod(uid)
    embedded.freeze_pod(uid)
    frozen = outside.ask(url)
    embedded.thaw_pod(uid)
    embedded.thaw_pod(uid)

    assert frozen == "silence"
    outside.until(url, "200")
    assert (container_id(pods, "server"), status(pods, "server")["restartCount"]) == (before, 0)


def test_a_frozen_pod_that_is_deleted_ends(embedded: EmbeddedCluster, pods: Pods) -> None:
    serve(pods)
    uid = pods.get("server")["metadata"]["uid"]
    path = f"/api/v1/namespaces/{pods.namespace}/pods/server"

    embedded.freeze_pod(uid)
    pods.api.delete(path, gracePeriodSeconds=1)

    wait_until("the kubelet to have ended the pod", lambda: pods.api.find(path) is None, seconds=SECONDS)
    wait_until("its cgroups to be gone", lambda: not frozen_again(embedded, uid), seconds=SECONDS)
    embedded.thaw_pod(uid)


def frozen_again(node: Node, uid: str) -> bool:
    """Whether there is still such a pod to be frozen."""
    try:
        node.freeze_pod(uid)
    except ClusterError:
        return False
    node.thaw_pod(uid)
    return True


def test_forgotten_connections_are_counted(embedded: EmbeddedCluster, pods: Pods, outside: Outside) -> None:
    outside.until(serve(pods), "200")
    address = pods.get("server")["status"]["podIP"]

    assert embedded.forget_connections(address) > 0
    assert embedded.forget_connections(address) == 0


def test_after_a_restart_of_the_node_everything_comes_back_by_itself(
    embedded: EmbeddedCluster, pods: Pods, image: str, outside: Outside
) -> None:
    serve(pods)
    mounted, components, ingress = roots(embedded), embedded.components(), embedded.ingress_url
    before = every_container(pods)
    embedded.freeze_pod(pods.get("server")["metadata"]["uid"])  # which may keep nothing from ending

    embedded.restart()

    embedded.check()
    after = embedded.components()
    assert after.keys() == components.keys()
    assert not after.items() & components.items()
    wait_until("all pods to be back", all_back(pods, before), seconds=SECONDS, tolerate=(ApiError,))
    assert not roots(embedded) & mounted
    assert embedded.ingress_url == ingress
    assert subprocess.run(["curl", "-s", ingress], check=False).returncode == 0
    outside.until(f"http://{pods.get('server')['status']['podIP']}:8080", "200")
    assert "enforced after" in prove_policy_on(embedded, image)


def all_back(pods: Pods, before: dict[tuple[str, str], JsonObject]) -> Callable[[], bool]:
    """Whether each container is ready again, another one, and counted as restarted."""

    def back() -> bool:
        now = every_container(pods)
        return all(
            key in now and now[key]["ready"] and now[key]["restartCount"] > was["restartCount"]
            for key, was in before.items()
            if "running" in was["state"]
        )

    return back


def test_a_cluster_that_is_killed_with_a_frozen_pod_leaves_nothing(holding: Holding) -> None:
    holding.until_ready()
    cluster = EmbeddedCluster(holding.layout)
    with closing(cluster):
        running = cluster.api.items("/api/v1/namespaces/kube-system/pods")
    for pod in running:
        cluster.freeze_pod(pod["metadata"]["uid"])

    holding.kill_supervisor()
    holding.leave()
    holding.pytest.wait()
    holding.other_command("down")

    holding.nothing_is_left()
    holding.files_are_gone()
