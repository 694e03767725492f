"""The four ways to get an answer, which must not differ."""

import operator
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import reduce
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, convert_to_messages
from langchain_core.runnables import Runnable

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._replay import arguments_and_reason
from langchain_stepplan._request import request_call
from stepplan import (
    PROTOCOLS,
    Event,
    MessageEnd,
    MessageStart,
    ProtocolName,
    Reasoning,
    ReasoningDelta,
    Response,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
)
from tests.support.servers import CannedServer

Models = Callable[..., ChatStepPlan]
"""Makes a model of the sandbox over a protocol; keyword arguments are its fields."""

Way = Callable[[Runnable[Any, Any], Any], Coroutine[Any, Any, AIMessage]]


async def invoke(model: Runnable[Any, Any], prompt: Any) -> AIMessage:
    return cast("AIMessage", model.invoke(prompt))


async def ainvoke(model: Runnable[Any, Any], prompt: Any) -> AIMessage:
    return cast("AIMessage", await model.ainvoke(prompt))


async def stream(model: Runnable[Any, Any], prompt: Any) -> AIMessage:
    return total(list(model.stream(prompt)))


async def astream(model: Runnable[Any, Any], prompt: Any) -> AIMessage:
    chunks = cast("AsyncIterator[AIMessageChunk]", model.astream(prompt))
    return total([chunk async for chunk in chunks])


async def v3(model: Runnable[Any, Any], prompt: Any) -> AIMessage:
    """The message that the v3 events add up to; not one of those that must be equal in all, its content being v1."""
    return cast("ChatStepPlan", model).stream_events(prompt, version="v3").output


WAYS: tuple[Way, ...] = (invoke, stream, ainvoke, astream)


def total(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    """The sum of the chunks, made as users make it."""
    return reduce(operator.add, chunks)


def chunks_of(response: Response, *, v1: bool) -> list[AIMessageChunk]:
    """The chunks of this answer, as a server would stream it: a delta in each half of a block."""
    events: list[Event] = [MessageStart(response.id, response.model)]
    for index, block in enumerate(response.content):
        match block:
            case Text(text):
                events += [TextDelta(index, piece) for piece in halves(text)]
            case Reasoning(text, signature, redacted):
                events += [ReasoningDelta(index, piece) for piece in halves(text)]
                events += [ReasoningDelta(index, "", signature, redacted)] if signature or redacted else []
            case ToolCall(id, name, arguments):
                events.append(ToolCallStart(index, id, name))
                events += [ToolCallDelta(index, piece) for piece in halves(arguments)]
            case _:
                raise TypeError(f"An answer cannot hold a {type(block).__name__}.")
    chunks = Chunks(v1=v1)
    return [chunks.add(event) for event in [*events, MessageEnd(response)]]


def halves(text: str) -> list[str]:
    """The text in two pieces; nothing of an empty one."""
    return [piece for piece in (text[: len(text) // 2], text[len(text) // 2 :]) if piece]


def essence(message: AIMessage) -> dict[str, Any]:
    """What an answer is, without what is new in every run.

    A sum of chunks keeps the indexes by which LangChain merged its blocks, and the marks that make broken calls broken.
    """
    metadata = {name: value for name, value in message.response_metadata.items() if name not in {"id", "trace_id"}}
    return {
        "content": message.content if isinstance(message.content, str) else blocks_of(message.content),
        "additional_kwargs": message.additional_kwargs,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": [
            (call["id"], call["name"], *arguments_and_reason(call)) for call in message.invalid_tool_calls
        ],
        "usage_metadata": message.usage_metadata,
        "response_metadata": metadata,
        "content_blocks": blocks_of(message.content_blocks),
    }


def blocks_of(content: Sequence[Any]) -> list[dict[str, Any]]:
    """Content blocks without their indexes. Of a broken call standard content keeps the chunk, as core's own does."""
    blocks = [{name: value for name, value in block.items() if name != "index"} for block in content]
    for block in blocks:
        if block["type"] in {"tool_call_chunk", "invalid_tool_call"}:
            block["type"] = "invalid_tool_call"
            block.pop("error", None)
    return blocks


def body_of(model: ChatStepPlan, messages: Any, /, *, stream: bool = False, **call: Any) -> dict[str, Any]:
    """The JSON body that would be sent."""
    request = request_call(model, convert_to_messages(messages), None, call).request
    return dict(PROTOCOLS[model.protocol].encode(request, stream=stream))


def model_of(server: CannedServer, protocol: ProtocolName, **fields: Any) -> ChatStepPlan:
    """A model whose answers a test wrote down."""
    known: dict[str, Any] = {"api_key": "sk-test", "max_retries": 0, **server.clients(), **fields}
    return ChatStepPlan(protocol=protocol, **known)
