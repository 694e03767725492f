"""Sends an answer's bytes, applying the turn's fault."""

import asyncio
import socket
import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TypeAlias

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from stepplan.sandbox.script import Fault

END: Message = {"type": "http.response.body"}
"""Ends an answer."""

_Address: TypeAlias = tuple[str, int]
# Closing with a linger time of zero makes the kernel send a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


class Connections:
    """The open connections by client address, so that faults can act below HTTP."""

    def __init__(self) -> None:
        self._transports: dict[_Address, asyncio.Transport] = {}

    def add(self, transport: asyncio.Transport) -> None:
        """Remember a new connection."""
        self._transports[transport.get_extra_info("peername")] = transport

    def remove(self, transport: asyncio.Transport) -> None:
        """Forget a closed connection."""
        self._transports = {address: known for address, known in self._transports.items() if known is not transport}

    def close(self, client: _Address | None) -> None:
        """Close a connection once what was written to it is sent."""
        self._find(client).close()

    def reset(self, client: _Address | None) -> None:
        """Reset a connection."""
        transport = self._find(client)
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()

    def abort_all(self) -> None:
        """Close every connection at once, without sending what is left."""
        for transport in self._transports.values():
            transport.abort()

    def _find(self, client: _Address | None) -> asyncio.Transport:
        if client not in self._transports:
            # Without a server there is no connection to cut; the caller gets the error itself.
            raise ConnectionResetError("The sandbox closed the connection")
        return self._transports[client]


class Reset(Response):
    """Resets the connection instead of answering.

    Args:
        connections: The open connections.
    """

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the interface's
        """Reset the connection."""
        self._connections.reset(scope.get("client"))
        await receive()


class Delivery(Response):
    """An answer whose body is sent in pieces, with the turn's fault.

    Args:
        frames: The body, one event at a time.
        fault: What goes wrong.
        connections: The open connections, to cut this one.
        headers: Further headers.
        ping: The bytes that keep the connection alive.
        error: The bytes sent when the answer fails.
        media_type: The `Content-Type`, sent as it is: the service names no charset.
    """

    def __init__(
        self,
        frames: Iterable[bytes],
        fault: Fault,
        connections: Connections,
        headers: dict[str, str],
        *,
        ping: bytes,
        error: bytes = b"",
        media_type: str = "text/event-stream",
    ) -> None:
        super().__init__(headers={**headers, "content-type": media_type})
        # The length is unknown, and a body that is cut must not promise one.
        del self.headers["content-length"]
        self._frames = frames
        self._fault = fault
        self._connections = connections
        self._ping = ping
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer until it ends or the client disconnects."""
        # The request is read completely, so the next message says that the client disconnected.
        disconnected = asyncio.ensure_future(receive())
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for piece in self._pieces():
                await asyncio.wait({disconnected}, timeout=self._fault.delay)
                if disconnected.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if self._fault.stall_after is not None:
                await self._stall(disconnected, send)
            elif self._fault.cut_at is not None and self._fault.abrupt:
                self._connections.close(scope.get("client"))
                await disconnected
            else:
                await send(END)
        finally:
            disconnected.cancel()

    def _pieces(self) -> Iterator[bytes]:
        """The body as it is written: whole events, or pieces of the fault's size."""
        frames: Iterator[bytes] = islice(self._frames, self._fault.stall_after)
        if self._fault.error_after is not None:
            frames = chain(islice(frames, self._fault.error_after), [self._error])
        pieces = frames if self._fault.slice is None else _sliced(frames, self._fault.slice)
        return pieces if self._fault.cut_at is None else _cut(pieces, self._fault.cut_at)

    async def _stall(self, disconnected: asyncio.Future[Message], send: Send) -> None:
        if not self._fault.pings:
            await disconnected
        while not disconnected.done():
            await asyncio.wait({disconnected}, timeout=self._fault.ping_interval)
            await send({"type": "http.response.body", "body": self._ping, "more_body": True})


def _sliced(frames: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of this size."""
    rest = b""
    for frame in frames:
        rest += frame
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest:
        yield rest


def _cut(pieces: Iterator[bytes], at: int) -> Iterator[bytes]:
    """The same bytes up to this offset."""
    for piece in pieces:
        if len(piece) >= at:
            yield piece[:at]
            return
        yield piece
        at -= len(piece)
