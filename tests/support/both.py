"""Both adapters over both protocols, in all ways, with one outcome: what holds for one has to hold for the others."""

import asyncio
import itertools
import json
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock, ToolCallBlock

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import ProtocolName, StepPlanError
from tests.support.composed import Answer

PROTOCOLS: tuple[ProtocolName, ...] = ("openai", "anthropic")
FRAMEWORKS = ("langchain", "llama_index")
WAYS = ("sync", "async")


@dataclass
class Server:
    """Answers every request with the same bytes."""

    content: bytes
    content_type: str
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200, content=self.content, headers={"content-type": self.content_type})


@dataclass
class Got:
    """An answer, or the error, in neither framework's terms."""

    text: str = ""
    reasoning: str = ""
    calls: list[Any] = field(default_factory=list[Any])
    invalid: list[Any] = field(default_factory=list[Any])
    finish_reason: str | None = field(default=None, compare=False)
    message: Any = field(default=None, compare=False)
    error: StepPlanError | None = None
    requests: int = 0


@dataclass(frozen=True)
class Asking:
    """One of the ways to ask."""

    protocol: ProtocolName
    framework: str
    mode: str
    way: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        return self.protocol, self.framework, self.mode, self.way

    def answered(self, answer: Answer, messages: Any = None, **fields: Any) -> Got:
        if self.mode == "streamed":
            return self.got(answer.stream(self.protocol), "text/event-stream", messages, **fields)
        return self.got(answer.whole(self.protocol).encode(), "application/json", messages, **fields)

    def got(self, content: bytes, content_type: str, messages: Any = None, **fields: Any) -> Got:
        server = Server(content, content_type)
        try:
            got = asyncio.run(self._ask(server, messages, fields))
        except StepPlanError as error:
            got = Got(error=error)
        return replace(got, requests=len(server.bodies))

    async def _ask(self, server: Server, messages: Any, fields: dict[str, Any]) -> Got:
        ask = _ask_langchain if self.framework == "langchain" else _ask_llama_index
        return await ask(self, server, messages, fields)

    def sent(self, messages: Any, **fields: Any) -> dict[str, Any]:
        answer = Answer(text=("ok",))
        streamed = self.mode == "streamed"
        content = answer.stream(self.protocol) if streamed else answer.whole(self.protocol).encode()
        server = Server(content, "text/event-stream" if streamed else "application/json")
        asyncio.run(self._ask(server, messages, fields))
        return server.bodies[-1]


async def _ask_langchain(asking: Asking, server: Server, messages: Any, fields: dict[str, Any]) -> Got:
    transport = httpx.MockTransport(server.answer)
    model = ChatStepPlan(
        api_key="k",
        protocol=asking.protocol,
        max_retries=fields.pop("max_retries", 0),
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
        **fields,
    )
    prompt = "Hello" if messages is None else messages
    match asking.mode, asking.way:
        case "whole", "sync":
            message = model.invoke(prompt)
        case "whole", _:
            message = await model.ainvoke(prompt)
        case _, "sync":
            message = _sum(list(model.stream(prompt)))
        case _:
            message = _sum([chunk async for chunk in model.astream(prompt)])
    return Got(
        text=message.text,
        reasoning=message.additional_kwargs.get("reasoning_content", ""),
        calls=[call["args"] for call in message.tool_calls],
        invalid=[call["id"] for call in message.invalid_tool_calls],
        finish_reason=message.response_metadata.get("finish_reason"),
        message=message,
    )


def _sum(chunks: list[Any]) -> AIMessage:
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    assert isinstance(total, AIMessageChunk)
    return total


async def _ask_llama_index(asking: Asking, server: Server, messages: Any, fields: dict[str, Any]) -> Got:
    transport = httpx.MockTransport(server.answer)
    llm = StepPlan(
        api_key="k",
        protocol=asking.protocol,
        max_retries=fields.pop("max_retries", 0),
        http_client=httpx.Client(transport=transport),
        async_http_client=httpx.AsyncClient(transport=transport),
        **fields,
    )
    asked = [ChatMessage("Hello")] if messages is None else messages
    match asking.mode, asking.way:
        case "whole", "sync":
            response = llm.chat(asked)
        case "whole", _:
            response = await llm.achat(asked)
        case _, "sync":
            *_, response = llm.stream_chat(asked)
        case _:
            response = [chunk async for chunk in await llm.astream_chat(asked)][-1]
    message = response.message
    return Got(
        text=message.content or "",
        reasoning="".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock)),
        calls=[block.tool_kwargs for block in message.blocks if isinstance(block, ToolCallBlock)],
        invalid=[call["id"] for call in message.additional_kwargs.get("invalid_tool_calls", ())],
        finish_reason=response.additional_kwargs.get("finish_reason"),
        message=message,
    )


def ways(*modes: str, protocols: tuple[ProtocolName, ...] = PROTOCOLS) -> pytest.MarkDecorator:
    ways = [Asking(*way) for way in itertools.product(protocols, FRAMEWORKS, modes, WAYS)]
    return pytest.mark.parametrize("asking", ways, ids=lambda asking: "-".join(asking.parts))


every_way = ways("whole", "streamed")
streamed_every_way = ways("streamed")
