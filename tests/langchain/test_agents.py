"""Agents of LangChain, which call tools until they know the answer."""

from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool

from langchain_stepplan import ChatStepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.langchain.agents import create_agent


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


SCRIPT = (
    Turn(
        reasoning="I need both.",
        tool_calls=[ToolCall("get_weather", {"city": "Paris"}, "a"), ToolCall("get_weather", {"city": "Rome"}, "b")],
    ),
    Turn(reasoning="Both are known.", text="Sunny in both."),
)


def messages_of(state: Any) -> list[BaseMessage]:
    return cast("list[BaseMessage]", state["messages"])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_agent_calls_tools_and_answers(model: ChatStepPlan, plan: Sandbox, asynchronous: bool) -> None:
    plan.script(*SCRIPT)
    agent = create_agent(model, tools=[get_weather])
    ask: Any = {"messages": [("user", "weather in Paris and Rome?")]}
    messages = messages_of(await agent.ainvoke(ask) if asynchronous else agent.invoke(ask))
    assert [message.content for message in messages if isinstance(message, ToolMessage)] == [
        "sunny in Paris",
        "sunny in Rome",
    ]
    assert messages[-1].content == "Sunny in both."
    assert messages[-1].additional_kwargs["reasoning_content"] == "Both are known."


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_agents_tokens_stream(model: ChatStepPlan, plan: Sandbox, asynchronous: bool) -> None:
    plan.script(*SCRIPT)
    agent = create_agent(model, tools=[get_weather])
    ask: Any = {"messages": [("user", "weather in Paris and Rome?")]}
    if asynchronous:
        items: list[Any] = [item async for item in agent.astream(ask, stream_mode="messages")]
    else:
        items = list(agent.stream(ask, stream_mode="messages"))
    pieces = [message for message, _ in items if isinstance(message, AIMessage)]
    assert "".join(piece.text for piece in pieces) == "Sunny in both."
    assert sum(bool(piece.text) for piece in pieces) > 1


def test_the_reasoning_goes_back_with_the_results(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(*SCRIPT)
    ask: Any = {"messages": [("user", "weather in Paris and Rome?")]}
    create_agent(model, tools=[get_weather]).invoke(ask)
    _, turn, *results = plan.requests[-1].body["messages"]
    if model.protocol == "openai":
        assert turn["reasoning_content"] == "I need both."
        assert [result["tool_call_id"] for result in results] == ["a", "b"]
    else:
        assert [block["type"] for block in turn["content"]] == ["thinking", "tool_use", "tool_use"]
        assert turn["content"][0]["thinking"] == "I need both."
        assert turn["content"][0]["signature"]
        [answers] = results
        assert [block["tool_use_id"] for block in answers["content"]] == ["a", "b"]
