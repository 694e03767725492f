"""Calls without a result and results without a call, as LlamaIndex's own agents and memories leave them behind."""

import asyncio
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.llama_index import run
from tests.support.marks import agents_use_old_pydantic
from tests.support.turns import sent_answer
from tests.support.ways.llama_index import WAYS, Way, ask, make_llm

pytestmark = agents_use_old_pydantic

INTERRUPTED = "The history was repaired. These tool calls have no result: "


def look(city: str) -> str:
    """Look at a city."""
    return f"{city} is fine."


def answer(*ids: str, **kwargs: Any) -> ChatMessage:
    blocks = [ToolCallBlock(tool_call_id=id, tool_name="look", tool_kwargs={"city": id}) for id in ids]
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=kwargs)


def result(id: str, text: str = "fine") -> ChatMessage:
    return ChatMessage(role=MessageRole.TOOL, content=text, additional_kwargs={"tool_call_id": id})


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "stepplan"]


@pytest.mark.guarantees("unpaired-calls")
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_second_turn_after_a_direct_result_beside_a_parallel_call(
    llm: StepPlan, plan: Sandbox, streaming: bool, caplog: pytest.LogCaptureFixture
) -> None:
    direct = FunctionTool.from_defaults(look, return_direct=True)

    async def glance(city: str) -> str:
        await asyncio.sleep(0.5)  # the direct result comes first, which ends the run
        return city

    agent = FunctionAgent(tools=[direct, glance], llm=llm, streaming=streaming)
    memory = ChatMemoryBuffer.from_defaults(token_limit=40_000)
    calls = [ToolCall("look", {"city": "Rome"}, "1"), ToolCall("glance", {"city": "Oslo"}, "2")]
    plan.script(Turn(reasoning="Both.", tool_calls=calls), Turn(text="You are welcome."))

    assert str(await run(agent, "Look.", memory=memory)) == "Rome is fine."
    assert str(await run(agent, "Thanks.", memory=memory)) == "You are welcome."
    assert [id for id, _, _ in sent_answer(plan).calls] == ["1", "2"]
    assert dict(sent_answer(plan).results)["1"] == "Rome is fine."
    assert "interrupted" in dict(sent_answer(plan).results)["2"]
    assert logged(caplog) == [f"{INTERRUPTED}2."]


@pytest.mark.guarantees("unpaired-calls")
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_handoff_beside_a_parallel_call(
    llm: StepPlan, plan: Sandbox, streaming: bool, caplog: pytest.LogCaptureFixture
) -> None:
    desk = FunctionAgent(
        name="desk", description="Answers.", tools=[look], llm=llm, can_handoff_to=["maths"], streaming=streaming
    )
    maths = FunctionAgent(name="maths", description="Does sums.", tools=[look], llm=llm, streaming=streaming)
    handoff = ToolCall("handoff", {"to_agent": "maths", "reason": "a sum"}, "h")
    plan.script(
        Turn(tool_calls=[handoff, ToolCall("look", {"city": "Rome"}, "1")]),
        Turn(tool_calls=[ToolCall("look", {"city": "Oslo"}, "1")]),
        Turn(text="Done."),
        Turn(text="You are welcome."),
    )
    memory = ChatMemoryBuffer.from_defaults(token_limit=40_000)
    agents = AgentWorkflow(agents=[desk, maths], root_agent="desk")

    assert str(await run(agents, "Look, and add.", memory=memory)) == "Done."
    assert str(await run(agents, "Thanks.", memory=memory)) == "You are welcome."
    assert "Oslo is fine." in str(plan.requests[-1].body)
    assert len(plan.requests) == 4


@pytest.mark.guarantees("unpaired-calls")
async def test_a_memory_that_forgot_the_call(llm: StepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    memory = ChatMemoryBuffer.from_defaults(
        chat_history=[ChatMessage("Look."), answer("1"), result("1", "Rome is fine."), ChatMessage("Thanks.")],
    )
    agent = FunctionAgent(tools=[look], llm=llm)
    kept = memory.get_all()[2:]  # what a limit of tokens leaves
    plan.script(Turn(text="You are welcome."))

    assert str(await run(agent, "And?", chat_history=kept)) == "You are welcome."
    assert "Rome is fine." in str(plan.requests[0].body)
    assert logged(caplog) == ["Tool results without a call are sent as text: 1."]


HISTORIES = {
    "the only call": [answer("1")],
    "one of two": [answer("1", "2"), result("2")],
    "several turns": [answer("1"), ChatMessage("Stop."), answer("2"), result("2"), answer("3")],
    "a call of an older class": [
        ChatMessage(role="assistant", additional_kwargs={"tool_calls": [{"id": "1", "function": {"name": "look"}}]})
    ],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
async def test_calls_without_a_result_are_reported_with_one_line_in_the_log(
    llm: StepPlan, plan: Sandbox, way: Way, history: list[ChatMessage], caplog: pytest.LogCaptureFixture
) -> None:
    await ask(llm, way, [ChatMessage("Look."), *history, ChatMessage("And?")])

    assert "interrupted" in str(plan.requests[0].body)
    [line] = logged(caplog)
    assert line.startswith(f"{INTERRUPTED}1")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("given", ["to the model", "to the call"])
async def test_they_are_refused_if_so_chosen(plan: Sandbox, protocol: Any, way: Way, given: str) -> None:
    llm = make_llm(plan, protocol, **({"repair_history": False} if given == "to the model" else {}))
    options = {"repair_history": False} if given == "to the call" else {}
    with pytest.raises(InvalidRequestError, match="These tool calls have no result: 1"):
        await ask(llm, way, [ChatMessage("Look."), answer("1"), ChatMessage("And?")], **options)


def test_tokens_are_counted_in_such_a_conversation(plan: Sandbox) -> None:
    llm = make_llm(plan, "anthropic")

    assert llm.count_tokens([ChatMessage("Look."), answer("1"), ChatMessage("And?")]) > 0


def test_a_conversation_without_faults_logs_nothing(llm: StepPlan, caplog: pytest.LogCaptureFixture) -> None:
    llm.chat([ChatMessage("Look."), answer("1"), result("1"), ChatMessage("And?")])

    assert logged(caplog) == []
