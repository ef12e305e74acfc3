"""The payment provider: its routes, and how it is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from sanic import HTTPResponse, Request

from services.payment_provider.openapi import DOCUMENT
from services.payment_provider.store import AmountDiffers, Payments
from services.service_kit.configuration import DatabaseSettings, Environment, ServerSettings
from services.service_kit.database import Database
from services.service_kit.json_text import read_id, read_money, read_object, read_unlisted
from services.service_kit.metrics import PAYMENTS
from services.service_kit.migrations import read_migrations
from services.service_kit.serving import Service
from services.service_kit.web import Readiness, answer, make_app

ANSWER_SECONDS: Final = 30.0


def build(environment: Environment, settings: ServerSettings) -> Service:
    """Put the service together from its environment; raises ConfigurationError, connects to nothing yet."""
    migrations = read_migrations(files(__package__) / "migrations")
    database = Database(DatabaseSettings.read(environment), migrations, application=settings.pod_name)
    readiness = Readiness(database)
    app = make_app("payment-provider", readiness=readiness, openapi=DOCUMENT, answer_seconds=ANSWER_SECONDS)
    add_routes(app, Payments(database))
    return Service(app, readiness, _resources(database))


def add_routes(app: Any, payments: Payments) -> None:  # noqa: ANN401  # Sanic's type has parameters that say nothing here
    """Add POST /payments/pay and GET /payments."""

    async def pay(request: Request) -> HTTPResponse:
        fields = read_object(request.body)
        invoice_id = read_id(fields, "id")
        if (unlisted := read_unlisted(fields, value="value", currency="currency")) is not None:
            # Only what is new is held against the list of currencies: a repeat is answered as it was the first time.
            repeated = await payments.repeated(invoice_id, unlisted)
            if repeated is not None:
                PAYMENTS.labels("repeated").inc()
                return answer({"id": repeated})
        money = read_money(fields, value="value", currency="currency")
        try:
            payment_id, made = await payments.pay(invoice_id, money)
        except AmountDiffers as error:
            PAYMENTS.labels("conflict").inc()
            return answer({"error": str(error)}, 409)
        PAYMENTS.labels("made" if made else "repeated").inc()
        return answer({"id": payment_id})

    async def list_payments(_request: Request) -> HTTPResponse:
        return answer(
            [
                {
                    "id": payment.payment_id,
                    "invoice_id": payment.invoice_id,
                    "value": payment.money.value,
                    "currency": payment.money.currency,
                    "paid_at": payment.paid_at.isoformat(),
                }
                for payment in await payments.all()
            ]
        )

    app.add_route(pay, "/payments/pay", methods=["POST"])
    app.add_route(list_payments, "/payments", methods=["GET"])


@asynccontextmanager
async def _resources(database: Database) -> AsyncIterator[None]:
    await database.start()
    try:
        yield
    finally:
        await database.close()
