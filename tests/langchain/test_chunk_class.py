"""Chunks are of LangChain's own class, by which other programs tell what they are."""

import copy
import pickle
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_stepplan import ChatStepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.langchain import ask, create_agent
from tests.support.ways.langchain import Models


def pay(to: str) -> str:
    """Pay."""
    return to


def through_checkpoint(message: BaseMessage) -> Any:
    serializer = JsonPlusSerializer(allowed_msgpack_modules=None)
    return serializer.loads_typed(serializer.dumps_typed(message))


@pytest.mark.guarantees("langchain-own-chunks")
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_chunks_are_of_langchains_own_class(model_for: Models, plan: Sandbox, version: str) -> None:
    """Streamlit compares the full name of the class, many programs its short one, LangGraph's serializer both."""
    turn = Turn(reasoning="Hm.", text="I look.", tool_calls=[ToolCall("pay", {"to": "x"}, "a")])
    for protocol in ("openai", "anthropic"):
        model = model_for(protocol, output_version=version).bind_tools([pay])
        plan.script(turn, turn)
        seen = [*model.stream("go"), *[chunk async for chunk in model.astream("go")]]
        assert {type(chunk) for chunk in seen} == {AIMessageChunk}
        for chunk in seen:
            assert f"{type(chunk).__module__}.{type(chunk).__qualname__}" == "langchain_core.messages.ai.AIMessageChunk"
            assert type(through_checkpoint(chunk)) is AIMessageChunk
            assert through_checkpoint(chunk) == chunk
            assert pickle.loads(pickle.dumps(chunk)) == copy.deepcopy(chunk) == chunk
            assert chunk.to_json()["id"] == ["langchain", "schema", "messages", "AIMessageChunk"]
        half = cast("list[AIMessageChunk]", seen[: len(seen) // 2])
        assert type(add_ai_message_chunks(*half)) is AIMessageChunk


@pytest.mark.guarantees("langchain-own-chunks")
def test_chunks_in_a_graphs_stream_are_of_langchains_own_class(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(reasoning="Hm.", text="Yes."))
    parts = [part for part, _ in create_agent(model, tools=[]).stream(ask("go"), stream_mode="messages")]
    assert {type(part) for part in parts} == {AIMessageChunk}
