"""An invoice as a register, and whether its history is linearizable: by search, and by bounds, which is fast. Pure.

The register goes absent -> unpaid with an amount -> paid, and never back. So an order of all operations is given by two
moments, that of adding and that of paying, and each answer bounds them: who saw it absent began before it was added,
who saw it there ended after that, and so on. Where the bounds leave room, that is a linearization, and where they leave
none, there is none: that is exact, and takes one look at the few operations of a ``Trail``. ``by_search`` decides the
same by ``linear.py``; tests hold both against each other, and against porcupine.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from harness.chaos.history import Json, Operation, Outcome
from harness.chaos.linear import linearizable
from harness.chaos.trails import (
    Money,
    Reader,
    Trail,
    added_price,
    end,
    money,
    payments,
    read,
    says_other_amount,
    says_unknown,
)
from harness.chaos.workload import Finding, Judgement


class Kind(StrEnum):
    """What an operation did to the register, or saw of it."""

    ADD = "add"
    FOUND = "found"
    """An addition that was told: it is there, with this amount."""
    CONFLICT = "conflict"
    """An addition that was told: it is there, with another amount than this."""
    PAY = "pay"
    READ = "read"


@dataclass(frozen=True)
class Step:
    """One operation on one invoice, as ``linear.Timed``. ``amount`` is None for a read that saw it absent."""

    kind: Kind
    began: float
    ended: float = inf
    certain: bool = True
    amount: Money | None = None
    is_paid: bool = False


@dataclass(frozen=True)
class State:
    """Of an invoice; without an amount it is absent."""

    amount: Money | None = None
    is_paid: bool = False


ABSENT: Final = State()


def apply(state: State, step: Step) -> State | None:
    """The invoice after a step, None where it cannot have been so.

    A step that is not certain is only ever asked for where it has an effect: elsewhere it is as if it never was.
    """
    there = state.amount is not None
    match step.kind:
        case Kind.ADD:
            return None if there else State(step.amount)
        case Kind.FOUND:
            right = state.amount == step.amount
        case Kind.CONFLICT:
            right = there and state.amount != step.amount
        case Kind.PAY:
            return State(state.amount, is_paid=True) if there else None
        case Kind.READ:
            right = state == State(step.amount, step.is_paid)
    return state if right else None


def steps(history: Sequence[Operation], invoice: str) -> list[Step]:
    """All that was done to one invoice, a payment of all and a list included.

    What certainly had no effect and tells nothing is left out.
    """
    made = (_step(one, invoice) for one in history)
    return [one for one in made if one is not None]


def _step(one: Operation, invoice: str) -> Step | None:
    ok = one.outcome is Outcome.OK
    match one.f:
        case "add" if one.value["InvoiceId"] == invoice:
            return _addition(one)
        case "pay" if one.value == invoice:
            return _seen(one, None) if says_unknown(one) else _payment(one, one.outcome)
        case "pay-all":
            return _payment(one, payments(one).get(invoice, Outcome.INFO))
        case "get" if one.value == invoice:
            return _seen(one, one.answer) if ok else None
        case "list":
            return _seen(one, one.answer.get(invoice)) if ok else None
    return None


def _addition(one: Operation) -> Step | None:
    amount = money(added_price(one))
    if one.outcome is Outcome.INFO:
        return Step(Kind.ADD, one.began, certain=False, amount=amount)
    if one.outcome is Outcome.OK:
        return Step(Kind.ADD if one.answer["new"] else Kind.FOUND, one.began, end(one), amount=amount)
    return Step(Kind.CONFLICT, one.began, end(one), amount=amount) if says_other_amount(one) else None


def _payment(one: Operation, outcome: Outcome) -> Step | None:
    if Outcome.FAIL in (one.outcome, outcome):
        return None
    return Step(Kind.PAY, one.began, end(one)) if outcome is Outcome.OK else Step(Kind.PAY, one.began, certain=False)


def _seen(one: Operation, seen: Json) -> Step:
    if seen is None:
        return Step(Kind.READ, one.began, end(one))
    value, currency, is_paid = seen
    return Step(Kind.READ, one.began, end(one), amount=money((value, currency)), is_paid=is_paid)


def by_search(history: Sequence[Operation], invoice: str) -> bool:
    """Whether the history of one invoice is linearizable, by the search: for short ones."""
    return linearizable(steps(history, invoice), ABSENT, apply)


@dataclass(frozen=True)
class Broken:
    """Why there is no linearization, and the operations that leave no room for one."""

    problem: str
    operations: tuple[Operation, ...] = ()


def by_bounds(trail: Trail) -> Broken | None:
    """Why the history of one invoice is not linearizable; None if it is."""
    if trail.present is None:
        return None  # nothing says that it ever was there
    amount = _amount(trail)
    adding = amount if isinstance(amount, Broken) else _adding(trail, amount)
    if isinstance(adding, Broken):
        return adding
    return _backwards(trail, adding)


def _backwards(trail: Trail, adding: Operation) -> Broken | None:
    """Both moments as early as may be, against those who need them to have been."""
    added = _later(adding, trail.absent)
    if trail.present and added.began > end(trail.present):
        said = "seen absent" if added is trail.absent else "added"
        return Broken(f"it was {said} after it had been there", (trail.present, added))
    if trail.paid is None:
        return None
    if trail.payer is None:
        return Broken("it was paid, and nobody had asked for that", (trail.paid,))
    paid = _later(_later(added, trail.payer), trail.unpaid)
    if paid.began > end(trail.paid):
        shown = {id(trail.unpaid): "seen unpaid", id(trail.payer): "to be paid", id(trail.absent): "seen absent"}
        return Broken(f"it was {shown.get(id(paid), 'added')} after it had been paid", (trail.paid, paid))
    return None


def _later(one: Operation, other: Operation | None) -> Operation:
    return other if other is not None and other.began > one.began else one


def _amount(trail: Trail) -> Money | Broken | None:
    """The one amount that all saw, None if nobody did."""
    seen = {money(added_price(one)): one for one in trail.adds if one.outcome is Outcome.OK}
    seen.update({money(price): one for price, one in trail.prices.items()})
    if len(seen) > 1:
        return Broken("it was there with several amounts", tuple(seen.values()))
    return next(iter(seen), None)


def _adding(trail: Trail, amount: Money | None) -> Operation | Broken:
    """The addition that made it: the one that was told so, or the first to begin of those that may have."""
    new = [one for one in trail.adds if one.outcome is Outcome.OK and one.answer["new"]]
    if len(new) > 1:
        return Broken("it was new more than once", tuple(new))
    refused = {money(added_price(one)): one for one in trail.conflicts}
    if amount in refused:
        return Broken("an addition was refused for its amount, which was the invoice's", (refused[amount],))
    if new:
        return new[0]
    unknown = [one for one in trail.adds if one.outcome is Outcome.INFO]
    able = [one for one in unknown if _fits(money(added_price(one)), amount, refused)]
    if not able:
        return Broken(
            "it was there, and nobody had added it so", (*((trail.present,) if trail.present else ()), *unknown)
        )
    return min(able, key=lambda one: one.began)


def _fits(asked: Money, seen: Money | None, refused: Collection[Money]) -> bool:
    return asked not in refused if seen is None else asked == seen


@dataclass(frozen=True)
class Linearizable:
    """Each invoice, taken by itself, behaves as if every request took effect in one moment (Herlihy and Wing, 1990).

    Looks at each invoice that was added, read or paid.
    """

    reader: Reader = read
    name: str = "each invoice is linearizable"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:  # noqa: ARG002 -- it is about answers
        """Judge every invoice of the history by itself."""
        trails = self.reader(history).of
        judged = ((invoice, by_bounds(trail)) for invoice, trail in trails.items())
        findings = (Finding(self.name, invoice, one.problem, one.operations) for invoice, one in judged if one)
        return Judgement(self.name, len(trails), tuple(findings))
