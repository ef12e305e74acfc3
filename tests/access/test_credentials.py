"""Credentials: what is asked for, what is impersonated instead, and that nothing of it stays."""

import base64
import datetime as dt
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.access import credentials as module
from harness.access.credentials import (
    Credential,
    How,
    credential_of,
    credentials,
    is_outlived,
    signed,
    signing_request,
)
from harness.access.matrix import Who
from harness.access.request import Identity
from harness.errors import ManifestError, ProbeError
from harness.kube.client import ApiError

from .fakes import FakeApi, refusal

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
ONE = f"{REQUESTS}/harness-access-1"
ACCOUNT = "/api/v1/namespaces/invoice/serviceaccounts/invoice-app"
ANNA = Who("anna", Identity.user("anna", ["team-invoice", "on-call"]), at="expected.yaml:3")
APP = Who("app", Identity.account("invoice", "invoice-app"), at="expected.yaml:5")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Signer:
    """Signs what it is asked to sign, with a key of its own."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = {}
        self.key = ec.generate_private_key(ec.SECP256R1())

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        self.spec = body["spec"]
        return {**body, "metadata": {"name": "harness-access-1"}}

    def sign(self, _: object) -> dict[str, Any]:
        request = x509.load_pem_x509_csr(base64.b64decode(self.spec["request"]))
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster")]))
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(hours=1))
            .sign(self.key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return {"status": {"certificate": base64.b64encode(pem).decode()}}


def cluster(signer: Signer, **changed: Any) -> FakeApi:  # noqa: ANN401 -- an answer
    """One with a signer, and a ServiceAccount. ``changed`` are other answers: by ``create``, ``approve``, ``get``."""
    return FakeApi(
        {
            ("POST", REQUESTS): changed.get("create", signer.create),
            ("PUT", f"{ONE}/approval"): changed.get("approve", {}),
            ("GET", ONE): changed.get("get", signer.sign),
            ("DELETE", ONE): {},
            ("GET", ACCOUNT): changed.get("account", {"kind": "ServiceAccount", "metadata": {"uid": "one"}}),
            ("POST", f"{ACCOUNT}/token"): changed.get("token", {"status": {"token": "t0ken"}}),
        }
    )


def test_a_user_gets_a_certificate_for_an_hour_by_the_clusters_own_signer_and_approval(folder: Path) -> None:
    signer = Signer()
    api = cluster(signer)

    found = credential_of(api.real, ANNA)

    assert found.how is How.CERTIFICATE
    assert isinstance(found.tls, ssl.SSLContext)
    assert signer.spec["signerName"] == "kubernetes.io/kube-apiserver-client"
    assert signer.spec["expirationSeconds"] == 3600
    assert "client auth" in signer.spec["usages"]
    [approval] = [body for method, path, body in api.asked if (method, path) == ("PUT", f"{ONE}/approval")]
    assert approval["status"]["conditions"][0]["type"] == "Approved"
    assert ("DELETE", ONE, None) in api.asked
    assert list(folder.iterdir()) == []


def test_a_signing_request_names_the_user_and_his_groups_but_not_what_is_implied() -> None:
    pem = signing_request(ANNA.identity, ec.generate_private_key(ec.SECP256R1()))

    subject = x509.load_pem_x509_csr(pem).subject
    assert [one.value for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["anna"]
    assert [one.value for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        "on-call",
        "team-invoice",
    ]


def test_a_service_account_gets_a_token_for_an_hour() -> None:
    api = cluster(Signer())

    found = credential_of(api.real, APP)

    assert (found.how, found.headers) == (How.TOKEN, (("Authorization", "Bearer t0ken"),))
    assert ("POST", f"{ACCOUNT}/token", {"spec": {"expirationSeconds": 3600}}) in api.asked


def test_a_token_is_outlived_once_its_account_is_another_or_gone() -> None:
    found = credential_of(cluster(Signer()).real, APP)

    assert not is_outlived(cluster(Signer()).real, APP, found)
    assert is_outlived(cluster(Signer(), account={"metadata": {"uid": "another"}}).real, APP, found)
    assert is_outlived(FakeApi({}).real, APP, found)
    assert not is_outlived(FakeApi({}).real, ANNA, credential_of(cluster(Signer()).real, ANNA))


def test_a_service_account_that_is_not_there_is_an_error_where_it_is_written() -> None:
    with pytest.raises(ManifestError, match=r"expected\.yaml:5: ServiceAccount invoice/invoice-app: is not on the"):
        credential_of(FakeApi({}).real, APP)


def test_the_anonymous_show_nothing() -> None:
    found = credential_of(FakeApi({}).real, Who("anonymous", Identity.anonymous()))

    assert (found.how, found.headers) == (How.ANONYMOUS, ())
    assert found.tls is not None


IMPERSONATED = (
    ("Authorization", "Bearer admin"),
    ("Impersonate-User", "anna"),
    ("Impersonate-Group", "on-call"),
    ("Impersonate-Group", "team-invoice"),
)


def failed(kind: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Approved"}, {"type": kind, "message": "not here"}]}}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"create": refusal(403, "may not create")}, "may not create"),
        ({"approve": refusal(403, "may not approve")}, "may not approve"),
        ({"get": failed("Failed")}, "Failed: not here"),
        ({"get": failed("Denied")}, "Denied: not here"),
        ({"get": {"status": {"conditions": [{"type": "Approved"}]}}}, "waited 0 s for kubernetes.io/kube-apiserver"),
    ],
)
def test_who_can_have_no_certificate_is_impersonated_and_it_is_said_why(
    changed: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIGN_SECONDS", 0.0)
    api = cluster(Signer(), **changed)

    found = credential_of(api.real, ANNA)

    assert (found.how, found.headers) == (How.IMPERSONATED, IMPERSONATED)
    assert why in found.why
    assert str(found).startswith("impersonation (")
    assert ("create" in changed) or ("DELETE", ONE, None) in api.asked


def test_a_name_that_no_certificate_can_hold_is_impersonated() -> None:
    long = Who("long", Identity.user("x" * 65))

    assert credential_of(cluster(Signer()).real, long).how is How.IMPERSONATED


def test_a_service_account_whose_token_is_refused_is_impersonated_with_all_its_groups() -> None:
    found = credential_of(cluster(Signer(), token=refusal(403, "may not create tokens")).real, APP)

    assert (found.how, found.why) == (How.IMPERSONATED, "may not create tokens")
    assert found.headers[1:] == (
        ("Impersonate-User", "system:serviceaccount:invoice:invoice-app"),
        ("Impersonate-Group", "system:serviceaccounts"),
        ("Impersonate-Group", "system:serviceaccounts:invoice"),
    )


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_server_that_is_in_trouble_is_no_reason_to_impersonate(status: int) -> None:
    with pytest.raises(ApiError):
        credential_of(cluster(Signer(), create=refusal(status)).real, ANNA)


def test_nothing_of_a_credential_shows_where_it_is_printed() -> None:
    found = credential_of(cluster(Signer()).real, APP)

    assert "t0ken" not in repr(found)
    assert "t0ken" not in str(found)


def test_everybody_gets_his_own() -> None:
    found = credentials(cluster(Signer()).real, [ANNA, APP])

    assert {who.name: one.how for who, one in found.items()} == {"anna": How.CERTIFICATE, "app": How.TOKEN}
    assert credentials(FakeApi({}).real, []) == {}


def test_a_certificate_is_awaited_until_it_is_there_or_will_never_be() -> None:
    assert signed({}) is None
    assert signed({"status": {"conditions": [{"type": "Approved"}]}}) is None
    assert signed({"status": {"certificate": base64.b64encode(b"pem").decode()}}) == b"pem"
    with pytest.raises(ProbeError, match="Failed"):
        signed(failed("Failed"))


def test_credentials_are_values() -> None:
    assert Credential(How.ANONYMOUS) == Credential(How.ANONYMOUS)
