"""What the invoice app's routes take and answer."""

from typing import Final

from services.service_kit.openapi import CURRENCY, ERROR, INVOICE_ID, VALUE, Schema, answers, body, document

_INVOICE: Final[Schema] = {
    "type": "object",
    "required": ["InvoiceId", "Value", "Currency", "IsPaid"],
    "properties": {"InvoiceId": INVOICE_ID, "Value": VALUE, "Currency": CURRENCY, "IsPaid": {"type": "boolean"}},
}
_NEW: Final[Schema] = {
    "type": "object",
    "required": ["InvoiceId", "Value", "Currency"],
    "properties": {"InvoiceId": INVOICE_ID, "Value": VALUE, "Currency": CURRENCY},
}
_FAILED: Final[Schema] = {
    "type": "object",
    "required": ["InvoiceId", "error"],
    "properties": {"InvoiceId": INVOICE_ID, "error": {"type": "string"}},
}
_OUTCOME: Final[Schema] = {
    "type": "object",
    "required": ["paid", "in_progress", "failed"],
    "properties": {
        "paid": {"type": "array", "items": INVOICE_ID, "description": "The only acknowledged ones"},
        "in_progress": {"type": "array", "items": INVOICE_ID, "description": "Another caller is paying them"},
        "failed": {"type": "array", "items": _FAILED},
    },
}
_ID: Final = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]

DOCUMENT: Final = document(
    "invoice-app",
    {
        "/invoices": {
            "get": {
                "summary": "All invoices",
                "responses": answers(s200=("Invoices, by id", {"type": "array", "items": _INVOICE})),
            },
            "post": {
                "summary": "Add an invoice under the client's id",
                "requestBody": body(_NEW),
                "responses": answers(
                    s201=("Added", _INVOICE),
                    s200=("It was there already, with this amount", _INVOICE),
                    s400=("The request cannot be understood", ERROR),
                    s409=("The id belongs to another amount or currency", ERROR),
                ),
            },
        },
        "/invoices/pay": {
            "post": {
                "summary": "Pay all unpaid invoices; the request has no body",
                "responses": answers(
                    s200=("None failed", _OUTCOME),
                    s502=("Some failed; paying again is safe", _OUTCOME),
                ),
            },
        },
        "/invoices/{id}": {
            "parameters": _ID,
            "get": {
                "summary": "One invoice",
                "responses": answers(s200=("The invoice", _INVOICE), s404=("Unknown", ERROR)),
            },
        },
        "/invoices/{id}/pay": {
            "parameters": _ID,
            "post": {
                "summary": "Pay one invoice; the request has no body",
                "responses": answers(
                    s200=("Paid, now or before", _INVOICE),
                    s202=("Another caller is paying it", _INVOICE),
                    s404=("Unknown", ERROR),
                    s502=("The provider failed; paying again is safe", _FAILED),
                ),
            },
        },
    },
)
