"""deepagents takes the model, and makes it of a string. It is installed by `make peers` only."""

from typing import Any

import pytest

from langchain_stepplan import ChatStepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.langchain import ask, messages_of

deepagents: Any = pytest.importorskip("deepagents", reason="deepagents is not installed: see `make peers`")


def look(place: str) -> str:
    """Look at a place."""
    return f"sunny in {place}"


async def test_a_deep_agent_plans_and_calls_tools(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(
        Turn(tool_calls=[ToolCall("write_todos", {"todos": [{"content": "look", "status": "pending"}]})]),
        Turn(reasoning="I look.", tool_calls=[ToolCall("look", {"place": "Paris"})]),
        Turn(text="Sunny in Paris."),
    )
    agent = deepagents.create_deep_agent(model=model, tools=[look])
    assert messages_of(await agent.ainvoke(ask("How is it in Paris?")))[-1].content == "Sunny in Paris."


def test_a_deep_agent_is_made_of_a_string() -> None:
    assert deepagents.create_deep_agent(model="stepplan:step-3.7-flash", tools=[look])
