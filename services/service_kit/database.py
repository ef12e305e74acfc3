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
    # What a session asks for when it begins stands above the defaults of the server, the database and the role.
    "synchronous_commit": "on",
}
# An answered payment must outlive a crash of the machine: a database without these may forget it. The others are the
# server's alone, and a proxy may drop what a session asks for: so all are read back from every new connection.
DURABLE: Final = {
    "fsync": ("on",),
    "synchronous_commit": ("on", "remote_apply"),  # "local" and "remote_write" are lost with the primary
    "full_page_writes": ("on",),
}
_READ_DURABLE: Final = f"SELECT {', '.join(f'current_setting({name!r}) AS {name}' for name in DURABLE)}"

# SQLSTATE classes of a database that cannot serve now, as opposed to a statement that is wrong: connection, transaction
# state (ended while idle, read only), authorization, missing database, rollback (deadlock), resources, object state
# (locks), operator intervention (shutdown, timeout), system.
_UNAVAILABLE_CLASSES: Final = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")


class DatabaseUnavailable(Exception):
    """The database cannot serve now; nothing is known to have been changed unless the commit had begun."""


class NotDurable(DatabaseUnavailable):
    """The database would forget in a crash what it has committed."""


class Database:
    """A pool on one database that becomes usable once the migrations were applied; each connection must be durable."""

    def __init__(self, settings: DatabaseSettings, migrations: list[Migration], *, application: str) -> None:
        self._settings = settings
        self._migrations = migrations
        self._application = application
        self._pool: Any = None
        self._preparing: asyncio.Task[None] | None = None
        self._closing = False
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
            init=_begin,
        )
        self._preparing = asyncio.create_task(self._prepare())

    async def close(self) -> None:
        """End the preparation and close the pool; connections that do not close in time are cut."""
        self._closing = True
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
        """Raise DatabaseUnavailable unless the migrations are done and the database answers now, and is durable.

        A server that was told to lose commits since its connections were made serves nothing until that is put right.
        """
        try:
            async with self.connection(timeout=READY_SECONDS) as connection:
                await _check_durable(connection)
        except NotDurable as error:
            if not self._why_not:
                _LOG.error(str(error))
                self._why_not = str(error)
                self._preparing = asyncio.create_task(self._prepare())
            raise

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
                        await _check_durable(connection)
                        await migrate(connection, self._migrations)
                why_not = ""
            except DatabaseUnavailable as error:
                why_not = str(error)
            except Exception as error:  # noqa: BLE001  # a broken migration is logged and shown by readyz, not lost
                _LOG.exception("the database cannot be prepared")
                why_not = f"the database cannot be prepared: {type(error).__name__}"
            if why_not and why_not != self._why_not:
                _LOG.error(why_not)
            self._why_not = why_not
            if self._closing:  # being cancelled is lost where a connection is refused at that moment (cpython 86296)
                return
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


async def _begin(connection: Any) -> None:  # noqa: ANN401  # asyncpg is not typed
    """What is done with each new connection; one that it raises for is closed, and never used."""
    await _watch_peer(connection)
    await _check_durable(connection)


async def _check_durable(connection: Any) -> None:  # noqa: ANN401  # asyncpg is not typed
    row = await connection.fetchrow(_READ_DURABLE, timeout=READY_SECONDS)
    lost = [f"{name} is {row[name]} and must be on" for name, good in DURABLE.items() if row[name] not in good]
    if lost:
        raise NotDurable(f"the database would lose commits in a crash: {', '.join(lost)}")


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
