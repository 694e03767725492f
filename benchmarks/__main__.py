"""Measures every candidate in turn, several times over, and writes the table of the medians."""

import json
import platform
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.candidates import CANDIDATES, Candidate

ROUNDS = 3
Costs = Mapping[str, float]

INTRODUCTION = """\
# What it costs, beside the peers

Printed by `make bench`: CPU time (user and system) of the client's process, the median of {rounds} fresh interpreters,
candidates taking turns. A server in a process of its own, on loopback, sends composed answers: streams of 2,000 events,
each in a write of its own ("many events per read": as many as fit); tool arguments in pieces of 10 bytes; a history of
200 messages. "construct" is the second and later ones; openai-like and stepfun make their client at their first call.

Python {python}, {versions}.

**Ratios within a row hold, absolute figures depend on the machine and on what else it does.**
"""


@contextmanager
def server() -> Generator[int]:
    """The server; the value is its port."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def measured(candidate: Candidate, port: int) -> Costs:
    """What one candidate's tasks cost."""
    command = [sys.executable, "-m", "benchmarks.measure", candidate.name, str(port)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    costs: Costs = json.loads(done.stdout)
    print(candidate.name, {task: round(cost, 1) for task, cost in costs.items()}, file=sys.stderr)
    return costs


def table(candidates: list[Candidate], costs: Mapping[str, Costs]) -> str:
    """One row for each task, one column for each candidate."""
    titles = [f"{candidate.name} {version(candidate.package)}" for candidate in candidates]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for task in {task: None for candidate in candidates for task in costs[candidate.name]}:
        cells = [_number(costs[candidate.name].get(task)) for candidate in candidates]
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"


def main(path: Path) -> None:
    """Measures, and writes the page."""
    with server() as port:
        rounds = [{candidate.name: measured(candidate, port) for candidate in CANDIDATES} for _ in range(ROUNDS)]
    costs = {
        name: {task: median(costs[name][task] for costs in rounds) for task in rounds[0][name]} for name in rounds[0]
    }
    packages = ("httpx", "pydantic", "langchain-core", "llama-index-core", "openai", "anthropic")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    page = [INTRODUCTION.format(rounds=ROUNDS, python=platform.python_version(), versions=versions)]
    for title, framework in (("LangChain", "langchain"), ("LlamaIndex", "llama-index")):
        chosen = [candidate for candidate in CANDIDATES if candidate.framework in (None, framework)]
        page.append(f"## {title}\n\n{table(chosen, costs)}\n")
    path.write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
