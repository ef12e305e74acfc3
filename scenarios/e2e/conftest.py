"""How the end-to-end scenarios begin."""

import pytest

from harness.case import Case


@pytest.fixture
def books(case: Case) -> Case:
    """The case with its three first invoices, unpaid, and no payment."""
    case.sql("payments-db", "DELETE FROM payments")
    case.sql("invoice-db", "DELETE FROM invoices WHERE invoice_id NOT IN ('I1', 'I2', 'I3')")
    case.sql(
        "invoice-db",
        "UPDATE invoices SET is_paid = false, payment_id = NULL, claimed_by = NULL, claimed_until = NULL",
    )
    return case
