"""The certificate authority of one cluster, what it signs, and kubeconfigs made of it.

Each cluster has its own: a template holds none, so no credential of one cluster opens another.
"""

import base64
import datetime as dt
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=30)
CLOCK_SKEW = dt.timedelta(minutes=5)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, never readable in between."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


@dataclass(frozen=True)
class Credential:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A new certificate authority, its certificate and key kept in ``folder`` as ``file``.crt and .key."""

    def __init__(self, folder: Path, file: str = "ca", common_name: str = "kubernetes") -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = dt.datetime.now(dt.UTC)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)
        (folder / f"{file}.crt").write_bytes(self.pem)
        write_private(folder / f"{file}.key", _private_pem(self._key))

    def issue(self, common_name: str, organization: str | None = None, names: Sequence[str] = ()) -> Credential:
        """Sign a certificate for clients and servers; ``names`` are the DNS names and addresses that it serves."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization:
            subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        now = dt.datetime.now(dt.UTC)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Credential(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key))

    def issue_file(
        self, file: str, common_name: str, organization: str | None = None, names: Sequence[str] = ()
    ) -> None:
        """As ``issue``, written to ``file``.crt and ``file``.key beside the authority's own."""
        credential = self.issue(common_name, organization, names)
        (self._folder / f"{file}.crt").write_bytes(credential.certificate)
        write_private(self._folder / f"{file}.key", credential.key)

    def kubeconfig(self, path: Path, server: str, common_name: str, organization: str | None = None) -> None:
        """Write a kubeconfig for a new client of that name, its credential inside."""
        credential = self.issue(common_name, organization)
        name = "harness"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(self.pem)}},
            ],
            "users": [
                {
                    "name": common_name,
                    "user": {
                        "client-certificate-data": _base64(credential.certificate),
                        "client-key-data": _base64(credential.key),
                    },
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": name, "user": common_name}}],
            "current-context": name,
        }
        write_private(path, json.dumps(document, indent=1).encode())


def service_account_keys(folder: Path) -> None:
    """Write ``sa.key`` and ``sa.pub``, with which ServiceAccount tokens are signed and checked."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_private(folder / "sa.key", _private_pem(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
