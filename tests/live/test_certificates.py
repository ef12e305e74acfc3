"""Client certificates by CertificateSigningRequest."""

import base64
import datetime as dt
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.clusters.provider import Cluster
from harness.errors import CommandError
from harness.kube.client import Api
from harness.kube.kubectl import Kubectl
from harness.kube.wait import wait_until

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SECONDS = 3600


def test_a_signed_request_makes_a_user(cluster: Cluster, api: Api, namespace: str, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [(NameOID.ORGANIZATION_NAME, "team-live"), (NameOID.COMMON_NAME, "somebody")]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    request = asked.public_bytes(serialization.Encoding.PEM)
    created = api.post(
        REQUESTS,
        {
            "metadata": {"generateName": "live-"},
            "spec": {
                "request": base64.b64encode(request).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "expirationSeconds": SECONDS,
                "usages": ["client auth"],
            },
        },
    )
    path = f"{REQUESTS}/{created['metadata']['name']}"
    cluster.kubectl.run("certificate", "approve", created["metadata"]["name"])

    issued = wait_until(
        "the certificate to be signed",
        lambda: api.get(path).get("status", {}).get("certificate"),
        seconds=60,
        describe=lambda: str(api.get(path).get("status")),
    )
    api.delete(path)

    certificate = x509.load_pem_x509_certificate(base64.b64decode(issued))
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=SECONDS - 600) < left <= dt.timedelta(seconds=SECONDS)
    somebody = Kubectl(cluster.kubectl.binary, kubeconfig(cluster, base64.b64decode(issued), key, tmp_path))
    who = json.loads(somebody.run("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert who["username"] == "somebody"
    assert "team-live" in who["groups"]
    with pytest.raises(CommandError, match=r'User "somebody" cannot list resource "pods"'):
        somebody.run("get", "pods", "-n", namespace)
    grant = ("create", "rolebinding", "view", "--clusterrole=view", "--group=team-live")
    cluster.kubectl.run(*grant, "-n", namespace)
    wait_until("the group's role to be in force", lambda: allowed(somebody, namespace), seconds=60, interval=0.2)
    assert somebody.run("get", "pods", "-n", namespace, "-o", "name") == ""


def allowed(kubectl: Kubectl, namespace: str) -> bool:
    try:
        return kubectl.run("auth", "can-i", "list", "pods", "-n", namespace).strip() == "yes"
    except CommandError:  # "no" is exit status 1
        return False


def kubeconfig(cluster: Cluster, certificate: bytes, key: ec.EllipticCurvePrivateKey, folder: Path) -> Path:
    """The cluster's kubeconfig, with another user in it."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(pem).decode(),
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path
