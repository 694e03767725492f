"""The four ways to ask the core, behind one function."""

import asyncio
from typing import Literal, get_args

from stepplan import (
    AsyncClient,
    Client,
    Event,
    MessageEnd,
    MessageStart,
    ProtocolName,
    Request,
    Response,
    Settings,
    fold,
)

Way = Literal["send", "stream", "async-send", "async-stream"]
WAYS: tuple[Way, ...] = get_args(Way)


def ask(way: Way, settings: Settings, protocol: ProtocolName, request: Request) -> Response:
    """The answer; a streamed one is folded, after a look at its first and last event."""
    match way:
        case "send":
            return Client(settings, protocol=protocol).send(request)
        case "stream":
            return _folded(list(Client(settings, protocol=protocol).stream(request)))
        case "async-send":
            return asyncio.run(AsyncClient(settings, protocol=protocol).send(request))
        case "async-stream":
            return _folded(asyncio.run(_stream(AsyncClient(settings, protocol=protocol), request)))


async def _stream(client: AsyncClient, request: Request) -> list[Event]:
    return [event async for event in client.stream(request)]


def _folded(events: list[Event]) -> Response:
    assert isinstance(events[0], MessageStart)
    assert isinstance(events[-1], MessageEnd)
    return fold(events)
