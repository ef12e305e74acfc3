"""The service's own PostgreSQL: a pool that notices dead peers, and whether the database may be relied on."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from services.service_kit.configuration import DatabaseSettings
from services.service_kit.migrations import Migration, migrate

_LOG = logging.getLogger(__name__)

POOL_SIZE: Final = 8
CONNECT_SECONDS: Final = 5.0
READY_SECONDS: Final = 2.0
# The server gives up before the client does, so that a cut statement has a reason from the server.
COMMAND_SECONDS: Final = 10.0
SERVER_SETTINGS: Final = {
    "lock_timeout": "5s",
    "statement_timeout": "8s",
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
    "client_connection_check_interval": "5s",
}
# An answered payment must outlive a crash of the machine: a database without these may forget it.
DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")

# SQLSTATE classes of a database that cannot serve now, as opposed to a statement that is wrong: connection, transaction
# state (ended while idle, read only), authorization, missing database, rollback (deadlock), resources, object state
# (locks), operator intervention (shutdown, timeout), system.
_UNAVAILABLE_CLASSES: Final = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")


class DatabaseUnavailable(Exception):
    """The database cannot serve now; nothing is known to have been changed unless the commit had begun."""


class Database:
    """A pool on one database that becomes usable once its settings were checked and the migrations were applied."""

    def __init__(self, settings: DatabaseSettings, migrations: list[Migration], *, application: str) -> None:
        self._settings = settings
        self._migrations = migrations
        self._application = application
        self._pool: Any = None
        self._preparing: asyncio.Task[None] | None = None
        self._why_not = "the database was not reached yet"

    async def start(self) -> None:
        """Open the pool (which connects to nothing yet) and begin to prepare the database in the background."""
        self._pool = await asyncpg.create_pool(
            host=self._settings.host,
            port=self._settings.port,
            user=self._settings.user,
            password=self._settings.password,
            database=self._settings.name,
            min_size=0,
            max_size=POOL_SIZE,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            max_inactive_connection_lifetime=120,
            server_settings={"application_name": self._application, **SERVER_SETTINGS},
            init=_watch_peer,
        )
        self._preparing = asyncio.create_task(self._prepare())

    async def close(self) -> None:
        """End the preparation and close the pool; connections that do not close in time are cut."""
        if self._preparing is not None:
            self._preparing.cancel()
            with suppress(asyncio.CancelledError):
                await self._preparing
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), CONNECT_SECONDS)
            except TimeoutError:
                self._pool.terminate()

    async def check_ready(self) -> None:
        """Raise DatabaseUnavailable unless the migrations are done and the database answers now."""
        async with self.connection(timeout=READY_SECONDS) as connection:
            await connection.fetchval("SELECT 1", timeout=READY_SECONDS)

    @asynccontextmanager
    async def connection(self, *, timeout: float = CONNECT_SECONDS) -> AsyncIterator[Any]:  # noqa: ASYNC109
        """A connection of the pool, held shortly; DatabaseUnavailable also for errors inside the block."""
        if self._why_not:
            raise DatabaseUnavailable(self._why_not)
        with _unavailable():
            async with self._pool.acquire(timeout=timeout) as connection:
                yield connection

    async def _prepare(self) -> None:
        pause = 0.1
        while self._why_not:
            try:
                with _unavailable():
                    async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                        lost = await _settings_that_lose_commits(connection)
                        if not lost:
                            await migrate(connection, self._migrations)
                    if lost:
                        # A session keeps the settings it began with: look again with a new one.
                        await self._pool.expire_connections()
                why_not = f"the database would lose commits in a crash: {', '.join(lost)} must be on" if lost else ""
            except DatabaseUnavailable as error:
                why_not = str(error)
            except Exception as error:  # noqa: BLE001  # a broken migration is logged and shown by readyz, not lost
                _LOG.exception("the database cannot be prepared")
                why_not = f"the database cannot be prepared: {type(error).__name__}"
            if why_not and why_not != self._why_not:
                _LOG.error(why_not)
            self._why_not = why_not
            if why_not:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
        _LOG.info("database ready")


class _unavailable:  # noqa: N801  # reads as the statement it is: with _unavailable()
    """Turns the errors of a database that cannot serve into DatabaseUnavailable; others pass."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, asyncpg.PostgresError):
            state = str(getattr(error, "sqlstate", None) or "")
            if state[:2] in _UNAVAILABLE_CLASSES:
                raise DatabaseUnavailable(f"the database cannot serve now: {error} (SQLSTATE {state})") from error
        elif isinstance(error, TimeoutError):
            raise DatabaseUnavailable("the database did not answer in time") from error
        elif isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError):
            raise DatabaseUnavailable(f"the database cannot be reached: {error or type(error).__name__}") from error


async def _settings_that_lose_commits(connection: Any) -> list[str]:  # noqa: ANN401  # asyncpg is not typed
    values = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in DURABLE}
    return [name for name, value in values.items() if value == "off"]


async def _watch_peer(connection: Any) -> None:  # noqa: ANN401  # asyncpg is not typed
    # A frozen or unplugged peer sends no reset: without these a pooled connection hangs until the kernel's two hours.
    sock: socket.socket = connection._transport.get_extra_info("socket")  # noqa: SLF001  # asyncpg has no public way
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
