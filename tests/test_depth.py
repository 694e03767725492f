"""What is nested too deeply is one sentence in both adapters, over both protocols, and the same on every Python."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock

from stepplan import PROTOCOLS, InvalidRequestError, JSONSchema, Message, ProtocolName, Request, Tool
from stepplan.exchange import encode_json
from stepplan.sandbox import Sandbox
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX, settings_of

# The json module of one Python refuses what that of another writes somewhere between these.
TOO_DEEP = (201, 2_000)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        value = {"properties": value}
    return {"type": "object", **value}


def asked(*messages: Any) -> list[Any]:
    return [HumanMessage("Hi"), *messages]


def tool(depth: int) -> dict[str, Any]:
    return {"name": "look", "description": "Looks.", "parameters": nested(depth)}


def call(depth: int) -> Any:
    return {"type": "tool_call", "id": "a", "name": "look", "args": nested(depth)}


def answer(depth: int) -> ChatMessage:
    return ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="look", tool_kwargs=nested(depth))])


WITH_LANGCHAIN: dict[str, Callable[[Any, int], object]] = {
    "extra_body of the model": lambda model, depth: LANGCHAIN(extra_body=nested(depth)),
    "extra_body": lambda model, depth: model.invoke("Hi", extra_body=nested(depth)),
    "extra_body, streamed": lambda model, depth: list(model.stream("Hi", extra_body=nested(depth))),
    "a tool": lambda model, depth: model.bind_tools([tool(depth)]),
    "a strict tool": lambda model, depth: model.bind_tools([tool(depth)], strict=True),
    "no tool": lambda model, depth: model.bind_tools([[nested(depth)]]),
    "a tool of an unknown type": lambda model, depth: model.bind_tools([{"type": nested(depth)}]),
    "a choice": lambda model, depth: model.bind_tools([tool(1)], tool_choice=nested(depth)),
    "a schema": lambda model, depth: model.with_structured_output({"title": "T", **nested(depth)}),
    "no schema": lambda model, depth: model.invoke("Hi", response_format=[nested(depth)]),
    "a method": lambda model, depth: model.with_structured_output(nested(1), method=nested(depth)),
    "arguments": lambda model, depth: model.invoke(
        asked(AIMessage("", tool_calls=[call(depth)]), ToolMessage("x", tool_call_id="a"))
    ),
    "an estimate of tokens": lambda model, depth: model.get_num_tokens_from_messages(asked(), tools=[tool(depth)]),
    "a count of tokens": lambda model, depth: model.count_tokens(asked(), tools=[tool(depth)]),
    "a protocol": lambda model, depth: LANGCHAIN(protocol=nested(depth)),
}
WITH_LLAMA_INDEX: dict[str, Callable[[Any, int], object]] = {
    "extra_body of the model": lambda llm, depth: LLAMA_INDEX(extra_body=nested(depth)),
    "extra_body of every call": lambda llm, depth: LLAMA_INDEX(additional_kwargs={"extra_body": nested(depth)}),
    "extra_body": lambda llm, depth: llm.complete("Hi", extra_body=nested(depth)),
    "extra_body, streamed": lambda llm, depth: list(llm.stream_complete("Hi", extra_body=nested(depth))),
    "a tool": lambda llm, depth: llm.complete("Hi", tools=[tool(depth)]),
    "no tool": lambda llm, depth: llm.complete("Hi", tools=[[nested(depth)]]),
    "a choice": lambda llm, depth: llm.complete("Hi", tools=[tool(1)], tool_choice=nested(depth)),
    "no schema": lambda llm, depth: llm.complete("Hi", response_format=[nested(depth)]),
    "arguments": lambda llm, depth: llm.chat([ChatMessage("Hi"), answer(depth)]),
    "a count of tokens": lambda llm, depth: llm.count_tokens([ChatMessage("Hi")], tools=[tool(depth)]),
    "a protocol": lambda llm, depth: LLAMA_INDEX(protocol=nested(depth)),
}
CASES = [
    *(pytest.param(LANGCHAIN, ask, id=f"LangChain, {name}") for name, ask in WITH_LANGCHAIN.items()),
    *(pytest.param(LLAMA_INDEX, ask, id=f"LlamaIndex, {name}") for name, ask in WITH_LLAMA_INDEX.items()),
]


@pytest.mark.guarantees("depth")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("cls", "ask"), CASES)
def test_what_is_nested_too_deeply_is_refused_in_one_sentence(
    stepplan_sandbox: Sandbox, protocol: ProtocolName, cls: Any, ask: Callable[[Any, int], object]
) -> None:
    for depth in TOO_DEEP:
        with pytest.raises(InvalidRequestError) as caught:
            ask(cls(protocol=protocol, **settings_of(stepplan_sandbox)), depth)
        assert len(str(caught.value)) < 500
    assert stepplan_sandbox.requests == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_too_deep_is_sent(protocol: ProtocolName) -> None:
    request = Request(messages=(Message.user("Hi"),), tools=(Tool("look", "", nested(198)),), extra_body=nested(198))
    assert json.loads(encode_json(PROTOCOLS[protocol].encode(request, stream=False)))["properties"]


@pytest.mark.guarantees("depth")
@pytest.mark.parametrize("depth", TOO_DEEP)
def test_the_error_names_what_is_too_deep(depth: int) -> None:
    with pytest.raises(InvalidRequestError, match=r"^extra_body must not be nested deeper than 200 levels"):
        Request(messages=(), extra_body={"x": [nested(depth)]})
    with pytest.raises(InvalidRequestError, match=r"^The parameters of the tool 'look' must not be nested deeper"):
        Tool("look", "", nested(depth))
    with pytest.raises(InvalidRequestError, match=r"^A response format's schema must not be nested deeper"):
        JSONSchema("x", nested(depth))
