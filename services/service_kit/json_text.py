"""JSON in and out with exact decimals, and the reading of request bodies."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NoReturn

import simplejson

from services.service_kit.money import MINOR_UNITS, BadAmount, Money

BODY_LIMIT: Final = 64 * 1024
ID_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
_CODE = re.compile("[A-Z]{3}")
_ID = re.compile(ID_PATTERN, re.ASCII)


class BadRequest(Exception):
    """A request that cannot be understood; the message is the reason the caller gets, with status 400."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def loads(text: str | bytes) -> object:
    """Parse JSON; every number is a Decimal. Raises ValueError for anything else, NaN and Infinity included."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        value: object = simplejson.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ArithmeticError:
        raise ValueError("a number is out of range") from None
    return value


def dumps(value: object) -> str:
    """Compact JSON; a Decimal becomes a number with all its digits."""
    return simplejson.dumps(value, use_decimal=True, separators=(",", ":"))


def read_object(body: bytes) -> Mapping[str, object]:
    """The request's body as an object; raises BadRequest."""
    if not body.strip():
        raise BadRequest("the body is empty; send a JSON object")
    try:
        value = loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest("the body is not a JSON object")
    return value


def read_id(fields: Mapping[str, object], name: str) -> str:
    """An invoice's id; raises BadRequest."""
    if name not in fields:
        raise BadRequest(f"{name} is missing")
    value = fields[name]
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string")
    if not is_id(value):
        raise BadRequest(
            f"{name} must be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and begin with a letter or digit"
        )
    return value


def is_id(text: str) -> bool:
    """Whether an invoice may have this id: safe in a path, a log and a header, and no larger than an index likes."""
    return _ID.fullmatch(text) is not None


def read_unlisted(fields: Mapping[str, object], *, value: str, currency: str) -> Money | None:
    """The amount from the two named fields in a currency that is not on the list; None when there is none such.

    Nothing new is made of it. But what was accepted while the list had the currency may be asked for once more.
    """
    amount, code = fields.get(value), fields.get(currency)
    if isinstance(amount, Decimal) and isinstance(code, str) and _CODE.fullmatch(code) and code not in MINOR_UNITS:
        return Money(amount, code)
    return None


def read_money(fields: Mapping[str, object], *, value: str, currency: str) -> Money:
    """The amount from the two named fields; raises BadRequest that names the field."""
    for name in (value, currency):
        if name not in fields:
            raise BadRequest(f"{name} is missing")
    amount, code = fields[value], fields[currency]
    if not isinstance(amount, Decimal):
        raise BadRequest(f"{value} must be a number")
    if not isinstance(code, str):
        raise BadRequest(f"{currency} must be a string")
    try:
        return Money.of(amount, code)
    except BadAmount as error:
        raise BadRequest(str(error)) from None
