"""The case as a workload: users outside the cluster who list, add and pay invoices, through the Ingress."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import urllib3

from harness.chaos.history import Call, Json, Outcome, Result
from harness.chaos.strikes import Strike
from harness.chaos.trails import REFUSED_BY_PROVIDER, UNKNOWN_INVOICE
from harness.chaos.workload import Checker
from harness.errors import HarnessError
from harness.kube.wait import wait_until

REQUEST_SECONDS: Final = 8.0
"""How long a client waits for an answer: longer than the app's own patience with the provider and the database."""

SETTLE_SECONDS: Final = 90.0
ROWS_SECONDS: Final = 60.0
TABLES: Final = {"invoices": "invoice-db", "payments": "payments-db"}
CONNECTIONS: Final = 64
KEPT_IDS: Final = 50
"""Each client reads and pays what it added lately."""

_CREATED: Final = 201
_CURRENCIES: Final = ("EUR", "GBP", "DKK")

Sql = Callable[[str, str], list[dict[str, Any]]]
"""Database and statement to rows, as ``Case.sql``."""


@dataclass(frozen=True)
class Shares:
    """What one client asks, in parts of a hundred; the rest are additions."""

    get: float = 12
    pay: float = 5
    pay_all: float = 3
    list: float = 0.5
    again: float = 2
    """An id that was used already, with the same amount or another."""


class Invoices:
    """Clients of invoice-app at ``url``. ``headers`` go with each request, ``prefix`` begins the ids of what they add.

    ``sql`` reads both databases. ``pool`` connections are kept; close it after use.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], sql: Sql, prefix: str, shares: Shares | None = None
    ) -> None:
        self._pool = urllib3.HTTPConnectionPool(*_address(url), maxsize=CONNECTIONS)
        self._headers = {**headers, "Content-Type": "application/json"}
        self._sql = sql
        self._prefix = prefix
        self._shares = shares or Shares()

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()

    def checkers(self, strikes: Sequence[Strike]) -> Sequence[Checker]:
        """What the case promises, whatever was struck."""
        from harness.chaos.checkers import promises  # noqa: PLC0415

        frozen = [one.frozen for one in strikes if one.frozen]
        return promises(frozen, CLAIM_SECONDS, [one.disturbance for one in strikes if one.disturbance])

    def operations(self, random: Random, process: int) -> Iterator[Call]:
        """One client: it adds, and reads and pays what it added, and all."""
        added: list[dict[str, str]] = []
        number = 0
        shares = self._shares
        while True:
            lot = random.random() * 100
            for f in ("get", "pay"):
                share = getattr(shares, f)
                if added and 0 <= lot < share:
                    yield Call(f, _one_of(random, added)["InvoiceId"])
                lot -= share
            if 0 <= lot < shares.pay_all:
                yield Call("pay-all")
            lot -= shares.pay_all
            if 0 <= lot < shares.list:
                yield Call("list")
            lot -= shares.list
            if added and 0 <= lot < shares.again:
                same = random.random() < 0.5  # noqa: PLR2004 -- one half
                known = _one_of(random, added)
                yield Call("add", known if same else {**known, "Value": _value(random)})
            lot -= shares.again
            if lot >= 0:
                invoice = {
                    "InvoiceId": f"{self._prefix}{process}-{number}",
                    "Value": _value(random),
                    "Currency": _CURRENCIES[int(random.random() * len(_CURRENCIES))],
                }
                number += 1
                added = [*added[-KEPT_IDS:], invoice]
                yield Call("add", invoice)

    def invoke(self, call: Call) -> Result:
        """One request. What it may come to is in ``_READERS``."""
        method, path, body = _request(call)
        try:
            response = self._pool.request(
                method, path, body=body, headers=self._headers, timeout=REQUEST_SECONDS, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            return Result(Outcome.INFO, {"lost": str(error)[:200]})
        try:
            return _read(call, response.status, response.data, self._prefix)
        except (ValueError, KeyError, TypeError):
            return Result(Outcome.INFO, {"status": response.status, "said": _words(response.data)})

    def settle(self) -> None:
        """Pay all until nothing of ours is left to be paid. Where that does not come about, the rows tell."""
        unpaid = f"SELECT invoice_id FROM invoices WHERE invoice_id LIKE '{self._prefix}%' AND NOT is_paid LIMIT 1"  # noqa: S608

        def paid() -> bool:
            self.invoke(Call("pay-all"))
            return not self._sql("invoice-db", unpaid)

        try:
            wait_until("all invoices to be paid", paid, seconds=SETTLE_SECONDS, interval=0.5, tolerate=(HarnessError,))
        except HarnessError:
            return

    def final_rows(self) -> Json:
        """``{"invoices": rows, "payments": rows}`` of our invoices, as they lie in both databases."""
        return {table: self._rows(table, database) for table, database in TABLES.items()}

    def _rows(self, table: str, database: str) -> list[dict[str, Any]]:
        statement = f"SELECT * FROM {table} WHERE invoice_id LIKE '{self._prefix}%'"  # noqa: S608
        found: list[list[dict[str, Any]]] = []

        def read() -> bool:
            found.append(self._sql(database, statement))
            return True

        # A session may have been cut by the last fault without anybody having noticed: the next one is a new one.
        wait_until(f"the rows of {table}", read, seconds=ROWS_SECONDS, interval=0.5, tolerate=(HarnessError,))
        return found[-1]


CLAIM_SECONDS: Final = 10.0
"""After how long a claim of a pod that does not go on is void: CLAIM_SECONDS in the case's manifests."""


def _address(url: str) -> tuple[str, int]:
    parsed = urllib3.util.parse_url(url)
    return parsed.host or "", parsed.port or 80


def _one_of(random: Random, added: Sequence[dict[str, str]]) -> dict[str, str]:
    return added[int(random.random() * len(added))]


def _value(random: Random) -> str:
    cents = 1 + int(random.random() * 100_000)
    return f"{cents // 100}.{cents % 100:02}"


def _request(call: Call) -> tuple[str, str, bytes | None]:
    match call.f:
        case "list":
            return "GET", "/invoices", None
        case "get":
            return "GET", f"/invoices/{call.value}", None
        case "pay":
            return "POST", f"/invoices/{call.value}/pay", None
        case "pay-all":
            return "POST", "/invoices/pay", None
    # The amount is text in the history, since JSON's numbers would be floats, and a number on the wire.
    value = json.dumps({**call.value, "Value": "@"}).replace('"@"', call.value["Value"])
    return "POST", "/invoices", value.encode()


def _read(call: Call, status: int, data: bytes, prefix: str) -> Result:
    """What an answer means. Raises ValueError and its like for one that is none."""
    match call.f, status:
        case "add", 201 | 200:
            return Result(Outcome.OK, {"new": status == _CREATED})
        case "pay", 200:
            return Result(Outcome.OK)
        case "pay-all", 200 | 502:
            return Result(Outcome.OK, _outcome(_json(data)))
        case ("get", 200) | ("list", 200):
            return Result(Outcome.OK, _seen(call.f, data, prefix))
        case "get", 404 if (
            _json(data)["error"] == UNKNOWN_INVOICE
        ):  # in the app's own words: the Ingress has a 404 of its own
            return Result(Outcome.OK, None)
    refused = 400 <= status < 500 or (call.f == "pay" and REFUSED_BY_PROVIDER.search(_words(data)))  # noqa: PLR2004
    return Result(Outcome.FAIL if refused else Outcome.INFO, {"status": status, "said": _words(data)})


def _outcome(body: Mapping[str, Any]) -> Json:
    failed = {one["InvoiceId"]: one["error"] for one in body["failed"]}
    return {"paid": body["paid"], "in_progress": body["in_progress"], "failed": failed}


def _seen(f: str, data: bytes, prefix: str) -> Json:
    if f == "get":
        return _invoice(_json(data))
    return {one["InvoiceId"]: _invoice(one) for one in _json(data) if one["InvoiceId"].startswith(prefix)}


def _json(data: bytes) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(data, parse_float=str, parse_int=str)


def _invoice(body: Mapping[str, Any]) -> list[Any]:
    return [str(body["Value"]), body["Currency"], body["IsPaid"]]


def _words(data: bytes) -> str:
    return data[:200].decode(errors="replace")
