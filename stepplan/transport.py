"""Connections: which pool a call uses, and when pools are closed.

A client holds no connection. The process has one pool for each proxy and TLS setting, and for async one in each event
loop; all clients with these settings share it.
"""

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from stepplan import gate
from stepplan.errors import InvalidRequestError
from stepplan.guard import uninterrupted
from stepplan.pools import AsyncPool, Pool, PoolKey, forget_certificates, is_prepared, new_async_pool, new_pool, prepare
from stepplan.settings import Settings


class HTTPClient(Protocol):
    """What is used of a client that is handed in: an `httpx.Client`, an `httpx2.Client`, or the like."""

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any, extensions: Any) -> Any:
        """See httpx."""

    def send(self, request: Any, *, stream: bool) -> Any:
        """See httpx."""


class AsyncHTTPClient(Protocol):
    """What is used of an async client that is handed in: an `httpx.AsyncClient` or the like."""

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any, extensions: Any) -> Any:
        """See httpx."""

    async def send(self, request: Any, *, stream: bool) -> Any:
        """See httpx."""


def pool_key(settings: Settings) -> PoolKey:
    """Which pool a client with these settings uses."""
    return settings.proxy, settings.verify


def check(settings: Settings) -> None:
    """Raise now what every call with these settings would.

    Raises:
        InvalidRequestError: The proxy or the file of certificate authorities cannot be used.
    """
    new_pool(pool_key(settings)).close()


class Client(Protocol):
    """A client of ours: what its calls need of it."""

    settings: Settings
    http_client: Any


class Call:
    """A call that is running.

    Args:
        client: The client that makes it.

    Attributes:
        pool: The pool that it uses, or the client that was handed in; `None` before it sends.
        slot: Its right to have a request running, while it has one.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.pool: Any = None
        self.slot: gate.Slot | None = None

    def give_up_slot(self) -> None:
        """Let the next request of the account go."""
        if self.slot is not None:
            self.slot.release()
            self.slot = None


def _handed_in(client: Client) -> Any:
    """The HTTP client that was handed in, or `None`.

    Raises:
        InvalidRequestError: It is closed.
    """
    if getattr(client.http_client, "is_closed", False) is True:
        raise InvalidRequestError("The HTTP client that you passed is closed: keep it open, or pass none.")
    return client.http_client


_PATIENCE_AT_EXIT = 1.0
"""Seconds in which the event loop of another thread should have closed its connections when the process ends."""

# ----------------------------------------------------------------------------------------------------------- sync pools

_lock = threading.RLock()
_sync: dict[PoolKey, Pool] = {}
_calls: set[Call] = set()
"""The running sync calls. The driver says why they have to be kept from the garbage collector."""


def sync_pool(key: PoolKey) -> Pool:
    """The process's pool for these settings."""
    pool = _sync.get(key)
    if pool is None:
        with _lock:
            pool = _sync.get(key) or _sync.setdefault(key, new_pool(key))
    return pool


def join(call: Call) -> Any:
    """What a call sends with: a pool, which is not closed until the call leaves, or the client that was handed in."""
    with _lock:
        http = _handed_in(call.client)
        call.pool = sync_pool(pool_key(call.client.settings)) if http is None else http
        _calls.add(call)
    return call.pool


def leave(call: Call) -> None:
    """The call is over."""
    _calls.discard(call)


def calls_of(client: object) -> list[Any]:
    """The running sync calls of a client."""
    return [call for call in _calls.copy() if call.client is client]


def close_sync_pool(key: PoolKey) -> None:
    """Close the pool for these settings, unless a call is using it. The next call opens a new one."""
    with _lock:
        pool = _sync.get(key)
        if pool is None or any(call.pool is pool for call in _calls.copy()):
            return
        del _sync[key]
    pool.close()


# ---------------------------------------------------------------------------------------------------------- async pools


class LoopPools:
    """The pools of one event loop, and the calls that are running in it.

    They are closed with the loop: asyncio then calls `aclose` of whatever its hook for async generators was given.
    """

    def __init__(self) -> None:
        self._pools: dict[PoolKey, AsyncPool] = {}
        self._calls: weakref.WeakSet[Call] = weakref.WeakSet()

    async def pool(self, key: PoolKey) -> AsyncPool:
        """The loop's pool for these settings."""
        if key not in self._pools:
            forget_closed_loops()
            if not is_prepared(key):
                await asyncio.to_thread(prepare, key)
            if key not in self._pools:
                self._pools[key] = new_async_pool(key)
                self._close_with_loop()
        return self._pools[key]

    async def join(self, call: Call) -> Any:
        """As the sync `join`."""
        http = _handed_in(call.client)
        call.pool = await self.pool(pool_key(call.client.settings)) if http is None else http
        self._calls.add(call)
        return call.pool

    def leave(self, call: Call) -> None:
        """The call is over."""
        self._calls.discard(call)

    def calls_of(self, client: object) -> list[Any]:
        """The running calls of a client in this loop."""
        return [call for call in self._calls if call.client is client]

    async def close_pool(self, key: PoolKey) -> None:
        """Close the loop's pool for these settings, unless a call is using it. The next call opens a new one."""
        pool = self._pools.get(key)
        if pool is not None and not any(call.pool is pool for call in self._calls):
            del self._pools[key]
            await uninterrupted(pool.aclose())

    async def aclose(self) -> None:
        """Close all pools."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await uninterrupted(pool.aclose())

    def abandon(self) -> None:
        """Close all pools of a loop that is closed: there is nothing to wait for any more, so no loop is needed.

        Calls that were running in it never end, and would hold their slots for as long as somebody refers to them.
        """
        for call in self._calls:
            call.give_up_slot()
        closing = self.aclose()
        with contextlib.suppress(Exception):
            closing.send(None)
        closing.close()

    def _close_with_loop(self) -> None:
        hook = cast("Callable[[object], None] | None", sys.get_asyncgen_hooks().firstiter)
        if hook is not None:
            with contextlib.suppress(ResourceWarning):  # `shutdown_asyncgens` was called, and yet the loop goes on
                hook(self)


_async: dict[asyncio.AbstractEventLoop, LoopPools] = {}


def loop_pools() -> LoopPools:
    """The running event loop's pools. A connection works only in the loop that opened it.

    Raises:
        InvalidRequestError: No asyncio event loop is running.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidRequestError(
            "No asyncio event loop is running, and async calls need one: under trio, make sync calls in a thread "
            "(trio.to_thread.run_sync)."
        ) from None
    return _async.get(loop) or _async.setdefault(loop, LoopPools())


def forget_closed_loops() -> None:
    """Free what the calls and the pools of closed event loops hold."""
    for loop in list(_async):  # a copy, because other threads' loops come and go
        if loop.is_closed() and (pools := _async.pop(loop, None)):
            pools.abandon()


# ------------------------------------------------------------------------------------------------------- ends and forks

_of_parent: list[object] = []


def reset() -> None:
    """Forget connections, certificates and gates, for tests: what one did is not found by the next.

    Pools of event loops that are open stay; they are closed with their loop.
    """
    _close_sync(_sync)
    forget_closed_loops()
    forget_certificates()
    gate.reset()


def _close_sync(keys: Iterable[PoolKey]) -> None:
    for key in list(keys):
        if pool := _sync.pop(key, None):
            pool.close()


def _at_exit() -> None:
    """Close what would otherwise be complained about when the interpreter takes everything apart."""
    _close_sync(_sync)
    forget_closed_loops()
    for loop, pools in list(_async.items()):
        with contextlib.suppress(Exception):
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(pools.aclose(), loop).result(_PATIENCE_AT_EXIT)
            else:
                loop.run_until_complete(pools.aclose())


def _after_fork() -> None:
    """After a fork, start with empty pools.

    The inherited ones stay referenced: closing them would shut down sockets that the parent uses.
    """
    global _lock, _sync, _async, _calls
    _of_parent.extend((_sync, _async, _calls))
    _lock, _sync, _async, _calls = threading.RLock(), {}, {}, set[Call]()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(after_in_child=_after_fork)
