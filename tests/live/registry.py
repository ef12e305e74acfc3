"""A registry on the node of a cluster, which its runtime and this machine reach by the same name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.clusters.embedded.build import build
from harness.clusters.provider import Cluster
from harness.images.archive import write_binary_archive
from harness.kube.forward import ServiceForward
from harness.kube.wait import wait_until
from harness.timeline import Timeline

from .pods import SECONDS

IMAGE = "harness.dev/registry:1"
NAME = "registry"


@contextmanager
def registry_on(cluster: Cluster, namespace: str, folder: Path) -> Iterator[str]:
    """``localhost:PORT`` for as long as the block runs.

    The pod is on the node's network: a runtime speaks to a registry on its own loopback without TLS.
    """
    crane = build(Timeline(), ["crane"]).path("crane")
    archive = folder / "registry.tar"
    write_binary_archive(archive, IMAGE, crane, user="65532:65532")
    cluster.load_images([archive])
    with ServiceForward(cluster.api, namespace, NAME, NAME) as forward:
        core, labels = f"/api/v1/namespaces/{namespace}", {"app": NAME}
        container = {
            "name": NAME,
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": ["/crane", "registry", "serve", "--address", f"127.0.0.1:{forward.port}", "--disk", "/data"],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        spec = {
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"fsGroup": 65532},
            "containers": [container],
            "volumes": [{"name": "data", "emptyDir": {}}],
        }
        cluster.api.post(f"{core}/pods", {"metadata": {"name": NAME, "labels": labels}, "spec": spec})
        port = {"name": NAME, "port": forward.port}
        cluster.api.post(
            f"{core}/services", {"metadata": {"name": NAME}, "spec": {"selector": labels, "ports": [port]}}
        )
        where = f"localhost:{forward.port}"
        wait_until("the registry to answer", lambda: _answers(forward.url), seconds=SECONDS)
        yield where


def _answers(url: str) -> bool:
    import requests  # noqa: PLC0415 -- half a second, for those who need it

    try:
        return requests.get(f"{url}/v2/", timeout=5).ok
    except requests.RequestException:
        return False
