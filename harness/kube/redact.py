"""Taking the values of Secrets out of text that is kept. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import quote

from harness.kube.kubectl import JsonObject

SHORTEST: Final = 6
"""Shorter values stand in too many other words to be looked for; in a Secret itself they are removed all the same."""

_SHORTEST_LINE: Final = 16
_PUBLIC_KEYS: Final = {"ca.crt", "namespace"}  # of a ServiceAccount's token Secret: what every pod may know
_SECRETIVE: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), "<private key>"),
    (re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "<token>"),
    (re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{16,}"), r"\1<token>"),
)


class Redactor:
    """Removes the values of Secrets from text, as they are, in base64, and as JSON and URLs write them.

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
                    self._placeholders.setdefault(form, placeholder)
        longest_first = sorted(self._placeholders, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """The text without them: each replaced by ``<secret namespace/name:key>``."""
        if self._pattern:
            text = self._pattern.sub(lambda found: self._placeholders[found[0]], text)
        for pattern, placeholder in _SECRETIVE:
            text = pattern.sub(placeholder, text)
        return text


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
    yield encoded
    yield encoded.rstrip("=")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    if text.strip() in public:
        return
    written = {text, text.strip(), json.dumps(text)[1:-1], quote(text, safe="")}
    # A value of several lines is indented in YAML: its lines are then looked for one by one.
    written |= {line.strip() for line in text.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
    yield from (form for form in written if len(form) >= SHORTEST and not form.startswith("-----"))


def public_words(bodies: Iterable[JsonObject]) -> frozenset[str]:
    """The words by which objects are known: names, namespaces, labels, containers, images."""
    words: set[str] = set()
    for body in bodies:
        meta = body["metadata"]
        words |= {meta["name"], meta.get("namespace", ""), *meta.get("labels", {}), *meta.get("labels", {}).values()}
        for container in body.get("spec", {}).get("containers", ()):
            words |= {container["name"], *re.split(r"[/:@]", container.get("image", ""))}
    return frozenset(words)
