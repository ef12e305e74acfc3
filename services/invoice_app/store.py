"""The invoices in the database: short transactions only, and none is open while the provider is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.service_kit.database import Database
from services.service_kit.money import Money

_COLUMNS: Final = "invoice_id, value, currency, is_paid"
_CLAIM: Final = """
    UPDATE invoices SET claimed_by = $2, claimed_until = now() + make_interval(secs => $3)
    WHERE invoice_id IN (
        SELECT invoice_id FROM invoices
        WHERE invoice_id = ANY($1) AND NOT is_paid AND (claimed_until IS NULL OR claimed_until <= now())
        ORDER BY invoice_id FOR UPDATE SKIP LOCKED
    )
    RETURNING invoice_id, value, currency, is_paid
"""
# All writers of several rows lock them in the order of their ids: two that meet wait, and never in a circle.
_LOCK: Final = "SELECT invoice_id FROM invoices WHERE invoice_id = ANY($1) ORDER BY invoice_id FOR UPDATE"
# Whoever holds the claim by now, the payment is a fact: the row becomes paid. A row that is paid stays as it is.
_MARK_PAID: Final = """
    UPDATE invoices SET is_paid = true, payment_id = paid.payment_id, claimed_by = NULL, claimed_until = NULL
    FROM unnest($1::text[], $2::text[]) AS paid (invoice_id, payment_id)
    WHERE invoices.invoice_id = paid.invoice_id AND NOT invoices.is_paid
"""
_PAID_WITH: Final = "SELECT invoice_id, payment_id FROM invoices WHERE invoice_id = ANY($1) AND is_paid"
_RELEASE: Final = """
    UPDATE invoices SET claimed_by = NULL, claimed_until = NULL
    WHERE invoice_id = ANY($1) AND claimed_by = $2 AND NOT is_paid
"""


@dataclass(frozen=True)
class Invoice:
    """An invoice as the caller sees it."""

    invoice_id: str
    money: Money
    is_paid: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Invoice":
        """From a row of the table."""
        return cls(row["invoice_id"], Money.stored(row["value"], row["currency"]), row["is_paid"])


class Invoices:
    """Invoices in the given database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, claim_seconds: float) -> None:
        self._database = database
        self._claim_seconds = claim_seconds

    async def all(self) -> list[Invoice]:
        """All invoices by id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(f"SELECT {_COLUMNS} FROM invoices ORDER BY invoice_id")  # noqa: S608
        return [Invoice.of(row) for row in rows]

    async def get(self, invoice_id: str) -> Invoice | None:
        """One invoice, or None."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM invoices WHERE invoice_id = $1",  # noqa: S608
                invoice_id,
            )
        return None if row is None else Invoice.of(row)

    async def add(self, invoice_id: str, money: Money) -> tuple[Invoice, bool]:
        """Add unless the id exists: the invoice as it is now, and whether this call added it."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "INSERT INTO invoices (invoice_id, value, currency) VALUES ($1, $2, $3) "  # noqa: S608
                f"ON CONFLICT (invoice_id) DO NOTHING RETURNING {_COLUMNS}",
                invoice_id,
                money.value,
                money.currency,
            )
            if row is not None:
                return Invoice.of(row), True
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM invoices WHERE invoice_id = $1",  # noqa: S608
                invoice_id,
            )
        return Invoice.of(row), False

    async def unpaid(self) -> list[str]:
        """The ids of all unpaid invoices, claimed or not, in order."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT invoice_id FROM invoices WHERE NOT is_paid ORDER BY invoice_id")
        return [row["invoice_id"] for row in rows]

    async def paid(self, invoice_ids: Sequence[str]) -> set[str]:
        """Which of these are paid."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_PAID_WITH, invoice_ids)
        return {row["invoice_id"] for row in rows}

    async def claim(self, invoice_ids: Sequence[str], claimant: str) -> list[Invoice]:
        """Claim those of the ids that are unpaid and that nobody else has claimed; returns them."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_CLAIM, invoice_ids, claimant, self._claim_seconds)
        return [Invoice.of(row) for row in rows]

    async def settle(self, paid: Mapping[str, str], released: Sequence[str], claimant: str) -> set[str]:
        """Record payments (invoice id to payment id) and give up the claims on the released, in one transaction.

        Returns the ids that are recorded as paid with just this payment.
        """
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_LOCK, sorted([*paid, *released]))
            await connection.execute(_MARK_PAID, list(paid), list(paid.values()))
            rows = await connection.fetch(_PAID_WITH, list(paid))
            await connection.execute(_RELEASE, released, claimant)
        return {row["invoice_id"] for row in rows if row["payment_id"] == paid[row["invoice_id"]]}
