"""Agents of LangChain, which call tools until they know the answer."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool

from langchain_stepplan import ChatStepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.langchain import ask, create_agent, messages_of


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


@pytest.mark.guarantees("langchain-agents")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_agent_calls_tools_and_answers(model: ChatStepPlan, plan: Sandbox, asynchronous: bool) -> None:
    plan.script(*SCRIPT)
    agent = create_agent(model, tools=[get_weather])
    question = ask("weather in Paris and Rome?")
    messages = messages_of(await agent.ainvoke(question) if asynchronous else agent.invoke(question))
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
    question = ask("weather in Paris and Rome?")
    if asynchronous:
        items: list[Any] = [item async for item in agent.astream(question, stream_mode="messages")]
    else:
        items = list(agent.stream(question, stream_mode="messages"))
    pieces = [message for message, _ in items if isinstance(message, AIMessage)]
    assert "".join(piece.text for piece in pieces) == "Sunny in both."
    assert sum(bool(piece.text) for piece in pieces) > 1


@pytest.mark.guarantees("langchain-agents")
def test_the_reasoning_goes_back_with_the_results(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(*SCRIPT)
    question = ask("weather in Paris and Rome?")
    create_agent(model, tools=[get_weather]).invoke(question)
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


@pytest.mark.guarantees("langchain-agents")
@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom", "debug"])
async def test_every_streaming_mode_of_a_graph_runs(model: ChatStepPlan, plan: Sandbox, mode: str) -> None:
    plan.script(*SCRIPT, *SCRIPT)
    agent = create_agent(model, tools=[get_weather])
    for items in (
        list(agent.stream(ask("weather?"), stream_mode=mode)),
        [item async for item in agent.astream(ask("weather?"), stream_mode=mode)],
    ):
        shown = "".join(part.text for part, _ in items) if mode == "messages" else str(items[-1:])
        assert shown.count("Sunny in both.") == (mode != "custom")


async def test_tokens_and_events_of_a_graph_stream_natively(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(*SCRIPT)
    agent = create_agent(model, tools=[get_weather])
    kinds = {event["event"] async for event in agent.astream_events(ask("weather?"), version="v2")}
    assert {"on_chat_model_start", "on_chat_model_stream", "on_chat_model_end", "on_tool_end"} <= kinds
    assert all(request.body["stream"] is True for request in plan.requests)
