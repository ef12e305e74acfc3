"""The harness's own port-forward: to real pods, by a real API server, kubelet and container runtime."""

import http.client
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus

import pytest

from harness.case import Case
from harness.clusters.embedded.provider import EmbeddedCluster
from harness.errors import ForwardError
from harness.kube.client import Api, ApiError
from harness.kube.forward import PodForward, ServiceForward
from harness.kube.wait import wait_until

from .pods import Pods

SECONDS = 60.0
NAMESPACE, SERVICE, PORT = "invoice", "invoice-app", 8081
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SELECTOR = "app.kubernetes.io/name=invoice-app,app.kubernetes.io/component=app"
CLIENTS = 8
BIG = bytes(range(251)) * (8 * 1024 * 1024 // 251)
ECHO = """\
import socketserver
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
server = socketserver.ThreadingTCPServer(("", 8080), Handler)
print("listening")
server.serve_forever()
"""
ONCE = """\
import socket
server = socket.create_server(("", 8080))
print("listening")
while True:
    connection, _ = server.accept()
    got = connection.recv(100)
    print("got", got.decode())
    connection.sendall(b"no more of this")
    connection.close()
"""


@pytest.fixture
def app(case: Case) -> Iterator[ServiceForward]:
    """A forward to the Service of the invoice app, which leaves no thread."""
    with ServiceForward(case.cluster.api, NAMESPACE, SERVICE, PORT) as made:
        yield made
    assert [one.name for one in threading.enumerate() if SERVICE in one.name] == []


def connected(forward: ServiceForward) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*forward.address, timeout=SECONDS)


def status(connection: http.client.HTTPConnection, path: str = "/readyz") -> int:
    """That of the answer to one request; the connection is kept."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def ready(api: Api) -> set[str]:
    """The app's pods that are ready and not ending."""
    return {
        pod["metadata"]["name"]
        for pod in api.items(PODS, labelSelector=SELECTOR)
        if "deletionTimestamp" not in pod["metadata"]
        and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ())
    }


def listens(pods: Pods, name: str, program: str) -> None:
    """Start a pod, and wait until it listens."""
    pods.start(name, program)
    pods.until(name, "Running")
    wait_until(f"pod {name} to listen", lambda: "listening" in pods.log(name), seconds=SECONDS)


def is_reset(forward: PodForward) -> None:
    """That a connection is, perhaps while it is being made."""
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(forward.address, timeout=SECONDS) as client,
    ):
        client.recv(1)


def test_it_is_ready_at_once(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with ServiceForward(case.cluster.api, NAMESPACE, SERVICE, PORT) as app, closing(connected(app)) as connection:
        assert status(connection) == HTTPStatus.OK
        first = time.monotonic() - began
        for _ in range(100):
            assert status(connection) == HTTPStatus.OK
        each = (time.monotonic() - began - first) / 100
    with capsys.disabled():
        print(f"\n  the first answer after {first * 1000:.0f} ms; {each * 1000:.1f} ms each on a kept one")  # noqa: T201


def test_many_clients_go_through_on_kept_connections(app: ServiceForward) -> None:
    def client(_: int) -> list[int]:
        with closing(connected(app)) as connection:
            return [status(connection) for _ in range(50)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(client, range(CLIENTS))) == [[HTTPStatus.OK] * 50] * CLIENTS
    assert app.last_error is None


def test_it_survives_the_death_of_every_pod(case: Case, app: ServiceForward) -> None:
    api = case.cluster.api
    old = ready(api)
    assert old
    for name in sorted(old):
        wanted = len(ready(api))
        api.delete(f"{PODS}/{name}", gracePeriodSeconds=0)

        def replaced(name: str = name, wanted: int = wanted) -> bool:
            return len(ready(api) - {name}) >= wanted

        wait_until(f"another pod in place of {name}", replaced, seconds=SECONDS, describe=lambda: str(ready(api)))
        # The Service's endpoints follow its pods a moment later: until then it is as if it had none.
        wait_until(f"an answer after {name}", lambda: answers(app), seconds=SECONDS, tolerate=(OSError,))
        for _ in range(2 * wanted):
            assert answers(app)
    assert not ready(api) & old


def answers(app: ServiceForward) -> bool:
    """Whether a request on a new connection is answered well."""
    with closing(connected(app)) as connection:
        return status(connection) == HTTPStatus.OK


def test_much_comes_through_both_ways_at_once(pods: Pods) -> None:
    listens(pods, "echo", ECHO)
    with (
        PodForward(pods.api, pods.namespace, "echo", 8080) as forward,
        socket.create_connection(forward.address, timeout=SECONDS) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        sent = pool.submit(client.sendall, BIG)
        got = bytearray()
        while len(got) < len(BIG) and (data := client.recv(65536)):
            got += data
        sent.result()
    assert got == BIG


def test_a_pod_that_refuses_is_passed_over_and_the_request_sent_once(pods: Pods) -> None:
    listens(pods, "deaf", "import time\nprint('listening')\ntime.sleep(3600)\n")
    listens(pods, "once", ONCE)
    for name in ("deaf", "once"):
        path = f"/api/v1/namespaces/{pods.namespace}/pods/{name}"
        pods.api.patch(path, {"metadata": {"labels": {"of": "both"}}})
    spec = {"selector": {"of": "both"}, "ports": [{"port": 80, "targetPort": 8080}]}
    pods.api.post(f"/api/v1/namespaces/{pods.namespace}/services", {"metadata": {"name": "both"}, "spec": spec})
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{pods.namespace}/endpointslices"
    wait_until(
        "both pods to be endpoints",
        lambda: sum(len(one.get("endpoints") or ()) for one in pods.api.items(slices)) == 2,
        seconds=SECONDS,
    )
    with ServiceForward(pods.api, pods.namespace, "both", 80) as forward:
        for number in range(6):  # a second each: see the docstring of harness.kube.forward
            with socket.create_connection(forward.address, timeout=SECONDS) as client:
                client.sendall(b"order %d" % number)
                assert client.recv(100) == b"no more of this"
                assert client.recv(100) == b""
        assert forward.last_error is None
    assert pods.log("once").splitlines() == ["listening", *(f"got order {number}" for number in range(6))]

    with PodForward(pods.api, pods.namespace, "deaf", 8080) as forward:
        is_reset(forward)
        assert isinstance(forward.last_error, ForwardError)


def test_a_user_who_may_not_is_told_which_permission_is_lacking(pods: Pods, embedded: EmbeddedCluster) -> None:
    listens(pods, "echo", ECHO)
    kubectl, namespace = embedded.kubectl, pods.namespace
    kubectl.run("create", "serviceaccount", "eve", "-n", namespace)
    token = kubectl.run("create", "token", "eve", "-n", namespace).strip()
    file = embedded.kubeconfig.parent / f"{namespace}.kubeconfig"
    shutil.copy(embedded.kubeconfig, file)
    try:
        by_token = type(kubectl)(kubectl.binary, file)
        by_token.run("config", "set-credentials", "eve", f"--token={token}")
        by_token.run("config", "set-context", "--current", "--user=eve")
        with Api(file) as as_eve, PodForward(as_eve, namespace, "echo", 8080) as forward:
            is_reset(forward)
            assert isinstance(forward.last_error, ApiError)
            assert forward.last_error.status == HTTPStatus.FORBIDDEN
            assert 'resource "pods/portforward"' in str(forward.last_error)
    finally:
        file.unlink()
