"""Two databases and two services for the session; each test begins with the three first invoices and no payment."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from .fake_provider import FakeProvider, a_fake_provider, pay
from .processes import HANG_SECONDS, Service, Volume, a_database, a_service

RESET = """
    WITH gone AS (DELETE FROM invoices WHERE invoice_id NOT IN ('I1', 'I2', 'I3'))
    INSERT INTO invoices (invoice_id, value, currency)
    VALUES ('I1', 12.15, 'EUR'), ('I2', 10.25, 'GBP'), ('I3', 66.13, 'DKK')
    ON CONFLICT (invoice_id) DO UPDATE
    SET is_paid = false, payment_id = NULL, claimed_by = NULL, claimed_until = NULL
"""
PATIENT = {"PROVIDER_TIMEOUT_SECONDS": f"{HANG_SECONDS:g}", "CLAIM_SECONDS": f"{2 * HANG_SECONDS:g}"}
"""For an invoice app whose provider answers in the end: on a busy machine, too, it is not given up."""
Query = Callable[..., list[Any]]


def query(volume: Volume, sql: str, *arguments: object) -> list[Any]:
    """Run one statement as the service's own role; returns the rows."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(**volume.dsn())
        try:
            rows: list[Any] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.fixture(scope="session")
def invoice_db() -> Iterator[Volume]:
    with a_database("invoice") as volume:
        yield volume


@pytest.fixture(scope="session")
def payments_db() -> Iterator[Volume]:
    with a_database("payments") as volume:
        yield volume


@pytest.fixture(scope="session")
def payment_provider(payments_db: Volume, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    output = tmp_path_factory.mktemp("payment-provider") / "log"
    with a_service("payment_provider", output, payments_db.service_environment()) as service:
        yield service


@pytest.fixture(scope="session")
def running_invoice_app(
    invoice_db: Volume, payment_provider: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    environment = invoice_db.service_environment() | {"PAYMENT_PROVIDER_URL": payment_provider.url}
    with a_service("invoice_app", tmp_path_factory.mktemp("invoice-app") / "log", environment) as service:
        yield service


@pytest.fixture(scope="session")
def running_misled_app(
    invoice_db: Volume, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, FakeProvider]]:
    """An invoice app on the same database whose provider misbehaves."""
    with a_fake_provider() as fake:
        environment = invoice_db.service_environment() | PATIENT | {"PAYMENT_PROVIDER_URL": fake.url}
        with a_service("invoice_app", tmp_path_factory.mktemp("misled-app") / "log", environment) as service:
            yield service, fake


@pytest.fixture
def payments(payment_provider: Service, payments_db: Volume) -> Iterator[httpx.Client]:
    """A client of the payment provider, which has no payment yet."""
    query(payments_db, "TRUNCATE payments")
    with httpx.Client(base_url=payment_provider.url, timeout=HANG_SECONDS) as client:
        yield client


@pytest.fixture
def invoices(running_invoice_app: Service, invoice_db: Volume, payments: httpx.Client) -> Iterator[httpx.Client]:
    """A client of the invoice app, which has the three first invoices, unpaid."""
    query(invoice_db, RESET)
    with httpx.Client(base_url=running_invoice_app.url, timeout=HANG_SECONDS) as client:
        yield client


@pytest.fixture
def provider(running_misled_app: tuple[Service, FakeProvider]) -> FakeProvider:
    """The provider that misbehaves; it pays until it is told otherwise."""
    fake = running_misled_app[1]
    fake.behave = pay
    fake.asked.clear()
    fake.request_ids.clear()
    return fake


@pytest.fixture(scope="session")
def running_impatient_app(
    invoice_db: Volume, running_misled_app: tuple[Service, FakeProvider], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The same app with the same provider, which it gives up soon: for providers that never answer."""
    provider = {"PAYMENT_PROVIDER_URL": running_misled_app[1].url, "PROVIDER_TIMEOUT_SECONDS": "0.5"}
    output = tmp_path_factory.mktemp("impatient-app") / "log"
    with a_service("invoice_app", output, invoice_db.service_environment() | provider) as service:
        yield service


@pytest.fixture
def impatient(running_impatient_app: Service, misled: httpx.Client) -> Iterator[httpx.Client]:
    """A client of the invoice app that gives its provider up after half a second."""
    with httpx.Client(base_url=running_impatient_app.url, timeout=HANG_SECONDS) as client:
        yield client


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a test opens; open in any case when it has ended, so that nobody waits for it any more."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def misled(
    running_misled_app: tuple[Service, FakeProvider], provider: FakeProvider, invoice_db: Volume
) -> Iterator[httpx.Client]:
    """A client of the invoice app whose provider misbehaves."""
    query(invoice_db, RESET)
    with httpx.Client(base_url=running_misled_app[0].url, timeout=HANG_SECONDS) as client:
        yield client


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "log"
