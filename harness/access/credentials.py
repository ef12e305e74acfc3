"""Real credentials for those who ask: certificates by the cluster's own signer, tokens by TokenRequest.

Each lasts an hour at most, and lies in memory only. Who cannot have one is impersonated, and that is said.
"""

import base64
import ssl
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.access.matrix import Who
from harness.access.request import ANONYMOUS, AUTHENTICATED, Identity
from harness.errors import ManifestError, ProbeError, WaitTimeout
from harness.kube.client import Api, ApiError
from harness.kube.kubectl import JsonObject
from harness.kube.wait import wait_until

SIGNER: Final = "kubernetes.io/kube-apiserver-client"
LIFE_SECONDS: Final = 3600
SIGN_SECONDS = 10.0
"""How long a signer may take before there is taken to be none."""

_REQUESTS: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_REFUSED: Final = range(400, 500)


class How(StrEnum):
    """How somebody shows who he is."""

    CERTIFICATE = "client certificate"
    TOKEN = "ServiceAccount token"  # noqa: S105 -- its name, not one
    IMPERSONATED = "impersonation"
    ANONYMOUS = "no credential"


@dataclass(frozen=True)
class Credential:
    """What a connection shows: ``tls`` with a client certificate, ``headers`` with a token or who is impersonated.

    ``why`` says why there is no real one; ``uid`` is that of the ServiceAccount whose token it is.
    """

    how: How
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    why: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.how} ({self.why})" if self.why else f"{self.how}"


def credentials(api: Api, everybody: Iterable[Who]) -> dict[Who, Credential]:
    """A credential for each of some, as ``credential_of`` has it, a few at a time."""
    known = tuple(everybody)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(known, pool.map(lambda who: credential_of(api, who), known), strict=True))


def credential_of(api: Api, who: Who) -> Credential:
    """A credential of somebody, by an administrator's ``api``; it is not yet shown to be his (``callers.prove``).

    A CertificateSigningRequest is made for it and deleted again. Raises ManifestError for a ServiceAccount that is not
    there, and ApiError where the server does not answer.
    """
    if who.identity.name == ANONYMOUS:
        return Credential(How.ANONYMOUS, api.trust())
    account = who.identity.as_account
    try:
        if account:
            token, uid = _token(api, who, *account)
            return Credential(How.TOKEN, api.trust(), (("Authorization", f"Bearer {token}"),), uid=uid)
        return Credential(How.CERTIFICATE, _certified(api, who.identity))
    except ApiError as error:
        if error.status not in _REFUSED:
            raise
        why = error.output
    except (WaitTimeout, ProbeError, ValueError) as error:  # ValueError: no certificate can hold such a name
        why = str(error)
    return impersonation(api, who.identity, why)


def is_outlived(api: Api, who: Who, credential: Credential) -> bool:
    """Whether it is the token of a ServiceAccount that is gone: one of that name may have been made anew."""
    account = who.identity.as_account
    if not account or not credential.uid:
        return False
    found = api.find(_account(*account))
    return found is None or found["metadata"]["uid"] != credential.uid


def _account(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"


def impersonation(api: Api, identity: Identity, why: str = "") -> Credential:
    """The administrator's own credential, with the headers that let him ask as another."""
    groups = (("Impersonate-Group", group) for group in sorted(identity.groups - {AUTHENTICATED}))
    headers = (*api.credentials().items(), ("Impersonate-User", identity.name), *groups)
    return Credential(How.IMPERSONATED, None, headers, why)


def _token(api: Api, who: Who, namespace: str, name: str) -> tuple[str, str]:
    """A token of a ServiceAccount, and the account's UID."""
    path = _account(namespace, name)
    account = api.find(path)
    if account is None:
        raise ManifestError(
            who.at or who.name, str(who.identity), "is not on the cluster: correct its name, or create it"
        )
    answer = api.post(f"{path}/token", {"spec": {"expirationSeconds": LIFE_SECONDS}})
    return str(answer["status"]["token"]), str(account["metadata"]["uid"])


def _certified(api: Api, identity: Identity) -> ssl.SSLContext:
    """TLS with a client certificate: the name is its common name, and its groups are its organizations."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(api, signing_request(identity, key))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    tls = api.trust()
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:  # for the moment that OpenSSL needs to read it
        file = Path(folder) / "both.pem"
        file.write_bytes(certificate + private)
        tls.load_cert_chain(file)
    return tls


def signing_request(identity: Identity, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate signing request, PEM, for a user in his groups. Raises ValueError for a name that none can hold."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, identity.name)]
    names += [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in sorted(identity.groups - {AUTHENTICATED})
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def _signed(api: Api, pem: bytes) -> bytes:
    """What the cluster's signer makes of a signing request. Raises ApiError, WaitTimeout, ProbeError."""
    made = api.post(
        _REQUESTS,
        {
            "metadata": {"generateName": "harness-access-"},
            "spec": {
                "request": base64.b64encode(pem).decode(),
                "signerName": SIGNER,
                "expirationSeconds": LIFE_SECONDS,
                "usages": ["client auth", "digital signature"],
            },
        },
    )
    path = f"{_REQUESTS}/{made['metadata']['name']}"
    try:
        approval = {"type": "Approved", "status": "True", "reason": "Harness", "message": "for a proof of access"}
        api.put(f"{path}/approval", {**made, "status": {"conditions": [approval]}})
        return wait_until(f"{SIGNER} to sign a certificate", lambda: signed(api.get(path)), seconds=SIGN_SECONDS)
    finally:
        with suppress(ApiError):  # what may not be deleted goes by itself after an hour
            api.delete(path)


def signed(request: JsonObject) -> bytes | None:
    """The certificate, PEM, in a CertificateSigningRequest; None as long as there is none. Raises ProbeError."""
    status = request.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] in ("Denied", "Failed"):
            raise ProbeError(f"{SIGNER} signs no certificate: {condition['type']}: {condition.get('message', '')}")
    certificate = status.get("certificate")
    return base64.b64decode(certificate) if certificate else None
