"""What only a running server shows: connections, and answers that arrive while they are written.

What the answers hold is asserted by `tests/recorded`, which `make live` runs on the same server.
"""

import asyncio
import time
from dataclasses import replace

import pytest

from stepplan import AsyncClient, Client, Message, MessageEnd, ProtocolName, Request, Settings, StepPlanError, fold

pytestmark = [pytest.mark.live, pytest.mark.parametrize("protocol", ["openai", "anthropic"])]

SHORT = Request(messages=(Message.user("Name a fruit."),), temperature=0, max_tokens=8)
LONG = Request(messages=(Message.user("Write a long story about the sea."),), temperature=0, max_tokens=400)


def test_events_are_handed_on_while_the_answer_is_written(settings: Settings, protocol: ProtocolName) -> None:
    times = [time.monotonic() for _ in Client(settings, protocol=protocol).stream(replace(LONG, max_tokens=60))]
    assert len(times) > 10
    assert len({round(moment, 2) for moment in times}) > 5, "they came one by one"


async def test_they_are_so_without_blocking(settings: Settings, protocol: ProtocolName) -> None:
    times: list[float] = []
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    clock = asyncio.create_task(tick())
    async with AsyncClient(settings, protocol=protocol) as client:
        async for _ in client.stream(replace(LONG, max_tokens=60)):
            times.append(time.monotonic())  # noqa: PERF401 - the moment of each
    clock.cancel()
    assert len({round(moment, 2) for moment in times}) > 5
    assert ticks > 5


def test_a_connection_that_the_server_closed_is_no_failure(settings: Settings, protocol: ProtocolName) -> None:
    client = Client(settings, protocol=protocol)
    for _ in range(6):
        assert fold(client.stream(SHORT)).finish_reason
        assert client.send(SHORT).finish_reason


def test_a_stream_that_is_left_frees_the_server(settings: Settings, protocol: ProtocolName) -> None:
    client = Client(settings, protocol=protocol)
    start = time.monotonic()
    whole = fold(client.stream(LONG))
    takes = time.monotonic() - start
    assert whole.usage is not None

    left = client.stream(LONG)
    next(left)
    left.close()
    start = time.monotonic()
    assert client.send(SHORT).finish_reason
    assert time.monotonic() - start < takes / 2


async def test_answers_may_be_asked_for_at_once(settings: Settings, protocol: ProtocolName) -> None:
    async with AsyncClient(settings, protocol=protocol) as client:
        answers = await asyncio.gather(*(client.send(SHORT) for _ in range(4)))
    assert all(answer.finish_reason for answer in answers)


def test_a_silent_server_is_a_timeout(settings: Settings, protocol: ProtocolName) -> None:
    hasty = replace(settings, stream_timeout=0.001, max_retries=0)
    with pytest.raises(StepPlanError) as caught:
        assert isinstance(list(Client(hasty, protocol=protocol).stream(LONG))[-1], MessageEnd)
    assert "Timeout" in type(caught.value).__name__
