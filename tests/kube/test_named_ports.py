"""A port that is named where it is used must be some container's."""

from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.kube.manifests import load

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
    - port: 80
      targetPort: wrong
"""
DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          ports:
            - {name: http, containerPort: 8080}
            - {name: dns, containerPort: 53, protocol: UDP}
"""
FIX = "name one that is there, or give the number"


def refused(folder: Path, text: str) -> str:
    (folder / "a.yaml").write_text(text)
    with pytest.raises(ManifestError) as raised:
        load(folder)
    return str(raised.value).replace(f"{folder}/a.yaml:", "")


def test_a_service_that_leads_nowhere_is_told_with_the_ports_there_are(tmp_path: Path) -> None:
    assert refused(tmp_path, SERVICE + DEPLOYMENT) == (
        f"8: Service/web: spec.ports[0].targetPort: wrong is no port of the pods it selects, which have http: {FIX}"
    )


def test_a_port_of_another_protocol_is_none(tmp_path: Path) -> None:
    service = SERVICE.replace("targetPort: wrong", "targetPort: http\n      protocol: UDP")

    assert "http is no port of the pods it selects, which have dns of UDP" in refused(tmp_path, service + DEPLOYMENT)


@pytest.mark.parametrize(
    ("replaced", "by"),
    [
        ("targetPort: wrong", "targetPort: http"),
        ("targetPort: wrong", "targetPort: 9999"),
        ("targetPort: wrong", 'targetPort: ""'),
        ("targetPort: wrong", "name: x"),
        ("selector: {app: web}", "selector: {app: other}"),
        ("selector: {app: web}", "selector: {app: web, tier: x}"),
        ("selector: {app: web}", "selector: null"),
        ("selector: {app: web}", "type: ExternalName\n  externalName: x\n  selector: {app: web}"),
        ("namespace: shop}\nspec:\n  selector: {app", "namespace: other}\nspec:\n  selector: {app"),
        ("- {name: http,", "- {name: wrong,"),
        ("{name: web, namespace", "{annotations: {harness.dev/leads-elsewhere: 'true'}, name: web, namespace"),
    ],
)
def test_a_service_that_may_lead_somewhere_is_taken(tmp_path: Path, replaced: str, by: str) -> None:
    text = SERVICE + DEPLOYMENT
    assert replaced in text
    (tmp_path / "a.yaml").write_text(text.replace(replaced, by, 1))

    assert len(load(tmp_path)) == 2


SIDE = "      initContainers: [{name: side, HERE ports: [{name: wrong, containerPort: 81}]}]\n"


def test_a_sidecar_has_ports_for_services(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE + DEPLOYMENT + SIDE.replace("HERE", "restartPolicy: Always,"))

    assert len(load(tmp_path)) == 2


def test_what_ends_before_the_pod_is_ready_has_none(tmp_path: Path) -> None:
    assert "wrong is no port of the pods" in refused(tmp_path, SERVICE + DEPLOYMENT + SIDE.replace("HERE", ""))


def test_it_is_enough_that_one_of_the_workloads_has_the_port(tmp_path: Path) -> None:
    second = DEPLOYMENT.replace("name: web, namespace", "name: two, namespace").replace("name: http,", "name: wrong,")
    (tmp_path / "a.yaml").write_text(SERVICE + DEPLOYMENT + second)

    assert len(load(tmp_path)) == 3


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
@pytest.mark.parametrize(
    "asks",
    [
        "livenessProbe: {httpGet: {port: wrong}}",
        "readinessProbe: {tcpSocket: {port: wrong}}",
        "startupProbe: {httpGet: {port: wrong}}",
        "lifecycle: {preStop: {httpGet: {port: wrong}}}",
    ],
)
def test_a_probe_is_about_its_own_container(tmp_path: Path, asks: str, kind: str) -> None:
    pod = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  containers: [{{name: other, ports: [{{name: wrong, containerPort: 1}}]}}]
  {kind}:
    - name: app
      ports: [{{name: http, containerPort: 8080}}]
      {asks}
"""
    if kind == "containers":
        pod = pod.replace("  containers: [{name: other, ports: [{name: wrong, containerPort: 1}]}]\n", "")

    told = refused(tmp_path, pod)

    assert told.startswith(f"{8 if kind == 'containers' else 9}: Pod/web: spec.{kind}[0].")
    assert told.endswith(f".port: wrong is no port of its container, which has http: {FIX}")
    (tmp_path / "a.yaml").write_text(pod.replace("port: wrong}}", "port: http}}"))
    assert len(load(tmp_path)) == 1


def test_a_container_without_ports_is_said_to_have_none(tmp_path: Path) -> None:
    probed = DEPLOYMENT.partition("          ports:")[0] + "          livenessProbe: {httpGet: {port: http}}\n"

    assert "which has no named port: " in refused(tmp_path, probed)
