"""Copies of the case's pods: the same program under other circumstances."""

import base64
import functools
from typing import Any

from harness.case import Case
from harness.kube.kubectl import JsonObject


def copy_of(case: Case, service: str, *, home: str, into: str, labels: dict[str, str], **changed: str) -> JsonObject:
    """A Pod that runs what the Deployment ``service`` of namespace ``home`` runs, in namespace ``into``.

    Its environment is written out, so that it depends on no ConfigMap or Secret of its namespace, with the variables
    ``changed``. It counts as ready when it is alive: a copy may well lack what the original needs.
    """
    kubectl = case.cluster.kubectl
    template = kubectl.get("deployment", service, namespace=home)["spec"]["template"]
    spec: dict[str, Any] = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
    spec.pop("serviceAccount", None)
    [container] = spec["containers"]
    spec["terminationGracePeriodSeconds"] = 1
    container.pop("lifecycle", None)
    variables = _environment(case, container, home) | changed
    container.pop("envFrom", None)
    container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
    container["readinessProbe"] = {**container["livenessProbe"], "periodSeconds": 1}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{service}-copy", "namespace": into, "labels": {**labels, **case.labels}},
        "spec": spec,
    }


def _environment(case: Case, container: JsonObject, home: str) -> dict[str, str]:
    @functools.cache
    def data(kind: str, name: str) -> dict[str, str]:
        found: dict[str, str] = case.cluster.kubectl.get(kind, name, namespace=home)["data"]
        return found

    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        variables |= data("configmap", source["configMapRef"]["name"])
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference is not None:
            encoded = data("secret", reference["name"])[reference["key"]]
            variables[variable["name"]] = base64.b64decode(encoded).decode()
        else:
            variables[variable["name"]] = variable.get("value", "copy")
    return variables


def service_for(pod: JsonObject, port: int) -> JsonObject:
    """A Service in front of a pod, with the pod's name."""
    metadata = pod["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {key: metadata[key] for key in ("name", "namespace", "labels")},
        "spec": {"selector": metadata["labels"], "ports": [{"name": "http", "port": port, "targetPort": port}]},
    }


def ingress_for(service: JsonObject, host: str) -> JsonObject:
    """An Ingress in front of a Service, with the Service's name, for all paths of a host."""
    metadata = service["metadata"]
    backend = {"service": {"name": metadata["name"], "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"ingressClassName": "traefik", "rules": [{"host": host, "http": {"paths": paths}}]},
    }
