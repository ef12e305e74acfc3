"""Ports out of range, and names that no port can have, are refused with their line wherever Kubernetes wants a port."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube.manifests import load

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  containers:
    - name: app
      ports: [{containerPort: 80, name: http}]
      HERE
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  ports:\n    - HERE\n"
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: x}
spec:
  podSelector: {}
  egress:
    - ports:
      - HERE
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: x}
spec:
  rules:
    - http:
        paths:
          - pathType: Prefix
            path: /
            backend: {service: {name: x, port: HERE}}
"""


@pytest.mark.parametrize(
    ("text", "here", "field", "value"),
    [
        (
            POD.replace("ports: [{containerPort: 80, name: http}]", "ports: [HERE]", 1),
            "{containerPort: 70000}",
            "",
            70000,
        ),
        (POD, "livenessProbe: {httpGet: {port: 0}}", "livenessProbe.httpGet", 0),
        (POD, "readinessProbe: {tcpSocket: {port: 65536}}", "readinessProbe.tcpSocket", 65536),
        (POD, "startupProbe: {grpc: {port: -1}}", "startupProbe.grpc", -1),
        (POD, "lifecycle: {postStart: {httpGet: {port: 99999}}}", "lifecycle.postStart.httpGet", 99999),
        (SERVICE, "port: 0", "spec.ports[0].port", 0),
        (SERVICE, "{port: 80, targetPort: 70000}", "spec.ports[0].targetPort", 70000),
        (SERVICE, "{port: 80, nodePort: 70000}", "spec.ports[0].nodePort", 70000),
        (POLICY, "port: 65536", "spec.egress[0].ports[0].port", 65536),
        (POLICY, "{port: 80, endPort: 70000}", "spec.egress[0].ports[0].endPort", 70000),
        (INGRESS, "{number: 70000}", "backend.service.port.number", 70000),
    ],
)
def test_a_number_that_is_no_port_is_told(tmp_path: Path, text: str, here: str, field: str, value: int) -> None:
    (tmp_path / "a.yaml").write_text(
        text.replace("      HERE\n" if "[HERE]" in text else "\0", "").replace("HERE", here)
    )

    with pytest.raises(ManifestError) as raised:
        load(tmp_path)

    line = next(number for number, one in enumerate(text.splitlines(), 1) if "HERE" in one)
    assert raised.value.where == f"{tmp_path}/a.yaml:{line}"
    assert field in raised.value.problem
    assert raised.value.problem.endswith(f"{value} is no port: write one of 1 to 65535")


@pytest.mark.parametrize(
    ("text", "here"),
    [
        (POD, "livenessProbe: {httpGet: {port: 65535}}"),
        (POD, "livenessProbe: {httpGet: {port: http}}"),
        (POD, "ports: [{containerPort: 1, hostPort: 0}]"),
        (SERVICE, "{port: 1, targetPort: 0, nodePort: 0}"),
        (SERVICE, '{port: 65535, targetPort: ""}'),
        (POLICY, "protocol: TCP"),
        (POLICY, "{port: 1, endPort: 65535}"),
        (POLICY, "port: http"),
        (INGRESS, "{name: http}"),
        (INGRESS, "{number: 0, name: http}"),
        (SERVICE.replace("v1", "example.com/v1", 1), "port: 70000"),
    ],
)
def test_what_the_api_server_takes_is_taken(tmp_path: Path, text: str, here: str) -> None:
    if here.startswith("ports:"):
        text = text.replace("      ports: [{containerPort: 80, name: http}]\n", "")
    (tmp_path / "a.yaml").write_text(text.replace("HERE", here))

    assert len(load(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "here", "told"),
    [
        (SERVICE, '{port: 80, targetPort: "8080"}', "'8080' is text, and no port has a name without a letter"),
        (POD, 'livenessProbe: {httpGet: {port: "80"}}', "'80' is text, and no port has a name without a letter"),
        (POLICY, "port: Web", "'Web' is no name of a port"),
    ],
)
def test_a_text_that_no_port_can_be_named_is_told(tmp_path: Path, text: str, here: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(text.replace("HERE", here))

    with pytest.raises(ManifestError) as raised:
        load(tmp_path)

    assert told in raised.value.problem
