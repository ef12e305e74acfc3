"""The external peer: outside the cluster, and no part of the machine either."""

import ipaddress
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from harness.clusters.embedded.provider import EmbeddedCluster
from harness.kube.client import Api
from harness.kube.wait import wait_until

from .pods import SECONDS, Pods

GET = """\
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Host": sys.argv[2]} if sys.argv[2:] else {})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
CONNECT = """\
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
except OSError as error:
    print("no:", error)
else:
    print("connected")
"""


def outside(cluster: EmbeddedCluster, python: str, *arguments: str) -> str:
    done = cluster.run_outside([sys.executable, "-c", python, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def here(python: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", python, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which this machine accepts connections at every address."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 -- so that a way to the machine would be found
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=60)


def addresses_of_this_machine() -> list[str]:
    found = json.loads(subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout)
    return [address["local"] for link in found for address in link.get("addr_info", ())]


def test_its_address_is_one_of_no_real_network(embedded: EmbeddedCluster) -> None:
    assert ipaddress.ip_address(embedded.external_address) in ipaddress.ip_network("203.0.113.0/24")


def test_it_reaches_a_pod_which_sees_its_own_address(embedded: EmbeddedCluster, pods: Pods) -> None:
    address = pods.serve("server")

    assert outside(embedded, GET, f"http://{address}:8080") == embedded.external_address


def test_it_reaches_the_ingress_at_its_load_balancers_address(embedded: EmbeddedCluster, pods: Pods, api: Api) -> None:
    pods.serve("server")
    namespace = pods.namespace
    backend = {"service": {"name": "server", "port": {"number": 8080}}}
    host = f"{namespace}.local"
    api.post(
        f"/api/v1/namespaces/{namespace}/services",
        {"metadata": {"name": "server"}, "spec": {"selector": {"app": "server"}, "ports": [{"port": 8080}]}},
    )
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    api.post(
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses",
        {"metadata": {"name": "server"}, "spec": {"ingressClassName": "traefik", "rules": [rule]}},
    )
    assert embedded.external_ingress_url == "http://203.0.113.1"

    def answered() -> str:
        done = embedded.run_outside([sys.executable, "-c", GET, embedded.external_ingress_url, host])
        return done.stdout.strip() if done.returncode == 0 else ""

    client = wait_until("the Ingress to lead to the pod", answered, seconds=SECONDS)
    [traefik] = api.items("/api/v1/namespaces/kube-system/pods", labelSelector="app.kubernetes.io/name=traefik")
    assert client == traefik["status"]["podIP"]


def test_it_cannot_reach_this_machine(embedded: EmbeddedCluster, listener: int) -> None:
    addresses = addresses_of_this_machine()
    assert "127.0.0.1" in addresses

    for address in addresses:
        assert here(CONNECT, address, str(listener)) == "connected"
        assert outside(embedded, CONNECT, address, str(listener)).startswith("no:")


def test_it_cannot_reach_the_listeners_that_lead_into_the_cluster(embedded: EmbeddedCluster) -> None:
    server = json.loads(embedded.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    for url in (server, embedded.ingress_url):
        to = urlsplit(url)
        assert to.hostname == "127.0.0.1"
        assert here(CONNECT, to.hostname, str(to.port)) == "connected"
        assert outside(embedded, CONNECT, to.hostname, str(to.port)).startswith("no:")


def test_it_cannot_reach_what_listens_on_the_nodes_loopback(embedded: EmbeddedCluster) -> None:
    for port in ("2379", "10249", "10257", "10259"):
        assert outside(embedded, CONNECT, "203.0.113.1", port).startswith("no:")


def test_a_program_that_fails_out_there_says_why(embedded: EmbeddedCluster) -> None:
    done = embedded.run_outside([sys.executable, "-c", "import sys; sys.exit('no such luck')"])

    assert done.returncode == 1
    assert "no such luck" in done.stderr
