"""Whether payments go on while a pod is frozen: what it had begun is taken over once its claims are void. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.chaos.history import Json, Operation, Outcome
from harness.chaos.trails import Reader, Trail, end, read
from harness.chaos.workload import Finding, Judgement

ALLOWANCE: Final = 5.0
"""Seconds for one who asks again once a claim is void, and for that payment itself."""


@dataclass(frozen=True)
class Progress:
    """A frozen pod keeps no invoice from being paid for longer than its claim lasts.

    ``windows`` are the seconds, from and to, in which a pod was frozen; ``claim_seconds`` is how long a claim lasts.
    The promise, of each invoice whose addition was acknowledged before a payment of all began within a window, *the
    asking*: nobody sees it unpaid who begins to read later than ``claim_seconds + allowance`` after the asking began.

    It is only held to where it can be kept. The app pays when it is asked: so a payment of all, *the answer*, has
    begun in the ``allowance`` after the claim's end, was answered, and did not report this very invoice as failed:
    then the provider or the database was away, and somebody was told so. Who sees it unpaid begins to read later than
    ``allowance`` after that answer: what another one had under way meanwhile has ended by then. Nothing else was
    broken from the asking on: a pod that is killed, or frozen, meanwhile leaves claims that are younger
    (``disturbed`` are the seconds, from and to, of other faults). And no payment of all took longer than
    ``allowance``: on a machine that is so slow a pod that lives has claims that are older.

    It looks at the invoices that were not known to be paid before the asking, and of which a read tells: they were
    seen paid within the time, or were read after it.
    """

    windows: Sequence[tuple[float, float]]
    claim_seconds: float
    disturbed: Sequence[tuple[float, float]] = ()
    allowance: float = ALLOWANCE
    reader: Reader = read
    name: str = "a frozen pod holds up no payment"

    def check(self, history: Sequence[Operation], rows: Json) -> Judgement:  # noqa: ARG002 -- in the end nothing is frozen
        """Hold each invoice against each asking that it waited for."""
        trails = self.reader(history)
        askings = [one for one in self._askings(trails.pay_alls) if one.answers]
        starts = [one.asked.began for one in askings]
        looked_at, findings = 0, []
        for trail in trails.of.values():
            first = len(askings) if trail.added is None else bisect_right(starts, end(trail.added))
            if first == len(askings) or not self._tells(trail, askings[first]):
                continue
            looked_at += 1
            findings += list(self._overdue(trail, askings[first:]))[:1]
        return Judgement(self.name, looked_at, tuple(findings))

    def _askings(self, pay_alls: Sequence[Operation]) -> Iterator["_Asking"]:
        answered = [one for one in pay_alls if one.outcome is Outcome.OK]
        starts = [one.began for one in answered]
        slow = [(one.began, end(one)) for one in answered if end(one) - one.began > self.allowance]
        spans = [*self.disturbed, *slow]
        for one in pay_alls:
            if not _any_within(self.windows, one.began, one.began):
                continue
            void = one.began + self.claim_seconds
            due = void + self.allowance
            another = any(one.began < began <= due for began, _ in self.windows)
            if not another and not _any_within(spans, one.began, due):
                yield _Asking(one, due, answered[bisect_left(starts, void) : bisect_right(starts, due)])

    @staticmethod
    def _tells(trail: Trail, asking: "_Asking") -> bool:
        if trail.paid is not None and end(trail.paid) < asking.asked.began:
            return False
        seen_paid = trail.paid is not None and end(trail.paid) <= asking.due
        return seen_paid or (trail.last_read is not None and trail.last_read.began > asking.due)

    def _overdue(self, trail: Trail, askings: Sequence["_Asking"]) -> Iterator[Finding]:
        for one in askings:
            if trail.unpaid is None or trail.unpaid.began <= one.due:
                return
            over = trail.unpaid.began - self.allowance
            able = (to for to in one.answers if end(to) < over and trail.invoice not in to.answer["failed"])
            answer = next(able, None)
            if answer is not None:
                seconds = trail.unpaid.began - one.asked.began
                problem = f"it was still unpaid {seconds:.1f} s after all were to be paid, while a pod was frozen"
                yield Finding(self.name, trail.invoice, problem, (one.asked, answer, trail.unpaid))


def _any_within(spans: Sequence[tuple[float, float]], first: float, last: float) -> bool:
    return any(began <= last and ended >= first for began, ended in spans)


@dataclass(frozen=True)
class _Asking:
    """A payment of all in a window, by when its invoices are to be paid, and who asked again in time for that."""

    asked: Operation
    due: float
    answers: Sequence[Operation]
