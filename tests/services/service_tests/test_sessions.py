"""The harness's own sessions with a database in a pod, here with a real PostgreSQL and no pod around it."""

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from harness.errors import DatabaseError, ForwardError, WaitTimeout
from harness.kube import postgres
from harness.kube.client import Api, ApiNotFound
from harness.kube.kubectl import JsonObject, Kubectl
from harness.kube.postgres import APPLICATION, Postgres

from .conftest import query
from .processes import HANG_SECONDS, PASSWORD, USER, Volume, wait_until

POD = "/api/v1/namespaces/shop/pods/db-0"
SECRET = "/api/v1/namespaces/shop/secrets/db"  # noqa: S105 -- a path


@dataclass
class Cluster:
    """An API that knows one pod and one Secret, and the PostgreSQL that its forwards lead to."""

    database: Volume
    answers: dict[str, JsonObject]
    forwards: list[str] = field(default_factory=list)
    refuses: str = ""
    """Why forwards lead nowhere."""

    @property
    def api(self) -> Api:
        return cast("Api", self)

    @property
    def kubectl(self) -> Kubectl:
        raise NotImplementedError

    def get(self, path: str) -> JsonObject:
        if path not in self.answers:
            raise ApiNotFound("GET", path, 404, "not found")
        return self.answers[path]

    def restarted(self) -> None:
        """Have the container be another one."""
        self.answers[POD]["status"]["containerStatuses"][0]["containerID"] += "1"


class Forward:
    """Stands in for the harness's own, which is tested in tests/kube: it says how to the database itself."""

    def __init__(self, api: Cluster, namespace: str, pod: str, port: int) -> None:
        api.forwards.append(f"{namespace}/{pod}:{port}")
        self._database = api.database
        self.last_error = ForwardError(f"pod {namespace}/{pod}, port {port}", api.refuses) if api.refuses else None
        self.port = 1 if api.refuses else api.database.port

    def abort(self) -> None:
        query(
            self._database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
            APPLICATION,
        )

    def close(self) -> None:
        """There is nothing of its own."""


@pytest.fixture
def database(invoice_db: Volume, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster whose pod ``db-0`` is the invoices' PostgreSQL."""
    monkeypatch.setattr(postgres, "PodForward", Forward)
    env: list[JsonObject] = [
        {"name": "POSTGRES_DB", "value": "invoice"},
        {"name": "POSTGRES_USER", "value": USER},
        {"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    status = {"containerStatuses": [{"name": "postgres", "containerID": "containerd://1"}]}
    pod = {"spec": {"containers": [{"name": "postgres", "env": env}]}, "status": status}
    secret = {"data": {"password": base64.b64encode(PASSWORD.encode()).decode()}}
    return Cluster(invoice_db, {POD: pod, SECRET: secret})


@pytest.fixture
def session(database: Cluster) -> Iterator[Postgres]:
    opened = Postgres(database, "shop", "db-0", "postgres")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 AS n",
        "SELECT 1 AS n;",
        "SELECT 1 AS n -- the first",
        "/* the first */ SELECT 1 AS n",
        "(SELECT 1 AS n)",
        "\n\tselect 1 as n ;\n",
        "WITH one AS (SELECT 1 AS n) SELECT n FROM one",
        "VALUES (1)",
        "SELECT 'x'; SELECT 1 AS n; SET application_name TO 'harness'",
    ],
)
def test_rows_come_from_a_statement_however_it_is_written(session: Postgres, statement: str) -> None:
    assert [list(row.values()) for row in session.run(statement)] == [[1]]


@pytest.mark.parametrize("statement", ["", ";", "-- nothing", "SET application_name TO 'harness'"])
def test_what_gives_no_rows_gives_none(session: Postgres, statement: str) -> None:
    assert session.run(statement) == []


def test_values_are_those_of_python(session: Postgres) -> None:
    money_and_text = "12.10::numeric(12, 2) AS money, 'a''b %s {x}' AS text"
    moment = "'2026-12-01 00:00+00'::timestamptz AS at"

    assert session.run(f"SELECT {money_and_text}, NULL AS nothing, {moment}") == [
        {
            "money": Decimal("12.10"),
            "text": "a'b %s {x}",
            "nothing": None,
            "at": datetime(2026, 12, 1, tzinfo=UTC),
        }
    ]


def test_what_is_written_is_there_for_others_and_its_rows_are_told(session: Postgres, invoice_db: Volume) -> None:
    session.run("DROP TABLE IF EXISTS written; CREATE TABLE written (n int)")

    assert session.run("INSERT INTO written VALUES (1), (2) RETURNING n") == [{"n": 1}, {"n": 2}]
    assert [row["n"] for row in query(invoice_db, "SELECT n FROM written ORDER BY n")] == [1, 2]
    session.run("DROP TABLE written")


def test_a_transaction_ends_when_it_says_so(session: Postgres, invoice_db: Volume) -> None:
    session.run("DROP TABLE IF EXISTS held; CREATE TABLE held (n int)")
    session.run("BEGIN; INSERT INTO held VALUES (1)")

    assert query(invoice_db, "SELECT * FROM held") == []
    session.run("ROLLBACK")
    assert session.run("SELECT * FROM held") == []
    session.run("DROP TABLE held")


def test_statements_share_one_connection(session: Postgres, database: Cluster) -> None:
    first = session.run("SELECT pg_backend_pid() AS pid")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: session.run("SELECT pg_backend_pid() AS pid"), range(8))) == [first] * 8
    assert database.forwards == ["shop/db-0:5432"]


def test_another_container_gets_another_connection(session: Postgres, database: Cluster) -> None:
    first = session.run("SELECT pg_backend_pid() AS pid")
    database.restarted()

    assert session.run("SELECT pg_backend_pid() AS pid") != first
    assert len(database.forwards) == 2


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("SELECT * FROM nowhere", "42P01", 'relation "nowhere" does not exist'),
        ("SELEC 1", "42601", 'syntax error at or near "SELEC"'),
        ("SELECT 1 AS n; SELECT 1/0", "22012", "division by zero"),
    ],
)
def test_a_statement_that_fails_says_why_and_the_next_one_runs(
    session: Postgres, statement: str, code: str, said: str
) -> None:
    with pytest.raises(DatabaseError) as raised:
        session.run(statement)

    assert raised.value.sqlstate == code
    assert str(raised.value).startswith(f"the database shop/db-0 answered {code}: {said}")
    assert session.run("SELECT 1 AS n") == [{"n": 1}]


def test_a_statement_that_does_not_end_is_named_and_the_next_one_runs(session: Postgres) -> None:
    session.run("SELECT 1")

    with pytest.raises(WaitTimeout, match=r"the statement 'SELECT pg_sleep\(600\)' to end"):
        session.run("SELECT pg_sleep(600)", seconds=0.3)
    assert session.run("SELECT 1 AS n") == [{"n": 1}]


def test_a_connection_that_broke_while_nobody_used_it_is_made_again(session: Postgres, invoice_db: Volume) -> None:
    pid = session.run("SELECT pg_backend_pid() AS pid")[0]["pid"]
    query(invoice_db, "SELECT pg_terminate_backend($1)", pid)

    assert session.run("SELECT pg_backend_pid() <> $$" + str(pid) + "$$ AS another") == [{"another": True}]


def test_a_transaction_that_is_lost_with_its_connection_is_an_error_and_the_next_one_runs(
    session: Postgres, invoice_db: Volume
) -> None:
    pid = session.run("SELECT pg_backend_pid() AS pid")[0]["pid"]
    session.run("BEGIN")
    query(invoice_db, "SELECT pg_terminate_backend($1)", pid)

    with pytest.raises(DatabaseError, match="terminating connection due to administrator command"):
        session.run("SELECT 1")
    assert session.run("SELECT 1 AS n") == [{"n": 1}]


def test_a_pod_that_is_not_there_is_named(session: Postgres, database: Cluster) -> None:
    database.answers.pop(POD)

    with pytest.raises(ApiNotFound, match="db-0"):
        session.run("SELECT 1")


def test_a_pod_that_cannot_be_reached_is_told_with_the_reason(session: Postgres, database: Cluster) -> None:
    database.refuses = "pod is not running"

    with pytest.raises(DatabaseError, match="pod shop/db-0, port 5432 is not reached: pod is not running"):
        session.run("SELECT 1")


def test_a_wrong_password_is_told_and_not_shown(session: Postgres, database: Cluster) -> None:
    wrong = "wrong-and-secret"
    database.answers[SECRET]["data"]["password"] = base64.b64encode(wrong.encode()).decode()

    with pytest.raises(DatabaseError, match="password authentication failed") as raised:
        session.run("SELECT 1")
    assert wrong not in str(raised.value)


@pytest.mark.parametrize("name", ["PGHOSTADDR", "PGDATABASE", "PGUSER", "PGOPTIONS", "PGSSLMODE", "PGPASSWORD"])
def test_the_users_own_settings_of_postgresql_are_not_read(
    session: Postgres, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    values: dict[str, Any] = {"PGHOSTADDR": "192.0.2.1", "PGOPTIONS": "-c search_path=nowhere", "PGSSLMODE": "require"}
    monkeypatch.setenv(name, values.get(name, "somebody"))

    assert session.run("SELECT current_schema() AS here") == [{"here": "public"}]


def test_closing_ends_the_session_and_can_be_repeated(session: Postgres, invoice_db: Volume) -> None:
    pid = session.run("SELECT pg_backend_pid() AS pid")[0]["pid"]
    before = threading.active_count()

    session.close()
    session.close()

    wait_until(
        lambda: not query(invoice_db, "SELECT 1 FROM pg_stat_activity WHERE pid = $1", pid), "our session to end"
    )
    assert threading.active_count() <= before
    assert session.run("SELECT 1 AS n", HANG_SECONDS) == [{"n": 1}]
