"""Whose time a task of ours takes: the shares of the packages that run in it, by a profiler, as JSON.

The profiler makes what has many small calls look dearer than it is, so the shares are rough. It counts CPU time: what a
live stream waits for is nobody's.
"""

import asyncio
import cProfile
import json
import pstats
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.peers.costs.contenders import CONTENDERS
from tests.peers.costs.drivers import DRIVERS, Driver
from tests.peers.costs.measure import EVENTS, LIVE_EVENTS, PROMPTS

PACKAGES = {
    "llama_index_stepplan": "llama_index_stepplan",
    "langchain_stepplan": "langchain_stepplan",
    "/stepplan/": "stepplan",
    "llama_index": "LlamaIndex",
    "langchain": "LangChain",
    "langsmith": "LangChain",
    "pydantic": "pydantic",
    "httpcore": "httpx, httpcore and h11",
    "httpx": "httpx, httpcore and h11",
    "h11": "httpx, httpcore and h11",
    "aiohttp": "aiohttp",
    "multidict": "aiohttp",
    "yarl": "aiohttp",
    "asyncio": "asyncio",
}
"""What a file's path holds, and whose it is; the first that fits."""


def shares(work: Callable[[], Any]) -> dict[str, float]:
    """The share of each package in the time of the work; built-in functions count toward their callers."""
    work()
    profile = cProfile.Profile(time.process_time, builtins=False)
    profile.runcall(work)
    spent: defaultdict[str, float] = defaultdict(float)
    stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (path, _, _), (_, _, own, _, _) in stats.items():
        spent[next((name for part, name in PACKAGES.items() if part in path), "Python and others")] += own
    total = sum(spent.values())
    return {name: spent[name] / total for name in sorted(spent, key=spent.__getitem__, reverse=True)}


def main(port: int) -> dict[str, dict[str, float]]:
    """The tasks in which goals were set."""
    contenders = {contender.name: contender for contender in CONTENDERS}

    def task(name: str, answer: str, use: Callable[[Driver, Any], Any]) -> dict[str, float]:
        contender = contenders[name]
        llm = contender.new(f"http://127.0.0.1:{port}/{answer}")
        return shares(partial(use, DRIVERS[contender.framework](), llm))

    text, live = f"text/{EVENTS}/each", f"text/{LIVE_EVENTS}/live"
    return {
        "ChatStepPlan: text": task("ChatStepPlan", text, _drain),
        "StepPlan: text": task("StepPlan", text, _drain),
        "ChatStepPlan, Messages: text, async": task("ChatStepPlan, Messages", text, _adrain),
        "ChatStepPlan, Messages: text, live, async": task("ChatStepPlan, Messages", live, _adrain),
        "StepPlan: text, live, async": task("StepPlan", live, _adrain),
        f"StepPlan: batch of {PROMPTS:,}, async": task("StepPlan", "whole/1/each", _abatch),
    }


def _drain(driver: Driver, llm: Any) -> None:
    for _ in driver.stream(llm):
        pass


def _adrain(driver: Driver, llm: Any) -> None:
    async def drain() -> None:
        async for _ in driver.astream(llm):
            pass

    asyncio.run(drain())


def _abatch(driver: Driver, llm: Any) -> None:
    asyncio.run(driver.abatch(llm, PROMPTS))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
