"""One scenario, sixteen ways: either protocol, either framework, whole or streamed, sync or async.

A throttled request is sent again; then come reasoning, text, two parallel tool calls and token counts; the calls'
results go back with all that was said. The message must be the same every time, and so must be what is sent.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, Protocol, cast, get_args

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import StructuredTool
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ThinkingBlock
from llama_index.core.tools import FunctionTool
from pydantic import SecretStr

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import PROTOCOLS, ProtocolName
from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn, Usage

Mode = Literal["whole", "streamed"]
Way = Literal["sync", "async"]
Call = tuple[str, str, dict[str, Any]]
JSON = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """A message, in neither framework's words."""

    reasoning: str
    text: str
    calls: Sequence[Call]
    finish_reason: str
    tokens: tuple[int, int, int]


CALLS: tuple[Call, ...] = (
    ("call_1", "get_weather", {"city": "Paris", "unit": "celsius"}),
    ("call_2", "get_weather", {"city": "北京", "unit": "celsius"}),
)
RESULTS = {"call_1": "Sunny, 22 C", "call_2": "晴"}
MESSAGE = Said("Two cities: 两个城市.", "Let me look 🎉.", CALLS, "tool_calls", (120, 45, 165))
FIRST = Turn(
    reasoning=MESSAGE.reasoning,
    text=MESSAGE.text,
    tool_calls=[ToolCall(name, arguments, id) for id, name, arguments in CALLS],
    usage=Usage(120, 45),
    fault=Fault(status=429, headers={"Retry-After": "0"}),
)
SECOND = Turn(reasoning="Both came.", text="Sunny in both.", usage=Usage(200, 9))
ANSWER = Said("Both came.", "Sunny in both.", (), "stop", (200, 9, 209))

DESCRIPTION = "The weather in a city."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "default": "celsius"}},
    "required": ["city"],
}


def get_weather(city: str, unit: str = "celsius") -> str:
    return f"{city} {unit}"


class Framework(Protocol):
    """A conversation in one framework's words."""

    async def ask(self, mode: Mode, way: Way) -> Said: ...

    def answer_the_calls(self) -> None: ...


class LangChain:
    def __init__(self, plan: Sandbox, protocol: ProtocolName) -> None:
        model = ChatStepPlan(
            base_url=plan.base_url, api_key=SecretStr(plan.api_key), protocol=protocol, reasoning_effort="low"
        )
        tool = StructuredTool.from_function(get_weather, description=DESCRIPTION)
        self._model = model.bind_tools([tool])
        self._messages: list[Any] = [("system", "Be brief."), ("human", "Paris and 北京?")]

    async def ask(self, mode: Mode, way: Way) -> Said:
        message = await self._answer(mode, way)
        self._messages.append(message)
        usage = message.usage_metadata
        assert usage is not None
        return Said(
            message.additional_kwargs["reasoning_content"],
            cast("str", message.content),
            tuple((str(call["id"]), call["name"], call["args"]) for call in message.tool_calls),
            message.response_metadata["finish_reason"],
            (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]),
        )

    async def _answer(self, mode: Mode, way: Way) -> AIMessage:
        if mode == "whole":
            model, messages = self._model, self._messages
            return model.invoke(messages) if way == "sync" else await model.ainvoke(messages)
        if way == "sync":
            chunks = list(self._model.stream(self._messages))
        else:
            chunks = [chunk async for chunk in self._model.astream(self._messages)]
        return reduce(operator.add, cast("list[AIMessageChunk]", chunks))

    def answer_the_calls(self) -> None:
        self._messages += [ToolMessage(content, tool_call_id=id) for id, content in RESULTS.items()]


class LlamaIndex:
    def __init__(self, plan: Sandbox, protocol: ProtocolName) -> None:
        self._llm = StepPlan(base_url=plan.base_url, api_key=plan.api_key, protocol=protocol, reasoning_effort="low")
        self._tools = [FunctionTool.from_defaults(get_weather, description=DESCRIPTION)]
        self._messages = [ChatMessage("Be brief.", role=MessageRole.SYSTEM), ChatMessage("Paris and 北京?")]

    async def ask(self, mode: Mode, way: Way) -> Said:
        response = await self._answer(mode, way)
        self._messages.append(response.message)
        blocks, counts = response.message.blocks, response.additional_kwargs
        calls = self._llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        return Said(
            "".join(block.content or "" for block in blocks if isinstance(block, ThinkingBlock)),
            "".join(block.text for block in blocks if isinstance(block, TextBlock)),
            tuple((call.tool_id, call.tool_name, call.tool_kwargs) for call in calls),
            counts["finish_reason"],
            (counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]),
        )

    async def _answer(self, mode: Mode, way: Way) -> ChatResponse:
        llm = self._llm
        asked: Any = {"tools": self._tools, "chat_history": self._messages, "allow_parallel_tool_calls": True}
        if mode == "whole":
            return llm.chat_with_tools(**asked) if way == "sync" else await llm.achat_with_tools(**asked)
        if way == "sync":
            return list(llm.stream_chat_with_tools(**asked))[-1]
        return [chunk async for chunk in await llm.astream_chat_with_tools(**asked)][-1]

    def answer_the_calls(self) -> None:
        self._messages += [
            ChatMessage(content, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": id})
            for id, content in RESULTS.items()
        ]


FRAMEWORKS: dict[str, type[LangChain] | type[LlamaIndex]] = {"LangChain": LangChain, "LlamaIndex": LlamaIndex}


def openai_bodies(mode: Mode) -> list[JSON]:
    function = {"name": "get_weather", "description": DESCRIPTION, "parameters": SCHEMA}
    first: JSON = {
        "model": "step-3.7-flash",
        "reasoning_effort": "low",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Paris and 北京?"}],
        "tools": [{"type": "function", "function": function}],
    }
    if mode == "streamed":
        first |= {"stream": True, "stream_options": {"include_usage": True}}
    arguments = ['{"city": "Paris", "unit": "celsius"}', '{"city": "北京", "unit": "celsius"}']
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": text}}
        for (id, name, _), text in zip(CALLS, arguments, strict=True)
    ]
    said = {"role": "assistant", "content": MESSAGE.text, "reasoning_content": MESSAGE.reasoning, "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": id, "content": content} for id, content in RESULTS.items()]
    return [first, first, first | {"messages": [*first["messages"], said, *results]}]


def anthropic_bodies(mode: Mode) -> list[JSON]:
    first: JSON = {
        "model": "step-3.7-flash",
        "max_tokens": 32768,
        "output_config": {"effort": "low"},
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Paris and 北京?"}],
        "tools": [{"name": "get_weather", "description": DESCRIPTION, "input_schema": SCHEMA}],
    }
    if mode == "streamed":
        first |= {"stream": True}
    said = [
        {"type": "thinking", "thinking": MESSAGE.reasoning, "signature": "SIGNATURE"},
        {"type": "text", "text": MESSAGE.text},
        *({"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in CALLS),
    ]
    results = [{"type": "tool_result", "tool_use_id": id, "content": content} for id, content in RESULTS.items()]
    turns = [{"role": "assistant", "content": said}, {"role": "user", "content": results}]
    return [first, first, first | {"messages": [*first["messages"], *turns]}]


BODIES = {"openai": openai_bodies, "anthropic": anthropic_bodies}


def comparable(value: Any) -> Any:
    """A body without the titles that one framework puts into schemas, and without the value of signatures."""
    if isinstance(value, dict):
        fields = cast("JSON", value)
        return {
            name: "SIGNATURE" if name == "signature" and len(item) == 32 else comparable(item)
            for name, item in fields.items()
            if name != "title"
        }
    return [comparable(item) for item in value] if isinstance(value, list) else value


@pytest.mark.guarantees(
    "same-every-way",
    "usage-always",
    "results-in-order",
    "reasoning-arrives",
    "reasoning-goes-back",
    "throttle-weathered",
)
@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_message_and_the_requests_are_the_same_every_time(
    stepplan_sandbox: Sandbox, protocol: ProtocolName, framework: str, mode: Mode, way: Way
) -> None:
    stepplan_sandbox.script(FIRST, SECOND)
    conversation: Framework = FRAMEWORKS[framework](stepplan_sandbox, protocol)
    assert await conversation.ask(mode, way) == MESSAGE
    conversation.answer_the_calls()
    assert await conversation.ask(mode, way) == ANSWER
    assert [comparable(sent.body) for sent in stepplan_sandbox.requests] == BODIES[protocol](mode)
