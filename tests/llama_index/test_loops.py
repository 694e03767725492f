"""Event loops: one model in many of them, one after the other, at once, and within each other."""

import asyncio
import contextlib
import gc
import logging
import threading
from typing import Any

import pytest
from llama_index.core.async_utils import asyncio_run, run_async_tasks
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.response_synthesizers import TreeSummarize

from llama_index_stepplan import StepPlan
from stepplan import transport
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.marks import leaves_loops_open

HI = [ChatMessage("Hi")]


async def use_all(llm: StepPlan) -> list[str]:
    """The text of every async endpoint."""
    return [
        (await llm.achat(HI)).message.content or "",
        (await llm.acomplete("Hi")).text,
        [chunk async for chunk in await llm.astream_chat(HI)][-1].message.content or "",
        [chunk async for chunk in await llm.astream_complete("Hi")][-1].text,
    ]


@pytest.fixture(autouse=True)
def nothing_is_complained_of(caplog: pytest.LogCaptureFixture) -> Any:
    """Loops report what nobody awaited, and sockets that were left open, in the log."""
    yield
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.guarantees("many-loops")
def test_one_model_works_in_loops_one_after_the_other(llm: StepPlan) -> None:
    answers = [asyncio.run(use_all(llm)) for _ in range(3)]

    assert answers == [answers[0]] * 3
    assert len(set(answers[0])) == 1


@pytest.mark.guarantees("many-loops")
def test_one_model_works_in_several_loops_at_once(llm: StepPlan) -> None:
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(use_all(llm)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == [answers[0]] * 4


@pytest.mark.guarantees("many-loops")
@leaves_loops_open
async def test_sync_code_that_starts_loops_works_inside_a_running_one(llm: StepPlan) -> None:
    """As in a notebook or a web server: LlamaIndex starts a loop in a thread then."""
    expected = await use_all(llm)
    for _ in range(4):
        assert asyncio_run(use_all(llm)) == expected
        assert run_async_tasks([use_all(llm), use_all(llm)]) == [expected] * 2
        assert await use_all(llm) == expected
        assert len(transport._async) <= 3  # loops that are closed are forgotten


@leaves_loops_open
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_tree_is_summarized_again_and_again_inside_a_running_loop(
    llm: StepPlan, plan: Sandbox, streaming: bool
) -> None:
    synthesizer = TreeSummarize(llm=llm, use_async=True, streaming=streaming)
    chunks = ["Rome is sunny. " * 20, "Oslo is not. " * 20]
    for _ in range(4):
        answer: Any = synthesizer.get_response("How is the weather?", chunks)
        assert "How is the weather?" in (answer if isinstance(answer, str) else "".join(answer))


@pytest.mark.guarantees("many-loops")
@pytest.mark.parametrize("leaving", ["kept", "dropped", "raised"])
def test_a_loop_that_ends_in_the_middle_of_a_stream_ends_quietly(llm: StepPlan, plan: Sandbox, leaving: str) -> None:
    """Nested async generators complain then: the loop closes the inner one while the outer one does."""
    kept: list[Any] = []

    async def leave() -> None:
        plan.script(Turn(text="Word. " * 200, fault=Fault(delay=0.005)))
        async for chunk in (stream := await llm.astream_chat(HI)):
            if leaving == "raised":
                raise ValueError(chunk.delta)
            if leaving == "kept":
                kept.append(stream)
            return

    for _ in range(3):
        with contextlib.suppress(ValueError):
            asyncio.run(leave())
    kept.clear()


def test_a_sync_answer_inside_a_running_loop_needs_no_loop(llm: StepPlan) -> None:
    async def ask() -> str:
        return llm.complete("Hi").text

    assert asyncio.run(ask()) == llm.complete("Hi").text
