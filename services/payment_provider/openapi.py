"""What the payment provider's routes take and answer."""

from typing import Final

from services.service_kit.openapi import CURRENCY, ERROR, INVOICE_ID, VALUE, Schema, answers, body, document

_PAYMENT: Final[Schema] = {
    "type": "object",
    "required": ["id", "invoice_id", "value", "currency", "paid_at"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "invoice_id": INVOICE_ID,
        "value": VALUE,
        "currency": CURRENCY,
        "paid_at": {"type": "string", "format": "date-time"},
    },
}
_REQUEST: Final[Schema] = {
    "type": "object",
    "required": ["id", "value", "currency"],
    "properties": {"id": INVOICE_ID, "value": VALUE, "currency": CURRENCY},
}
_PAID: Final[Schema] = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "format": "uuid", "description": "The payment's id"}},
}

DOCUMENT: Final = document(
    "payment-provider",
    {
        "/payments/pay": {
            "post": {
                "summary": "Pay an invoice; repeating a payment answers with the first one's id",
                "requestBody": body(_REQUEST),
                "responses": answers(
                    s200=("Paid, now or before", _PAID),
                    s400=("The request cannot be understood", ERROR),
                    s409=("Paid before with another amount or currency", ERROR),
                ),
            }
        },
        "/payments": {
            "get": {
                "summary": "All payments, the oldest first",
                "responses": answers(s200=("Payments", {"type": "array", "items": _PAYMENT})),
            }
        },
    },
)
