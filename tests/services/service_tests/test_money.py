from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.service_kit.money import MINOR_UNITS, MOST, BadAmount, Money


def test_minor_units_are_those_of_iso_4217() -> None:
    assert {code: MINOR_UNITS[code] for code in ("EUR", "JPY", "KWD", "CLF")} == {
        "EUR": 2,
        "JPY": 0,
        "KWD": 3,
        "CLF": 4,
    }


@pytest.mark.parametrize("code", ["eur", "", "XXX", "XAU", "DEM", "EURO"])
def test_what_is_no_money_is_refused(code: str) -> None:
    with pytest.raises(BadAmount, match="Currency"):
        Money.of(Decimal(1), code)


@pytest.mark.parametrize(
    "value", ["0", "-0", "-1", "0.001", "1e-999999999", "1e400", "1000000000000", "12.15" + "0" * 40 + "1"]
)
def test_an_amount_that_cannot_be_paid_is_refused(value: str) -> None:
    with pytest.raises(BadAmount, match="Value"):
        Money.of(Decimal(value), "EUR")


def test_amounts_are_compared_after_normalising() -> None:
    assert Money.of(Decimal("12.1"), "EUR") == Money.of(Decimal("12.1000"), "EUR") == Money.of(Decimal("121e-1"), "EUR")
    assert str(Money.of(Decimal("1E+2"), "JPY").value) == "100"


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        ("12.1500", "EUR", "12.15"),
        ("100.0000", "JPY", "100"),
        ("12.1500", "DEM", "12.1500"),
        ("0.5000", "JPY", "0.5000"),
        ("999999999999.9999", "EUR", "999999999999.9999"),
    ],
    ids=["listed", "without decimals", "retired", "fewer decimals than before", "the most"],
)
def test_what_is_stored_is_read_as_it_is(value: str, currency: str, shown: str) -> None:
    assert str(Money.stored(Decimal(value), currency).value) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(MINOR_UNITS)))
def test_an_accepted_amount_is_never_changed(value: Decimal, currency: str) -> None:
    try:
        money = Money.of(value, currency)
    except BadAmount:
        return
    assert money.value == value
    assert 0 < money.value <= MOST
