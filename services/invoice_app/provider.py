"""The payment provider as the invoice app sees it: one question, one answer, or a reason why there is none."""

import asyncio
import logging
from types import TracebackType
from typing import Final, Self

import aiohttp

from services.service_kit.json_text import dumps, loads
from services.service_kit.logs import REQUEST_ID_HEADER, request_id
from services.service_kit.money import Money

_LOG = logging.getLogger(__name__)
_ANSWER_LIMIT: Final = 16 * 1024
# Shorter than the provider keeps an idle connection (75 s), so that it is this side that closes first.
_IDLE_SECONDS: Final = 15.0


class PaymentFailed(Exception):
    """The provider did not confirm the payment; the message says why. `reached` tells whether it answered at all."""

    def __init__(self, reason: str, *, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached


class Provider:
    """A client with pooled connections; an async context manager."""

    def __init__(self, url: str, *, timeout_seconds: float, connections: int) -> None:
        self._url = f"{url}/payments/pay"
        self._timeout_seconds = timeout_seconds
        self._connections = connections
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def pay(self, invoice_id: str, money: Money) -> str:
        """Ask for the payment of an invoice; returns the payment's id. Raises PaymentFailed.

        The invoice's id is the idempotency key: when the outcome is unknown, asking again is safe.
        """
        try:
            try:
                return await self._ask(invoice_id, money)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # A replica that stops closes its idle connections, perhaps under a request: ask another, once.
                _LOG.info("connection to the provider was cut", extra={"reason": str(error)})
                return await self._ask(invoice_id, money)
        except TimeoutError:
            reason = f"the provider did not answer within {self._timeout_seconds:g} s; the outcome is unknown"
        except aiohttp.ClientConnectorError as error:
            reason = f"the provider cannot be reached at {self._url}: {error.os_error.strerror or error}"
        except aiohttp.ClientPayloadError as error:
            reason = f"the provider's answer was cut: {error}; the outcome is unknown"
        except aiohttp.ClientResponseError as error:
            raise PaymentFailed(f"the provider's answer is not HTTP: {error.message}", reached=True) from error
        except (aiohttp.ClientError, OSError) as error:
            reason = f"the connection to the provider was cut: {error}; the outcome is unknown"
        raise PaymentFailed(reason, reached=False)

    async def _ask(self, invoice_id: str, money: Money) -> str:
        body = dumps({"id": invoice_id, "value": money.value, "currency": money.currency})
        headers = {"Content-Type": "application/json", REQUEST_ID_HEADER: request_id.get()}
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            status, raw = response.status, await _read(response)
        try:
            answer = loads(raw)
        except ValueError:
            answer = None
        if status == 200 and isinstance(answer, dict):  # noqa: PLR2004
            payment_id = answer.get("id")
            if isinstance(payment_id, str) and payment_id.isprintable() and 0 < len(payment_id) <= 200:  # noqa: PLR2004
                return payment_id
        if status == 200:  # noqa: PLR2004
            raise PaymentFailed("the provider answered 200 without a payment's id", reached=True)
        said = answer.get("error") if isinstance(answer, dict) else None
        words = f": {said[:200]}" if isinstance(said, str) and said.isprintable() else ""
        raise PaymentFailed(f"the provider answered {status}{words}", reached=True)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """At most _ANSWER_LIMIT bytes: a provider that talks without end must not fill the memory."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > _ANSWER_LIMIT:
            raise PaymentFailed(f"the provider's answer is longer than {_ANSWER_LIMIT} bytes", reached=True)
        await asyncio.sleep(0)
    return bytes(raw)
