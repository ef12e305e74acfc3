"""Sessions with a PostgreSQL that runs in a pod, by its own protocol: statements as they are, rows as Python values."""

import base64
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from harness.errors import DatabaseError, HarnessError, UsageError, WaitTimeout
from harness.kube.forward import HOST, PodForward
from harness.kube.kubectl import JsonObject
from harness.kube.reachable import Reachable
from harness.kube.wait import patient

T = TypeVar("T")
Row = dict[str, Any]

STATEMENT_SECONDS: Final = 60.0
APPLICATION: Final = "harness"
"""What PostgreSQL calls our sessions, in ``pg_stat_activity.application_name``."""
PORT: Final = 5432


class Postgres:
    """A session as the database's own role, opened at the first statement and anew when what it goes by has broken.

    That is another container, or a component in between that was restarted. A transaction that was lost with it is an
    error, though.

    Role, password and database are those that the container is started with (``POSTGRES_USER``, ``POSTGRES_PASSWORD``
    and ``POSTGRES_DB``, as the official image has them), from its own env or a Secret. May be used by several threads;
    their statements go one after another.
    """

    def __init__(self, cluster: Reachable, namespace: str, pod: str, container: str) -> None:
        self._cluster = cluster
        self._namespace, self._pod, self._container = namespace, pod, container
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def run(self, statement: str, seconds: float = STATEMENT_SECONDS) -> list[Row]:
        """Run a statement, or several with ``;`` between them, and return the rows of the last that has any.

        What one call has is committed as a whole, or not at all, unless it says BEGIN: several statements in one text
        are one transaction to PostgreSQL. Values are as psycopg gives them: Decimal, datetime, str, …

        Raises DatabaseError with the server's words where it fails, and with the reason where the pod cannot be reached
        or the connection breaks, or rows cannot be told by their columns' names since two are the same; UsageError for
        a text that no SQL can be, ApiNotFound where there is no such pod, WaitTimeout. After an error the next call
        opens another session.
        """
        _check(statement)
        with self._lock:
            try:
                return self._run(statement, seconds)
            except _Stale:  # nothing of the statement was sent
                self._end()
                return self._run(statement, seconds)

    def _run(self, statement: str, seconds: float) -> list[Row]:
        pod = self._cluster.api.get(f"/api/v1/namespaces/{self._namespace}/pods/{self._pod}")
        running = _running(pod, self._container)
        if self._session is None or self._session.of != running:
            self._end()
            self._session = _Session(self._cluster, self._namespace, self._pod, running)
        session = self._session
        try:
            return _within(
                patient(seconds),
                f"the statement {statement[:80]!r} to end",
                session.break_off,
                lambda: session.run(statement, lambda: self._variables(pod)),
            )
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """End the session. Safe to repeat."""
        with self._lock:
            self._end()

    def _variables(self, pod: JsonObject) -> dict[str, str]:
        """The container's variables, as far as the pod or its Secrets say them."""
        found: dict[str, str] = {}
        containers: dict[str, JsonObject] = {one["name"]: one for one in pod["spec"]["containers"]}
        for one in containers.get(self._container, {}).get("env") or ():
            reference = (one.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                secret = self._cluster.api.get(f"/api/v1/namespaces/{self._namespace}/secrets/{reference['name']}")
                value = (secret.get("data") or {}).get(reference["key"])
                found |= {} if value is None else {one["name"]: base64.b64decode(value).decode()}
            elif "value" in one:
                found[one["name"]] = one["value"]
        return found

    def _end(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None


def _check(statement: str) -> None:
    """Raise UsageError for what cannot be sent whole: the protocol ends a statement at its first NUL."""
    if "\0" in statement:
        raise UsageError(f"the statement {statement[:80]!r} holds a NUL character, which PostgreSQL takes nowhere")
    try:
        statement.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the statement {statement[:80]!r} is not text that can be sent: {error.reason}") from error


def _running(pod: JsonObject, container: str) -> str:
    """What tells the container from those before it."""
    states = pod.get("status", {}).get("containerStatuses") or []
    return next((str(one.get("containerID")) for one in states if one["name"] == container), "")


def _within(seconds: float, what: str, give_up: Callable[[], None], work: Callable[[], T]) -> T:
    """Work, given up after so long. Raises WaitTimeout."""
    late = threading.Event()

    def end() -> None:
        late.set()
        give_up()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        return work()
    except HarnessError as error:
        if late.is_set():
            raise WaitTimeout(what, seconds) from error
        raise
    finally:
        timer.cancel()


class _Stale(Exception):
    """A connection that has broken while nobody used it."""


class _Session:
    """One connection, and the forward that it goes through. ``of`` is the container at its end."""

    def __init__(self, cluster: Reachable, namespace: str, pod: str, of: str) -> None:
        self.of = of
        self._name = f"{namespace}/{pod}"
        self._forward = PodForward(cluster.api, namespace, pod, PORT)
        self._connection: psycopg.Connection[Row] | None = None

    def run(self, statement: str, variables: Callable[[], dict[str, str]]) -> list[Row]:
        """Run it; ``variables`` are asked for when the connection is to be made."""
        if self._connection is not None:
            self._look(self._connection)
        try:
            if self._connection is None:
                self._connection = self._connect(variables())
            rows: list[Row] = []
            with self._connection.cursor() as cursor:
                cursor.execute(statement.encode())
                while True:
                    self._refuse_twins(cursor.description or ())
                    rows = cursor.fetchall() if cursor.description else rows
                    if not cursor.nextset():
                        return rows
        except psycopg.Error as error:
            why = f"; {self._forward.last_error}" if self._forward.last_error else ""
            broke = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            raise DatabaseError(self._name, f"{str(error).strip()}{why}", error.sqlstate or "", broke=broke) from error

    def _refuse_twins(self, columns: Iterable[psycopg.Column]) -> None:
        """Raise DatabaseError where two columns have one name: a row, which is a dict, would lose one of them."""
        counted = Counter(one.name for one in columns)
        if twins := [name for name, count in counted.items() if count > 1]:
            problem = f"more than one column is called {', '.join(twins)}: give each a name of its own with AS"
            raise DatabaseError(self._name, problem, broke=False)

    @staticmethod
    def _look(connection: psycopg.Connection[Row]) -> None:
        """Raise _Stale where the connection has broken since, and no transaction with it."""
        if connection.info.transaction_status is TransactionStatus.IDLE:
            try:
                connection.execute("")
            except psycopg.Error as error:
                raise _Stale from error

    def _connect(self, variables: dict[str, str]) -> psycopg.Connection[Row]:
        role = variables.get("POSTGRES_USER", "postgres")
        return psycopg.connect(
            host=HOST,
            hostaddr=HOST,  # which the user's PGHOSTADDR would be otherwise
            port=self._forward.port,
            user=role,
            password=variables.get("POSTGRES_PASSWORD"),
            dbname=variables.get("POSTGRES_DB", role),
            application_name=APPLICATION,
            options="",
            client_encoding="UTF8",
            sslmode="disable",  # the way to the pod is the API server's TLS
            gssencmode="disable",
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
        )

    def break_off(self) -> None:
        """Break the connection, from another thread: what runs on it fails."""
        self._forward.abort()

    def end(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._forward.close()
