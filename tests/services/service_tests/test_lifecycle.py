import asyncio
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Self

import httpx
import pytest

from services.service_kit.configuration import DatabaseSettings
from services.service_kit.database import Database, DatabaseUnavailable

from .conftest import PATIENT, query
from .fake_provider import FakeProvider, after
from .processes import HANG_SECONDS, PASSWORD, USER, Process, Service, Volume, a_database, a_service, wait_until


def status(url: str) -> int:
    return httpx.get(url, timeout=HANG_SECONDS).status_code


def test_sigterm_fails_readiness_first_while_requests_are_served(
    invoices: httpx.Client, provider: FakeProvider, invoice_db: Volume, output: Path
) -> None:
    environment = invoice_db.service_environment() | {"PAYMENT_PROVIDER_URL": provider.url, "DRAIN_SECONDS": "300"}
    with a_service("invoice_app", output, environment, clean=False) as leaving:
        leaving.process.signal(SIGTERM)
        leaving.process.wait_for('"draining"')
        with httpx.Client(base_url=leaving.url, timeout=HANG_SECONDS) as client:
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            served = client.get("/invoices")
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        leaving.process.kill()


def test_sigterm_closes_the_listener_and_finishes_what_was_begun(
    invoices: httpx.Client, provider: FakeProvider, invoice_db: Volume, output: Path, gate: threading.Event
) -> None:
    provider.behave = after(gate)
    environment = invoice_db.service_environment() | PATIENT | {"PAYMENT_PROVIDER_URL": provider.url}
    with a_service("invoice_app", output, environment) as leaving, ThreadPoolExecutor(1) as pool:
        call = pool.submit(httpx.post, f"{leaving.url}/invoices/pay", timeout=HANG_SECONDS)
        wait_until(lambda: len(provider.asked) == 3, "the provider is asked")
        leaving.process.signal(SIGTERM)
        leaving.process.wait_for("listener closed")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{leaving.url}/invoices", timeout=HANG_SECONDS)
        gate.set()
        assert call.result().json()["paid"] == ["I1", "I2", "I3"]
        assert leaving.process.wait() == 0
    assert query(invoice_db, "SELECT count(*) FROM invoices WHERE is_paid")[0][0] == 3


def test_replicas_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    with a_database("fresh") as volume:
        environment = volume.service_environment() | {"PAYMENT_PROVIDER_URL": "http://127.0.0.1:1"}
        with (
            a_service("invoice_app", tmp_path / "a", environment, ready=False) as one,
            a_service("invoice_app", tmp_path / "b", environment, ready=False) as two,
        ):
            wait_until(lambda: one.ready() and two.ready(), "both ready")
            said = one.process.said() + two.process.said()
        assert said.count('"migration applied"') == 2
        assert query(volume, "SELECT count(*) FROM invoices")[0][0] == 3


@pytest.mark.parametrize("weaker", ["off", "local", "remote_write"])
def test_a_weaker_default_does_not_weaken_a_session(payments_db: Volume, weaker: str) -> None:
    async def ask() -> list[str]:
        settings = DatabaseSettings("127.0.0.1", payments_db.port, payments_db.database, USER, PASSWORD)
        database = Database(settings, [], application="test")
        await database.start()
        try:
            await is_ready(database)
            async with database.connection() as connection:
                first = await connection.fetchval("SHOW synchronous_commit")
            async with database.connection() as connection:  # the pool has reset it in between
                return [first, await connection.fetchval("SHOW synchronous_commit")]
        finally:
            await database.close()

    query(payments_db, f"ALTER ROLE CURRENT_USER SET synchronous_commit = {weaker}")
    try:
        assert asyncio.run(ask()) == ["on", "on"]
    finally:
        query(payments_db, "ALTER ROLE CURRENT_USER RESET synchronous_commit")


class RefusesWhenCancelled:
    """A pool whose connection is refused at the very moment at which the attempt is cancelled, as wait_for has it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def acquire(self, **_: float) -> Self:
        return self

    async def __aenter__(self) -> Self:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionRefusedError from None
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def close(self) -> None:
        return


def test_closing_ends_although_a_connection_is_refused_at_that_moment() -> None:
    async def close() -> None:
        database = Database(DatabaseSettings("127.0.0.1", 1, "none", USER, PASSWORD), [], application="test")
        pool = RefusesWhenCancelled()
        database._pool = pool
        database._preparing = asyncio.create_task(database._prepare())
        await pool.asked.wait()
        await asyncio.wait_for(database.close(), HANG_SECONDS)

    asyncio.run(close())


async def is_ready(database: Database) -> None:
    deadline = asyncio.get_running_loop().time() + HANG_SECONDS
    while True:
        try:
            return await database.check_ready()
        except DatabaseUnavailable:
            assert asyncio.get_running_loop().time() < deadline, "waited in vain for the database"
            await asyncio.sleep(0.02)


def configure(volume: Volume, name: str, value: str) -> None:
    """Change a setting of the server's own file."""
    file = volume.program / "postgresql.conf"
    file.write_text(re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", file.read_text()))


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_is_told_to_lose_commits_is_refused_until_it_is_mended(output: Path, name: str) -> None:
    with a_database("weak") as volume, a_service("payment_provider", output, volume.service_environment()) as service:
        server = int((volume.folder / "pgdata" / "postmaster.pid").read_text().split()[0])
        configure(volume, name, "off")
        os.kill(server, SIGHUP)
        wait_until(lambda: not service.ready(), "not ready any more")
        refused = httpx.get(f"{service.url}/payments", timeout=HANG_SECONDS)
        assert refused.status_code == 503
        assert f"would lose commits in a crash: {name} is off and must be on" in refused.json()["error"]
        assert status(f"{service.url}/healthz") == 200
        configure(volume, name, "on")
        os.kill(server, SIGHUP)
        wait_until(service.ready, "ready once the setting is right")
        assert status(f"{service.url}/payments") == 200


def test_a_new_primary_that_would_lose_commits_is_refused(output: Path) -> None:
    with (
        a_database("replaced") as volume,
        a_service("payment_provider", output, volume.service_environment()) as service,
    ):
        configure(volume, "fsync", "off")
        second = volume.start()  # waits for the first server's lock, then takes its place
        try:
            second.wait_for("waiting until it has ended")
            end_server(volume)
            second.wait_for("ready to accept connections")
            # No probe has come between: the first request itself is refused.
            refused = httpx.get(f"{service.url}/payments", timeout=HANG_SECONDS)
            assert refused.status_code == 503
            assert not service.ready()
            assert "fsync is off" in httpx.get(f"{service.url}/readyz", timeout=HANG_SECONDS).json()["error"]
        finally:
            second.kill()


def test_a_database_that_goes_away_and_comes_back(output: Path) -> None:
    with a_database("shaky") as volume:
        environment = volume.service_environment()
        with a_service("payment_provider", output, environment) as service:
            second = volume.start()  # waits for the first server's lock, then takes its place
            try:
                second.wait_for("waiting until it has ended")
                query(volume, "SELECT 1")
                end_server(volume)
                second.wait_for("ready to accept connections")
                wait_until(service.ready, "ready with the new server")
                assert status(f"{service.url}/payments") == 200
                second.stop()
                assert not service.ready()
                answer = httpx.get(f"{service.url}/payments", timeout=HANG_SECONDS)
                assert (answer.status_code, "database" in answer.json()["error"]) == (503, True)
                assert status(f"{service.url}/healthz") == 200
            finally:
                second.kill()


def end_server(volume: Volume) -> None:
    """Stop the server fast, by the process id it wrote."""
    os.kill(int((volume.folder / "pgdata" / "postmaster.pid").read_text().split()[0]), SIGINT)


def test_a_port_that_is_taken_is_said_and_ends_the_process_with_status_1(
    payment_provider: Service, payments_db: Volume, output: Path
) -> None:
    port = payment_provider.url.rsplit(":", 1)[1]
    environment = {"PATH": os.environ["PATH"], "PORT": port} | payments_db.service_environment()
    second = Process([sys.executable, "-m", "services.payment_provider"], environment, output)
    assert second.wait() == 1
    assert '"cannot serve"' in second.said()
