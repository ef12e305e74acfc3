"""Pods and Services of a world as API objects: each pod is one of the prober's image, listening on its ports."""

from collections.abc import Mapping

from harness.isolation.world import ContainerPort, Pod, Service
from harness.kube.kubectl import JsonObject
from harness.prober.pod import prober_pod


def pod_object(pod: Pod, image: str, labels: Mapping[str, str]) -> JsonObject:
    """A pod that listens on the ports of ``pod``, may run where Pod Security is ``restricted``, and ends at once.

    One on the host's network needs a namespace that allows that. It shares its ports and does not declare them: the
    scheduler would let only one such pod on a node, and two runs could not be on one cluster. ``labels`` are added to
    the pod's own.
    """
    listening = [argument for port in pod.ports for argument in (f"--{port.protocol.lower()}", str(port.number))]
    shared = ["--shared"] if pod.host_network else []
    return prober_pod(
        pod.namespace,
        pod.name,
        {**labels, **pod.labels},
        image,
        [*shared, *listening],
        ports=[] if pod.host_network else [_port(port) for port in pod.ports],
        host_network=pod.host_network,
    )


def _port(port: ContainerPort) -> JsonObject:
    named = {"name": port.name} if port.name else {}
    return {"containerPort": port.number, "protocol": str(port.protocol), **named}


def service_object(service: Service, labels: Mapping[str, str]) -> JsonObject:
    """A Service as an API object, with a ClusterIP of the cluster's own choice."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service.name, "namespace": service.namespace, "labels": dict(labels)},
        "spec": {
            "selector": dict(service.selector),
            "ports": [
                {
                    "name": f"{port.protocol.lower()}-{port.port}",
                    "port": port.port,
                    "targetPort": port.target,
                    "protocol": str(port.protocol),
                }
                for port in service.ports
            ],
        },
    }
