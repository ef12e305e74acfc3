"""What of a Secret's value is secret by itself, and the ways in which it may be written. Pure."""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote, quote_plus, unquote

SHORTEST: Final = 6
"""Shorter values stand in too many other words to be looked for; in a Secret itself they are removed all the same."""

_SHORTEST_LINE: Final = 8
_SHORTEST_WITHIN: Final = 8
_DEEPEST: Final = 3
_WRAPPED: Final = (76, 64)  # as base64(1) and PEM break their lines
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
# user:password@host, in a URL or alone. A password may itself hold an @ that nobody has encoded.
_USERINFO: Final = (re.compile(r"(?:^|//|[\s\"'=])[^\s/:@\"']*:([^\s@/]+)@"), re.compile(r"//[^\s/:@]*:(\S+)@"))
_LINE: Final = re.compile(r"(?m)^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*[=:](?!//)[ \t]*(\S.*?)[ \t\r]*$")
_PAIR: Final = re.compile(
    r"(?i)(?:pass|pwd|\bpw|secret|token|credential|key|auth)[\w.-]*[\"']?\s*[=:]\s*"
    r"(?:\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|([^\s;,&\"']+))"
)


def parts(text: str, depth: int = 0) -> Iterator[str]:
    """What a program may take out of the value and print alone: fields of JSON, lines, passwords of URLs and DSNs."""
    if depth > _DEEPEST:
        return
    document: object = None
    with suppress(ValueError, RecursionError):
        document = json.loads(text, parse_int=str, parse_float=str)
    inner = [*_leaves(document)]
    # A value of several lines is indented in YAML, and a log puts a time before each.
    inner += [line.strip() for line in text.splitlines() if len(line.strip()) >= _SHORTEST_LINE]
    inner += [_unquoted(found[1]) for found in _LINE.finditer(text)] if "\n" in text.strip() or ":" in text else []
    with suppress(binascii.Error, UnicodeDecodeError, ValueError):
        if _BASE64.fullmatch(text):
            decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if {*"-_"} & {*text} else None)
            inner += [one for one in (decoded.decode(),) if one.isprintable()]
    for one in inner:
        if one != text:
            yield one
            yield from parts(one, depth + 1)
    for pattern in (*_USERINFO, _PAIR):
        for found in pattern.finditer(text):
            one = next(group for group in found.groups() if group is not None)
            yield from (one, unquote(one), re.sub(r"\\(.)", r"\1", one))


def _leaves(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for one in document.values() if isinstance(document, dict) else document:
            yield from _leaves(one)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def ways(text: str) -> Iterator[str]:
    """The ways in which YAML, JSON, URLs, shells and programs write a text."""
    as_json = json.dumps(text)[1:-1]
    as_is = json.dumps(text, ensure_ascii=False)[1:-1]
    yield from (text, as_json, as_is, json.dumps(as_json)[1:-1], json.dumps(as_is, ensure_ascii=False)[1:-1])
    yield as_is.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")  # as Go does
    # In double quotes YAML escapes what it takes for unprintable: all beyond ASCII, or what Go's does beyond 16 bits.
    for pattern in (r"[^\x00-\x7e]", r"[^\x00-\uffff]"):
        yield re.sub(pattern, lambda found: _yaml_escape(ord(found[0])), as_is)
    yield from (text.replace("'", "''"), text.replace("'", "'\\''"), repr(text)[1:-1], html.escape(text))
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield from (quoted, re.sub("%..", lambda found: found[0].lower(), quoted))


def _yaml_escape(code: int) -> str:
    letter, digits = next(one for one in (("x", 2), ("u", 4), ("U", 8)) if code < 16 ** one[1])
    return f"\\{letter}{code:0{digits}X}"


def encodings(value: bytes) -> Iterator[str]:
    """The value in base64, also wrapped, and as it stands within the base64 of a longer text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(value).decode()
        yield from (encoded, encoded.rstrip("="))
        for width in _WRAPPED:
            lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
            yield from (line for line in lines if len(lines) > 1 and len(line) >= 2 * _SHORTEST_WITHIN)
        for before in range(3):
            # Of the first and the last characters some bits are the neighbours'.
            whole = encode(b"\0" * before + value).decode().rstrip("=")
            within = whole[(before * 8 + 5) // 6 : (before + len(value)) * 8 // 6]
            if len(within) >= _SHORTEST_WITHIN:
                yield within
