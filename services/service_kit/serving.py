"""Running a service as one process: start, serve, and on SIGTERM stop without losing a request."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

import uvloop

from services.service_kit.configuration import EXIT_STATUS, ConfigurationError, Environment, ServerSettings
from services.service_kit.connections import Connection
from services.service_kit.logs import configure_logs
from services.service_kit.web import Readiness

_LOG = logging.getLogger(__name__)
# Requests in flight get this long once the listener is closed.
FINISH_SECONDS: Final = 45.0


@dataclass(frozen=True)
class Service:
    """An app and what it holds open: entered before the first request, left after the last."""

    app: Any
    readiness: Readiness
    resources: AbstractAsyncContextManager[None]


def run(name: str, *, default_port: int, build: Callable[[Environment, ServerSettings], Service]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status: 0, or 2 after one line about a bad variable."""
    environment = Environment(os.environ)
    try:
        settings = ServerSettings.read(environment, default_port=default_port)
        service = build(environment, settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{name}: configuration error: {error}\n")
        return EXIT_STATUS
    configure_logs(service=name, pod=settings.pod_name, level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(service, settings))
        except OSError as error:
            _LOG.error("cannot serve", extra={"port": settings.port, "reason": str(error)})
            return 1
    return 0


async def _serve(service: Service, settings: ServerSettings) -> None:
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def stop_or_hurry() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_hurry)
    async with service.resources:
        server = await service.app.create_server(
            host="0.0.0.0",  # noqa: S104  # the pod's address is for the network policies to guard
            port=settings.port,
            protocol=Connection,
            backlog=1024,
            return_asyncio_server=True,
        )
        await server.startup()
        await server.after_start()
        _LOG.info("serving", extra={"port": settings.port})
        await stop.wait()
        await _drain(server, service.readiness, settings.drain_seconds, hurry)
    _LOG.info("stopped")


async def _drain(
    server: Any,  # noqa: ANN401  # Sanic leaves its AsyncioServer untyped
    readiness: Readiness,
    seconds: float,
    hurry: asyncio.Event,
) -> None:
    """Fail readiness, serve on until no new requests should come, then close the listener and let the rest finish."""
    _LOG.info("draining", extra={"seconds": seconds})
    readiness.draining = True
    try:
        await asyncio.wait_for(hurry.wait(), seconds)
    except TimeoutError:
        _LOG.debug("drained for the whole time")
    closed = server.close()
    _LOG.info("listener closed", extra={"connections": len(server.connections)})
    deadline = asyncio.get_running_loop().time() + FINISH_SECONDS
    while server.connections and asyncio.get_running_loop().time() < deadline:
        for connection in tuple(server.connections):
            connection.close_if_idle()
        await asyncio.sleep(0.02)
    for connection in tuple(server.connections):
        _LOG.warning("a request was cut: it did not finish in time")
        connection.abort()
    await closed
    await server.before_stop()
    await server.after_stop()
