"""Targets: in each namespace a pod and a Service, made to be connected to, and removed when the proof is over.

They are the prober's, which answers whoever connects with its own name: so an answer shows that it was reached.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from harness.access.asking import PORT, Target
from harness.kube.client import Api, ApiError, ApiNotFound
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until
from harness.prober.agent import GREETING
from harness.prober.pod import prober_pod

LABEL = "harness.dev/access-target"
START_SECONDS = 60.0


@contextmanager
def targets_in(
    api: Api, namespaces: Iterable[str], image: str, labels: Mapping[str, str], name: str
) -> Iterator[dict[str, Target]]:
    """A target in each of some namespaces, named ``name``, and by namespace.

    Each has been reached by an administrator through the proxies of its pod and its Service before it is given. Raises
    ApiError where one cannot be made, and WaitTimeout for one that is not reached.
    """
    known = tuple(namespaces)
    try:
        for namespace in known:
            for kind, body in objects(namespace, name, image, labels).items():
                api.post(f"/api/v1/namespaces/{namespace}/{kind}", body)
        for namespace in known:
            for path in ways(namespace, name):
                wait_until(
                    f"the target to answer at {path}",
                    partial(_answers, api, path, name),
                    seconds=START_SECONDS,
                    tolerate=(ApiError,),
                )
        yield {namespace: Target(name, name) for namespace in known}
    finally:
        for namespace in known:
            for kind in ("pods", "services"):
                with suppress(ApiNotFound):
                    api.delete(f"/api/v1/namespaces/{namespace}/{kind}/{name}")


def _answers(api: Api, path: str, name: str) -> bool:
    return api.text(path).startswith(f"{GREETING} {name}")


def objects(namespace: str, name: str, image: str, labels: Mapping[str, str]) -> dict[str, JsonObject]:
    """The pod and the Service of a target, by the plurals of their kinds. Nobody else's selector means the pod."""
    marked = {**labels, LABEL: name}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": marked},
        "spec": {"selector": {LABEL: name}, "ports": [{"port": PORT, "targetPort": PORT}]},
    }
    return {"pods": prober_pod(namespace, name, marked, image, ["--http", str(PORT)]), "services": service}


def ways(namespace: str, name: str) -> tuple[str, str]:
    """The paths by which a target is reached through the API."""
    scope = f"/api/v1/namespaces/{namespace}"
    return f"{scope}/pods/{name}:{PORT}/proxy/", f"{scope}/services/{name}:{PORT}/proxy/"
