"""Statements for a PostgreSQL in a pod: what must not be sent or lost without a word. The driver is played."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from harness.errors import DatabaseError, UsageError
from harness.kube.postgres import Postgres

from .conftest import FakeApi, Reached

POD = "/api/v1/namespaces/shop/pods/db-0"


@dataclass
class Column:
    name: str


class Played:
    """A connection and its only cursor: what it answers is told, or raised."""

    def __init__(self, columns: Sequence[str], rows: list[dict[str, Any]], error: Exception | None = None) -> None:
        self.description = [Column(name) for name in columns]
        self.info = type("Info", (), {"transaction_status": TransactionStatus.IDLE})
        self._rows, self._error = rows, error

    def cursor(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def execute(self, _statement: bytes | str) -> None:
        if self._error:
            raise self._error

    def fetchall(self) -> list[dict[str, Any]]:
        return self._rows

    def nextset(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def database(fake: FakeApi, reached: Reached) -> Iterator[Postgres]:
    fake.answers[POD] = {"kind": "Pod", "metadata": {"name": "db-0"}, "spec": {"containers": [{"name": "postgres"}]}}
    session = Postgres(reached, "shop", "db-0", "postgres")
    yield session
    session.close()


def plays(monkeypatch: pytest.MonkeyPatch, one: Played) -> None:
    monkeypatch.setattr(psycopg, "connect", lambda **_: one)


def test_rows_are_told_by_their_columns_names(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    plays(monkeypatch, Played(["a", "b"], [{"a": 1, "b": 2}]))

    assert database.run("SELECT 1 AS a, 2 AS b") == [{"a": 1, "b": 2}]


def test_columns_of_the_same_name_are_refused_as_one_would_be_lost(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays(monkeypatch, Played(["count", "a", "count"], [{"count": 1, "a": 2}]))

    with pytest.raises(DatabaseError, match=r"shop/db-0 .*column is called count: give each a name of its own with AS"):
        database.run("SELECT count(*), 2 AS a, count(b) FROM t")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg.OperationalError("the server is gone"), "the connection to shop/db-0 broke: the server is gone"),
        (psycopg.DataError("date too large"), "the answer of shop/db-0 cannot be handed on: date too large"),
        (psycopg.errors.DivisionByZero("division by zero"), "the database shop/db-0 answered 22012: division by zero"),
    ],
)
def test_what_went_wrong_is_said_of_what_it_went_wrong_with(
    database: Postgres, monkeypatch: pytest.MonkeyPatch, error: psycopg.Error, told: str
) -> None:
    plays(monkeypatch, Played([], [], error))

    with pytest.raises(DatabaseError) as raised:
        database.run("SELECT 1")

    assert str(raised.value) == told


@pytest.mark.parametrize("statement", ["SELECT 1\0, 2", "SELECT '\udc80'"])
def test_a_text_that_cannot_be_sent_whole_is_not_sent(fake: FakeApi, database: Postgres, statement: str) -> None:
    with pytest.raises(UsageError, match=r"the statement .*NUL|the statement .*text that can be sent"):
        database.run(statement)

    assert fake.requests == []
