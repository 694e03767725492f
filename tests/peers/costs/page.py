"""Measures every contender in turn, several times over, and writes the page of the medians."""

import json
import platform
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from tests.peers.candidates import CANDIDATES
from tests.peers.costs.contenders import CONTENDERS, Contender
from tests.peers.tables import Section, page, table, versions

ROUNDS = 3
Costs = Mapping[str, float]

INTRODUCTION = """
Printed by `make peers`: CPU time (user and system) of the client's process, the median of {rounds} fresh interpreters,
candidates taking turns. A server in a process of its own, on 127.0.0.1, sends composed answers: streams of 2,000
events, each in a write of its own ("many events per read": as many as fit); tool arguments in pieces of 10 bytes; a
history of 200 messages. "construct" is the second and later ones; OpenAILike, StepFun and OpenAI make their client at
their first call.

Python {python}. {versions}

**Ratios within a row hold; absolute figures depend on the machine and on what else it does.**
"""


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
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    costs: Costs = json.loads(done.stdout)
    print(contender.name, {task: round(cost, 1) for task, cost in costs.items()}, file=sys.stderr)
    return costs


def _number(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"


def costs_page() -> str:
    """Measure, and write the page."""
    with server() as port:
        rounds = [{contender.name: measured(contender, port) for contender in CONTENDERS} for _ in range(ROUNDS)]
    costs = {
        name: {task: median(costs[name][task] for costs in rounds) for task in rounds[0][name]} for name in rounds[0]
    }
    return page("What it costs, beside the peers", _introduction(), list(_sections(costs)))


def _introduction() -> str:
    packages = dict.fromkeys(("httpx", "pydantic", "langchain-core", "llama-index-core", "openai", "anthropic"))
    packages |= dict.fromkeys(candidate.package for candidate in CANDIDATES)
    return INTRODUCTION.format(rounds=ROUNDS, python=platform.python_version(), versions=versions(packages))


def _sections(costs: Mapping[str, Costs]) -> Iterator[Section]:
    for title, framework in (("LangChain", "langchain"), ("LlamaIndex", "llama-index")):
        names = [contender.name for contender in CONTENDERS if contender.framework in (None, framework)]
        tasks = dict.fromkeys(task for name in names for task in costs[name])
        rows = [[task, *(_number(costs[name].get(task)) for name in names)] for task in tasks]
        yield Section(title, table(["", *names], rows))
