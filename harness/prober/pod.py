"""The prober's pod as an API object: it listens, may run where Pod Security is ``restricted``, and ends at once."""

from collections.abc import Mapping, Sequence
from typing import Final

from harness.kube.kubectl import JsonObject

CONTAINER: Final = "prober"
USER: Final = 10003
CPU: Final = "10m"
"""What a prober is sure of: without a request, any busy process of the machine starves it, and an answer comes late."""


def prober_pod(
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    image: str,
    serve: Sequence[str],
    *,
    ports: Sequence[JsonObject] = (),
    host_network: bool = False,
) -> JsonObject:
    """A pod of the prober's image; ``serve`` says what it listens on, as ``agent.py serve`` takes it.

    It has no token. One on the host's network needs a namespace that allows that.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "hostNetwork": host_network,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["serve", *serve],
                    "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    "ports": list(ports),
                    "resources": {"requests": {"cpu": CPU}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
        },
    }
