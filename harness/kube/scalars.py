"""What a YAML scalar means to Kubernetes: the rules of go-yaml v2 and sigs.k8s.io/yaml, by which kubectl reads.

They are those of YAML 1.1 (``0644`` is octal, ``yes`` is true, ``1_000`` a number) with differences: times and numbers
to the base of 60 stay text, ``1e3`` needs no point, ``0o17`` is octal, and a number that no float can hold, such as
``3e846736``, is text. Sources: ``resolve.go`` and ``decode.go`` of go.yaml.in/yaml/v2, ``yaml.go`` of sigs.k8s.io/yaml.
"""

import base64
import binascii
import datetime as dt
import math
import re
import struct
from collections.abc import Mapping
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_STANDARD: Final = "tag:yaml.org,2002:"
_MAX_INT64: Final = 2**63 - 1
_MIN_INT64: Final = -(2**63)
_MAX_UINT64: Final = 2**64 - 1

_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FRACTION: Final = re.compile(r"\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[tT](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(?:Z|[-+]\d\d:\d\d)"
    r"|[ ](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?)?"
)


def plain(text: str) -> Scalar:
    """What ``text`` means where it stands without quotes and without a tag."""
    return _resolved(text)[1]


def tagged(tag: str, text: str) -> Scalar:
    """What ``text`` means under an explicit tag, quoted or not.

    Tags are whole (``tag:yaml.org,2002:int``); one that YAML does not define leaves the text as it is. Raises
    ValueError where the text is not of the tag's kind.
    """
    name = tag.removeprefix(_STANDARD)
    if name == "binary":
        return _binary(text)
    if name not in ("bool", "int", "float", "null", "timestamp"):
        return text
    if name == "timestamp":
        if not _is_time(text):
            raise ValueError(f"`{text}` is no time, as its tag !!timestamp says")
        return text
    kind, value = _resolved(text)
    if name == "float" and isinstance(value, int) and kind == "int" and value <= _MAX_INT64:
        return float(value)
    if kind != name:
        raise ValueError(f"`{text}` is not what its tag !!{name} says")
    return value


def key(value: object) -> str | None:
    """The text that a scalar becomes as a key of a mapping: JSON has no others. None for what may be no key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _key_of_float(value)
    if isinstance(value, int):
        return str(value) if value <= _MAX_INT64 else None
    return value if isinstance(value, str) else None


def _resolved(text: str) -> tuple[str, Scalar]:
    """The kind of a plain scalar, by its tag's name, and its value."""
    if text in _WORDS:
        return ("null" if _WORDS[text] is None else "bool"), _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        return "float", float(text.replace(".", "").lower())
    if text[0] in "+-0123456789":
        digits = text.replace("_", "")
        if _INTEGER.fullmatch(digits):
            number = _integer(digits)
            if _MIN_INT64 <= number <= (_MAX_INT64 if digits[0] in "+-" else _MAX_UINT64):
                return "int", number
        if _FLOAT.fullmatch(digits) and math.isfinite(value := float(digits)):
            return "float", value
    elif _FRACTION.fullmatch(text) and math.isfinite(value := float(text)):
        return "float", value
    return "str", text


def _integer(digits: str) -> int:
    """As Go's ``ParseInt`` with base 0: a leading zero means octal."""
    sign = -1 if digits[0] == "-" else 1
    number = digits.lstrip("+-")
    if number[:2].lower() in ("0x", "0b", "0o"):
        return sign * int(number, 0)
    return sign * int(number, 8 if number[0] == "0" else 10)


def _binary(text: str) -> str:
    """The text that base64 stands for; Go's JSON has U+FFFD for each byte that is not UTF-8."""
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("what is tagged !!binary is not base64") from error
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if not found:
        return False
    year, month, day, *clock = (int(one) for one in found.groups() if one is not None)
    try:
        dt.date(year or 4, month, day)
        hour, minute, second = clock or (0, 0, 0)
        dt.time(hour, minute, second)
    except ValueError:
        return False
    return True


def _key_of_float(value: float) -> str:
    """As Go's ``FormatFloat(value, 'g', -1, 32)``: the fewest digits that tell it from other floats of 32 bits."""
    single = _single(value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    attempts = (f"{single:.{precision}e}" for precision in range(10))  # a float of 32 bits has 9 digits at most
    mantissa, _, exponent = next(text for text in attempts if _single(float(text)) == single).partition("e")
    power = int(exponent)
    if -5 < power < 6:  # noqa: PLR2004 -- Go's own limits for the form without exponent
        digits = len(mantissa.partition(".")[2])
        return f"{single:.{max(digits - power, 0)}f}"
    return f"{mantissa}e{exponent}"


def _single(value: float) -> float:
    """The nearest float of 32 bits."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
