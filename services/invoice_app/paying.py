"""The claim protocol: claim, pay with no transaction open, record. Each invoice is paid once, whoever dies when."""

import asyncio
import logging
import time
import uuid
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from services.invoice_app.provider import PaymentFailed, Provider
from services.invoice_app.store import Invoice, Invoices
from services.service_kit.database import DatabaseUnavailable
from services.service_kit.metrics import PAYMENTS

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

# A batch is claimed together and paid at once, so a claim needs to last for one answer of the provider only. The lanes
# are shared by all callers of the process, which bounds what this process asks of the provider.
BATCH: Final = 16
LANES: Final = 4
CONNECTIONS: Final = BATCH * LANES


@dataclass
class Outcome:
    """What a call did: each invoice that was unpaid when it began is in exactly one of the three."""

    paid: list[str] = field(default_factory=list)
    in_progress: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class _Call:
    """One pay-all under way."""

    batches: Iterator[Sequence[str]]
    deadline: float
    outcome: Outcome = field(default_factory=Outcome)
    not_claimed: list[str] = field(default_factory=list)
    stopped: str = ""

    def reason_to_stop(self) -> str:
        if not self.stopped and time.monotonic() > self.deadline:
            self.stopped = "the time of this call was used up"
        return self.stopped


class Paying:
    """Pays invoices; one for the whole process."""

    def __init__(self, invoices: Invoices, provider: Provider, *, pod: str, call_seconds: float) -> None:
        self._invoices = invoices
        self._provider = provider
        self._pod = pod
        self._call_seconds = call_seconds
        self._lanes = asyncio.Semaphore(LANES)
        self._begun: set[asyncio.Task[Any]] = set()

    async def pay_all(self) -> Outcome:
        """Pay all unpaid invoices. Raises DatabaseUnavailable only when nothing was begun."""
        return await self._to_the_end(self._pay_all())

    async def pay_one(self, invoice_id: str) -> Invoice | None:
        """Pay one invoice: it, paid now or before, or not paid because another caller is at it; None when unknown.

        Raises PaymentFailed, DatabaseUnavailable.
        """
        return await self._to_the_end(self._pay_one(invoice_id))

    async def drain(self) -> None:
        """Wait for what was begun by callers that have gone since."""
        while self._begun:
            await asyncio.wait(self._begun)

    async def _to_the_end(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run the work even if the caller hangs up: it would else leave claims that others must wait for."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    async def _pay_all(self) -> Outcome:
        ids = await self._invoices.unpaid()
        batches = (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
        call = _Call(batches, time.monotonic() + self._call_seconds)
        await asyncio.gather(*(self._lane(call) for _ in range(LANES)))
        outcome = call.outcome
        await self._explain_not_claimed(call)
        _LOG.info(
            "pay all",
            extra={"paid": len(outcome.paid), "in_progress": len(outcome.in_progress), "failed": len(outcome.failed)},
        )
        return Outcome(sorted(outcome.paid), sorted(outcome.in_progress), dict(sorted(outcome.failed.items())))

    async def _lane(self, call: _Call) -> None:
        for batch in call.batches:
            async with self._lanes:
                if reason := call.reason_to_stop():
                    call.outcome.failed.update((invoice_id, f"not tried: {reason}") for invoice_id in batch)
                else:
                    await self._pay_batch(call, batch)

    async def _pay_batch(self, call: _Call, batch: Sequence[str]) -> None:
        claimant = self._claimant()
        try:
            claimed = await self._invoices.claim(batch, claimant)
        except DatabaseUnavailable as error:
            call.stopped = str(error)
            call.outcome.failed.update((invoice_id, f"not tried: {error}") for invoice_id in batch)
            return
        mine = {invoice.invoice_id for invoice in claimed}
        call.not_claimed += [invoice_id for invoice_id in batch if invoice_id not in mine]
        if not claimed:
            return
        answers = await asyncio.gather(*(self._ask(invoice) for invoice in claimed))
        paid = {i.invoice_id: a for i, a in zip(claimed, answers, strict=True) if isinstance(a, str)}
        refused = {i.invoice_id: a for i, a in zip(claimed, answers, strict=True) if isinstance(a, PaymentFailed)}
        # A provider that nobody could reach is not asked for a thousand more: the caller gets an answer in time.
        if not paid and not any(error.reached for error in refused.values()):
            call.stopped = str(next(iter(refused.values())))
        failed = {invoice_id: str(error) for invoice_id, error in refused.items()} | await self._settle(
            paid, list(refused), claimant
        )
        call.outcome.failed.update(failed)
        call.outcome.paid += [invoice_id for invoice_id in paid if invoice_id not in failed]

    async def _explain_not_claimed(self, call: _Call) -> None:
        """Who could not be claimed was paid by another caller meanwhile, or is in that one's hands."""
        if not call.not_claimed:
            return
        try:
            paid = await self._invoices.paid(call.not_claimed)
        except DatabaseUnavailable:
            paid = set()  # not known to be paid, so not acknowledged
        for invoice_id in call.not_claimed:
            (call.outcome.paid if invoice_id in paid else call.outcome.in_progress).append(invoice_id)

    async def _pay_one(self, invoice_id: str) -> Invoice | None:
        claimant = self._claimant()
        claimed = await self._invoices.claim([invoice_id], claimant)
        if not claimed:
            return await self._invoices.get(invoice_id)
        answer = await self._ask(claimed[0])
        if isinstance(answer, PaymentFailed):
            await self._settle({}, [invoice_id], claimant)
            raise answer
        if not_recorded := await self._settle({invoice_id: answer}, [], claimant):
            raise PaymentFailed(not_recorded[invoice_id], reached=True)
        return Invoice(invoice_id, claimed[0].money, is_paid=True)

    async def _ask(self, invoice: Invoice) -> str | PaymentFailed:
        try:
            payment_id = await self._provider.pay(invoice.invoice_id, invoice.money)
        except PaymentFailed as error:
            PAYMENTS.labels("failed").inc()
            _LOG.warning("payment failed", extra={"invoice": invoice.invoice_id, "reason": str(error)})
            return error
        PAYMENTS.labels("paid").inc()
        return payment_id

    async def _settle(self, paid: dict[str, str], released: list[str], claimant: str) -> dict[str, str]:
        """Record the payments and free the rest; returns those that could not be recorded, with the reason."""
        try:
            recorded = await self._invoices.settle(paid, released, claimant)
        except DatabaseUnavailable as error:
            _LOG.warning("not recorded; the claims will expire", extra={"reason": str(error), "invoices": [*paid]})
            return dict.fromkeys(paid, f"paid, but not recorded: {error}; pay again, it is safe")
        lost = paid.keys() - recorded
        for invoice_id in lost:
            _LOG.error("the provider's payment is not the recorded one", extra={"invoice": invoice_id})
        return dict.fromkeys(lost, "the provider's answer is not the payment that is recorded")

    def _claimant(self) -> str:
        return f"{self._pod}/{uuid.uuid4().hex}"
