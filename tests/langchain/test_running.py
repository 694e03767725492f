"""The model in loops and threads, abandoned and cancelled, with what goes over the wire counted and nothing leaked."""

import asyncio
import gc
import logging
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from pydantic import SecretStr

from langchain_stepplan import APIConnectionError, ChatStepPlan, OverloadedError
from stepplan import ProtocolName
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.servers import RawServer, raw_server, response, within_a_while
from tests.support.ways.langchain import Models


def settle(plan: Sandbox) -> int:
    """The requests that are still open, once the server had time to notice."""
    within_a_while(lambda: plan.open_requests == 0, 5)
    return plan.open_requests


def begun(plan: Sandbox) -> None:
    """Wait until a request is open."""
    within_a_while(lambda: plan.open_requests > 0, 5)


@pytest.mark.guarantees("many-loops")
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


@pytest.mark.guarantees("abandoned-streams")
def test_a_stream_that_is_left_closes_its_connection(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="a " * 50, fault=Fault(delay=0.05)))
    for _ in model.stream("hi"):
        break
    assert settle(plan) == 0


@pytest.mark.guarantees("abandoned-streams")
async def test_an_async_stream_that_is_left_closes_its_connection(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="a " * 50, fault=Fault(delay=0.05)))
    stream = model.astream("hi")
    async for _ in stream:
        break
    del stream
    await asyncio.sleep(0)
    assert await asyncio.to_thread(settle, plan) == 0


@pytest.mark.guarantees("cancelling")
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


@pytest.mark.guarantees("n-plus-one")
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_requests_are_as_many_as_was_said(model_for: Models, plan: Sandbox, retries: int) -> None:
    plan.script(Turn(fault=Fault(status=503, times=9, headers={"Retry-After": "0"})))
    with pytest.raises(OverloadedError):
        model_for("openai", max_retries=retries).invoke("hi")
    assert len(plan.requests) == retries + 1


@pytest.mark.guarantees("overload-in-stream")
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


UNBLOCKED = """
import asyncio, sys
from blockbuster import blockbuster_ctx
from langchain_stepplan import ChatStepPlan

async def main():
    with blockbuster_ctx():
        model = ChatStepPlan(protocol=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])
        assert (await model.ainvoke("hi")).text
        assert [chunk async for chunk in model.astream("hi")]

asyncio.run(main())
"""


@pytest.mark.guarantees("nothing-blocks")
@pytest.mark.interpreter
def test_nothing_blocks_the_event_loop_from_the_first_call_on(protocol: ProtocolName, plan: Sandbox) -> None:
    """Not even reading the certificates, or a late import: in a process that has only imported the package."""
    assert run(UNBLOCKED, protocol, plan.base_url, plan.api_key) == ""


FORKED = """
import asyncio, os, sys
from langchain_stepplan import ChatStepPlan

model = ChatStepPlan(protocol=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])
asked = lambda: (model.invoke("hi").content, asyncio.run(model.ainvoke("hi")).content)
before = asked()
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    assert asked() == before
else:
    os._exit(asked() != before)
"""


@pytest.mark.guarantees("forks")
@pytest.mark.interpreter
def test_a_model_works_in_a_child_that_is_forked_after_use(protocol: ProtocolName, plan: Sandbox) -> None:
    assert run(FORKED, protocol, plan.base_url, plan.api_key) == ""


LATE = """
import sys
from langchain_stepplan import ChatStepPlan

model = ChatStepPlan(protocol=sys.argv[1], base_url=sys.argv[2], api_key=sys.argv[3])
before = set(sys.modules)
model.invoke("hi")
list(model.stream("hi"))
late = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*(late & {"stepplan", "langchain_stepplan", "pydantic", "ssl", "certifi"}), end="")
"""


@pytest.mark.guarantees("forks")
@pytest.mark.interpreter
def test_no_module_of_ours_is_imported_late(protocol: ProtocolName, plan: Sandbox) -> None:
    """A module that is first imported after a fork, or in an event loop, can hang or block there."""
    assert run(LATE, protocol, plan.base_url, plan.api_key) == ""


def run(program: str, *arguments: str) -> str:
    """What a program prints, in a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.guarantees("shared-connections")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_two_hundred_equal_models_use_one_connection(asynchronous: bool) -> None:
    body = b'{"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}'

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(response(body))

    async def ask() -> None:
        for _ in range(200):
            await made().ainvoke("hi")

    with raw_server(serve) as server:

        def made() -> ChatStepPlan:
            return ChatStepPlan(base_url=f"http://127.0.0.1:{server.port}", api_key=SecretStr("sk"))

        if asynchronous:
            asyncio.run(ask())
        else:
            for _ in range(200):
                made().invoke("hi")
    assert len(server.requests) == 200
    assert server.connections == 1


@pytest.mark.guarantees("key-not-shown")
def test_logs_hold_no_key(model_for: Models, plan: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    canary = "sk-canary-0123456789"
    with caplog.at_level(logging.DEBUG):
        for protocol in ("openai", "anthropic"):
            model_for(protocol, default_headers={"X-Secret": canary}).invoke("hi")
    assert canary not in caplog.text
    assert plan.api_key not in caplog.text


IMPORTED = """
import sys, time
import langchain_core.language_models.chat_models, langchain_core.output_parsers, langchain_core.tools
core = time.process_time()
import httpx
httpx_too = time.process_time()
import langchain_stepplan
ours = time.process_time() - httpx_too
strange = {"openai", "anthropic", "transformers", "torch", "tiktoken", "llama_index", "langchain", "langgraph"}
print(sorted(strange & set(sys.modules)), ours < core / 5)
"""


@pytest.mark.guarantees("quick-import")
@pytest.mark.interpreter
def test_importing_brings_no_vendor_and_no_other_framework_and_takes_a_fraction_of_langchains_own_time() -> None:
    """About 60 ms where LangChain takes 900."""
    assert run(IMPORTED) == "[] True\n"


@pytest.mark.guarantees("throttle-weathered")
def test_a_batch_larger_than_the_plan_allows_is_retried_until_it_is_done(plan: Sandbox, model_for: Models) -> None:
    model = model_for("openai", max_retries=10)
    answers = model.batch(["hi"] * 20, config={"max_concurrency": 20})
    assert len(answers) == 20
