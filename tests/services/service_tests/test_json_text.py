from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.service_kit.json_text import BadRequest, dumps, is_id, loads, read_money, read_object


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_survives_the_way_to_json_and_back_digit_by_digit(value: Decimal) -> None:
    assert loads(dumps({"Value": value})) == {"Value": value}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"1",
        b"NaN",
        b'{"a": Infinity}',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a": 1e999999999999999999999}',
    ],
)
def test_what_is_no_json_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^the body is"):
        read_object(body)


@given(st.binary())
def test_no_bytes_break_the_reading_of_a_body(body: bytes) -> None:
    try:
        read_object(body)
    except BadRequest:
        return
    assert isinstance(loads(body), dict)


@pytest.mark.parametrize("value", [None, True, "1", [1], {}])
def test_a_value_that_is_no_number_is_a_bad_request(value: object) -> None:
    with pytest.raises(BadRequest, match="Value must be a number"):
        read_money({"Value": value, "Currency": "EUR"}, value="Value", currency="Currency")


@pytest.mark.parametrize("text", ["", "-a", "a/b", "a b", "ä", "a" * 65, "a\n", "a\0", "\ud800", "٣"])
def test_an_id_that_is_not_safe_everywhere_is_none(text: str) -> None:
    assert not is_id(text)
