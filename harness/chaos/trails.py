"""What clients asked of each invoice and saw of it: a history of the case, read once for all checkers. Pure.

An invoice only moves forward: it is absent, then unpaid with one amount, then paid. So a few operations say all that a
history knows of it: the first to end that shows it there, the last to begin that saw it absent, and the same of paid
and unpaid. That is what makes a long history quick to judge, and an operation is there for every word of a finding.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from math import inf
from typing import Any, Final, TypeAlias

from harness.chaos.history import Operation, Outcome

Price: TypeAlias = tuple[Any, str]
"""Value and currency as they were written: a value is text in a history, a Decimal in a row."""

Money: TypeAlias = tuple[Decimal | str, str]
"""The same to be compared; a value that is no number stays text."""

REFUSED_BY_PROVIDER: Final = re.compile(r"the provider answered 4\d\d")
UNKNOWN_INVOICE: Final = "there is no such invoice"
"""The app's own words, by which answers are told apart."""
_CONFLICT: Final = 409


def money(price: Price) -> Money:
    """The amount, exactly: 12.1 and 12.10 are equal, and a float is what it is, not what it is printed as."""
    value, currency = price
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return str(value), currency
    return (number, currency) if number.is_finite() else (str(value), currency)


def added_price(add: Operation) -> Price:
    """What an addition asked for."""
    return add.value["Value"], add.value["Currency"]


def end(operation: Operation) -> float:
    """When an operation ended, infinity if no end was seen."""
    return inf if operation.ended is None else operation.ended


def payments(pay_all: Operation) -> dict[str, Outcome]:
    """What a payment of all came to for each invoice of which that is certain; for every other one it is *info*.

    In ``paid`` is ok; in ``failed`` because the provider answered 4xx is fail. Any other failure, what is in progress
    and what is not listed may have happened, or may happen yet. A request that failed as a whole is fail for each: it
    has no entry here, and ``Trails.pay_alls`` leaves it out.
    """
    if pay_all.outcome is not Outcome.OK:
        return {}
    refused = {one: Outcome.FAIL for one, said in pay_all.answer["failed"].items() if REFUSED_BY_PROVIDER.search(said)}
    return refused | dict.fromkeys(pay_all.answer["paid"], Outcome.OK)


def _said(operation: Operation) -> str:
    return str(operation.answer.get("said", "")) if isinstance(operation.answer, Mapping) else ""


def says_unknown(operation: Operation) -> bool:
    """Whether it failed since there is no such invoice, in the app's own words: 404 alone may be the Ingress's."""
    return UNKNOWN_INVOICE in _said(operation)


def says_other_amount(operation: Operation) -> bool:
    """Whether it failed since the invoice is there with another amount."""
    answer = operation.answer
    return isinstance(answer, Mapping) and answer.get("status") == _CONFLICT


@dataclass(slots=True)
class Trail:
    """What was asked of one invoice and seen of it.

    ``adds`` are the additions that were acknowledged or may have taken effect, ``added`` is the first of them to be
    acknowledged, ``conflicts`` are those that were refused since the invoice was there with another amount.
    ``payer`` is the first to begin of the payments that took effect or may have, ``acknowledged`` the first to be
    acknowledged. ``refused`` tells that the provider refused one.

    ``present`` and ``paid`` are the first to end of what shows it there, and paid: reads and acknowledged writes.
    ``absent`` and ``unpaid`` are the last to begin of the reads that saw it so, ``last_read`` of all reads.
    ``prices`` are those that reads saw, each with one of them.
    """

    invoice: str
    adds: list[Operation] = field(default_factory=list)
    added: Operation | None = None
    conflicts: list[Operation] = field(default_factory=list)
    payer: Operation | None = None
    acknowledged: Operation | None = None
    refused: bool = False
    present: Operation | None = None
    paid: Operation | None = None
    absent: Operation | None = None
    unpaid: Operation | None = None
    last_read: Operation | None = None
    prices: dict[Price, Operation] = field(default_factory=dict)


@dataclass(frozen=True)
class Trails:
    """A history by invoices. ``pay_alls`` are the payments of all that took effect or may have, by their beginning."""

    of: Mapping[str, Trail]
    pay_alls: Sequence[Operation]


Reader: TypeAlias = Callable[[Sequence[Operation]], Trails]
"""``read``, or one that remembers."""


def read(history: Sequence[Operation]) -> Trails:
    """The trails of a history, in which every kind of operation is as ``harness/chaos/invoices.py`` makes it."""
    trails = _Made()
    lists, pay_alls = [], []
    for one in history:
        if one.f == "add":
            _take_add(trails[one.value["InvoiceId"]], one)
        elif one.f == "get":
            if one.outcome is Outcome.OK:
                _take_get(trails[one.value], one)
        elif one.f == "pay":
            _take_pay(trails[one.value], one)
        elif one.f == "list":
            if one.outcome is Outcome.OK:
                lists.append(one)
        elif one.f == "pay-all" and one.outcome is not Outcome.FAIL:
            pay_alls.append(one)
    _take_lists(trails, lists)
    pay_alls.sort(key=lambda one: one.began)
    _take_pay_alls(trails, pay_alls)
    return Trails(trails, pay_alls)


def remembering() -> Reader:
    """A ``read`` that keeps what it made of the last history, for checkers that are all asked of the same one."""
    last: tuple[Sequence[Operation], Trails] | None = None

    def remembered(history: Sequence[Operation]) -> Trails:
        nonlocal last
        if last is None or last[0] is not history:
            last = history, read(history)
        return last[1]

    return remembered


class _Made(dict[str, Trail]):
    def __missing__(self, invoice: str) -> Trail:
        made = self[invoice] = Trail(invoice)
        return made


def _sooner(one: Operation, than: Operation | None) -> Operation:
    return one if than is None or end(one) < end(than) else than


def _later(one: Operation, than: Operation | None) -> Operation:
    return one if than is None or one.began > than.began else than


def _take_add(trail: Trail, one: Operation) -> None:
    if one.outcome is Outcome.OK:
        trail.adds.append(one)
        trail.added = _sooner(one, trail.added)
        trail.present = _sooner(one, trail.present)
    elif one.outcome is Outcome.INFO:
        trail.adds.append(one)
    elif says_other_amount(one):
        trail.conflicts.append(one)
        trail.present = _sooner(one, trail.present)


def _take_get(trail: Trail, one: Operation) -> None:
    trail.last_read = _later(one, trail.last_read)
    if one.answer is None:
        trail.absent = _later(one, trail.absent)
        return
    value, currency, is_paid = one.answer
    trail.prices.setdefault((value, currency), one)
    trail.present = _sooner(one, trail.present)
    if is_paid:
        trail.paid = _sooner(one, trail.paid)
    else:
        trail.unpaid = _later(one, trail.unpaid)


def _take_pay(trail: Trail, one: Operation) -> None:
    if one.outcome is not Outcome.FAIL:
        if trail.payer is None or one.began < trail.payer.began:
            trail.payer = one
    elif says_unknown(one):
        trail.last_read = _later(one, trail.last_read)
        trail.absent = _later(one, trail.absent)
    elif REFUSED_BY_PROVIDER.search(_said(one)):
        trail.refused = True
    if one.outcome is Outcome.OK:
        _take_acknowledged(trail, one)


def _take_acknowledged(trail: Trail, one: Operation) -> None:
    trail.acknowledged = _sooner(one, trail.acknowledged)
    trail.present = _sooner(one, trail.present)
    trail.paid = _sooner(one, trail.paid)


def _take_lists(trails: _Made, lists: Sequence[Operation]) -> None:
    """Each list shows every invoice, there or not. Sets tell what of that is news, and only this is taken up."""
    if not lists:
        return
    unpaid_in = {one.index: _take_prices(trails, one) for one in lists}
    not_there, not_paid, always_there, always_paid = (set(trails) for _ in range(4))
    for one in sorted(lists, key=end):
        for trail in _take_out(not_there, one.answer.keys() & not_there, trails):
            trail.present = _sooner(one, trail.present)
        for trail in _take_out(not_paid, (one.answer.keys() & not_paid) - unpaid_in[one.index], trails):
            trail.paid = _sooner(one, trail.paid)
    latest = sorted(lists, key=lambda one: one.began, reverse=True)
    for one in latest:
        for trail in _take_out(always_there, always_there.difference(one.answer), trails):
            trail.absent = _later(one, trail.absent)
        for trail in _take_out(always_paid, always_paid & unpaid_in[one.index], trails):
            trail.unpaid = _later(one, trail.unpaid)
    for trail in trails.values():
        trail.last_read = _later(latest[0], trail.last_read)


def _take_prices(trails: _Made, one: Operation) -> set[str]:
    """Take up the prices that a list shows; which of its invoices are unpaid."""
    unpaid = set()
    for invoice, (value, currency, is_paid) in one.answer.items():
        prices = trails[invoice].prices
        if (value, currency) not in prices:
            prices[value, currency] = one
        if not is_paid:
            unpaid.add(invoice)
    return unpaid


def _take_out(left: set[str], invoices: set[str], trails: _Made) -> Iterator[Trail]:
    left -= invoices
    return (trails[invoice] for invoice in invoices)


def _take_pay_alls(trails: _Made, pay_alls: Sequence[Operation]) -> None:
    """Invoices that nobody asked of otherwise are not ours: others may be on the same service."""
    certain = [payments(one) for one in pay_alls]
    for one, outcomes in zip(pay_alls, certain, strict=True):
        for invoice, outcome in outcomes.items():
            trail = trails.get(invoice)
            if trail is None:
                continue
            if outcome is Outcome.OK:
                _take_acknowledged(trail, one)
            else:
                trail.refused = True
    for trail in trails.values():
        first = _first_not_refused(trail, pay_alls, certain)
        if first and (trail.payer is None or first.began < trail.payer.began):
            trail.payer = first


def _first_not_refused(
    trail: Trail, pay_alls: Sequence[Operation], certain: Sequence[Mapping[str, Outcome]]
) -> Operation | None:
    for one, outcomes in zip(pay_alls, certain, strict=True):
        if outcomes.get(trail.invoice) is not Outcome.FAIL:
            return one
    return None
