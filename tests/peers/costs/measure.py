"""One contender in one fresh interpreter: prints what each task costs, as JSON.

CPU time (user and system) in all but one row: the time from the first byte to the first chunk is that of the clock.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

from tests.peers.costs.contenders import CONTENDERS, Contender
from tests.peers.costs.drivers import AT_ONCE, DRIVERS, Driver, LangChain, close_sessions

EVENTS = 2000
LIVE_EVENTS = 300
STREAMS = {64: 40, 256: 20}
"""How many streams at once, and the events of each."""

REQUESTS = 100
PROMPTS = 1000
TURNS = 200
FIRSTS = 30
"""How often the time to the first chunk is measured."""

Costs = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """A contender and the server."""

    contender: Contender
    driver: Driver
    root: str

    def at(self, task: str, count: int = 1, how: str = "each") -> Any:
        """A model that the server answers in this way."""
        return self.contender.new(f"{self.root}/{task}/{count}/{how}")


def main(name: str, port: int) -> Costs:
    """The contender's tasks one after the other, each warmed up."""
    [contender] = [contender for contender in CONTENDERS if contender.name == name]
    if contender.hidden:
        sys.modules[contender.hidden] = None  # type: ignore[assignment]
    costs = {"import, ms": _cost(lambda: import_module(contender.module), 1) / 1e3}
    bench = Bench(contender, DRIVERS[contender.framework](), f"http://127.0.0.1:{port}")
    if contender.tasks == "text":
        return _text(bench)
    if contender.tasks == "async":
        return asyncio.run(_async(bench))
    return costs | _answers(bench) | _text(bench) | _streams(bench) | _tools(bench) | asyncio.run(_async(bench))


def _answers(bench: Bench) -> Costs:
    driver, llm = bench.driver, bench.at("whole")
    costs = {"construct, us": _cost(lambda: bench.at("whole"), 50)} if bench.contender.framework else {}
    return {
        **costs,
        "answer, us": _warm_cost(partial(driver.whole, llm, driver.history(0)), REQUESTS),
        "answer, long history, us": _warm_cost(partial(driver.whole, llm, driver.history(TURNS)), 10),
        f"batch of {PROMPTS:,}, {AT_ONCE} at a time, us/answer": _warm_cost(
            partial(driver.batch, llm, PROMPTS), 1, warm=partial(driver.batch, llm, AT_ONCE)
        )
        / PROMPTS,
    }


def _text(bench: Bench) -> Costs:
    return {
        "text, us/event": _stream_cost(bench, "text", EVENTS, "each"),
        "text, many events per read, us/event": _stream_cost(bench, "text", EVENTS, "many"),
        "text, live, us/event": _stream_cost(bench, "text", LIVE_EVENTS, "live"),
    }


def _stream_cost(bench: Bench, task: str, count: int, how: str) -> float:
    return _warm_cost(partial(_drain, bench.driver.stream, bench.at(task, count, how)), 2) / count


def _streams(bench: Bench) -> Costs:
    costs = {
        "reasoning, us/event": _stream_cost(bench, "reasoning", EVENTS, "each"),
        "first byte to first chunk, us of the clock": _time_to_first(bench),
    }
    if isinstance(bench.driver, LangChain):
        events = partial(_drain, bench.driver.v3_events, bench.at("text", EVENTS))
        costs["v3 events, us/event"] = _warm_cost(events, 2) / EVENTS
    return costs


def _tools(bench: Bench) -> Costs:
    return {
        f"tool arguments of {kilobytes} KB, ms": _cost(
            partial(_drain, bench.driver.with_tool, bench.at("tool", kilobytes * 100)), 1
        )
        / 1e3
        for kilobytes in (20, 100)
    }


async def _async(bench: Bench) -> Costs:
    driver = bench.driver

    async def stream(task: str, count: int, how: str, at_once: int = 1) -> float:
        llm = bench.at(task, count, how)

        async def all_of_them() -> None:
            await asyncio.gather(*(_adrain(driver.astream, llm) for _ in range(at_once)))

        return await _async_cost(all_of_them, all_of_them) / count / at_once

    whole = bench.at("whole")
    costs = {
        f"batch of {PROMPTS:,}, {AT_ONCE} at a time, async, us/answer": await _async_cost(
            partial(driver.abatch, whole, AT_ONCE), partial(driver.abatch, whole, PROMPTS)
        )
        / PROMPTS,
        "text, async, us/event": await stream("text", EVENTS, "each"),
        "reasoning, async, us/event": await stream("reasoning", EVENTS, "each"),
        "text, many events per read, async, us/event": await stream("text", EVENTS, "many"),
        "text, live, async, us/event": await stream("text", LIVE_EVENTS, "live"),
    }
    for at_once, events in STREAMS.items():
        costs[f"{at_once} live streams at once, async, us/event"] = await stream("text", events, "live", at_once)
    await close_sessions()
    return costs


def _drain(stream: Callable[[Any], Iterator[Any]], llm: Any) -> None:
    _check(sum(1 for _ in stream(llm)))


async def _adrain(stream: Callable[[Any], AsyncIterator[Any]], llm: Any) -> None:
    count = 0
    async for _ in stream(llm):
        count += 1
    _check(count)


def _check(count: int) -> None:
    if count < 10:
        raise RuntimeError(f"only {count} items: something went wrong")


def _time_to_first(bench: Bench) -> float:
    """Microseconds from the server's first piece of text to the first chunk with text."""
    llm = bench.at("text", 1, "stamped")
    return median(_one_time_to_first(bench.driver, llm) for _ in range(FIRSTS)) / 1e3


def _one_time_to_first(driver: Driver, llm: Any) -> int:
    took = None
    for chunk in driver.stream(llm):
        if took is None and (text := driver.text(chunk)):
            took = time.monotonic_ns() - int(text)
    if took is None:
        raise RuntimeError("no text: something went wrong")
    return took


def _cost(work: Callable[[], Any], times: int) -> float:
    """Microseconds of one."""
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e6


def _warm_cost(work: Callable[[], Any], times: int, warm: Callable[[], Any] | None = None) -> float:
    (warm or work)()
    return _cost(work, times)


async def _async_cost(warm: Callable[[], Awaitable[Any]], work: Callable[[], Awaitable[Any]]) -> float:
    """Microseconds."""
    await warm()
    gc.collect()
    start = time.process_time()
    await work()
    return (time.process_time() - start) * 1e6


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
