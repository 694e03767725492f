"""Pools of connections, and how they are made. `stepplan.transport` decides which call uses which pool.

Async pools run on aiohttp if `httpx-aiohttp` is installed (`stepplan[aiohttp]`), and on httpx alone if it is not, as
uvicorn does with uvloop.
"""

import importlib
import os
import re
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import httpx

from stepplan.errors import InvalidRequestError

T = TypeVar("T")

PoolKey = tuple[str | None, bool | str]
"""Proxy and `verify`: the settings that all connections of a pool share."""

# No limit on connections: requests would wait for one unseen. The gate limits what runs at a time.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0)
PROXY_VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")

_parsed = lru_cache(maxsize=64)(httpx.URL)


class _NoCookies(httpx.Cookies):
    """A pool serves every key in the process: no cookie may pass from one account's answer to another's request."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep none."""


def _request(
    defaults: Mapping[str, str], method: str, url: str, *, headers: Any, content: Any, timeout: Any, extensions: Any
) -> httpx.Request:
    """A request as it is. httpx would parse the URL anew and merge its own settings: a tenth of what a call costs."""
    limits = dict(zip(("connect", "read", "write", "pool"), timeout, strict=True))
    extensions = {**extensions, "timeout": limits}
    return httpx.Request(method, _parsed(url), headers={**defaults, **headers}, content=content, extensions=extensions)


class Pool(httpx.Client):
    """An httpx client without cookies, and with no settings of its own for requests."""

    cookies: Any = _NoCookies()

    @cached_property
    def _defaults(self) -> dict[str, str]:
        return dict(self.headers)

    def build_request(self, method: str, url: Any, **options: Any) -> httpx.Request:
        """See `transport.HTTPClient`."""
        return _request(self._defaults, method, url, **options)


class AsyncPool(httpx.AsyncClient):
    """As `Pool`, async. It connects by aiohttp if it can, except through proxies: httpx knows more kinds of them."""

    cookies: Any = _NoCookies()

    def _init_transport(self, *_: Any, **options: Any) -> httpx.AsyncBaseTransport:
        over_aiohttp = _aiohttp_transport()
        if over_aiohttp is None:
            return super()._init_transport(**options)
        return over_aiohttp(options["verify"], options["limits"])

    @cached_property
    def _defaults(self) -> dict[str, str]:
        return dict(self.headers)

    def build_request(self, method: str, url: Any, **options: Any) -> httpx.Request:
        """See `transport.AsyncHTTPClient`."""
        return _request(self._defaults, method, url, **options)


def new_pool(key: PoolKey) -> Pool:
    """A pool for sync calls.

    Raises:
        InvalidRequestError: The proxy or `verify` cannot be used.
    """
    return _new(Pool, key)


def new_async_pool(key: PoolKey) -> AsyncPool:
    """A pool for the calls of one event loop; see `new_pool`."""
    return _new(AsyncPool, key)


def _new(cls: Callable[..., T], key: PoolKey) -> T:
    proxy, verify = key
    tls = _tls(verify)
    try:
        return cls(proxy=proxy, verify=tls, limits=_LIMITS, timeout=None)
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # SOCKS without its package, or not a proxy's URL
        named = [f"{name}={os.environ[name]}" for name in PROXY_VARIABLES if name in os.environ]
        settings = re.sub(r"(?<=[/=])[^/@]*@", "***@", ", ".join(named) if proxy is None else f"proxy={proxy}")
        raise InvalidRequestError(
            f"The proxy settings cannot be used ({settings}): use an http:// proxy, install httpx[socks], or unset the "
            "variable."
        ) from error


def _aiohttp_transport() -> Callable[[ssl.SSLContext, httpx.Limits], httpx.AsyncBaseTransport] | None:
    try:
        importlib.import_module("httpx_aiohttp")
        from stepplan.aiohttp_transport import AiohttpTransport  # noqa: PLC0415
    except ImportError:
        return None
    return AiohttpTransport


# ------------------------------------------------------------------------------------------------ what is slow at first

_lock = threading.RLock()
_contexts: dict[bool | str, ssl.SSLContext] = {}


def is_prepared(key: PoolKey) -> bool:
    """Whether an async pool can be made without blocking the event loop."""
    return key[1] in _contexts and "httpx_aiohttp" in sys.modules


def prepare(key: PoolKey) -> None:
    """Do what would block an event loop: read certificates, import aiohttp."""
    _tls(key[1])
    _aiohttp_transport()


def _tls(verify: bool | str) -> ssl.SSLContext:
    """One context per setting per process: it costs 25 ms and 750 KB.

    Raises:
        InvalidRequestError: `verify` does not name a file of certificate authorities.
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
                raise InvalidRequestError(
                    f"verify={verify!r} is not a readable file of certificate authorities ({error})."
                ) from error
        return _contexts[verify]


def forget_certificates() -> None:
    """For tests: the next pool reads them anew."""
    _contexts.clear()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may hold it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(after_in_child=_after_fork)
