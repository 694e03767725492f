"""Closing a client, or one answer of a model, touches no answer that another model reads, whatever they share."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from stepplan import PROTOCOLS, AsyncClient, Client, Message, ProtocolName, Request, transport
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX, settings_of
from tests.support.clients import TRANSPORTS, settings_for

REQUEST = Request(messages=(Message.user("Hi"),))
LONG = Turn(text="word " * 40, fault=Fault(delay=0.005))

EACH = pytest.mark.parametrize("cls", [LANGCHAIN, LLAMA_INDEX])
BOTH_PROTOCOLS = pytest.mark.parametrize("protocol", PROTOCOLS)
# One account, or two: all clients of a process share its connections, whichever host and key they are for.
ACCOUNTS = pytest.mark.parametrize("accounts", [1, 2])


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Iterator[Sandbox]:
    transport.reset()
    yield stepplan_sandbox
    transport.reset()


@pytest.fixture
def other(plan: Sandbox, accounts: int) -> Iterator[Sandbox]:
    """The account of those who close."""
    if accounts == 1:
        yield plan
    else:
        with Sandbox(api_key="sk-of-another-account") as second:
            yield second


def stream(model: Any) -> Iterator[Any]:
    chunks: Iterator[Any] = (
        model.stream("Hi") if isinstance(model, LANGCHAIN) else model.stream_chat([ChatMessage("Hi")])
    )
    return chunks


async def astream(model: Any) -> AsyncIterator[Any]:
    return model.astream("Hi") if isinstance(model, LANGCHAIN) else await model.astream_chat([ChatMessage("Hi")])  # type: ignore[no-any-return]


def text(chunks: list[Any]) -> str:
    return "".join(chunk.delta or "" if hasattr(chunk, "delta") else chunk.text for chunk in chunks)


def close_a_client(plan: Sandbox, cls: Any, protocol: ProtocolName) -> None:
    Client(settings_for(plan), protocol=protocol).close()


def leave_a_client(plan: Sandbox, cls: Any, protocol: ProtocolName) -> None:
    with Client(settings_for(plan), protocol=protocol) as client:
        client.send(REQUEST)


def close_an_answer(plan: Sandbox, cls: Any, protocol: ProtocolName) -> None:
    plan.script(LONG)
    chunks: Any = stream(cls(protocol=protocol, **settings_of(plan)))
    next(chunks)
    chunks.close()


@pytest.mark.guarantees("close-mine")
@pytest.mark.parametrize("close", [close_a_client, leave_a_client, close_an_answer])
@pytest.mark.parametrize("closing", [LANGCHAIN, LLAMA_INDEX])
@EACH
@BOTH_PROTOCOLS
@ACCOUNTS
def test_closing_leaves_the_answer_that_a_model_reads(  # noqa: PLR0917 - one for each way to vary
    plan: Sandbox,
    other: Sandbox,
    protocol: ProtocolName,
    cls: Any,
    closing: Any,
    close: Callable[[Sandbox, Any, ProtocolName], None],
) -> None:
    plan.script(LONG)
    chunks = stream(cls(protocol=protocol, **settings_of(plan)))
    found = [next(chunks)]
    close(other, closing, protocol)
    found += chunks
    assert text(found) == LONG.text


async def aclose_a_client(plan: Sandbox, cls: Any, protocol: ProtocolName) -> None:
    await AsyncClient(settings_for(plan), protocol=protocol).aclose()


async def leave_an_async_client(plan: Sandbox, cls: Any, protocol: ProtocolName) -> None:
    async with AsyncClient(settings_for(plan), protocol=protocol) as client:
        await client.send(REQUEST)


async def aclose_an_answer(plan: Sandbox, cls: Any, protocol: ProtocolName) -> None:
    plan.script(LONG)
    chunks: Any = await astream(cls(protocol=protocol, **settings_of(plan)))
    await anext(chunks)
    await chunks.aclose()


@pytest.mark.guarantees("close-mine", "both-transports")
@pytest.mark.parametrize("aclose", [aclose_a_client, leave_an_async_client, aclose_an_answer])
@pytest.mark.parametrize("library", TRANSPORTS)
@EACH
@BOTH_PROTOCOLS
@ACCOUNTS
async def test_closing_leaves_the_answer_that_a_model_reads_async(  # noqa: PLR0917 - one for each way to vary
    plan: Sandbox,
    other: Sandbox,
    protocol: ProtocolName,
    cls: Any,
    library: str,
    aclose: Callable[[Sandbox, Any, ProtocolName], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if library == "httpx":
        monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    plan.script(LONG)
    chunks = await astream(cls(protocol=protocol, **settings_of(plan)))
    found = [await anext(chunks)]
    await aclose(other, cls, protocol)
    found += [chunk async for chunk in chunks]
    assert text(found) == LONG.text


@pytest.mark.guarantees("close-mine")
@EACH
@BOTH_PROTOCOLS
@ACCOUNTS
async def test_sync_and_async_answers_do_not_notice_each_others_ends(
    plan: Sandbox, other: Sandbox, protocol: ProtocolName, cls: Any
) -> None:
    plan.script(LONG, LONG)
    model = cls(protocol=protocol, **settings_of(plan))
    chunks, async_chunks = stream(model), await astream(model)
    found, found_async = [next(chunks)], [await anext(async_chunks)]
    for close, aclose in ((close_a_client, aclose_a_client), (close_an_answer, aclose_an_answer)):
        close(other, cls, protocol)
        await aclose(other, cls, protocol)
    found_async += [chunk async for chunk in async_chunks]
    found += chunks
    assert text(found) == text(found_async) == LONG.text
