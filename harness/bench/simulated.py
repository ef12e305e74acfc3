"""A correct service with clients, simulated in a moment: histories and rows such as a real run leaves.

For the tests of the checkers, and for measuring them. It stands for many pods on one database: what a request does, it
does in one moment between its beginning and its end, in the order of time.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from math import inf
from random import Random
from typing import Any, Final

from harness.chaos.history import Call, Json, Operation, Outcome, Result

OK: Final = Result(Outcome.OK)
UNKNOWN: Final = "there is no such invoice"
_ENDS: Final = 0.9
"""How many of the lost requests end, as by a timeout; the others were under way when a run was killed."""


@dataclass
class Invoice:
    """A row of invoice-app."""

    value: str
    currency: str
    payment_id: str | None = None

    def seen(self) -> list[Any]:
        """As a read tells it."""
        return [self.value, self.currency, self.payment_id is not None]


class Service:
    """Both databases and what the apps do with them, each call in one moment. All chance comes from ``random``."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.invoices: dict[str, Invoice] = {}
        self.unpaid: dict[str, None] = {}
        self.payments: dict[str, tuple[str, Invoice]] = {}

    def answer(self, call: Call) -> Result:
        """Do what is asked, and answer."""
        match call.f:
            case "add":
                return self.add(call.value)
            case "get":
                return Result(Outcome.OK, self.look(call.value))
            case "list":
                return Result(Outcome.OK, self.list())
            case "pay":
                return self.pay(call.value)
        return self.pay_all()

    def add(self, asked: dict[str, str]) -> Result:
        """Add an invoice, unless its id is there."""
        invoice_id, value, currency = asked["InvoiceId"], asked["Value"], asked["Currency"]
        there = self.invoices.get(invoice_id)
        if there is None:
            self.invoices[invoice_id] = Invoice(value, currency)
            self.unpaid[invoice_id] = None
            return Result(Outcome.OK, {"new": True})
        if (there.value, there.currency) == (value, currency):
            return Result(Outcome.OK, {"new": False})
        return Result(Outcome.FAIL, {"status": 409, "said": "exists with another amount or currency"})

    def look(self, invoice_id: str) -> Json:
        """What a read of one invoice sees."""
        return self.invoices[invoice_id].seen() if invoice_id in self.invoices else None

    def list(self) -> Json:
        """What a read of all sees."""
        return {invoice_id: one.seen() for invoice_id, one in self.invoices.items()}

    def pay(self, invoice_id: str) -> Result:
        """Pay one."""
        if invoice_id not in self.invoices:
            return Result(Outcome.FAIL, {"status": 404, "said": UNKNOWN})
        trouble = self.pay_invoice(invoice_id)
        if not trouble:
            return OK
        return Result(Outcome.FAIL if "answered 4" in trouble else Outcome.INFO, {"status": 502, "said": trouble})

    def pay_all(self) -> Result:
        """Pay all that are unpaid."""
        troubles = {one: self.pay_invoice(one) for one in list(self.unpaid)}
        busy = [one for one, trouble in troubles.items() if trouble == "in progress"]
        paid = [one for one, trouble in troubles.items() if not trouble]
        failed = {one: trouble for one, trouble in troubles.items() if trouble and trouble != "in progress"}
        return Result(Outcome.OK, {"paid": paid, "in_progress": busy, "failed": failed})

    def pay_invoice(self, invoice_id: str) -> str:
        """Pay one that is there; why it could not be, or an empty text."""
        invoice = self.invoices[invoice_id]
        if invoice.payment_id is not None:
            return ""
        lot = self.random.random()
        if lot < 0.02:  # noqa: PLR2004 -- two of a hundred
            return "in progress"
        if lot < 0.03:  # noqa: PLR2004 -- one of a hundred
            return "the provider answered 429: slowly"
        payment_id = self.charge(invoice_id, invoice)
        if lot < 0.05:  # noqa: PLR2004 -- two of a hundred
            return "the provider did not answer within 2 s; the outcome is unknown"
        self.mark(invoice_id, payment_id)
        return ""

    def charge(self, invoice_id: str, invoice: Invoice) -> str:
        """Pay at the provider, once; the payment's id."""
        made = (f"payment-{len(self.payments)}", replace(invoice))
        return self.payments.setdefault(invoice_id, made)[0]

    def mark(self, invoice_id: str, payment_id: str) -> None:
        """Note that it is paid."""
        self.invoices[invoice_id].payment_id = payment_id
        self.unpaid.pop(invoice_id, None)

    def settle(self) -> None:
        """Pay all until nothing is left."""
        while self.unpaid:
            self.pay_all()

    def rows(self) -> Json:
        """What lies in both databases."""
        return {
            "invoices": [
                {**_row(one, invoice), "is_paid": invoice.payment_id is not None, "payment_id": invoice.payment_id}
                for one, invoice in self.invoices.items()
            ],
            "payments": [
                {**_row(one, paid), "payment_id": payment_id} for one, (payment_id, paid) in self.payments.items()
            ],
        }


def _row(invoice_id: str, invoice: Invoice) -> dict[str, Any]:
    return {"invoice_id": invoice_id, "value": Decimal(invoice.value), "currency": invoice.currency}


@dataclass(frozen=True)
class Chances:
    """How often an answer is lost; after how many seconds, on average, a request is done, and then answered.

    ``late`` are the seconds by which what a lost request asked for may come later.
    """

    lost: float = 0.05
    seconds: float = 0.01
    late: float = 0.5


def simulate(
    service: Service, clients: Sequence[Iterator[Call]], number: int, chances: Chances | None = None
) -> list[Operation]:
    """So many operations of these clients with the service, in the order in which they began.

    What a lost request asks for is done soon, or much later, or never. All that is done is done before this returns.
    """
    chances, random, order = chances or Chances(), service.random, count()
    operations: list[Operation] = []
    lost: set[int] = set()

    def soon() -> float:
        return random.expovariate(1 / chances.seconds)

    # By time: a client that begins to ask (and None), or what is done for it (and the operation's number).
    waiting: list[tuple[float, int, int, int | None]] = [(0.0, next(order), one, None) for one in range(len(clients))]
    while waiting:
        now, _, client, doing = heapq.heappop(waiting)
        if doing is not None:
            one = operations[doing]
            result = service.answer(Call(one.f, one.value))
            if doing not in lost:
                ended = now + soon()
                operations[doing] = replace(one, ended=ended, outcome=result.outcome, answer=result.answer)
                heapq.heappush(waiting, (ended, next(order), client, None))
        elif len(operations) < number:
            call = next(clients[client])
            one = Operation(len(operations), client, call.f, call.value, now)
            done = now + soon()
            if random.random() < chances.lost:
                lost.add(one.index)
                one = replace(one, ended=now + soon() if random.random() < _ENDS else None)
                heapq.heappush(waiting, (one.ended or done, next(order), client, None))
                done = random.choice((done, done + chances.late, inf))
            operations.append(one)
            if done < inf:
                heapq.heappush(waiting, (done, next(order), client, one.index))
    return operations
