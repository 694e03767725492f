"""Connections: the one module that knows httpx.

Pools are shared by everything in the process: one per TLS and proxy settings, and for async one per event loop.
"""

import _thread
import asyncio
import atexit
import contextlib
import os
import re
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol, TypeVar

import httpx

from stepplan.errors import APIConnectionError, APITimeoutError, InvalidRequestError, StepPlanError
from stepplan.exchange import Head, HTTPRequest

T = TypeVar("T")


class HTTPClient(Protocol):
    """What is used of a client that is handed in: an `httpx.Client`, an `httpx2.Client`, or the like."""

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        """See httpx."""

    def send(self, request: Any, *, stream: bool) -> Any:
        """See httpx."""


class AsyncHTTPClient(Protocol):
    """What is used of an async client that is handed in: an `httpx.AsyncClient` or the like."""

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any) -> Any:
        """See httpx."""

    async def send(self, request: Any, *, stream: bool) -> Any:
        """See httpx."""


PoolKey = tuple[str | None, bool | str]
"""Proxy and `verify`: what connections cannot differ in within one pool."""

# No limit on connections: a limit makes requests wait in line unseen, and the plan has its own.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)
_PROXY_VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")

_lock = threading.RLock()
_contexts: dict[bool | str, ssl.SSLContext] = {}
_sync: dict[PoolKey, httpx.Client] = {}
_async: dict[asyncio.AbstractEventLoop, dict[PoolKey, tuple[httpx.AsyncClient, AsyncGenerator[None]]]] = {}
_of_parent: list[object] = []


def _tls(verify: bool | str) -> ssl.SSLContext:
    """One context per setting per process: it costs 25 ms and 750 KB.

    Raises:
        InvalidRequestError: `verify` names no file of authorities.
    """
    with _lock:
        if verify not in _contexts:
            try:
                _contexts[verify] = (
                    httpx.create_ssl_context(verify=verify)
                    if isinstance(verify, bool)
                    else ssl.create_default_context(cafile=verify)
                )
            except OSError as error:
                raise InvalidRequestError(f"verify={verify!r}: no readable file of authorities ({error}).") from error
        return _contexts[verify]


def _new(cls: Callable[..., T], proxy: str | None, tls: ssl.SSLContext) -> T:
    # The pool serves every key in the process, so no cookie may pass from one account's answer to another's request.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    try:
        return cls(proxy=proxy, verify=tls, limits=_LIMITS, timeout=None, cookies=no_cookies)
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # SOCKS without its package, or no proxy's URL
        named = [f"{name}={os.environ[name]}" for name in _PROXY_VARIABLES if name in os.environ]
        settings = re.sub(r"(?<=[/=])[^/@]*@", "***@", ", ".join(named) if proxy is None else f"proxy={proxy}")
        raise InvalidRequestError(
            f"The proxy settings cannot be used ({settings}): use an http:// proxy, install httpx[socks], or unset the "
            "variable."
        ) from error


def sync_pool(key: PoolKey) -> httpx.Client:
    """The process's pool for these settings."""
    pool = _sync.get(key)
    if pool is None:
        with _lock:
            pool = _sync.get(key) or _sync.setdefault(key, _new(httpx.Client, key[0], _tls(key[1])))
    return pool


def close_sync_pool(key: PoolKey) -> None:
    """Close the pool for these settings; the next request opens a new one."""
    if pool := _sync.pop(key, None):
        pool.close()


async def async_pool(key: PoolKey) -> httpx.AsyncClient:
    """The running loop's pool for these settings. A connection works only in the loop that opened it."""
    pools = _async.setdefault(asyncio.get_running_loop(), {})
    if key not in pools:
        for loop in list(_async):  # a copy, because other threads' loops come and go
            if loop.is_closed():
                _async.pop(loop, None)
    tls = _contexts.get(key[1])
    if tls is None:  # reading the authorities' file must not hold up the loop
        tls = await asyncio.to_thread(_tls, key[1])
    if key not in pools:
        pool = _new(httpx.AsyncClient, key[0], tls)
        pools[key] = (pool, _closed_with_loop(pool))
        await anext(pools[key][1])
    return pools[key][0]


async def _closed_with_loop(pool: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Suspended for the loop's life: `asyncio.run` ends a loop's async generators before it closes the loop."""
    try:
        yield
    finally:
        await pool.aclose()


async def close_async_pool(key: PoolKey) -> None:
    """Close the running loop's pool for these settings; the next request opens a new one."""
    if entry := _async.get(asyncio.get_running_loop(), {}).pop(key, None):
        await entry[1].aclose()


class Reply:
    """A reply of a sync client that is being read.

    The garbage collector may end a reader that was left at any moment, in the middle of httpcore's work too, whose lock
    this thread then holds: whatever closes the connection there and then waits for itself forever. So an open reply is
    kept from the collector, which would close it by ending httpcore's own generators; `leave` is how it is closed then.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        self._chunks: Iterator[bytes] = response.iter_bytes()
        _open.add(self)

    def read(self) -> bytes:
        """The next bytes, `b""` at the end."""
        return next(self._chunks, b"")

    def close(self) -> None:
        """Free the connection."""
        _open.discard(self)
        self._response.close()

    def leave(self) -> None:
        """Free the connection in a thread of its own, and wait for that as long as it should take."""
        closed = _thread.allocate_lock()
        closed.acquire()

        def close() -> None:
            self.close()
            closed.release()

        with contextlib.suppress(RuntimeError):  # the interpreter ends: no thread can be started any more
            _thread.start_new_thread(close, ())  # `threading` has locks of its own
            closed.acquire(timeout=0.1)


_open: set[Reply] = set()


def _close_all() -> None:
    for key in list(_sync):
        close_sync_pool(key)


def _after_fork() -> None:
    """A child has its own pools. It keeps the parent's as they are: to close them would disturb what both share."""
    global _lock, _sync, _async
    _of_parent.extend((_sync, _async))
    _lock, _sync, _async = threading.RLock(), {}, {}


def build(http: Any, request: HTTPRequest) -> Any:
    """The request as this client (`httpx` or the like, sync or async) wants it."""
    # Waiting for a connection is not reading: it has no limit of its own.
    timeout = (request.connect_timeout, request.read_timeout, request.read_timeout, None)
    key = request.key
    return http.build_request(
        request.method,
        request.url,
        headers={**({"authorization": f"Bearer {key.get_secret_value()}"} if key else {}), **request.headers},
        content=request.content,
        timeout=timeout,
    )


def head(reply: Any) -> Head:
    """Status and headers of a client's reply."""
    return Head(reply.status_code, {name.lower(): value for name, value in reply.headers.items()})


def connection_error(error: Exception, host: str) -> StepPlanError:
    """Our error for one of httpx, or of a library with the same names.

    Raises:
        Exception: The error itself, if it is no transport's.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if "TimeoutException" in names:
        setting = "connect_timeout" if "ConnectTimeout" in names else "timeout, or stream_timeout if streamed"
        failure: StepPlanError = APITimeoutError(f"{host} did not answer in time ({what}): see {setting}.")
    elif "TransportError" in names or "StreamError" in names or "DecodingError" in names:
        failure = APIConnectionError(f"The connection to {host} failed ({what}).")
    else:
        raise error
    failure.__cause__ = error
    return failure


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(after_in_child=_after_fork)
