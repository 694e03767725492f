"""One contender in one fresh interpreter: prints what each task costs in CPU time (user and system), as JSON."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

from tests.peers.costs.contenders import CONTENDERS
from tests.peers.costs.drivers import DRIVERS, LangChain

EVENTS = 2000
REQUESTS = 100
TURNS = 200


def main(name: str, port: int) -> dict[str, float]:
    """The tasks one after the other, each warmed up; a task that the framework does not have is left out."""
    [contender] = [contender for contender in CONTENDERS if contender.name == name]
    costs = {"import, ms": _cost(lambda: import_module(contender.module), 1) / 1e3}
    root, driver = f"http://127.0.0.1:{port}", DRIVERS[contender.framework]()

    def at(task: str, count: int, how: str = "each") -> Any:
        return contender.new(f"{root}/{task}/{count}/{how}")

    at("whole", 1)
    costs["construct, us"] = _cost(lambda: at("whole", 1), 50)
    llm = at("whole", 1)
    costs["answer, us"] = _warm_cost(partial(driver.whole, llm, driver.history(0)), REQUESTS)
    costs["answer, long history, us"] = _warm_cost(partial(driver.whole, llm, driver.history(TURNS)), 10)
    for task in ("text", "reasoning"):
        llm = at(task, EVENTS)
        costs[f"{task}, us/event"] = _warm_cost(partial(_drain, driver.stream, llm), 2) / EVENTS
        costs[f"{task}, async, us/event"] = _async_cost(partial(driver.astream, llm)) / EVENTS
    llm = at("text", EVENTS, "many")
    costs["text, many events per read, us/event"] = _warm_cost(partial(_drain, driver.stream, llm), 2) / EVENTS
    if isinstance(driver, LangChain):
        llm = at("text", EVENTS)
        costs["v3 events, us/event"] = _warm_cost(partial(_drain, driver.v3_events, llm), 2) / EVENTS
    for kilobytes in (20, 100):
        llm = at("tool", kilobytes * 100)
        costs[f"tool arguments of {kilobytes} KB, ms"] = _cost(partial(_drain, driver.with_tool, llm), 1) / 1e3
    return costs


def _drain(stream: Callable[[Any], Iterator[Any]], llm: Any) -> None:
    count = sum(1 for _ in stream(llm))
    if count < 10:
        raise RuntimeError(f"only {count} items: something went wrong")


def _cost(work: Callable[[], Any], times: int) -> float:
    """Microseconds of one."""
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e6


def _warm_cost(work: Callable[[], Any], times: int) -> float:
    work()
    return _cost(work, times)


def _async_cost(stream: Callable[[], AsyncIterator[Any]]) -> float:
    async def once() -> None:
        count = 0
        async for _ in stream():
            count += 1
        if count < 10:
            raise RuntimeError(f"only {count} items: something went wrong")

    async def twice() -> float:
        await once()
        gc.collect()
        start = time.process_time()
        await once()
        return (time.process_time() - start) * 1e6

    return asyncio.run(twice())


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
