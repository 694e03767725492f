"""Whose time a task of ours takes: the shares of the packages that run in it, by a profiler, as JSON.

The profiler makes what has many small calls look dearer than it is, so the shares are rough.
"""

import asyncio
import cProfile
import json
import pstats
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.peers.costs.contenders import CONTENDERS
from tests.peers.costs.drivers import DRIVERS
from tests.peers.costs.measure import EVENTS, PROMPTS

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
    profile = cProfile.Profile(builtins=False)
    profile.runcall(work)
    spent: defaultdict[str, float] = defaultdict(float)
    stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (path, _, _), (_, _, own, _, _) in stats.items():
        spent[next((name for part, name in PACKAGES.items() if part in path), "Python and others")] += own
    total = sum(spent.values())
    return {name: spent[name] / total for name in sorted(spent, key=spent.__getitem__, reverse=True)}


def main(port: int) -> dict[str, dict[str, float]]:
    """The tasks in which a goal was set for LlamaIndex's model, which has the most above it."""
    [contender] = [contender for contender in CONTENDERS if contender.name == "StepPlan"]
    driver = DRIVERS[contender.framework]()
    root = f"http://127.0.0.1:{port}"
    streaming = contender.new(f"{root}/text/{EVENTS}/each")
    asking = contender.new(f"{root}/whole/1/each")
    return {
        "text, sync": shares(lambda: sum(1 for _ in driver.stream(streaming))),
        f"batch of {PROMPTS:,}, async": shares(partial(_run, driver.abatch, asking)),
    }


def _run(abatch: Callable[[Any, int], Any], llm: Any) -> None:
    asyncio.run(abatch(llm, PROMPTS))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
