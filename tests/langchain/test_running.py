"""The model in loops and threads, abandoned and cancelled, with what goes over the wire counted and nothing leaked."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from langchain_stepplan import APIConnectionError, ChatStepPlan, OverloadedError
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.langchain.conftest import Models


def settle(plan: Sandbox) -> int:
    """The requests that are still open, once the server had time to notice."""
    deadline = time.monotonic() + 5
    while plan.open_requests and time.monotonic() < deadline:
        time.sleep(0.01)
    return plan.open_requests


def begun(plan: Sandbox) -> None:
    """Wait until a request is open."""
    deadline = time.monotonic() + 5
    while not plan.open_requests and time.monotonic() < deadline:
        time.sleep(0.01)


def test_one_model_works_in_one_loop_after_another_and_in_threads(model: ChatStepPlan) -> None:
    complaints: list[Any] = []

    async def ask() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async for _ in model.astream("hi"):
            break
        return (await model.ainvoke("hi")).text

    answers = [asyncio.run(ask()) for _ in range(3)]
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(ask()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert len(answers) == 5
    assert len(set(answers)) == 1
    assert complaints == []


def test_a_stream_that_is_left_closes_its_connection(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="a " * 50, fault=Fault(delay=0.05)))
    for _ in model.stream("hi"):
        break
    assert settle(plan) == 0


async def test_an_async_stream_that_is_left_closes_its_connection(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="a " * 50, fault=Fault(delay=0.05)))
    stream = model.astream("hi")
    async for _ in stream:
        break
    del stream
    await asyncio.sleep(0)
    assert await asyncio.to_thread(settle, plan) == 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_cancelling_closes_the_connection_at_once(model: ChatStepPlan, plan: Sandbox, streamed: bool) -> None:
    plan.script(Turn(text="a b c", fault=Fault(stall_after=2)))

    async def read() -> None:
        async for _ in model.astream("hi"):
            pass

    task = asyncio.ensure_future(read() if streamed else model.ainvoke("hi"))
    await asyncio.to_thread(begun, plan)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(settle, plan) == 0
    assert len(plan.requests) == 1


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_requests_are_as_many_as_was_said(model_for: Models, plan: Sandbox, retries: int) -> None:
    plan.script(Turn(fault=Fault(status=503, times=9, headers={"Retry-After": "0"})))
    with pytest.raises(OverloadedError):
        model_for("openai", max_retries=retries).invoke("hi")
    assert len(plan.requests) == retries + 1


def test_a_stream_is_asked_for_again_only_before_its_first_chunk(model_for: Models, plan: Sandbox) -> None:
    for protocol in ("openai", "anthropic"):
        model = model_for(protocol, max_retries=2)
        plan.reset()
        plan.script(Turn(text="At last.", fault=Fault(status=503, headers={"Retry-After": "0"})))
        assert "".join(chunk.text for chunk in model.stream("hi")) == "At last."
        assert len(plan.requests) == 2
        plan.reset()
        plan.script(Turn(text="words " * 50, fault=Fault(cut_at=1500, abrupt=True)))
        with pytest.raises(APIConnectionError) as caught:
            list(model.stream("hi"))
        assert caught.value.partial is not None
        assert len(plan.requests) == 1


async def test_nothing_blocks_the_event_loop(model: ChatStepPlan) -> None:
    await model.ainvoke("hi")  # imports and certificates, once in a process
    with blockbuster_ctx(scanned_modules=["langchain_stepplan", "stepplan"], excluded_modules=["stepplan.sandbox"]):
        fresh = ChatStepPlan(protocol=model.protocol, base_url=model.base_url, api_key=model.api_key)
        await fresh.ainvoke("hi")
        async for _ in fresh.astream("hi"):
            pass


def test_logs_hold_no_key(model_for: Models, plan: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    canary = "sk-canary-0123456789"
    with caplog.at_level(logging.DEBUG):
        for protocol in ("openai", "anthropic"):
            model_for(protocol, default_headers={"X-Secret": canary}).invoke("hi")
    assert canary not in caplog.text
    assert plan.api_key not in caplog.text


def test_importing_brings_no_vendor_and_no_other_framework() -> None:
    strange = {"openai", "anthropic", "transformers", "torch", "tiktoken", "llama_index", "langchain", "langgraph"}
    program = f"import sys; import langchain_stepplan; print(sorted({strange} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


def test_a_batch_larger_than_the_plan_allows_is_retried_until_it_is_done(plan: Sandbox, model_for: Models) -> None:
    model = model_for("openai", max_retries=10)
    answers = model.batch(["hi"] * 20, config={"max_concurrency": 20})
    assert len(answers) == 20
