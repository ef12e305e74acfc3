"""Linearizability: what the search finds by hand, and that bounds come to the same verdict as the search."""

from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.chaos.history import Json, Operation, Outcome
from harness.chaos.linear import linearizable
from harness.chaos.register import Linearizable, by_bounds, by_search
from harness.chaos.trails import read


@dataclass(frozen=True)
class Write:
    """Of a register that any number can be written to: the search knows nothing of invoices."""

    value: int
    began: float
    ended: float = inf
    certain: bool = True


@dataclass(frozen=True)
class Read:
    value: int
    began: float
    ended: float
    certain: bool = True


Register: TypeAlias = Write | Read


def apply(state: int, one: Register) -> int | None:
    if isinstance(one, Write):
        return one.value
    return state if one.value == state else None


def lost(value: int, began: float) -> Write:
    return Write(value, began, certain=False)


EXPLAINED: dict[str, list[Register]] = {
    "nothing happened": [],
    "a read of what was written": [Write(1, 0, 1), Read(1, 2, 3)],
    "a read of either side of a write that it overlaps": [Write(1, 0, 9), Read(0, 1, 2), Read(1, 3, 4)],
    "a read that begins in the moment in which a write ends": [Write(1, 0, 2), Read(0, 2, 3)],
    "a lost write that took effect late": [lost(1, 0), Read(0, 2, 3), Read(1, 4, 5)],
    "a lost write that never took effect": [lost(1, 0), Read(0, 2, 3)],
    "overlapping writes in the order that reads tell": [Write(1, 0, 9), Write(2, 0, 9), Read(2, 1, 2), Read(1, 3, 4)],
}
UNEXPLAINED: dict[str, list[Register]] = {
    "a read of what nobody wrote": [Read(1, 0, 1)],
    "a read of what had been written over": [Write(1, 0, 1), Read(0, 2, 3)],
    "a read of what is written later": [Read(1, 0, 1), Write(1, 2, 3)],
    "a lost write that took effect before it began": [Read(1, 0, 1), lost(1, 2)],
    "reads that go back": [Write(1, 0, 9), Read(1, 1, 2), Read(0, 3, 4)],
    "a write that came back after another": [lost(1, 0), Write(2, 1, 2), Read(1, 3, 4), Read(2, 5, 6)],
}


@pytest.mark.parametrize("history", EXPLAINED.values(), ids=list(EXPLAINED))
def test_there_is_an_order_that_explains(history: list[Register]) -> None:
    assert linearizable(history, 0, apply)


@pytest.mark.parametrize("history", UNEXPLAINED.values(), ids=list(UNEXPLAINED))
def test_no_order_explains(history: list[Register]) -> None:
    assert not linearizable(history, 0, apply)


def test_what_was_looked_at_once_is_not_looked_at_again() -> None:
    # They have 14! orders, and 16,384 sets: without memory there would be no end.
    overlapping: list[Register] = [*(Write(1, 0, 9) for _ in range(14)), Read(2, 10, 11)]

    assert not linearizable(overlapping, 0, apply)


SEEN = st.sampled_from([None, ["1.5", "EUR", False], ["1.50", "EUR", True], ["1.5", "EUR", True], ["2", "EUR", False]])
ADDED = st.sampled_from([{"InvoiceId": "a", "Value": value, "Currency": "EUR"} for value in ("1.50", "2.0")])
PAID = st.sampled_from(
    [
        {"paid": ["a"], "in_progress": [], "failed": {}},
        {"paid": [], "in_progress": ["a"], "failed": {}},
        {"paid": [], "in_progress": [], "failed": {"a": "the provider answered 409: no"}},
        {"paid": [], "in_progress": [], "failed": {"a": "the provider answered 500"}},
    ]
)
ENDS: dict[str, st.SearchStrategy[tuple[Outcome, Json]]] = {
    "add": st.sampled_from(
        [
            (Outcome.OK, {"new": True}),
            (Outcome.OK, {"new": False}),
            (Outcome.INFO, None),
            (Outcome.FAIL, {"status": 409, "said": "exists with another amount"}),
            (Outcome.FAIL, {"status": 400, "said": "Value must be above zero"}),
        ]
    ),
    "get": st.tuples(st.sampled_from([Outcome.OK, Outcome.OK, Outcome.INFO]), SEEN),
    "list": st.tuples(st.just(Outcome.OK), SEEN.map(lambda seen: {} if seen is None else {"a": seen})),
    "pay": st.sampled_from(
        [
            (Outcome.OK, None),
            (Outcome.INFO, {"status": 202}),
            (Outcome.FAIL, {"status": 404, "said": '{"error": "there is no such invoice"}'}),
            (Outcome.FAIL, {"status": 502, "said": "the provider answered 409"}),
        ]
    ),
    "pay-all": st.one_of(
        st.tuples(st.just(Outcome.OK), PAID), st.sampled_from([(Outcome.INFO, None), (Outcome.FAIL, None)])
    ),
}
LIKELY = ("add", "get", "get", "list", "list", "pay", "pay-all")


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """Some operations on one invoice, right or wrong. Whole seconds: many begin just when others end."""
    made: list[Operation] = []
    for index in range(draw(st.integers(1, 7))):
        f = draw(st.sampled_from(LIKELY if made else ("add", *LIKELY)))
        value = draw(ADDED) if f == "add" else "a" if f in ("get", "pay") else None
        began = draw(st.integers(0, 8))
        outcome, answer = draw(ENDS[f])
        ended = began + draw(st.integers(0, 4))
        made.append(Operation(index, index, f, value, float(began), float(ended), outcome, answer))
    return made


@settings(max_examples=600)
@given(histories())
def test_bounds_come_to_the_verdict_of_the_search(history: list[Operation]) -> None:
    trails = read(history).of
    assume("a" in trails)

    assert (by_bounds(trails["a"]) is None) == by_search(history, "a")


def test_an_invoice_that_only_a_payment_of_all_names_is_a_strangers() -> None:
    answer = {"paid": ["stranger"], "in_progress": [], "failed": {}}
    judgement = Linearizable().check([Operation(0, 0, "pay-all", None, 0, 1, Outcome.OK, answer)], None)

    assert (judgement.looked_at, judgement.findings) == (0, ())
