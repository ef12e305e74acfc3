"""What the case promises, as checkers: pure functions of what clients were told and of the rows that are left.

Rows are ``{"invoices": rows, "payments": rows}``, by column: what lies in invoice-app's and in the provider's database.
Linearizability is in ``register.py``, progress in ``progress.py``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.chaos.history import Json, Operation, Outcome
from harness.chaos.progress import Progress
from harness.chaos.register import Linearizable
from harness.chaos.trails import Money, Reader, Trail, added_price, end, money, read, remembering
from harness.chaos.workload import Checker, Finding, Judgement

Row: TypeAlias = Mapping[str, Any]


def promises(
    frozen: Sequence[tuple[float, float]], claim_seconds: float, disturbed: Sequence[tuple[float, float]] = ()
) -> list[Checker]:
    """All that the case promises; ``frozen`` are the seconds, from and to, during which a pod stood still.

    ``disturbed`` are those in which something else was broken.
    They share one reading of a history: give the same object to all of them.
    """
    reader = remembering()
    return [
        PaidOnce(reader),
        PaymentsKept(reader),
        PaidInTheEnd(reader),
        AmountsKept(reader),
        WritesKept(reader),
        ForwardOnly(reader),
        Linearizable(reader),
        Progress(frozen, claim_seconds, disturbed, reader=reader),
    ]


class _Tables:
    """The rows of both tables, by invoice. More than one row of an invoice is kept, and judged."""

    def __init__(self, rows: Json) -> None:
        self.invoices: dict[str, Row] = {row["invoice_id"]: row for row in rows["invoices"]}
        self.payments: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows["payments"]:
            self.payments[row["invoice_id"]].append(row)

    def paid(self, invoice: str) -> bool:
        return invoice in self.invoices and self.invoices[invoice]["is_paid"]


def _price(row: Row) -> Money:
    return money((row["value"], row["currency"]))


def _shown(amount: Money) -> str:
    return " ".join(map(str, amount))


def _operations(*some: Operation | None) -> tuple[Operation, ...]:
    return tuple(one for one in some if one is not None)


@dataclass(frozen=True)
class PaidOnce:
    """The provider has at most one payment of an invoice, which somebody added, and both databases tell of the same.

    Looks at each payment of the provider, and each invoice that says it is paid.
    """

    reader: Reader = read
    name: str = "every invoice is paid once"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:
        """Hold both tables against each other."""
        trails, tables = self.reader(history).of, _Tables(rows)
        said_paid = {invoice for invoice, row in tables.invoices.items() if row["is_paid"]}
        looked_at = sorted(tables.payments.keys() | said_paid)
        findings = [
            Finding(self.name, invoice, problem, _evidence(trails.get(invoice)))
            for invoice in looked_at
            for problem in self._problems(trails.get(invoice), tables.invoices.get(invoice), tables.payments[invoice])
        ]
        times = Counter(row["payment_id"] for row in rows["payments"])
        findings += [
            Finding(self.name, row["invoice_id"], f"payment {row['payment_id']} is of several invoices")
            for row in rows["payments"]
            if times[row["payment_id"]] > 1 and len(tables.payments[row["invoice_id"]]) == 1
        ]
        return Judgement(self.name, len(looked_at), tuple(findings))

    @staticmethod
    def _problems(trail: Trail | None, invoice: Row | None, paid: Sequence[Row]) -> Iterator[str]:
        ids = [row["payment_id"] for row in paid]
        if len(paid) > 1:
            yield f"it was paid {len(paid)} times: {', '.join(map(str, ids))}"
        if trail is None or not trail.adds:
            yield "it was paid, and nobody had added it"
        elif any(_price(row) not in _asked(trail) for row in paid):
            yield f"it was paid with an amount that nobody asked for: {', '.join(_shown(_price(row)) for row in paid)}"
        if invoice is None:
            yield "it was paid, and invoice-app has no such invoice"
        elif invoice["is_paid"] and invoice["payment_id"] not in ids:
            yield f"invoice-app says that it was paid with {invoice['payment_id']}, which the provider does not know"


def _asked(trail: Trail) -> list[Money]:
    """The amounts that an invoice may have: that of the first addition to be acknowledged, else any that was asked."""
    adds = trail.adds if trail.added is None else [trail.added]
    return [money(added_price(one)) for one in adds]


def _evidence(trail: Trail | None) -> tuple[Operation, ...]:
    return () if trail is None else _operations(*trail.adds, trail.acknowledged)


@dataclass(frozen=True)
class PaymentsKept:
    """A payment that was acknowledged is in both databases in the end. Looks at each invoice with such a payment."""

    reader: Reader = read
    name: str = "no acknowledged payment is lost"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:
        """Look for each acknowledged payment in both tables."""
        tables = _Tables(rows)
        acknowledged = [one for one in self.reader(history).of.values() if one.acknowledged]
        findings = [
            Finding(self.name, trail.invoice, problem, _evidence(trail))
            for trail in acknowledged
            for kept, problem in (
                (tables.paid(trail.invoice), "its payment was acknowledged, and invoice-app does not say it is paid"),
                (tables.payments[trail.invoice], "its payment was acknowledged, and the provider has none"),
            )
            if not kept
        ]
        return Judgement(self.name, len(acknowledged), tuple(findings))


@dataclass(frozen=True)
class PaidInTheEnd:
    """When everything has healed and all were to be paid, nothing is left unpaid, but what the provider refused.

    Looks at each invoice in the table.
    """

    reader: Reader = read
    name: str = "every invoice is paid in the end"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:
        """Look for unpaid rows."""
        trails, tables = self.reader(history).of, _Tables(rows)
        findings = [
            Finding(self.name, invoice, "it is unpaid in the end", _evidence(trails.get(invoice)))
            for invoice, row in tables.invoices.items()
            if not row["is_paid"] and not (invoice in trails and trails[invoice].refused)
        ]
        return Judgement(self.name, len(tables.invoices), tuple(findings))


_Found: TypeAlias = tuple[str, Money, tuple[Operation, ...]]
"""Where an amount was found, which, and the operations that show it."""


@dataclass(frozen=True)
class AmountsKept:
    """An invoice has the amount that was acknowledged first, in every read and both databases.

    If no addition was, it has one of those that were asked for, and the same everywhere. Looks at each invoice of
    which an amount was read or is in a table.
    """

    reader: Reader = read
    name: str = "no amount is changed"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:
        """Compare each amount that is to be found."""
        trails, tables = self.reader(history).of, _Tables(rows)
        looked_at, findings = 0, []
        for invoice in trails.keys() | tables.invoices.keys() | tables.payments.keys():
            trail = trails.get(invoice) or Trail(invoice)
            found = self._found(trail, tables)
            looked_at += bool(found)
            findings += list(self._changed(trail, found))[:1]
        return Judgement(self.name, looked_at, tuple(sorted(findings, key=lambda one: one.subject)))

    @staticmethod
    def _found(trail: Trail, tables: _Tables) -> list[_Found]:
        found: list[_Found] = [("read as", money(price), (one,)) for price, one in trail.prices.items()]
        if trail.invoice in tables.invoices:
            found.append(("in invoice-app's database", _price(tables.invoices[trail.invoice]), ()))
        found += [("in the provider's database", _price(row), ()) for row in tables.payments.get(trail.invoice, ())]
        return found

    def _changed(self, trail: Trail, found: Sequence[_Found]) -> Iterator[Finding]:
        right = _asked(trail)
        adds = [one for one in trail.adds if one.outcome is Outcome.OK and one is not trail.added]
        acknowledged = [("acknowledged as", money(added_price(one)), (one,)) for one in adds]
        for where, amount, operations in [*acknowledged, *found]:
            if amount in right:
                right = [amount]
                continue
            asked = " or ".join(sorted({_shown(one) for one in right})) or "nothing"
            problem = f"it is {where} {_shown(amount)}, and {asked} was right"
            yield Finding(self.name, trail.invoice, problem, _operations(*trail.adds, *operations))


@dataclass(frozen=True)
class WritesKept:
    """An addition that was acknowledged is in the table in the end. Looks at each of these."""

    reader: Reader = read
    name: str = "every acknowledged write survives"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:
        """Look for each acknowledged addition."""
        there = {row["invoice_id"] for row in rows["invoices"]}
        added = [one for trail in self.reader(history).of.values() for one in trail.adds if one.outcome is Outcome.OK]
        findings = [
            Finding(self.name, one.value["InvoiceId"], "its addition was acknowledged, and it is not there", (one,))
            for one in added
            if one.value["InvoiceId"] not in there
        ]
        return Judgement(self.name, len(added), tuple(findings))


@dataclass(frozen=True)
class ForwardOnly:
    """What was there stays, and what was paid stays paid, for everyone who begins to read after another has ended.

    An acknowledged write counts as having been seen. Looks at each invoice that was read after it was seen.
    """

    reader: Reader = read
    name: str = "reads never go backwards"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:  # noqa: ARG002 -- it is about reads
        """Hold the first who saw it there, or paid, against the last who did not."""
        seen = [one for one in self.reader(history).of.values() if one.present and one.last_read]
        findings = [
            Finding(self.name, trail.invoice, problem, (before, after))
            for trail in seen
            for before, after, problem in (
                (trail.present, trail.absent, "it had been there, and was seen absent afterwards"),
                (trail.paid, trail.unpaid, "it had been paid, and was seen unpaid afterwards"),
            )
            if before and after and end(before) < after.began
        ]
        looked_at = sum(1 for one in seen if one.present and one.last_read and end(one.present) < one.last_read.began)
        return Judgement(self.name, looked_at, tuple(findings))
