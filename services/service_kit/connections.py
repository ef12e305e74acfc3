"""Connections that end as HTTP wants them to: whoever is refused early can still send the rest, and read the answer.

Sanic answers a request that is too large, or no HTTP, and closes. What of it is still on its way then meets a closed
socket, the kernel answers with a reset, and a proxy in between says 502 in place of our answer.
"""

import asyncio
from typing import Any, Final

from sanic import Request
from sanic.exceptions import SanicException
from sanic.http import Http, Stage
from sanic.server.protocols.http_protocol import HttpProtocol

LINGER_BYTES: Final = 64 << 20
"""Who sends more than this after the answer is cut."""

LINGER_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 5.0
"""Who sends nothing for so long, and does not close, waits for nothing from us."""


class Incoming(Request):
    """A request whose path is known also where its URL has none."""

    @property
    def path(self) -> str:
        """The path; the root where an absolute URL has none (RFC 9112, 3.2)."""
        path: bytes | None = self._parsed_url.path
        return (path or b"/").decode()


class Exchange(Http):
    """The requests of one connection, one after another, and its end."""

    __slots__ = ("_torn",)

    def __init__(self, protocol: Any) -> None:  # noqa: ANN401  # Sanic's is not typed
        super().__init__(protocol)  # type: ignore[no-untyped-call]
        # Whether the last request could not be read as HTTP: where it ends nobody knows.
        self._torn = False

    async def http1(self) -> None:
        """Serve the connection until it is to be closed; then take what the caller still sends."""
        await super().http1()  # type: ignore[no-untyped-call]
        if self._torn or self.request_body or self.recv_buffer:
            await self._linger()

    async def error_response(self, exception: Exception) -> None:
        """Answer what cannot be handled."""
        self._torn = self._torn or self.stage is Stage.REQUEST
        await super().error_response(exception)

    def create_empty_request(self) -> None:
        """Stand in for a request that could not be read; a URL that is none is left out, since it would fail again."""
        try:
            super().create_empty_request()
        except SanicException:
            self.url = None
            super().create_empty_request()

    async def _linger(self) -> None:
        """End our side, and drop what comes until the caller has ended the other, within bounds."""
        transport: Any = self.protocol.transport
        if transport is None or transport.is_closing():
            return
        self.stage = Stage.FAILED  # neither idle nor serving: not to be closed by who closes idle connections
        transport.write_eof()
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0:
                    left -= len(self.recv_buffer)
                    self.recv_buffer.clear()
                    # A caller that closes cancels this, as Sanic ends every connection.
                    await asyncio.wait_for(self._receive_more(), IDLE_SECONDS)
        except TimeoutError:
            return


class Connection(HttpProtocol):
    """What is given to Sanic's server for each connection."""

    HTTP_CLASS = Exchange
