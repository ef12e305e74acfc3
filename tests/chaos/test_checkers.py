"""The checkers: each finds what breaks its promise, whoever keeps all of them is never blamed."""

import math
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench.chaos_checking import long_history
from harness.bench.simulated import Chances, Invoice, Service, simulate
from harness.chaos.checkers import promises
from harness.chaos.history import Json, Operation, Outcome, Result
from harness.chaos.invoices import Invoices, Shares
from harness.chaos.trails import payments, read, remembering
from harness.chaos.workload import Judgement

ONCE = "every invoice is paid once"
KEPT = "no acknowledged payment is lost"
PAID = "every invoice is paid in the end"
AMOUNTS = "no amount is changed"
WRITES = "every acknowledged write survives"
FORWARD = "reads never go backwards"
LINEAR = "each invoice is linearizable"
PROGRESS = "a frozen pod holds up no payment"

FROZEN = [(10.0, 40.0)]
CLAIM_SECONDS = 10.0
UNPAID, IS_PAID = ["12.15", "EUR", False], ["12.15", "EUR", True]


def judged(
    history: Sequence[Operation], rows: Json, disturbed: Sequence[tuple[float, float]] = ()
) -> dict[str, Judgement]:
    checkers = promises(FROZEN, CLAIM_SECONDS, disturbed)
    return {one.checker: one for one in (each.check(history, rows) for each in checkers)}


def broken(history: Sequence[Operation], rows: Json) -> set[str]:
    return {name for name, judgement in judged(history, rows).items() if judgement.findings}


def told(f: str, value: Json, began: float, ended: float | None, *end: Any) -> Operation:  # noqa: ANN401 -- JSON
    outcome, answer = (*end, None)[:2] if end else (Outcome.INFO, None)
    return Operation(int(began * 100), 0, f, value, began, ended, outcome, answer)


def add(began: float, *end: Any, value: str = "12.15", currency: str = "EUR") -> Operation:  # noqa: ANN401 -- JSON
    return told("add", {"InvoiceId": "a", "Value": value, "Currency": currency}, began, began + 0.5, *end)


def new(began: float, value: str = "12.15") -> Operation:
    return add(began, Outcome.OK, {"new": True}, value=value)


def get(began: float, seen: Json) -> Operation:
    return told("get", "a", began, began + 0.5, Outcome.OK, seen)


def listed(began: float, **seen: Json) -> Operation:
    return told("list", None, began, began + 0.5, Outcome.OK, seen)


def pay(began: float, *end: Any) -> Operation:  # noqa: ANN401 -- JSON
    return told("pay", "a", began, began + 0.5, *end)


def pay_all(began: float, paid: Sequence[str] = (), busy: Sequence[str] = (), **failed: str) -> Operation:
    answer = {"paid": [*paid], "in_progress": [*busy], "failed": failed}
    return told("pay-all", None, began, began + 0.5, Outcome.OK, answer)


def row(invoice: str = "a", payment: str | None = "p1", value: Any = "12.1500") -> dict[str, Any]:  # noqa: ANN401
    of = Decimal(value) if isinstance(value, str) else value
    return {
        "invoice_id": invoice,
        "payment_id": payment,
        "value": of,
        "currency": "EUR",
        "is_paid": payment is not None,
    }


def rows(invoices: Sequence[Json] = (row(),), made: Sequence[Json] = (row(),)) -> Json:
    return {"invoices": [*invoices], "payments": [*made]}


RIGHT = [new(0), pay(1, Outcome.OK)]

GOOD: dict[str, tuple[list[Operation], Json]] = {
    "nothing was asked": ([], rows([], [])),
    "an invoice is added, paid and read": ([*RIGHT, get(2, IS_PAID), listed(3, a=IS_PAID)], rows()),
    "amounts are equal that are written otherwise": ([add(0, Outcome.OK, {"new": True}, value="12.150")], rows()),
    "an addition was lost, and came to nothing": ([add(0), get(1, None)], rows([], [])),
    "an addition was lost, and came late": ([add(0), get(1, None), get(2, UNPAID)], rows()),
    "of two lost additions either may be the one": (
        [add(0), add(1, value="9.00")],
        rows([row(value="9")], [row(value="9")]),
    ),
    "a payment was lost, and came late": ([new(0), pay(1), get(2, UNPAID), get(3, IS_PAID)], rows()),
    "a payment of all did not list it, and it was paid": ([new(0), pay_all(1), get(2, IS_PAID)], rows()),
    "who reads while it is paid may see either": (
        [new(0), told("pay", "a", 1, 9, Outcome.OK), get(2, IS_PAID), told("get", "a", 1.5, 8, Outcome.OK, UNPAID)],
        rows(),
    ),
    "another amount is refused": ([new(0), add(1, Outcome.FAIL, {"status": 409, "said": ""}, value="9.00")], rows()),
    "an invoice of somebody else is paid along": ([*RIGHT, pay_all(2, ["theirs"])], rows()),
    "what the provider refuses stays unpaid": (
        [new(0), pay_all(1, a="the provider answered 400: no")],
        rows([row(payment=None)], []),
    ),
    "the Ingress answers 404 to a payment": (
        [new(0), pay(1, Outcome.FAIL, {"status": 404, "said": "no page"})],
        rows(),
    ),
    "it is paid in time while a pod is frozen": ([new(0), pay_all(11, busy=["a"]), pay_all(22, ["a"])], rows()),
    "it is unpaid for no longer than it may be": (
        [new(0), pay_all(11, busy=["a"]), pay_all(22, busy=["a"]), get(25.9, UNPAID)],
        rows(),
    ),
    "who asked again began so late that another may still be at it": (
        [new(0), pay_all(11, busy=["a"]), pay_all(25.9, busy=["a"]), get(27, UNPAID), get(32, IS_PAID)],
        rows(),
    ),
    "nobody asked again once the claim was void": ([new(0), pay_all(11, busy=["a"]), get(30, UNPAID)], rows()),
    "the provider was away when all were to be paid": (
        [new(0), pay_all(11, busy=["a"]), pay_all(22, a="the provider cannot be reached"), get(30, UNPAID)],
        rows(),
    ),
    "it was added after all were to be paid": ([pay_all(11), new(12), pay_all(22), get(30, UNPAID)], rows()),
}

BAD: dict[str, tuple[list[Operation], Json, set[str]]] = {
    "an invoice is paid twice": (RIGHT, rows(made=[row(), row(payment="p2")]), {ONCE}),
    "two invoices have one payment": (
        [*RIGHT, told("add", {"InvoiceId": "b", "Value": "12.15", "Currency": "EUR"}, 3, 4, Outcome.OK, {"new": True})],
        rows([row(), row("b")], [row(), row("b")]),
        {ONCE},
    ),
    "the provider knows the payment by another id": (RIGHT, rows(made=[row(payment="p2")]), {ONCE}),
    "an invoice says it is paid and never was": ([new(0)], rows(made=[]), {ONCE}),
    "nobody added what was paid": ([], rows([], [row()]), {ONCE, AMOUNTS}),
    "what was paid is no invoice": ([add(0)], rows([], [row()]), {ONCE}),
    "another amount was paid": (RIGHT, rows(made=[row(value="12.14")]), {ONCE, AMOUNTS}),
    "an acknowledged payment is gone": (RIGHT, rows([row(payment=None)], []), {KEPT, PAID}),
    "the payment of one in a payment of all is gone": (
        [new(0), pay_all(1, ["a"])],
        rows([row(payment=None)], []),
        {KEPT, PAID},
    ),
    "an acknowledged payment was never made": (RIGHT, rows(made=[]), {ONCE, KEPT}),
    "nothing was paid in the end": ([new(0)], rows([row(payment=None)], []), {PAID}),
    "a read tells another amount": ([new(0), get(1, ["12.16", "EUR", False])], rows(), {AMOUNTS, LINEAR}),
    "a list tells another currency": ([new(0), listed(1, a=["12.15", "GBP", False])], rows(), {AMOUNTS, LINEAR}),
    "money became a float": (RIGHT, rows(made=[row(value=12.15)]), {ONCE, AMOUNTS}),
    "an amount that is none is read": ([new(0), get(1, ["NaN", "EUR", False])], rows(), {AMOUNTS, LINEAR}),
    "an amount changed that nobody knows": (
        [add(0), add(1, value="9.00"), get(2, UNPAID)],
        rows([row(value="9.00")], [row(value="9.00")]),
        {AMOUNTS},
    ),
    "two amounts are acknowledged": ([new(0), new(1, value="9.00")], rows(), {AMOUNTS, LINEAR}),
    "an acknowledged addition is gone": ([new(0)], rows([], []), {WRITES}),
    "what was acknowledged is not there afterwards": ([new(0), get(1, None)], rows(), {FORWARD, LINEAR}),
    "what was seen is not listed afterwards": ([add(0), get(1, UNPAID), listed(2)], rows(), {FORWARD, LINEAR}),
    "what was paid is unpaid afterwards": ([*RIGHT, get(2, UNPAID)], rows(), {FORWARD, LINEAR}),
    "what was listed as paid is unpaid in a later list": (
        [new(0), pay(1), listed(2, a=IS_PAID), listed(3, a=UNPAID)],
        rows(),
        {FORWARD, LINEAR},
    ),
    "it is paid and nobody asked": ([new(0), get(1, IS_PAID)], rows(), {LINEAR}),
    "it is paid before anybody asked": ([new(0), get(1, IS_PAID), pay(2)], rows(), {LINEAR}),
    "it is there before anybody added it": ([get(0, UNPAID), new(1)], rows(), {LINEAR}),
    "it is new twice": ([new(0), new(1)], rows(), {LINEAR}),
    "it was there already, and nobody had added it": ([add(0, Outcome.OK, {"new": False})], rows(), {LINEAR}),
    "its own amount is refused": ([new(0), add(1, Outcome.FAIL, {"status": 409, "said": ""})], rows(), {LINEAR}),
    "it is not known when it is to be paid": (
        [new(0), pay(1, Outcome.FAIL, {"status": 404, "said": "there is no such invoice"})],
        rows(),
        {FORWARD, LINEAR},
    ),
    "a frozen pod's claim holds it up": (
        [new(0), pay_all(11, busy=["a"]), pay_all(22, busy=["a"]), get(30, UNPAID)],
        rows(),
        {PROGRESS},
    ),
}


@pytest.mark.parametrize(("history", "left"), GOOD.values(), ids=list(GOOD))
def test_no_promise_is_broken_when(history: list[Operation], left: Json) -> None:
    assert not broken(history, left)


@pytest.mark.parametrize(("history", "left", "promise"), BAD.values(), ids=list(BAD))
def test_a_promise_is_broken_when(history: list[Operation], left: Json, promise: set[str]) -> None:
    assert broken(history, left) == promise


@pytest.mark.parametrize(
    ("disturbed", "blamed"),
    [
        ((2.0, 10.5), True),
        ((26.5, 27.0), True),
        ((5.0, 11.0), False),
        ((20.0, 20.5), False),
        ((25.0, math.inf), False),
    ],
)
def test_a_frozen_pod_is_not_blamed_while_something_else_is_broken(
    disturbed: tuple[float, float],
    blamed: bool,  # noqa: FBT001 -- the table's column
) -> None:
    history, left, _ = BAD["a frozen pod's claim holds it up"]

    assert bool(judged(history, left, [disturbed])[PROGRESS].findings) is blamed


def test_a_frozen_pod_is_not_blamed_where_all_payments_are_slow() -> None:
    slow = told("pay-all", None, 14, 20, Outcome.OK, {"paid": [], "in_progress": [], "failed": {}})
    history, left, _ = BAD["a frozen pod's claim holds it up"]

    assert not judged(sorted([*history, slow], key=lambda one: one.began), left)[PROGRESS].findings


def test_a_finding_names_the_invoice_and_shows_what_was_asked() -> None:
    history, left, _ = BAD["what was paid is unpaid afterwards"]
    [finding] = judged(history, left)[FORWARD].findings

    assert str(finding) == (
        "reads never go backwards: a: it had been paid, and was seen unpaid afterwards\n"
        '    #100 client 0 pay "a" 1.000 to 1.500 s ok\n'
        '    #200 client 0 get "a" 2.000 to 2.500 s ok'
    )


@pytest.mark.parametrize("promise", [ONCE, KEPT, PAID, AMOUNTS, WRITES, FORWARD, LINEAR, PROGRESS])
def test_where_nothing_happened_nothing_was_looked_at(promise: str) -> None:
    assert judged([], rows([], []))[promise].looked_at == 0


def test_what_was_paid_before_the_freeze_is_no_proof_of_progress() -> None:
    asked = [*RIGHT, get(2, IS_PAID), pay_all(11), pay_all(22), get(30, IS_PAID)]

    assert judged(asked, rows())[PROGRESS].looked_at == 0


def test_a_payment_of_all_is_certain_of_few() -> None:
    answer = pay_all(0, ["a"], ["b"], c="the provider answered 409: no", d="the provider answered 503", e="not tried")

    assert payments(answer) == {"a": Outcome.OK, "c": Outcome.FAIL}
    assert payments(told("pay-all", None, 0, None)) == {}


def test_a_history_is_read_once_and_another_one_anew() -> None:
    reader, history, other = remembering(), [*RIGHT], [*RIGHT]

    assert reader(history) is reader(history)
    assert reader(other) is not reader(history)


MIXED = Shares(get=30, pay=10, pay_all=5, list=5, again=10)


def run_of(service: Service, number: int, chances: Chances) -> tuple[list[Operation], Json]:
    asked = Invoices("http://127.0.0.1", {"Host": "localhost"}, lambda _database, _statement: [], "i", MIXED)
    clients = [asked.operations(service.random, one) for one in range(4)]
    history = simulate(service, clients, number, chances)
    service.settle()
    return history, service.rows()


@given(st.randoms(use_true_random=True), st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.5]))
def test_a_correct_service_is_never_blamed(random: Random, number: int, lost: float) -> None:
    # A second for each step: some of these histories last as long as the pod is frozen, and its claims.
    history, left = run_of(Service(random), number, Chances(lost, seconds=1.0, late=20.0))

    assert not [one.findings for one in judged(history, left).values() if one.findings]


class PaysAgain(Service):
    """The provider keeps no invoice in mind: whoever asks again pays again."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.made: list[dict[str, Any]] = []

    def charge(self, invoice_id: str, invoice: Invoice) -> str:
        payment = f"payment-{len(self.made)}"
        money = {"value": Decimal(invoice.value), "currency": invoice.currency}
        self.made.append({"invoice_id": invoice_id, "payment_id": payment, **money})
        return payment

    def rows(self) -> Json:
        return {**super().rows(), "payments": self.made}


class MarksFirst(Service):
    """The invoice is marked before the provider is asked, and a pod dies in between."""

    def charge(self, invoice_id: str, invoice: Invoice) -> str:
        if self.random.random() < 0.05:
            return "nothing"
        return super().charge(invoice_id, invoice)


class ForgetsToMark(Service):
    """The payment is acknowledged and not recorded."""

    def mark(self, invoice_id: str, payment_id: str) -> None:
        if self.random.random() < 0.95:
            super().mark(invoice_id, payment_id)


class Rounds(Service):
    """Money is a float of single precision by the time the provider sees it."""

    def charge(self, invoice_id: str, invoice: Invoice) -> str:
        return super().charge(invoice_id, Invoice(f"{float(invoice.value):.3g}", invoice.currency))


class ReadsFromACache(Service):
    """A replica answers what it saw when it was asked for this invoice before."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.cache: dict[str, Json] = {}

    def look(self, invoice_id: str) -> Json:
        if self.random.random() < 0.5:
            return super().look(invoice_id)
        return self.cache.setdefault(invoice_id, super().look(invoice_id))


class LosesAdditions(Service):
    """An addition is acknowledged before it is committed."""

    def add(self, asked: dict[str, str]) -> Result:
        done = super().add(asked)
        if done.answer == {"new": True} and self.random.random() < 0.05:
            del self.invoices[asked["InvoiceId"]], self.unpaid[asked["InvoiceId"]]
        return done


class TakesTheLast(Service):
    """An addition with another amount replaces the first."""

    def add(self, asked: dict[str, str]) -> Result:
        done = super().add(asked)
        invoice = self.invoices[asked["InvoiceId"]]
        if done.outcome is Outcome.FAIL and invoice.payment_id is None:
            invoice.value, invoice.currency = asked["Value"], asked["Currency"]
            return Result(Outcome.OK, {"new": False})
        return done


class HoldsUp(Service):
    """A frozen pod keeps some invoices for itself, from the beginning to the end."""

    held = True

    def pay_invoice(self, invoice_id: str) -> str:
        if self.held and invoice_id.endswith("7") and self.invoices[invoice_id].payment_id is None:
            return "in progress"
        return super().pay_invoice(invoice_id)

    def settle(self) -> None:
        self.held = False
        super().settle()


CATCH: dict[type[Service], set[str]] = {
    PaysAgain: {ONCE},
    MarksFirst: {ONCE, KEPT},
    ForgetsToMark: {LINEAR, FORWARD},
    Rounds: {ONCE, AMOUNTS},
    ReadsFromACache: {LINEAR, FORWARD},
    LosesAdditions: {WRITES, LINEAR, FORWARD},
    TakesTheLast: {AMOUNTS, LINEAR},
    HoldsUp: {PROGRESS},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("service", CATCH, ids=lambda one: one.__name__)
def test_a_broken_service_is_caught(service: type[Service], seed: int) -> None:
    history, left = run_of(service(Random(seed)), 1000, Chances(seconds=0.1, late=1.0))  # noqa: S311 -- a load

    assert CATCH[service] <= broken(history, left)


def test_in_a_long_history_every_checker_has_something_to_look_at() -> None:
    history, left = long_history(3000, MIXED)
    reached = {name: judgement.looked_at for name, judgement in judged(history, left).items() if name != PROGRESS}

    assert min(reached.values()) > 500
    assert len(read(history).of) == len({one.value["InvoiceId"] for one in history if one.f == "add"})
