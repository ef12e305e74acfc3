"""The parts of an OpenAPI 3.1 document that both services have."""

from collections.abc import Mapping
from typing import Any, Final

from services.service_kit.json_text import ID_PATTERN
from services.service_kit.money import MINOR_UNITS, MOST

Schema = dict[str, Any]

ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "The reason, in words"}},
}
INVOICE_ID: Final[Schema] = {"type": "string", "pattern": ID_PATTERN, "examples": ["I1"]}
VALUE: Final[Schema] = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": MOST,
    "description": "Exact; no more decimals than the currency has",
    "examples": [1],
}
CURRENCY: Final[Schema] = {"type": "string", "enum": sorted(MINOR_UNITS), "examples": ["EUR"]}


def answers(**by_status: tuple[str, Schema]) -> Schema:
    """Responses from `s200=(description, schema)`; 503 belongs to every route that asks the database."""
    named = {**by_status, "s503": ("The database cannot serve now, or the time was used up; safe to repeat", ERROR)}
    return {status[1:]: _answer(*pair) for status, pair in named.items()}


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def body(schema: Schema) -> Schema:
    """A required JSON request body."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def document(title: str, paths: Mapping[str, Schema]) -> Schema:
    """The whole document: the given paths, the probes, the metrics, and the document itself."""
    ok: Schema = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
    text = {"200": {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    own = {
        "/healthz": {"get": {"summary": "The process lives", "responses": {"200": _answer("It does", ok)}}},
        "/readyz": {
            "get": {"summary": "The process wants requests", "responses": answers(s200=("It does", ok))},
        },
        "/metrics": {"get": {"summary": "Metrics", "responses": text}},
        "/openapi.json": {
            "get": {"summary": "This document", "responses": {"200": _answer("It", {"type": "object"})}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": {**paths, **own},
    }
