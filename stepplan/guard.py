"""Guards the connections that httpx opens, by its request extension `trace`, which tells of each new one.

Reads keep to a deadline: a read timeout starts anew with every byte, so a server that trickles would outlast it. And a
head that was there before anything was read is recognized: it is left over from the answer before. httpx would take it
for the answer. Closing an async connection cannot be interrupted. A connection that is used again stays guarded.
"""

import contextlib
import math
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_SENDING = ".send_request_headers.started"


_deadline = ContextVar("_deadline", default=math.inf)


def until(deadline: float, work: Callable[..., T], *arguments: object) -> T:
    """Calls `work`. Reads of this thread from guarded connections end at the deadline (`time.monotonic`)."""
    before = _deadline.get()
    _deadline.set(deadline)
    try:
        return work(*arguments)
    finally:
        _deadline.set(before)


async def until_async(deadline: float, work: Awaitable[T]) -> T:
    """Awaits `work`. Reads of this task from guarded connections end at the deadline (`time.monotonic`)."""
    before = _deadline.get()
    _deadline.set(deadline)
    try:
        return await work
    finally:
        _deadline.set(before)


def _limited(timeout: float | None) -> float | None:
    """The timeout of a read, in seconds, so that it keeps to the deadline."""
    left = max(_deadline.get() - time.monotonic(), 0.001)  # 0 would mean not to wait, and raise another error
    return timeout if left == math.inf else min(left, timeout or math.inf)


@types.coroutine
def uninterrupted(closing: Coroutine[Any, Any, object]) -> Generator[Any, Any, None]:
    """Await what closes connections, without giving other tasks a turn when there is nothing to wait for.

    httpx gives turns while it closes. A task that is cancelled in one of them would leave connections open for good.
    """
    step = partial(closing.send, None)
    with contextlib.suppress(StopIteration):
        while True:
            awaited = step()
            step = partial(closing.send, None)
            if awaited is not None:
                try:
                    yield awaited
                except BaseException as error:  # noqa: BLE001 - handed on
                    step = partial(closing.throw, error)


def is_guarded(response: Any) -> bool:
    """Whether the response arrives over a guarded connection."""
    return hasattr(response.extensions.get("network_stream"), "has_answered")


def is_left_over(response: Any) -> bool:
    """Whether the response's head was there before anything was read from a guarded connection."""
    return getattr(response.extensions.get("network_stream"), "has_answered", None) is False


def _stop_listening(request: Any) -> None:
    """Take the extension out of a request that has its connection: httpcore looks for it before each event.

    One that goes to a proxy, for a tunnel, shares its extensions with the one that is to go through the tunnel.
    """
    if request.method != b"CONNECT":
        del request.extensions["trace"]


def guard(event: str, info: Mapping[str, Any]) -> None:
    """The extension `trace` of requests of a sync client."""
    if event.endswith(_SENDING):
        _stop_listening(info["request"])
    if not event.endswith(_CONNECTED):
        return
    stream = info["return_value"]
    read, write = stream.read, stream.write

    def guarded_read(max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = read(max_bytes, _limited(timeout))
        stream.has_answered = True
        return data

    def guarded_write(buffer: bytes, timeout: float | None = None) -> None:
        stream.has_answered = False
        write(buffer, timeout)

    stream.read, stream.write = guarded_read, guarded_write


async def guard_async(event: str, info: Mapping[str, Any]) -> None:
    """The extension `trace` of requests of an async client."""
    if event.endswith(_SENDING):
        _stop_listening(info["request"])
    if not event.endswith(_CONNECTED):
        return
    stream = info["return_value"]
    read, write, close = stream.read, stream.write, stream.aclose

    async def guarded_read(max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpx's interface
        data: bytes = await read(max_bytes, _limited(timeout))
        stream.has_answered = True
        return data

    async def guarded_write(*arguments: Any, **options: Any) -> None:
        stream.has_answered = False
        await write(*arguments, **options)

    # httpx closes what a server has ended when the next call begins, and would leave the rest open if it is cancelled.
    stream.read, stream.write, stream.aclose = guarded_read, guarded_write, lambda: uninterrupted(close())
