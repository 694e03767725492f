"""A server in a process of its own, so that only the client's time is counted. It says its port, then sends bytes."""

import asyncio
import socket
import time
from asyncio import StreamReader, StreamWriter
from functools import cache
from typing import cast

from tests.peers.costs.answers import STAMP, Kind, Wire, stream, whole

PAUSES = {"live": 0.002, "stamped": 0.02}
"""Seconds after each event."""

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n"


@cache
def _pieces(path: str) -> list[bytes]:
    """What is written for a path such as `/text/2000/each/v1/messages`, write by write.

    `each`: every event is a chunk of its own in a write of its own; `many`: 64 KB at a time; `live`: as `each`, with
    a pause after each; `stamped`: as `live`, and the first piece of text is the time at which it was sent.
    """
    kind, count, how = path.strip("/").split("/")[:3]
    wire: Wire = "anthropic" if path.endswith("/messages") else "openai"
    if kind == "whole":
        body = whole(wire)
        return [_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body]
    events = stream(wire, cast("Kind", "stamp" if how == "stamped" else kind), int(count))
    chunks = [b"%x\r\n%s\r\n" % (len(event), event) for event in events] + [b"0\r\n\r\n"]
    if how == "many":
        joined = b"".join(chunks)
        chunks = [joined[at : at + 65536] for at in range(0, len(joined), 65536)]
    return [_HEAD % (b"text/event-stream", b"transfer-encoding: chunked"), *chunks]


async def _answer(reader: StreamReader, writer: StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            await reader.readexactly(int(lengths[0].split(":")[1]))
            path = head.split()[1]
            how = path.split("/")[3]
            for piece in _pieces(path):
                writer.write(piece.replace(STAMP.encode(), b"%020d" % time.monotonic_ns()))
                await writer.drain()
                await asyncio.sleep(PAUSES.get(how, 0))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
