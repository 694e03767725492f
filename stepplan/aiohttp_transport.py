"""httpx over aiohttp, which halves the cost of a request. Imported only if `httpx-aiohttp` is installed."""

import ssl
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import httpx
import httpx_aiohttp

_LARGE = 2**20
"""From this size on, aiohttp wants a request's body in pieces, so that writing it does not hold up the event loop."""

_LONGEST_HEADER = 100 * 1024
"""Bytes, as httpx takes them; aiohttp's own limit is 8 KB. Proxies and content filters add long headers."""


class _Connector(aiohttp.TCPConnector):
    """Closes a connection at once if its answer was not read to the end.

    aiohttp closes it by TLS's rules. It waits up to 30 s for the server then, which may be longer than the loop runs.
    """

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        if (should_close or protocol.should_close) and protocol.transport is not None:
            protocol.transport.abort()
        super()._release(key, protocol, should_close=should_close)


class AiohttpTransport(httpx_aiohttp.AiohttpTransport):
    """`httpx_aiohttp.AiohttpTransport`, behaving like httpx's own transport where the two differ.

    Args:
        tls: The TLS context.
        limits: How long idle connections are kept; their number has no limit.
    """

    def __init__(self, tls: ssl.SSLContext, limits: httpx.Limits) -> None:  # pyright: ignore[reportMissingSuperCall]
        # All that the base class needs, which would look for certificates again.
        self.client = None
        self.proxy = None
        self._tls = tls
        self._keepalive = limits.keepalive_expiry

    def get_client(self) -> aiohttp.ClientSession:
        """A session that limits no connections, which aiohttp does by default, and keeps no cookies."""
        connector = _Connector(ssl=self._tls, limit=0, keepalive_timeout=self._keepalive)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory."""
        if len(request.content) >= _LARGE:
            request = httpx.Request(
                request.method,
                request.url,
                headers=request.headers,
                content=_pieces(request.content),
                extensions=request.extensions,
            )
        response = await super().handle_async_request(request)
        response.stream = _Body(cast("Any", response.stream)._aiohttp_response)  # noqa: SLF001 - no other way to it
        return response


class _Body(httpx.AsyncByteStream):
    """A reply's body as it arrives."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._reply.content
        try:
            while data := await content.readany():
                yield data
        except aiohttp.ClientError:
            # aiohttp raises the error before it hands out what had arrived.
            content.set_exception(cast("Any", None))
            if data := content.read_nowait():
                yield data
            raise

    async def aclose(self) -> None:
        """Keep the connection if the body was read to its end, close it if not."""
        self._reply.release()


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _LARGE):
        yield content[start : start + _LARGE]
