"""The invoice app: its routes, and how it is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from sanic import HTTPResponse, Request

from services.invoice_app.openapi import DOCUMENT
from services.invoice_app.paying import CONNECTIONS, Outcome, Paying
from services.invoice_app.provider import PaymentFailed, Provider
from services.invoice_app.store import Invoice, Invoices
from services.service_kit.configuration import ConfigurationError, DatabaseSettings, Environment, ServerSettings
from services.service_kit.database import Database
from services.service_kit.json_text import BadRequest, is_id, read_id, read_money, read_object, read_unlisted
from services.service_kit.migrations import read_migrations
from services.service_kit.serving import Service
from services.service_kit.web import Readiness, answer, make_app

# A pay-all begins no payment after this; what it has begun may take the provider's timeout and the database's on top.
CALL_SECONDS: Final = 30.0
# POST /invoices/pay pays all: an invoice of that name could be listed but never fetched.
RESERVED_ID: Final = "pay"


def build(environment: Environment, settings: ServerSettings) -> Service:
    """Put the service together from its environment; raises ConfigurationError, connects to nothing yet."""
    migrations = read_migrations(files(__package__) / "migrations")
    database = Database(DatabaseSettings.read(environment), migrations, application=settings.pod_name)
    timeout_seconds = environment.seconds("PROVIDER_TIMEOUT_SECONDS", 5, least=0.05, most=60)
    claim_seconds = environment.seconds("CLAIM_SECONDS", 30, least=0.1, most=3600)
    if claim_seconds < 2 * timeout_seconds:
        # The provider is asked twice at most; a claim that ends before would let two callers ask at once for nothing.
        raise ConfigurationError(
            f"CLAIM_SECONDS is {claim_seconds:g}, "
            f"but must be at least twice PROVIDER_TIMEOUT_SECONDS, which is {timeout_seconds:g}"
        )
    provider = Provider(
        environment.http_url("PAYMENT_PROVIDER_URL"), timeout_seconds=timeout_seconds, connections=CONNECTIONS
    )
    invoices = Invoices(database, claim_seconds=claim_seconds)
    paying = Paying(invoices, provider, pod=settings.pod_name, call_seconds=CALL_SECONDS)
    readiness = Readiness(database)
    answer_seconds = CALL_SECONDS + 2 * timeout_seconds + 30
    app = make_app("invoice-app", readiness=readiness, openapi=DOCUMENT, answer_seconds=answer_seconds)
    Routes(invoices, paying).add_to(app)
    return Service(app, readiness, _resources(database, provider, paying))


class Routes:
    """The routes of the invoices."""

    def __init__(self, invoices: Invoices, paying: Paying) -> None:
        self._invoices = invoices
        self._paying = paying

    def add_to(self, app: Any) -> None:  # noqa: ANN401  # the parameters of Sanic's type say nothing here
        """Add them to a Sanic app."""
        app.add_route(self.all, "/invoices", methods=["GET"])
        app.add_route(self.add, "/invoices", methods=["POST"])
        app.add_route(self.pay_all, "/invoices/pay", methods=["POST"])
        app.add_route(self.get, "/invoices/<invoice_id:str>", methods=["GET"], unquote=True)
        app.add_route(self.pay, "/invoices/<invoice_id:str>/pay", methods=["POST"], unquote=True)

    async def all(self, _request: Request) -> HTTPResponse:
        """GET /invoices."""
        return answer([_shown(invoice) for invoice in await self._invoices.all()])

    async def get(self, _request: Request, invoice_id: str) -> HTTPResponse:
        """GET /invoices/{id}."""
        invoice = await self._invoices.get(invoice_id) if is_id(invoice_id) else None
        return _unknown() if invoice is None else answer(_shown(invoice))

    async def add(self, request: Request) -> HTTPResponse:
        """POST /invoices."""
        fields = read_object(request.body)
        invoice_id = read_id(fields, "InvoiceId")
        if invoice_id == RESERVED_ID:
            raise BadRequest(f"InvoiceId must not be {RESERVED_ID!r}")
        if (unlisted := read_unlisted(fields, value="Value", currency="Currency")) is not None:
            # Only what is new is held against the list of currencies: a repeat is answered as it was the first time.
            known = await self._invoices.get(invoice_id)
            if known is not None and known.money == unlisted:
                return answer(_shown(known))
        money = read_money(fields, value="Value", currency="Currency")
        invoice, added = await self._invoices.add(invoice_id, money)
        if invoice.money != money:
            return answer({"error": f"invoice {invoice_id} exists with another amount or currency"}, 409)
        return answer(_shown(invoice), 201 if added else 200)

    async def pay_all(self, _request: Request) -> HTTPResponse:
        """POST /invoices/pay."""
        outcome = await self._paying.pay_all()
        return answer(_shown_outcome(outcome), 502 if outcome.failed else 200)

    async def pay(self, _request: Request, invoice_id: str) -> HTTPResponse:
        """POST /invoices/{id}/pay."""
        if not is_id(invoice_id):
            return _unknown()
        try:
            invoice = await self._paying.pay_one(invoice_id)
        except PaymentFailed as error:
            return answer({"InvoiceId": invoice_id, "error": str(error)}, 502)
        if invoice is None:
            return _unknown()
        return answer(_shown(invoice), 200 if invoice.is_paid else 202)


def _unknown() -> HTTPResponse:
    return answer({"error": "there is no such invoice"}, 404)


def _shown(invoice: Invoice) -> dict[str, object]:
    return {
        "InvoiceId": invoice.invoice_id,
        "Value": invoice.money.value,
        "Currency": invoice.money.currency,
        "IsPaid": invoice.is_paid,
    }


def _shown_outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "paid": outcome.paid,
        "in_progress": outcome.in_progress,
        "failed": [{"InvoiceId": invoice_id, "error": reason} for invoice_id, reason in outcome.failed.items()],
    }


@asynccontextmanager
async def _resources(database: Database, provider: Provider, paying: Paying) -> AsyncIterator[None]:
    await database.start()
    try:
        async with provider:
            yield
            await paying.drain()
    finally:
        await database.close()
