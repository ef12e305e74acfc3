"""Money: an exact decimal amount of an ISO 4217 currency."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

from iso4217 import Currency

# The columns are numeric(16, 4): no currency has more than four decimals.
MOST: Final = Decimal("999999999999.9999")

# Codes without minor units (gold, special drawing rights, the code for tests) are no money to pay an invoice with.
MINOR_UNITS: Final[dict[str, int]] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}


class BadAmount(ValueError):
    """An amount or currency that no invoice can have; the message says why."""


@dataclass(frozen=True)
class Money:
    """An amount with exactly the currency's decimals; two are equal when amount and currency are."""

    value: Decimal
    currency: str

    @classmethod
    def of(cls, value: Decimal, currency: str) -> "Money":
        """Check and normalise; raises BadAmount: unknown currency, not in (0, MOST], too many decimals."""
        if currency not in MINOR_UNITS:
            raise BadAmount("Currency is not an active ISO 4217 code such as EUR")
        if not value > 0:
            raise BadAmount("Value must be above zero")
        if value > MOST:
            raise BadAmount(f"Value must not be above {MOST}")
        decimals = MINOR_UNITS[currency]
        # Never normalize(): it rounds to the context's precision, and an amount that was rounded is another amount.
        exact = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_DOWN)
        if exact != value:
            raise BadAmount(f"Value has more than the {decimals} decimals of {currency}")
        return cls(exact, currency)

    @classmethod
    def stored(cls, value: Decimal, currency: str) -> "Money":
        """What a database holds: it was checked when it was written, and is never refused afterwards.

        A later list of currencies may lack one, or give it fewer decimals; what is owed stays what it is. Where the
        list allows it, the zeros that the column adds are taken off.
        """
        if currency not in MINOR_UNITS:
            return cls(value, currency)
        shown = value.quantize(Decimal(1).scaleb(-MINOR_UNITS[currency]), rounding=ROUND_DOWN)
        return cls(shown if shown == value else value, currency)
