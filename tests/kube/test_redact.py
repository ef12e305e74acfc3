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


LONG = "a passphrase of 'many' words & <signs>, long enough that every writer of YAML folds it: swan river 42"


@pytest.mark.parametrize(
    "written",
    [
        LONG.replace("folds it: ", "folds it:\n      "),
        LONG.replace(" words", " words\n  ").replace(": swan", ":\n\tswan"),
        LONG.replace("'", "''").replace(" long", "\n    long"),
        json.dumps(LONG)[1:-1].replace(" every", "\\\n    \\ every"),
        LONG.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
        LONG.replace(" ", "+")
        .replace("'", "%27")
        .replace("&", "%26")
        .replace("<", "%3C")
        .replace(">", "%3E")
        .replace(",", "%2C")
        .replace(":", "%3A"),
        quote(LONG, safe="").replace("%2C", "%2c").replace("%3A", "%3a").replace("%3C", "%3c").replace("%3E", "%3e"),
    ],
    ids=["folded", "twice", "single quotes", "double quotes", "Go", "form", "small hex digits"],
)
def test_a_long_value_is_found_however_it_is_folded_and_quoted(written: str) -> None:
    assert Redactor([secret(phrase=LONG)])(f"a: {written}") == "a: <secret invoice/login:phrase>"


PART = "plum-otter-41-kite"


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"password": PART}),
        json.dumps({"a": [{"b": [1, None, PART]}], "c": True}, indent=2),
        json.dumps({"inner": json.dumps({"deep": PART})}),
        json.dumps({"auths": {"registry": {"auth": base64.b64encode(f"ann:{PART}".encode()).decode()}}}),
        json.dumps([PART]),
        json.dumps(PART),
        f"postgres://ann:{PART}@db.internal:5432/orders?sslmode=require",
        f"redis://:{PART}@cache:6379/0",
        f"ann:{PART}@tcp(db:3306)/orders",
        f"amqp://ann:{PART.replace('-', '%2D')}@queue",
        f"host=db user=ann password={PART} dbname=orders",
        f"host=db user=ann password='{PART}' dbname=orders",
        f"Server=db;User Id=ann;Pwd={PART};",
        f"jdbc:postgresql://db/orders?user=ann&password={PART}",
        f"# a file\nexport A_B={PART}\n",
        f"client:\n  login: ann\n  secret: '{PART}'\n",
        f"ann:{PART}",
        f"first-one-of-many\n{PART}\n",
    ],
)
def test_a_part_of_a_value_that_stands_alone_is_found(value: str) -> None:
    redact = Redactor([secret(config=value)])
    inside = base64.b64encode(f"some{PART}thing".encode()).decode()

    for written in (PART, quote(PART, safe=""), base64.b64encode(PART.encode()).decode(), f"log({PART!r})"):
        assert "<secret invoice/login:config>" in redact(f"x {written} y")
        assert written not in redact(f"x {written} y")
    assert inside not in redact(inside)


def test_a_number_in_json_is_a_value_too() -> None:
    assert "87654321" not in Redactor([secret(config='{"pin": 87654321}')])("the pin is 87654321")


def test_public_words_within_a_value_stay() -> None:
    redact = Redactor([secret(config='{"host": "invoice-db", "password": "plum-otter"}')], frozenset({"invoice-db"}))

    assert redact("plum-otter at invoice-db") == "<secret invoice/login:config> at invoice-db"


def test_long_base64_is_found_though_it_is_wrapped() -> None:
    encoded = base64.b64encode(bytes(range(1, 200))).decode()
    wrapped = "\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    data = {"metadata": {"name": "s", "namespace": "n"}, "data": {"k": encoded}}

    assert not [line for line in wrapped.split("\n") if line in Redactor([data])(wrapped)]


def test_the_texts_of_an_object_are_redacted_and_its_keys_stay() -> None:
    redact = Redactor([secret(password=PASSWORD)])

    assert redact.tree({"a": [PASSWORD, 1, None], "b": True}) == {
        "a": ["<secret invoice/login:password>", 1, None],
        "b": True,
    }


@pytest.mark.parametrize("written", [r"\xE9\u4E2D\U0001F600", r"é中\U0001F600", r"\u00e9\u4e2d\ud83d\ude00", "é中😀"])
def test_what_is_beyond_ascii_is_found_as_yaml_and_json_escape_it(written: str) -> None:
    redact = Redactor([secret(phrase="é中😀 and more")])

    assert redact(f'a: "{written} and\n    more"') == 'a: "<secret invoice/login:phrase>"'
