"""Many prompts at once, with models as they are made by default, against a plan that takes ten requests at a time.

make extra WHAT=many
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from langchain_stepplan import ChatStepPlan
from stepplan import PROTOCOLS, ProtocolName
from tests.load.calls import SURFACES, Surface
from tests.load.faults import prompt_for
from tests.load.report import write_report
from tests.load.server import API_KEY, Server, right_text, server_process
from tests.peers.tables import Section, table

LIMIT = 10
THREADS = 64
Way = Literal["batch", "abatch", "threads", "tasks"]


@dataclass(frozen=True)
class Asking:
    """One of the ways to ask.

    Attributes:
        surface: What is asked, a key of `SURFACES`.
        way: How: LangChain's own `batch` or `abatch`, or a thread or a task for each prompt.
        protocol: The protocol.
        streamed: Whether the answers are streamed.
    """

    surface: str
    way: Way
    protocol: ProtocolName
    streamed: bool

    def __str__(self) -> str:
        return f"{self.surface}, {self.way}, {'streamed' if self.streamed else 'whole'}, {self.protocol}"

    def __call__(self, base_url: str, prompts: Sequence[str]) -> list[str]:
        """Ask a model all prompts at once; the answers' texts, in their order."""
        if self.way in {"batch", "abatch"}:
            return self._in_a_batch(ChatStepPlan(base_url=base_url, api_key=API_KEY, protocol=self.protocol), prompts)
        surface = SURFACES[self.surface]({"base_url": base_url, "api_key": API_KEY}, self.protocol)
        if self.way == "tasks":
            return asyncio.run(self._in_tasks(surface, prompts))
        with ThreadPoolExecutor(THREADS) as threads:
            return [*threads.map(lambda prompt: "".join(surface.pieces(prompt, streamed=self.streamed)), prompts)]

    def _in_a_batch(self, llm: ChatStepPlan, prompts: Sequence[str]) -> list[str]:
        if self.way == "batch":
            return [message.text for message in llm.batch([*prompts], {"max_concurrency": THREADS})]
        return [message.text for message in asyncio.run(llm.abatch([*prompts]))]

    async def _in_tasks(self, surface: Surface, prompts: Sequence[str]) -> list[str]:
        async def ask(prompt: str) -> str:
            return "".join([piece async for piece in surface.apieces(prompt, streamed=self.streamed)])

        return await asyncio.gather(*map(ask, prompts))


_WAYS: tuple[tuple[str, Way, bool], ...] = (
    ("ChatStepPlan", "batch", False),
    ("ChatStepPlan", "abatch", False),
    ("ChatStepPlan", "threads", True),
    ("ChatStepPlan", "tasks", True),
    ("StepPlan", "threads", False),
    ("StepPlan", "tasks", False),
    ("StepPlan", "threads", True),
    ("StepPlan", "tasks", True),
)
ASKINGS = [
    Asking(surface, way, protocol, streamed=streamed) for surface, way, streamed in _WAYS for protocol in PROTOCOLS
]
TWO = (
    Asking("ChatStepPlan", "abatch", "openai", streamed=False),
    Asking("StepPlan", "tasks", "anthropic", streamed=False),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        prompts: How many were asked.
        right: How many have the one right answer.
        once: How many were let in by the server exactly once.
        requests: How many were sent, those included that the server refused because ten were open.
        seconds: How long it took.
        processes: How many processes asked, of which none knows what the others have under way.
    """

    prompts: int
    right: int
    once: int
    requests: int
    seconds: float
    processes: int

    @property
    def is_good(self) -> bool:
        """Every prompt was answered once and rightly; a process of its own was hardly ever refused."""
        is_thrifty = self.processes > 1 or self.requests <= self.prompts * 1.01
        return self.right == self.once == self.prompts and is_thrifty

    def __str__(self) -> str:
        found = f"{self.requests:,} in {self.seconds:.1f} s"
        return found if self.is_good else f"**{self.right:,} right, {self.once:,} once**, {found}"


def run(server: Server, askings: Sequence[Asking], count: int, start: int = 0) -> Outcome:
    """Ask `count` prompts; of several askings, each in a process of its own, each asks an equal part."""
    before, began = server.counts().requests, time.monotonic()
    prompts = [prompt_for(number) for number in range(start, start + count)]
    parts = [prompts[at :: len(askings)] for at in range(len(askings))]
    if len(askings) == 1:
        answers = [askings[0](server.base_url, prompts)]
    else:
        with ProcessPoolExecutor(len(askings), multiprocessing.get_context("spawn")) as processes:
            futures = [
                processes.submit(asking, server.base_url, part) for asking, part in zip(askings, parts, strict=True)
            ]
            answers = [future.result() for future in futures]
    seconds = time.monotonic() - began
    counts = server.counts()
    pairs = [pair for part, texts in zip(parts, answers, strict=True) for pair in zip(part, texts, strict=True)]
    return Outcome(
        prompts=count,
        right=sum(text == right_text(prompt) for prompt, text in pairs),
        once=sum(counts.by_prompt[prompt] == 1 for prompt in prompts),
        requests=counts.requests - before,
        seconds=seconds,
        processes=len(askings),
    )


INTRODUCTION = """
Models with default settings send all prompts at once to a sandbox in another process. The sandbox refuses an eleventh
concurrent request, and answers within a few hundredths of a second. The sync runs use {threads} threads. Each cell
shows how many requests were sent, including refused ones, and how long it took. In the last row, two processes share
one account: one calls `abatch`, the other LlamaIndex's `achat`.

**{verdict}**
"""


def main() -> None:
    """Run everything, and write the page; fail if a prompt was not answered once and rightly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", type=int, nargs="*", default=[60, 1000, 10000])
    counts = parser.parse_args().counts
    rows: list[tuple[str, list[Outcome]]] = []
    for name, askings in _plans():
        outcomes: list[Outcome] = []
        for count in counts:
            with server_process(LIMIT) as server:
                outcomes.append(run(server, askings, count))
            print(name, outcomes[-1], file=sys.stderr)  # noqa: T201
        rows.append((name, outcomes))
    good = all(outcome.is_good for _, outcomes in rows for outcome in outcomes)
    cells = [[name, *map(str, outcomes)] for name, outcomes in rows]
    text = table(["", *(f"{count:,} prompts" for count in counts)], cells)
    verdict = (
        "Every prompt got one answer, the right one, and no single process sent over 1 % more requests than prompts."
        if good
        else "A prompt has no right answer, or more than one, or too many requests were refused."
    )
    introduction = INTRODUCTION.format(threads=THREADS, verdict=verdict)
    write_report("many", "Many prompts at once", introduction, [Section("", text)])
    if not good:
        sys.exit(verdict)


def _plans() -> Iterator[tuple[str, Sequence[Asking]]]:
    yield from ((str(asking), [asking]) for asking in ASKINGS)
    yield "two processes", TWO


if __name__ == "__main__":
    main()
