"""How the end-to-end scenarios begin."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.case import Case

EMPTY_PAYMENTS = "DELETE FROM payments"
FIRST_INVOICES = """
    DELETE FROM invoices;
    INSERT INTO invoices (invoice_id, value, currency) VALUES
        ('I1', 12.15, 'EUR'), ('I2', 10.25, 'GBP'), ('I3', 66.13, 'DKK')
"""


@pytest.fixture
def books(case: Case) -> Case:
    """The case with its three first invoices, unpaid, and no payment."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(case.sql, ("payments-db", "invoice-db"), (EMPTY_PAYMENTS, FIRST_INVOICES)))
    return case
