"""Numbered SQL files, each applied once, under one advisory lock."""

import logging
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, Final

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"(?P<version>[0-9]{4})_[a-z0-9_]+\.sql")
# Any constant does, as long as every replica takes the same; this one spells "migr".
_LOCK: Final = 0x6D696772


@dataclass(frozen=True)
class Migration:
    """One file: its number, its name and its SQL."""

    version: int
    name: str
    sql: str


def read_migrations(folder: Traversable) -> list[Migration]:
    """The folder's migrations in order. Raises ValueError unless they are numbered 0001, 0002, … without a gap."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    migrations = []
    for expected, name in enumerate(names, 1):
        match = _NAME.fullmatch(name)
        if match is None or int(match["version"]) != expected:
            raise ValueError(f"migration {name} should be named {expected:04d}_<what it does>.sql")
        migrations.append(Migration(expected, name, folder.joinpath(name).read_text("utf-8")))
    return migrations


async def migrate(connection: Any, migrations: list[Migration]) -> None:  # noqa: ANN401  # asyncpg is not typed
    """Apply what is missing in one transaction: all or nothing, and one replica at a time. Raises asyncpg's errors."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row["version"] for row in await connection.fetch("SELECT version FROM schema_migrations")}
        for migration in migrations:
            if migration.version not in done:
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)", migration.version, migration.name
                )
                _LOG.info("migration applied", extra={"migration": migration.name})
