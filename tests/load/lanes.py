"""Where the calls of the soak run: in threads, and in an event loop over each transport."""

import asyncio
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from stepplan import Client, Settings, transport
from tests.load.calls import Call, Lane, Surfaces, amade, made, surfaces

WORKERS = 32
"""Calls under way in each lane, those included that wait in line."""


@dataclass(frozen=True)
class Lanes:
    """The three lanes.

    Attributes:
        works: Make all calls of a lane, and return what is wrong with their ends.
        loops: The event loops, to look at between calls.
    """

    works: Mapping[Lane, Callable[[Sequence[Call]], list[str]]]
    loops: Sequence[asyncio.AbstractEventLoop]

    def run(self, calls: Sequence[Call]) -> list[str]:
        """Make all calls, each in its lane; the value is what is wrong with their ends."""
        with ThreadPoolExecutor(len(self.works)) as threads:
            found = threads.map(
                lambda lane: self.works[lane]([call for call in calls if call.lane == lane]), self.works
            )
            return [problem for problems in found for problem in problems]


@contextmanager
def open_lanes(settings: Mapping[str, Any]) -> Generator[Lanes]:
    """The lanes, with models that have these settings. Everything is closed at the end."""
    models = surfaces(settings)
    with (
        ThreadPoolExecutor(WORKERS) as threads,
        asyncio.Runner() as aiohttp,
        asyncio.Runner() as httpx,
        pytest.MonkeyPatch.context() as patch,
    ):
        # A loop keeps the pool that it has first.
        assert aiohttp.run(_pool(settings)) == "AiohttpTransport"
        patch.setitem(sys.modules, "httpx_aiohttp", None)
        assert httpx.run(_pool(settings)) == "AsyncHTTPTransport"
        patch.undo()
        works: dict[Lane, Callable[[Sequence[Call]], list[str]]] = {
            "sync": partial(_in_threads, threads, models),
            "aiohttp": lambda calls: aiohttp.run(_in_tasks(models, calls)),
            "httpx": lambda calls: httpx.run(_in_tasks(models, calls)),
        }
        yield Lanes(works, [aiohttp.get_loop(), httpx.get_loop()])
        Client(Settings(**settings)).close()


async def _pool(settings: Mapping[str, Any]) -> str:
    """Open the loop's pool; the value is what it connects by."""
    pool = await transport.loop_pools().pool(transport.pool_key(Settings(**settings)))
    return type(pool._transport).__name__


def _in_threads(threads: ThreadPoolExecutor, models: Surfaces, calls: Sequence[Call]) -> list[str]:
    ends = threads.map(lambda call: made(call, models[call.surface, call.protocol]), calls)
    return [problem for problem in ends if problem]


async def _in_tasks(models: Surfaces, calls: Sequence[Call]) -> list[str]:
    left, problems = iter(calls), list[str]()

    async def work() -> None:
        for call in left:
            if problem := await amade(call, models[call.surface, call.protocol]):
                problems.append(problem)

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return problems
