import asyncio
import os
from signal import SIGKILL, SIGTERM

import asyncpg
import pytest

from .conftest import query
from .processes import Process, Volume, a_volume


def ready(server: Process) -> None:
    server.wait_for("ready to accept connections")


@pytest.mark.parametrize("name", ["POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "PGDATA"])
def test_a_missing_variable_is_named_in_one_line(name: str) -> None:
    with a_volume("db") as volume:
        server = volume.start(**{name: ""})
        assert server.wait() == 2
        assert server.said() == f"postgres entrypoint: configuration error: {name} is not set\n"


def test_the_superuser_may_not_be_the_services_role() -> None:
    with a_volume("db") as volume:
        assert volume.start(POSTGRES_USER="postgres").wait() == 2


def test_the_role_owns_its_database_and_is_no_superuser(invoice_db: Volume) -> None:
    (row,) = query(invoice_db, "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
    assert tuple(row) == (False, False)
    names = ("fsync", "synchronous_commit", "full_page_writes", "password_encryption")
    values = [query(invoice_db, "SELECT current_setting($1)", name)[0][0] for name in names]
    assert values == ["on", "on", "on", "scram-sha-256"]


def test_a_second_server_waits_for_the_volume_and_says_so() -> None:
    with a_volume("db") as volume:
        first = volume.start()
        ready(first)
        query(volume, "CREATE TABLE kept AS SELECT 1 AS one")
        second = volume.start()
        second.wait_for("waiting until it has ended")
        # SIGKILL of the script alone, as of a pod deleted by force: the server lives on and keeps the lock.
        os.kill(first.child.pid, SIGKILL)
        first.wait()
        assert query(volume, "SELECT one FROM kept")[0][0] == 1
        assert "ready to accept connections" not in second.said()
        os.killpg(first.child.pid, SIGKILL)
        ready(second)
        assert query(volume, "SELECT one FROM kept")[0][0] == 1
        assert second.stop() == 0


def test_an_initdb_killed_at_any_moment_is_begun_anew() -> None:
    with a_volume("db") as volume:
        for moment in ("making a new database cluster", "creating configuration files", "post-bootstrap"):
            server = volume.start()
            server.wait_for(moment)
            server.kill()
            assert not (volume.folder / "pgdata").exists()
        server = volume.start()
        ready(server)
        assert query(volume, "SELECT current_database()")[0][0] == "db"
        assert not (volume.folder / "initdb.unfinished").exists()
        assert server.stop() == 0


def test_sigterm_ends_the_server_fast_though_a_client_is_connected(payments_db: Volume) -> None:
    with a_volume("db") as volume:
        server = volume.start()
        ready(server)

        async def stop_with_a_client() -> None:
            connection = await asyncpg.connect(**volume.dsn())
            server.signal(SIGTERM)
            assert await asyncio.to_thread(server.wait) == 0
            connection.terminate()

        asyncio.run(stop_with_a_client())
        assert "database system is shut down" in server.said()
