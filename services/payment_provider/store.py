"""The payments in the database: the row is the payment, and it is written once."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.service_kit.database import Database
from services.service_kit.money import Money

_INSERT: Final = """
    INSERT INTO payments (invoice_id, payment_id, value, currency) VALUES ($1, $2, $3, $4)
    ON CONFLICT (invoice_id) DO NOTHING RETURNING payment_id
"""
_READ: Final = "SELECT payment_id, value, currency FROM payments WHERE invoice_id = $1"


class AmountDiffers(Exception):
    """The invoice was paid before, with another amount or currency."""


@dataclass(frozen=True)
class Payment:
    """A payment that was made."""

    payment_id: str
    invoice_id: str
    money: Money
    paid_at: datetime


class Payments:
    """Payments in the given database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pay(self, invoice_id: str, money: Money) -> tuple[str, bool]:
        """Pay once: the payment's id, and whether this call made it. Raises AmountDiffers."""
        async with self._database.connection() as connection:
            # One statement is one transaction. Where another one is inserting the same id, it waits for that one's end;
            # the read is a statement of its own, because only that sees what was committed meanwhile.
            made: str | None = await connection.fetchval(
                _INSERT, invoice_id, str(uuid.uuid4()), money.value, money.currency
            )
            if made is not None:
                return made, True
            row = await connection.fetchrow(_READ, invoice_id)
        if Money.stored(row["value"], row["currency"]) != money:
            raise AmountDiffers(f"invoice {invoice_id} was paid before with another amount or currency")
        payment_id: str = row["payment_id"]
        return payment_id, False

    async def repeated(self, invoice_id: str, money: Money) -> str | None:
        """The id of the payment of just this money that was made before, or None."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_READ, invoice_id)
        if row is None or Money.stored(row["value"], row["currency"]) != money:
            return None
        payment_id: str = row["payment_id"]
        return payment_id

    async def all(self) -> list[Payment]:
        """All payments, the oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT payment_id, invoice_id, value, currency, paid_at FROM payments ORDER BY paid_at, invoice_id"
            )
        return [
            Payment(row["payment_id"], row["invoice_id"], Money.stored(row["value"], row["currency"]), row["paid_at"])
            for row in rows
        ]
