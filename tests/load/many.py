"""Many prompts at once, with models as they are made by default, against a plan that takes ten requests at a time.

make extra WHAT=many
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import PROTOCOLS, ProtocolName
from tests.load.faults import prompt_for
from tests.load.report import write_report
from tests.load.server import API_KEY, Server, right_text, server_process
from tests.peers.tables import Section, table

LIMIT = 10
THREADS = 64
Way = Callable[[Any, Sequence[str]], list[str]]
"""Asks a model all prompts at once; the answers' texts, in their order."""


def _in_threads(ask: Callable[[str], str], prompts: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(ask, prompts))


async def _in_tasks(ask: Callable[[str], Coroutine[Any, Any, str]], prompts: Sequence[str]) -> list[str]:
    return await asyncio.gather(*map(ask, prompts))


def batch(llm: ChatStepPlan, prompts: Sequence[str]) -> list[str]:
    return [message.text for message in llm.batch(list(prompts), {"max_concurrency": THREADS})]


def abatch(llm: ChatStepPlan, prompts: Sequence[str]) -> list[str]:
    return [message.text for message in asyncio.run(llm.abatch(list(prompts)))]


def threads_of_stream(llm: ChatStepPlan, prompts: Sequence[str]) -> list[str]:
    return _in_threads(lambda prompt: "".join(chunk.text for chunk in llm.stream(prompt)), prompts)


def gather_of_astream(llm: ChatStepPlan, prompts: Sequence[str]) -> list[str]:
    async def ask(prompt: str) -> str:
        return "".join([chunk.text async for chunk in llm.astream(prompt)])

    return asyncio.run(_in_tasks(ask, prompts))


def threads_of_chat(llm: StepPlan, prompts: Sequence[str]) -> list[str]:
    return _in_threads(lambda prompt: llm.chat([ChatMessage(prompt)]).message.content or "", prompts)


def gather_of_achat(llm: StepPlan, prompts: Sequence[str]) -> list[str]:
    async def ask(prompt: str) -> str:
        return (await llm.achat([ChatMessage(prompt)])).message.content or ""

    return asyncio.run(_in_tasks(ask, prompts))


def threads_of_stream_chat(llm: StepPlan, prompts: Sequence[str]) -> list[str]:
    return _in_threads(
        lambda prompt: "".join(chunk.delta or "" for chunk in llm.stream_chat([ChatMessage(prompt)])), prompts
    )


def gather_of_astream_chat(llm: StepPlan, prompts: Sequence[str]) -> list[str]:
    async def ask(prompt: str) -> str:
        return "".join([chunk.delta or "" async for chunk in await llm.astream_chat([ChatMessage(prompt)])])

    return asyncio.run(_in_tasks(ask, prompts))


WAYS: dict[type[ChatStepPlan] | type[StepPlan], tuple[Way, ...]] = {
    ChatStepPlan: (batch, abatch, threads_of_stream, gather_of_astream),
    StepPlan: (threads_of_chat, gather_of_achat, threads_of_stream_chat, gather_of_astream_chat),
}


@dataclass(frozen=True)
class Asking:
    """One of the ways to ask."""

    cls: type[ChatStepPlan] | type[StepPlan]
    way: Way
    protocol: ProtocolName

    def __str__(self) -> str:
        return f"{self.cls.__name__}-{self.way.__name__}-{self.protocol}"

    def __call__(self, base_url: str, prompts: Sequence[str]) -> list[str]:
        return self.way(self.cls(base_url=base_url, api_key=API_KEY, protocol=self.protocol), prompts)


ASKINGS = [Asking(cls, way, protocol) for cls, ways in WAYS.items() for way in ways for protocol in PROTOCOLS]
TWO = (Asking(ChatStepPlan, abatch, "openai"), Asking(StepPlan, gather_of_achat, "anthropic"))


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        prompts: How many were asked.
        right: How many have the one right answer.
        once: How many were let in by the server exactly once.
        requests: How many were sent, those included that the server refused because ten were open.
        seconds: How long it took.
    """

    prompts: int
    right: int
    once: int
    requests: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Every prompt was answered once and rightly."""
        return self.right == self.once == self.prompts

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
    )


INTRODUCTION = """
Models as they are made by default ask all prompts at once, against a sandbox in a process of its own that refuses the
eleventh request at a time and answers in some hundredths of a second. Sync ways use {threads} threads. A cell has the
requests that were sent, refused ones included, and the time it took. Two processes share one account: `abatch` in one,
LlamaIndex's `achat` in the other.

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
        "Every prompt was answered once and rightly." if good else "A prompt has no right answer, or more than one."
    )
    introduction = INTRODUCTION.format(threads=THREADS, verdict=verdict)
    write_report("many", "Many prompts at once", introduction, [Section("", text)])
    if not good:
        sys.exit(verdict)


def _plans() -> Iterator[tuple[str, Sequence[Asking]]]:
    for asking in ASKINGS:
        way = asking.way.__name__.replace("_", " ")
        yield f"{asking.cls.__name__}, {way}, {asking.protocol}", [asking]
    yield "two processes", TWO


if __name__ == "__main__":
    main()
