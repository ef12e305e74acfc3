import base64
import datetime as dt
import ipaddress
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.clusters.embedded import pki
from harness.clusters.embedded.pki import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


def certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_what_it_issues_is_signed_by_it(authority: Authority) -> None:
    leaf, own = certificate(authority.issue("someone").certificate), certificate(authority.pem)

    leaf.verify_directly_issued_by(own)
    own.verify_directly_issued_by(own)


def test_two_authorities_do_not_accept_each_others_certificates(tmp_path: Path) -> None:
    one, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    leaf = certificate(one.issue("someone").certificate)

    with pytest.raises(Exception, match=r".*") as refused:
        leaf.verify_directly_issued_by(certificate(other.pem))
    assert type(refused.value).__name__ == "InvalidSignature"


def test_two_authorities_share_no_key(tmp_path: Path) -> None:
    for name in ("one", "other"):
        Authority(tmp_path / name).issue_file("apiserver", "kube-apiserver")
        pki.service_account_keys(tmp_path / name)

    for file in ("ca.key", "apiserver.key", "sa.key", "sa.pub", "ca.crt"):
        assert (tmp_path / "one" / file).read_bytes() != (tmp_path / "other" / file).read_bytes()


def test_a_servers_certificate_names_its_addresses_and_its_names(authority: Authority) -> None:
    names = ("127.0.0.1", "localhost", "10.96.0.1", "kubernetes.default.svc")

    leaf = certificate(authority.issue("kube-apiserver", names=names).certificate)

    alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["localhost", "kubernetes.default.svc"]
    assert alternative.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("10.96.0.1"),
    ]


def test_a_certificates_subject_is_what_kubernetes_reads_user_and_group_from(authority: Authority) -> None:
    subject = certificate(authority.issue("system:node:node1", "system:nodes").certificate).subject

    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:node1"]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]


def test_a_certificate_serves_clients_and_servers_and_signs_nothing(authority: Authority) -> None:
    leaf = certificate(authority.issue("someone").certificate)

    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.BasicConstraints)


def test_a_certificate_is_good_now_and_on_a_machine_whose_clock_is_a_minute_behind(authority: Authority) -> None:
    leaf, now = certificate(authority.issue("someone").certificate), dt.datetime.now(dt.UTC)

    assert leaf.not_valid_before_utc <= now - dt.timedelta(minutes=1)
    assert leaf.not_valid_after_utc > now + dt.timedelta(days=7)


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue_file("apiserver", "kube-apiserver")
    pki.service_account_keys(tmp_path / "pki")
    authority.kubeconfig(tmp_path / "pki" / "admin.conf", "https://127.0.0.1:1", "admin")

    secret = [p for p in (tmp_path / "pki").iterdir() if p.suffix in {".key", ".conf"}]
    assert sorted(p.name for p in secret) == ["admin.conf", "apiserver.key", "ca.key", "sa.key"]
    assert {p.stat().st_mode & 0o777 for p in secret} == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_a_key_belongs_to_its_certificate(authority: Authority) -> None:
    credential = authority.issue("someone")

    key = load_pem_private_key(credential.key, password=None)

    assert key.public_key() == certificate(credential.certificate).public_key()


def test_the_service_accounts_keys_are_a_pair(tmp_path: Path) -> None:
    pki.service_account_keys(tmp_path)

    private = load_pem_private_key((tmp_path / "sa.key").read_bytes(), password=None)
    assert private.public_key() == load_pem_public_key((tmp_path / "sa.pub").read_bytes())


def test_a_kubeconfig_holds_all_that_its_user_needs(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "admin.conf"

    authority.kubeconfig(path, "https://127.0.0.1:16443", "kubernetes-admin", "system:masters")

    config = json.loads(path.read_text())
    [context] = [c["context"] for c in config["contexts"] if c["name"] == config["current-context"]]
    [cluster] = [c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"]]
    [user] = [u["user"] for u in config["users"] if u["name"] == context["user"]]
    assert cluster["server"] == "https://127.0.0.1:16443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == authority.pem
    leaf = certificate(base64.b64decode(user["client-certificate-data"]))
    leaf.verify_directly_issued_by(certificate(authority.pem))
    key = load_pem_private_key(base64.b64decode(user["client-key-data"]), password=None)
    assert key.public_key() == leaf.public_key()
