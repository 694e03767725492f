"""Thousands of calls of all sorts, with faults: each must end as it has to, and the process must not grow.

make extra WHAT=soak
make extra WHAT=soak COUNT=2000 SEED=7
"""

import argparse
import asyncio
import ctypes
import faulthandler
import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from tests.load.calls import LANES, SURFACES, Call, planned
from tests.load.faults import KINDS
from tests.load.lanes import WORKERS, Lanes, open_lanes
from tests.load.report import write_report
from tests.load.server import API_KEY, Server, server_process
from tests.peers.tables import Section, bullets, table

AT_A_TIME = 64
"""Requests under way at a time."""
FAULTY = 0.05
"""The share of calls that meet a fault."""
ROUNDS = 10
"""After each, when no call is running, the process is looked at."""
WARM_UP = 4
"""Rounds after which the process has all that it needs."""
GROWTH = 0.03
"""The part by which memory and objects may grow after that."""


@dataclass(frozen=True)
class Sample:
    """What the process holds between two rounds, after a garbage collection."""

    calls: int
    seconds: float
    memory: float
    objects: int
    descriptors: int
    sockets: int
    threads: int
    tasks: int


HEAD = ("calls", "seconds", "memory, MB", "objects", "descriptors", "sockets", "threads", "tasks")


def sampled(calls: int, seconds: float, loops: Sequence[asyncio.AbstractEventLoop] = ()) -> Sample:
    """Look at this process, by /proc, once it has given back what it does not use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = _descriptors()
    return Sample(
        calls=calls,
        seconds=seconds,
        memory=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        objects=len(gc.get_objects()),
        descriptors=len(descriptors),
        sockets=sum(target.startswith("socket:") for target in descriptors),
        threads=threading.active_count(),
        tasks=sum(len(asyncio.all_tasks(loop)) for loop in loops),
    )


def _descriptors() -> list[str]:
    found: list[str] = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the directory lists its own descriptor too
        try:
            found.append(str(Path("/proc/self/fd", name).readlink()))
        except FileNotFoundError:
            continue
    return found


def settings_for(server: Server, *, timeout: float = 8.0, stream_timeout: float = 4.0) -> dict[str, Any]:
    """Arguments of clients and models. The timeouts are short, because some answers never come."""
    return {
        "base_url": server.base_url,
        "api_key": API_KEY,
        "max_concurrency": AT_A_TIME,
        "timeout": timeout,
        "stream_timeout": stream_timeout,
    }


def run(lanes: Lanes, calls: Sequence[Call]) -> Iterator[tuple[list[str], Sample]]:
    """Make the calls in rounds; after each, what is wrong with its calls, and what the process holds."""
    began = time.monotonic()
    size = -(-len(calls) // ROUNDS)
    for start in range(0, len(calls), size):
        problems = lanes.run(calls[start : start + size])
        yield problems, sampled(min(start + size, len(calls)), time.monotonic() - began, lanes.loops)


def miscounted(calls: Sequence[Call], by_prompt: Counter[str]) -> list[str]:
    """The calls that made more or fewer requests than they had to."""
    return [
        f"{call}: {by_prompt[call.prompt]} requests instead of {call.requests}"
        for call in calls
        if by_prompt[call.prompt] != call.requests
    ]


def grown(samples: Sequence[Sample]) -> list[str]:
    """What grew after the warm-up, or is more than it has to be."""
    warm, last = samples[WARM_UP - 1], samples[-1]
    limits = {
        "memory": warm.memory * (1 + GROWTH),
        "objects": warm.objects * (1 + GROWTH),
        "sockets": WORKERS * len(LANES) + 4,  # an event loop has two of its own
        "descriptors": warm.descriptors - warm.sockets + WORKERS * len(LANES) + 4,
        "threads": warm.threads,
        "tasks": 0,
    }
    return [
        f"{name}: {getattr(last, name):,.0f}, at most {limit:,.0f} expected"
        for name, limit in limits.items()
        if getattr(last, name) > limit
    ]


# --------------------------------------------------------------------------------------------------------------- report

INTRODUCTION = """
{count:,} calls with seed {seed}: the core and both adapters, both protocols, whole and streamed answers, sync calls in
threads, and async calls over aiohttp and over httpx alone. {at_a_time} requests run at a time, to a sandbox in another
process that refuses more. {faulty:.0%} of the calls meet a fault, and no prompt is used twice. Each call must end with
its one right answer, or with the right error, whose `partial` is exactly what the caller had received. It must send
exactly as many requests as its fault requires.

**{verdict}**
"""

PROCESS = """
Measured after each of {rounds} rounds, while no call is running, after a garbage collection and `malloc_trim`. Resident
memory and descriptors are read from /proc; objects, threads and asyncio tasks are counted by the interpreter. After
{warm_up} rounds, memory and objects may grow by {growth:.0%}, and threads and tasks not at all. Each of the three
connection pools may keep {workers} connections. The last row was measured after everything was closed.
"""


def _kinds(calls: Sequence[Call]) -> Section:
    rows: list[list[str]] = []
    for kind in ["", *KINDS]:
        for streamed in (False, True):
            some = [call for call in calls if call.kind == kind and call.streamed == streamed]
            if some:
                ending = some[0].error.__name__ if some[0].error else "the right answer"
                mode = "streamed" if streamed else "whole"
                rows.append([kind or "none", mode, f"{len(some):,}", str(some[0].requests), ending])
    return Section("Faults, and how their calls ended", table(["fault", "", "calls", "requests of each", "end"], rows))


def _places(calls: Sequence[Call]) -> Section:
    counts = Counter((call.surface, call.protocol, call.lane) for call in calls)
    rows = [
        [f"{surface}, {protocol}", *(f"{counts[surface, protocol, lane]:,}" for lane in LANES)]
        for surface in SURFACES
        for protocol in ("openai", "anthropic")
    ]
    return Section("Calls by class and transport", table(["", *LANES], rows))


def _process(samples: Sequence[Sample]) -> Section:
    text = PROCESS.format(rounds=ROUNDS, warm_up=WARM_UP, growth=GROWTH, workers=WORKERS).strip()
    rows = [[f"{value:,.0f}" for value in astuple(sample)] for sample in samples]
    return Section("Resources of the process", f"{text}\n\n{table(HEAD, rows)}")


def main() -> None:
    """Run it, and write the page; fail if a call did not end as it had to, or the process grew."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=40, help="after which it shows where it stands, and ends")
    options = parser.parse_args()
    faulthandler.dump_traceback_later(options.minutes * 60, exit=True)
    calls = planned(options.count, FAULTY, options.seed)
    problems: list[str] = []
    samples: list[Sample] = []
    with server_process(AT_A_TIME) as server:
        with open_lanes(settings_for(server)) as lanes:
            for found, sample in run(lanes, calls):
                problems += found
                samples.append(sample)
                print(sample, len(problems), file=sys.stderr)  # noqa: T201
        closed = sampled(len(calls), samples[-1].seconds)
        counts = server.counts()
    problems += miscounted(calls, counts.by_prompt) + grown(samples)
    good = "Every call ended as required, and the process stayed within the limits below."
    verdict = f"{len(problems):,} things went wrong." if problems else good
    introduction = INTRODUCTION.format(
        count=options.count, seed=options.seed, at_a_time=AT_A_TIME, faulty=FAULTY, verdict=verdict
    )
    wrong = [Section("What went wrong", bullets(problems[:50]))] if problems else []
    sections = [*wrong, _kinds(calls), _places(calls), _process([*samples, closed])]
    write_report("soak", "Soak test", introduction, sections)
    if problems:
        sys.exit(verdict)


if __name__ == "__main__":
    main()
