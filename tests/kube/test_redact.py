"""The values of Secrets do not survive, and the rest does."""

import base64
import json
from urllib.parse import quote

import pytest

from harness.kube.kubectl import JsonObject
from harness.kube.redact import Redactor, public_words

pytestmark = pytest.mark.promise

PASSWORD = 'pa$$ "word"/1'  # noqa: S105 -- a test's own


def secret(kind: str = "Opaque", **values: str) -> JsonObject:
    data = {key.replace("__", "."): base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": "login", "namespace": "invoice"}, "type": kind, "data": data}


@pytest.mark.parametrize(
    "written",
    [
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
        json.dumps(PASSWORD)[1:-1],
        quote(PASSWORD, safe=""),
    ],
    ids=["plain", "base64", "unpadded", "json", "url"],
)
def test_a_value_is_found_in_each_way_of_writing_it(written: str) -> None:
    assert Redactor([secret(password=PASSWORD)])(f"a {written} b") == "a <secret invoice/login:password> b"


def test_the_longer_of_two_values_goes_first() -> None:
    redact = Redactor([secret(a="abcdef", b="abcdefghi")])

    assert redact("abcdefghi abcdef") == "<secret invoice/login:b> <secret invoice/login:a>"


def test_values_that_are_short_or_public_words_stay() -> None:
    redact = Redactor([secret(a="abc", b="invoice")], frozenset({"invoice"}))

    assert redact("abc invoice") == "abc invoice"
    assert redact("x" + base64.b64encode(b"invoice").decode()) == "x<secret invoice/login:b>"


def test_the_lines_of_a_long_value_are_found_though_they_are_indented() -> None:
    redact = Redactor([secret(file="user = somebody-known\npassword = very-much-hidden\n")])

    assert "hidden" not in redact("  file: |\n    user = somebody-known\n    password = very-much-hidden\n")


def test_plain_values_of_a_secret_that_is_yet_to_be_stored_count_too() -> None:
    redact = Redactor([{"metadata": {"name": "s"}, "stringData": {"k": "hidden-value"}}])

    assert redact("hidden-value") == "<secret /s:k>"


def test_binary_values_are_found_in_base64() -> None:
    data = base64.b64encode(b"\xff\xfe\x00\x01\x02\x03").decode()
    redact = Redactor([{"metadata": {"name": "s", "namespace": "n"}, "data": {"k": data}}])

    assert redact(f"k: {data}") == "k: <secret n/s:k>"


def test_the_authority_of_the_cluster_is_no_secret() -> None:
    token = secret("kubernetes.io/service-account-token", ca__crt="a certificate for all", token="a token for one")  # noqa: S106
    redact = Redactor([token])

    assert redact("a certificate for all, a token for one") == "a certificate for all, <secret invoice/login:token>"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token: eyJ{'a' * 20}.eyJ{'b' * 20}.{'c' * 20}", "token: <token>"),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwx", "Authorization: Bearer <token>"),
        ("-----BEGIN RSA PRIVATE KEY-----\n  abc\n  -----END RSA PRIVATE KEY-----", "<private key>"),
        (
            "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        ),
    ],
)
def test_tokens_and_private_keys_go_by_their_form(text: str, left: str) -> None:
    assert Redactor()(text) == left


def test_the_words_by_which_objects_are_known_are_public() -> None:
    body = {
        "metadata": {"name": "shop-1", "namespace": "shop", "labels": {"app": "store"}},
        "spec": {"containers": [{"name": "db", "image": "harness.dev/postgres:dev"}]},
    }

    assert {"shop-1", "shop", "app", "store", "db", "postgres"} <= public_words([body])
