"""Measures every contender in turn, several times over, and writes the page of the medians."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from tests.peers.candidates import CANDIDATES
from tests.peers.costs.contenders import CONTENDERS, Contender
from tests.peers.costs.drivers import AT_ONCE
from tests.peers.costs.measure import PROMPTS
from tests.peers.tables import Section, page, table, versions

ROUNDS = int(os.environ.get("ROUNDS", "3"))
Costs = Mapping[str, float]

INTRODUCTION = """
What the model classes cost the program that uses them, compared with the frameworks' other classes.
`make peers PAGES=costs` measures this and writes this page.

Every figure is the CPU time (user and system) of the client's process, except the time from the first byte to the first
chunk, which is wall-clock time. Each column ran in {rounds} of its own, alternating with the others; where that
is more than one, the figure is the median. A server in another process, on 127.0.0.1, sends synthetic answers:

- **import, construct**: importing the module, with bytecode compiled; constructing the second and later models.
  OpenAILike, StepFun and OpenAI create their client at the first call.
- **answer**: a whole answer of one sentence; with a **long history**, the request has 200 messages with tool calls.
- **batch**: {prompts:,} such answers, {at_once} at a time, by `batch` and `abatch` in LangChain, and by threads and
  `run_jobs` in LlamaIndex.
- **text, reasoning**: a stream of 2,000 events, each written separately. **Many events per read**: written 64 KB at a
  time. **Live**: a pause of 2 ms after each event, so that each is read separately, as from a model. **64 and 256 live
  streams at once**: concurrent live streams, of 40 and 20 events each.
- **first byte to first chunk**: from the server's write of the first text to the caller's first chunk with text.
- **tool arguments**: streamed in pieces of 10 bytes.

"httpx alone" and "aiohttp alone" send the request and parse each event as JSON, the least that any client has to do.
"httpx under LangChain" and "httpx under LlamaIndex" are ten-line models that put httpx's text into unvalidated objects
of the framework, which shows what the framework costs. "httpx only" is stepplan without aiohttp, which makes a
difference in async calls alone.

{environment}

**Compare within a row only: absolute figures depend on the machine and its load.**
"""

GOALS = (
    ("batch of 1,000, 64 at a time, async, us/answer", "ChatStepPlan, Messages", "ChatAnthropic", 0.30),
    ("text, live, async, us/event", "ChatStepPlan, Messages", "ChatAnthropic", 0.45),
    ("text, async, us/event", "ChatStepPlan, Messages", "ChatAnthropic", 0.35),
    ("batch of 1,000, 64 at a time, async, us/answer", "StepPlan", "OpenAILike", 0.25),
    ("text, live, async, us/event", "StepPlan", "OpenAILike", 0.40),
    ("text, async, us/event", "StepPlan", "OpenAILike", 0.16),
)
"""Task, ours, the peer that speaks the same protocol, and the share of its cost that ours should not pass."""


@contextmanager
def server() -> Generator[int]:
    """The server; the value is its port."""
    process = subprocess.Popen([sys.executable, "-m", "tests.peers.costs.server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def measured(contender: Contender, port: int) -> Costs:
    """What one contender's tasks cost."""
    command = [sys.executable, "-m", "tests.peers.costs.measure", contender.name, str(port)]
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=compiling, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    costs: Costs = json.loads(done.stdout)
    print(contender.name, {task: round(cost, 1) for task, cost in costs.items()}, file=sys.stderr)
    return costs


def _number(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"


def costs_page() -> str:
    """Measure, and write the page."""
    with server() as port:
        rounds = [{contender.name: measured(contender, port) for contender in CONTENDERS} for _ in range(ROUNDS)]
        shares = _shares(port)
    costs = {
        name: {task: median(costs[name][task] for costs in rounds) for task in rounds[0][name]} for name in rounds[0]
    }
    return page("Performance", _introduction(), [*_sections(costs), _whose_time(shares)])


def _introduction() -> str:
    packages = dict.fromkeys(
        ("httpx", "aiohttp", "pydantic", "langchain-core", "llama-index-core", "openai", "anthropic")
    )
    packages |= dict.fromkeys(candidate.package for candidate in CANDIDATES)
    environment = f"Python {platform.python_version()}. {versions(packages)}"
    rounds = f"{ROUNDS} fresh interpreter{'s' if ROUNDS > 1 else ''}"
    return INTRODUCTION.format(rounds=rounds, prompts=PROMPTS, at_once=AT_ONCE, environment=environment)


def _sections(costs: Mapping[str, Costs]) -> Iterator[Section]:
    for title, framework in (("LangChain", "langchain"), ("LlamaIndex", "llama-index")):
        names = [contender.name for contender in CONTENDERS if contender.framework in (None, framework)]
        tasks = max((costs[name] for name in names), key=len)  # who does them all
        rows = [[task, *(_number(costs[name].get(task)) for name in names)] for task in tasks]
        yield Section(title, table(["", *names], rows))
    yield Section("Goals", _goals(costs))


def _goals(costs: Mapping[str, Costs]) -> str:
    rows = [
        [task, ours, peer, f"{costs[ours][task] / costs[peer][task]:.2f}", f"{goal:.2f}"]
        for task, ours, peer, goal in GOALS
        if peer in costs
    ]
    over = [
        ["text, us/event, over httpx under the framework", ours, bare, f"{_over(costs, ours, bare):+.1f} us", "+4.0 us"]
        for ours, bare in (("ChatStepPlan", "httpx under LangChain"), ("StepPlan", "httpx under LlamaIndex"))
    ]
    return table(["", "model", "compared with", "measured", "at most"], [*rows, *over])


def _shares(port: int) -> Mapping[str, Mapping[str, float]]:
    command = [sys.executable, "-m", "tests.peers.costs.shares", str(port)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    found: Mapping[str, Mapping[str, float]] = json.loads(done.stdout)
    return found


def _whose_time(shares: Mapping[str, Mapping[str, float]]) -> Section:
    packages = dict.fromkeys(package for task in shares.values() for package in task)
    rows = [[task, *(f"{found.get(package, 0):.0%}" for package in packages)] for task, found in shares.items()]
    text = "The tasks with a goal under Python's profiler, which is rough: each package's share of the CPU time.\n\n"
    return Section("Where the time goes", text + table(["", *packages], rows))


def _over(costs: Mapping[str, Costs], ours: str, bare: str) -> float:
    return costs[ours]["text, us/event"] - costs[bare]["text, us/event"]
