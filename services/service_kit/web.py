"""A Sanic app with what both services share: JSON answers and errors, request ids, probes, metrics, OpenAPI."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import PayloadTooLarge, RequestCancelled, SanicException

from services.service_kit.connections import Incoming
from services.service_kit.database import Database, DatabaseUnavailable
from services.service_kit.json_text import BODY_LIMIT, BadRequest, dumps, loads
from services.service_kit.logs import REQUEST_ID_HEADER, accept_request_id, request_id
from services.service_kit.metrics import ABANDONED, METHODS, OTHER, REQUESTS, SECONDS

_LOG = logging.getLogger(__name__)
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_HUNG_UP: Final = 499
"""No answer that anybody gets: what stands for one in the log where the caller has gone."""


class Readiness:
    """Whether new requests are wanted: not while draining, and not without the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.draining = False

    async def check(self) -> None:
        """Raise DatabaseUnavailable with the reason when the process wants no requests."""
        if self.draining:
            raise DatabaseUnavailable("draining: the process is about to stop")
        await self._database.check_ready()


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """A JSON answer with exact decimals."""
    return HTTPResponse(dumps(body), status=status, headers=dict(headers or {}), content_type="application/json")


def make_app(name: str, *, readiness: Readiness, openapi: Mapping[str, object], answer_seconds: float) -> Any:  # noqa: ANN401
    """A Sanic app without the service's own routes; a request that takes longer than answer_seconds is cut with 503."""
    app: Any = Sanic(name, request_class=Incoming, configure_logging=False, dumps=dumps, loads=loads)
    app.config.update(
        REQUEST_MAX_SIZE=BODY_LIMIT,
        RESPONSE_TIMEOUT=answer_seconds,
        # Longer than any caller keeps a connection, so that it is not cut while a request is on its way.
        KEEP_ALIVE_TIMEOUT=75,
        ACCESS_LOG=False,
        MOTD=False,
        NOISY_EXCEPTIONS=False,
        # sanic-ext would add CORS headers and routes of its own wherever it happens to be installed.
        AUTO_EXTEND=False,
        FALLBACK_ERROR_FORMAT="json",
    )

    async def healthz(_request: Request) -> HTTPResponse:
        return answer({"status": "ok"})

    async def readyz(_request: Request) -> HTTPResponse:
        await readiness.check()
        return answer({"status": "ok"})

    async def metrics(_request: Request) -> HTTPResponse:
        return HTTPResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    async def document(_request: Request) -> HTTPResponse:
        return answer(openapi)

    app.add_route(healthz, "/healthz", methods=["GET"])
    app.add_route(readyz, "/readyz", methods=["GET"])
    app.add_route(metrics, "/metrics", methods=["GET"])
    app.add_route(document, "/openapi.json", methods=["GET"])
    app.error_handler.add(Exception, _explain)
    app.error_handler.add(RequestCancelled, _hung_up)

    async def begin(request: Request) -> None:
        request.ctx.began = time.perf_counter()
        _identify(request)

    async def end(request: Request, response: HTTPResponse) -> None:
        _finish(request, response)
        if readiness.draining:
            # Callers with a pool move to another replica at their next request, before this one closes its listener.
            stream: Any = request.stream
            stream.keep_alive = False

    app.register_middleware(begin, "request")
    app.register_middleware(end, "response")
    return app


def _identify(request: Request) -> None:
    request.ctx.id = accept_request_id(request.headers.get(REQUEST_ID_HEADER))
    request_id.set(request.ctx.id)


def _finish(request: Request, response: HTTPResponse) -> None:
    if not hasattr(request.ctx, "id"):
        _identify(request)
    response.headers[REQUEST_ID_HEADER] = request.ctx.id
    seconds = time.perf_counter() - getattr(request.ctx, "began", time.perf_counter())
    method = request.method if request.method in METHODS else OTHER
    route = f"/{request.route.path}" if request.route else OTHER
    if response.status == _HUNG_UP:
        ABANDONED.labels(method, route).inc()
    else:
        REQUESTS.labels(method, route, response.status).inc()
        SECONDS.labels(route).observe(seconds)
    _LOG.log(
        logging.DEBUG if route in _QUIET else logging.INFO,
        "the caller hung up" if response.status == _HUNG_UP else "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": response.status,
            "ms": round(seconds * 1000, 2),
        },
    )


def _hung_up(_request: Request, _error: BaseException) -> HTTPResponse:
    return HTTPResponse(status=_HUNG_UP)


def _explain(_request: Request, error: Exception) -> HTTPResponse:
    match error:
        case BadRequest():
            return answer({"error": str(error)}, 400)
        case DatabaseUnavailable():
            _LOG.warning("answered 503", extra={"reason": str(error)})
            return answer({"error": str(error)}, 503)
        case PayloadTooLarge():
            return answer({"error": f"the body or a header is too large; at most {BODY_LIMIT} bytes"}, 400)
        case SanicException():
            return answer({"error": str(error)}, error.status_code, error.headers)
        case _:
            _LOG.error("answered 500", exc_info=error)
            return answer({"error": "internal error; the log has it under the request id"}, 500)
