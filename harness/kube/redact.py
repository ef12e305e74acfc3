"""Taking the values of Secrets out of text that is kept. Pure."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from harness.kube.kubectl import JsonObject
from harness.kube.secretive import SHORTEST, encodings, parts, ways

_PUBLIC_KEYS: Final = {"ca.crt", "namespace"}  # of a ServiceAccount's token Secret: what every pod may know
_SECRETIVE: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), "<private key>"),
    (re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "<token>"),
    (re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{16,}"), r"\1<token>"),
)


# Where a text has blanks, what shows it may break the line and indent the next one, as YAML does.
_BLANKS: Final = re.compile(r"\\?\s+(?:\\\s+)?")


class Redactor:
    """Removes the values of Secrets from text: in base64, as YAML, JSON and URLs write them, whole and in their parts.

    A part is what a program may take out of a value and print alone: a field of JSON, a line, a DSN's password.
    ``public`` are words that are no secret though a Secret may hold them too (a database named as its namespace is):
    taking those out would make the text useless. Private keys and tokens go by their form, whoever they belong to.
    """

    def __init__(self, secrets: Iterable[JsonObject] = (), public: AbstractSet[str] = frozenset()) -> None:
        self._placeholders: dict[str, str] = {}
        for secret in secrets:
            for key, encoded in _values(secret):
                meta = secret["metadata"]
                placeholder = f"<secret {meta.get('namespace', '')}/{meta['name']}:{key}>"
                for form in _forms(encoded, public):
                    self._placeholders.setdefault(_BLANKS.sub(" ", form), placeholder)
        longest_first = sorted(self._placeholders, key=len, reverse=True)
        # By the longest word of each: finding that is fast, and most are not there.
        self._patterns = [(max(form.split(" "), key=len), _pattern(form)) for form in longest_first]

    def __call__(self, text: str) -> str:
        """The text without them: each replaced by ``<secret namespace/name:key>``."""
        there = [pattern for word, pattern in self._patterns if word in text]
        if there:
            text = re.sub(
                "|".join(there), lambda found: self._placeholders.get(_BLANKS.sub(" ", found[0]), "<secret>"), text
            )
        for pattern, placeholder in _SECRETIVE:
            text = pattern.sub(placeholder, text)
        return text

    def tree(self, value: Any) -> Any:  # noqa: ANN401 -- JSON
        """The same for each text in a JSON value; the keys stay."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.tree(one) for key, one in value.items()}
        return [self.tree(one) for one in value] if isinstance(value, list) else value


def _pattern(form: str) -> str:
    return _BLANKS.pattern.join(map(re.escape, form.split(" ")))


def _values(secret: JsonObject) -> Iterator[tuple[str, str]]:
    """(key, value in base64) of everything that a Secret holds."""
    of_account = secret.get("type") == "kubernetes.io/service-account-token"
    for key, value in (secret.get("data") or {}).items():
        if not (of_account and key in _PUBLIC_KEYS):
            yield key, value
    for key, value in (secret.get("stringData") or {}).items():
        yield key, base64.b64encode(value.encode()).decode()


def _forms(encoded: str, public: AbstractSet[str]) -> Iterator[str]:
    """The ways in which a value may be written."""
    try:
        value = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        value = encoded.encode()
    if len(value) < SHORTEST:
        return
    yield from (encoded, encoded.rstrip("="))
    yield from encodings(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    secret = {one.strip() for one in (text, *parts(text)) if text.strip() not in public}
    # The lines of a certificate or a key are many, and nobody prints one of them in base64 of its own.
    encode = not text.lstrip().startswith("-----BEGIN ")
    for one in secret - public:
        if len(one) >= SHORTEST:
            yield from (way for way in ways(one) if len(way.strip()) >= SHORTEST and not way.startswith("-----"))
            yield from encodings(one.encode()) if encode else ()


def public_words(bodies: Iterable[JsonObject]) -> frozenset[str]:
    """The words by which objects are known: names, namespaces, labels, containers, images."""
    words: set[str] = set()
    for body in bodies:
        meta = body["metadata"]
        words |= {meta["name"], meta.get("namespace", ""), *meta.get("labels", {}), *meta.get("labels", {}).values()}
        for container in body.get("spec", {}).get("containers", ()):
            words |= {container["name"], *re.split(r"[/:@]", container.get("image", ""))}
    return frozenset(words)
