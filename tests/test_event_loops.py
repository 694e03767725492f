"""Event loops that are not asyncio's own: trio, for which there is one sentence, and asyncio with nest_asyncio."""

import functools
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
from llama_index.core.base.llms.types import ChatMessage

from stepplan import PROTOCOLS, AsyncClient, Client, InvalidRequestError, Message, ProtocolName, Request
from stepplan.sandbox import Sandbox
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX, settings_of
from tests.support.clients import settings_for

REQUEST = Request(messages=(Message.user("Hi"),))
HI = [ChatMessage("Hi")]


async def read(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def read_awaited(stream: Awaitable[AsyncGenerator[Any]]) -> None:
    await read(await stream)


async def enter(client: AsyncClient) -> None:
    async with client:
        pass


OF_CLIENT: dict[str, Callable[[AsyncClient], Awaitable[Any]]] = {
    "send": lambda client: client.send(REQUEST),
    "stream": lambda client: read(client.stream(REQUEST)),
    "models": lambda client: client.models(),
    "count_tokens": lambda client: client.count_tokens(REQUEST),
    "aclose": lambda client: client.aclose(),
    "async with": enter,
}
OF_LLAMA_INDEX: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "achat": lambda llm: llm.achat(HI),
    "astream_chat": lambda llm: read_awaited(llm.astream_chat(HI)),
    "acomplete": lambda llm: llm.acomplete("Hi"),
    "astream_complete": lambda llm: read_awaited(llm.astream_complete("Hi")),
    "acount_tokens": lambda llm: llm.acount_tokens(HI),
}


# LangChain's own async methods need asyncio before they reach the model, and say so in their own words.
@pytest.mark.guarantees("trio")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", [*OF_CLIENT, *OF_LLAMA_INDEX])
def test_under_trio_there_is_one_sentence(stepplan_sandbox: Sandbox, protocol: ProtocolName, name: str) -> None:
    client: Any = AsyncClient(settings_for(stepplan_sandbox), protocol=protocol)
    llm = LLAMA_INDEX(protocol=protocol, **settings_of(stepplan_sandbox))
    ask = (
        functools.partial(OF_CLIENT[name], client)
        if name in OF_CLIENT
        else functools.partial(OF_LLAMA_INDEX[name], llm)
    )
    with pytest.raises(
        InvalidRequestError, match=r"No asyncio event loop is running.*\(trio\.to_thread\.run_sync\)\.$"
    ):
        trio.run(ask)
    assert stepplan_sandbox.requests == []


@pytest.mark.guarantees("trio")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_sentence_advises_works(stepplan_sandbox: Sandbox, protocol: ProtocolName) -> None:
    settings = settings_of(stepplan_sandbox)
    client = Client(settings_for(stepplan_sandbox), protocol=protocol)
    model, llm = LANGCHAIN(protocol=protocol, **settings), LLAMA_INDEX(protocol=protocol, **settings)

    async def ask() -> None:
        assert (await trio.to_thread.run_sync(client.send, REQUEST)).text
        assert (await trio.to_thread.run_sync(model.invoke, "Hi")).text
        assert (await trio.to_thread.run_sync(llm.complete, "Hi")).text

    trio.run(ask)


# LangChain's own generators complain if they are left halfway under nest_asyncio, whatever the model.
NESTED = """
import asyncio, contextlib, sys
import nest_asyncio
nest_asyncio.apply()
from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import AsyncClient, Message, Request, Settings

address = {"base_url": sys.argv[1], "api_key": sys.argv[2]}
request = Request(messages=(Message.user("Hi"),))
client = AsyncClient(Settings(**address), protocol=sys.argv[3])
model, llm = (cls(protocol=sys.argv[3], **address) for cls in (ChatStepPlan, StepPlan))
kept = []

async def whole():
    return (await client.send(request)).text, (await model.ainvoke("Hi")).text, (await llm.acomplete("Hi")).text

async def main():
    answers = {asyncio.run(whole()), asyncio.get_running_loop().run_until_complete(whole()), await whole()}
    assert len(answers) == 1, answers
    assert [chunk async for chunk in model.astream("Hi")]
    async with contextlib.aclosing(model.astream("Hi")) as left:
        await anext(left)
    for leave in (True, False):
        for stream in (client.stream(request), await llm.astream_complete("Hi")):
            await anext(stream)
            kept.append(None if leave else stream)
    return answers

assert asyncio.run(main()) == asyncio.run(main())
print("done", end="")
"""


@pytest.mark.guarantees("silent-end")
@pytest.mark.interpreter
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_printed_at_exit_under_nest_asyncio(stepplan_sandbox: Sandbox, protocol: ProtocolName) -> None:
    arguments = [stepplan_sandbox.base_url, stepplan_sandbox.api_key, protocol]
    command = [sys.executable, "-W", "default", "-c", NESTED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    assert done.stdout == "done"
