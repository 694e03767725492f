"""Guards the connections that httpx opens, by its request extension `trace`, which tells of each new one.

Reads keep to a deadline: a read timeout starts anew with every byte, so a server that trickles would outlast it. And a
head that was there before anything was read is recognized: it is left over from the answer before. httpx would take it
for the answer. A connection that is used again stays guarded.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")


class _Thread(threading.local):
    deadline = math.inf


_thread = _Thread()


def until(deadline: float, work: Callable[..., T], *arguments: object) -> T:
    """Calls `work`. Reads of this thread from guarded connections end at the deadline (`time.monotonic`)."""
    before, _thread.deadline = _thread.deadline, deadline
    try:
        return work(*arguments)
    finally:
        _thread.deadline = before


def is_guarded(response: Any) -> bool:
    """Whether the response arrives over a guarded connection."""
    return hasattr(response.extensions.get("network_stream"), "has_answered")


def is_left_over(response: Any) -> bool:
    """Whether the response's head was there before anything was read from a guarded connection."""
    return getattr(response.extensions.get("network_stream"), "has_answered", None) is False


def guard(event: str, info: Mapping[str, Any]) -> None:
    """The extension `trace` of requests of a sync client."""
    if not event.endswith(_CONNECTED):
        return
    stream = info["return_value"]
    read, write = stream.read, stream.write

    def guarded_read(max_bytes: int, timeout: float | None = None) -> bytes:
        left = max(_thread.deadline - time.monotonic(), 0.001)  # 0 would mean not to wait, and raise another error
        data: bytes = read(max_bytes, timeout if left == math.inf else min(left, timeout or math.inf))
        stream.has_answered = True
        return data

    def guarded_write(buffer: bytes, timeout: float | None = None) -> None:
        stream.has_answered = False
        write(buffer, timeout)

    stream.read, stream.write = guarded_read, guarded_write


async def guard_async(event: str, info: Mapping[str, Any]) -> None:
    """The extension `trace` of requests of an async client. The driver keeps to deadlines itself."""
    if not event.endswith(_CONNECTED):
        return
    stream = info["return_value"]
    read, write = stream.read, stream.write

    async def guarded_read(*arguments: Any, **options: Any) -> bytes:
        data: bytes = await read(*arguments, **options)
        stream.has_answered = True
        return data

    async def guarded_write(*arguments: Any, **options: Any) -> None:
        stream.has_answered = False
        await write(*arguments, **options)

    stream.read, stream.write = guarded_read, guarded_write
