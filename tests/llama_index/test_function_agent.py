"""FunctionAgent on StepPlan: tools, thinking, memory, stored contexts, objects."""

import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock, ThinkingBlock
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, JsonSerializer
from llama_index.core.workflow import JsonPickleSerializer as PickleSerializer
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.llama_index.test_blocks import PNG, PNG_URL
from tests.support.agents.llama_index import run
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for

pytestmark = [agents_use_old_pydantic, forced_choice_is_asked_for]


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ASK_BOTH = Turn(
    reasoning="I need two tools.",
    text="Let me look.",
    tool_calls=[ToolCall("get_weather", {"city": "Rome"}, "w1"), ToolCall("add", {"a": 2, "b": 3}, "a1")],
)
TELL = Turn(reasoning="I have both.", text="Sunny, and five.")


@pytest.mark.guarantees("llama-index-agents")
@pytest.mark.parametrize("streaming", [True, False])
async def test_parallel_calls_are_run_and_answered_in_one_turn(llm: StepPlan, plan: Sandbox, streaming: bool) -> None:
    plan.script(ASK_BOTH, TELL)
    handler = run(FunctionAgent(tools=[get_weather, add], llm=llm, streaming=streaming), "Weather, and 2 + 3?")
    results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    output = await handler

    assert str(output) == "Sunny, and five."
    assert {result.tool_id: result.tool_output.content for result in results} == {"w1": "Sunny in Rome.", "a1": "5"}
    last = plan.requests[1].body["messages"]
    if llm.protocol == "openai":
        assert [(m["role"], m.get("tool_call_id")) for m in last[1:]] == [
            ("assistant", None),
            ("tool", "w1"),
            ("tool", "a1"),
        ]
        assert last[1]["reasoning_content"] == "I need two tools."
    else:
        assert [block["type"] for block in last[1]["content"]] == ["thinking", "text", "tool_use", "tool_use"]
        assert [block["tool_use_id"] for block in last[2]["content"]] == ["w1", "a1"]


@pytest.mark.guarantees("llama-index-agents")
async def test_thinking_and_text_are_streamed_as_they_come(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(ASK_BOTH, TELL)
    handler = run(FunctionAgent(tools=[get_weather, add], llm=llm), "Weather, and 2 + 3?")
    events = [event async for event in handler.stream_events()]
    streamed = [event for event in events if isinstance(event, AgentStream)]
    outputs = [event for event in events if isinstance(event, AgentOutput)]

    assert "".join(event.thinking_delta or "" for event in streamed) == "I need two tools.I have both."
    assert "".join(event.delta for event in streamed) == "Let me look.Sunny, and five."
    assert [call.tool_name for call in outputs[0].tool_calls] == ["get_weather", "add"]
    assert any(call.tool_kwargs == {"city": "Rome"} for event in streamed for call in event.tool_calls)
    raw: Any = outputs[-1].raw
    assert raw["usage"]["total_tokens"] > 0
    json.dumps([event.model_dump(mode="json") for event in streamed])


async def test_the_first_tool_can_be_chosen(llm: StepPlan, plan: Sandbox) -> None:
    agent = FunctionAgent(tools=[get_weather, add], llm=llm, initial_tool_choice="add")
    await run(agent, "The weather in 'Rome'?")
    first, second = plan.requests[0].body, plan.requests[1].body

    if llm.protocol == "openai":
        assert first["tool_choice"] == {"type": "function", "function": {"name": "add"}}
        assert "tool_choice" not in second
    else:
        assert [tool["name"] for tool in first["tools"]] == ["add"]
        assert len(second["tools"]) == 2


async def test_a_failing_tool_is_reported_to_the_model(llm: StepPlan, plan: Sandbox) -> None:
    def broken() -> str:
        """Breaks."""
        raise RuntimeError("no such city")

    plan.script(Turn(tool_calls=[ToolCall("broken", {}, "1")]), Turn(text="It failed."))
    await run(FunctionAgent(tools=[broken], llm=llm), "Go")

    assert "no such city" in str(plan.requests[1].body["messages"][-1])


async def test_an_unknown_tool_is_reported_to_the_model(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("dance", {}, "1")]), Turn(text="I cannot dance."))
    answer = await run(FunctionAgent(tools=[add], llm=llm), "Dance")

    assert str(answer) == "I cannot dance."
    assert "not found" in str(plan.requests[1].body["messages"][-1])


async def test_a_result_may_be_returned_directly(llm: StepPlan, plan: Sandbox) -> None:
    tool = FunctionTool.from_defaults(get_weather, return_direct=True)
    agent = FunctionAgent(tools=[tool], llm=llm)
    memory = Memory.from_defaults()
    answer = await run(agent, "The weather in 'Rome'?", memory=memory)

    assert str(answer) == "Sunny in Rome."
    assert len(plan.requests) == 1
    await run(agent, "Thanks", memory=memory)
    assert "Sunny in Rome." in str(plan.requests[1].body)
    await forget(memory)


async def test_a_picture_from_a_tool_reaches_the_model(llm: StepPlan, plan: Sandbox) -> None:
    def look() -> list[TextBlock | ImageBlock]:
        """Look."""
        return [TextBlock(text="seen"), ImageBlock(image=PNG)]

    plan.script(Turn(tool_calls=[ToolCall("look", {}, "1")]), Turn(text="A dot."))
    await run(FunctionAgent(tools=[look], llm=llm), "Look")

    assert PNG_URL.partition("base64,")[2] in str(plan.requests[1].body)


async def forget(memory: Memory | ChatMemoryBuffer) -> None:
    """Close the database that a memory keeps open."""
    if isinstance(memory, Memory):
        store: Any = memory.sql_store
        await store._async_engine.dispose()


@pytest.mark.guarantees("reasoning-goes-back")
@pytest.mark.parametrize("kind", [Memory, ChatMemoryBuffer])
async def test_a_conversation_goes_on_from_memory_thinking_and_all(
    llm: StepPlan, plan: Sandbox, kind: type[Memory | ChatMemoryBuffer]
) -> None:
    memory = kind.from_defaults(token_limit=40_000)
    agent = FunctionAgent(tools=[get_weather, add], llm=llm)
    plan.script(ASK_BOTH, TELL, Turn(text="You are welcome."))
    await run(agent, "Weather, and 2 + 3?", memory=memory)
    await run(agent, "Thanks", memory=memory)
    kept = await memory.aget_all()
    await forget(memory)

    sent = plan.requests[-1].body["messages"]
    assert "I need two tools." in str(sent)
    assert "I have both." in str(sent)
    assert [message.role for message in kept] == [
        MessageRole.USER,
        MessageRole.ASSISTANT,
        MessageRole.TOOL,
        MessageRole.TOOL,
        MessageRole.ASSISTANT,
        MessageRole.USER,
        MessageRole.ASSISTANT,
    ]
    assert set(kept[1].additional_kwargs) == {"tool_calls", "stepplan"}
    assert kept[4].additional_kwargs == {}


@pytest.mark.guarantees("llama-index-agents")
@pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key. memory")
@pytest.mark.parametrize("serializer", [JsonSerializer(), PickleSerializer()])
async def test_a_context_is_stored_and_resumed(llm: StepPlan, plan: Sandbox, serializer: JsonSerializer) -> None:
    """As JSON the memory is stored apart, as LlamaIndex's warning says."""
    agent = FunctionAgent(tools=[get_weather, add], llm=llm)
    context: Any = Context(agent)
    plan.script(ASK_BOTH, TELL)
    await run(agent, "Weather, and 2 + 3?", ctx=context)
    stored = json.dumps(context.to_dict(serializer=serializer))
    messages = [message.model_dump_json() for message in await (await context.store.get("memory")).aget_all()]

    again = FunctionAgent(tools=[get_weather, add], llm=llm)
    resumed: Any = Context.from_dict(again, json.loads(stored), serializer=serializer)
    history = [ChatMessage.model_validate_json(message) for message in messages]
    memory = None if type(serializer) is PickleSerializer else ChatMemoryBuffer.from_defaults(chat_history=history)
    plan.script(Turn(text="You are welcome."))
    answer = await run(again, "Thanks", ctx=resumed, memory=memory)

    assert str(answer) == "You are welcome."
    assert "I need two tools." in str(plan.requests[-1].body["messages"])
    assert len(plan.requests[-1].body["messages"]) > len(plan.requests[1].body["messages"])


class Report(BaseModel):
    """A report on the weather."""

    city: str
    sunny: bool


async def test_the_answer_can_be_an_object(llm: StepPlan, plan: Sandbox) -> None:
    report = {"city": "Rome", "sunny": True}
    said = Turn(text=json.dumps(report)) if llm.protocol == "openai" else Turn(tool_calls=[ToolCall("Report", report)])
    plan.script(Turn(tool_calls=[ToolCall("get_weather", {"city": "Rome"}, "1")]), Turn(text="Sunny."), said)
    agent = FunctionAgent(tools=[get_weather], llm=llm, output_cls=Report)
    output: Any = await run(agent, "Weather in Rome?")

    assert output.structured_response == report
    assert output.get_pydantic_model(Report) == Report(city="Rome", sunny=True)


async def test_an_answer_after_too_many_steps_is_asked_for(llm: StepPlan, plan: Sandbox) -> None:
    """LlamaIndex puts an instruction at the end of the conversation then."""
    plan.script(*[Turn(tool_calls=[ToolCall("add", {"a": 1, "b": 1})])] * 2, Turn(text="Two, I think."))
    agent = FunctionAgent(tools=[add], llm=llm, early_stopping_method="generate")
    answer = await run(agent, "1 + 1?", max_iterations=2)

    assert str(answer) == "Two, I think."


async def test_an_answer_that_is_all_thinking_is_not_lost(llm: StepPlan, plan: Sandbox) -> None:
    """What llama-index-core/tests/agent/workflow/test_function_agent_reasoning_only.py looks for is there."""
    plan.script(Turn(reasoning="Paris, of course."))
    output: Any = await run(FunctionAgent(tools=[], llm=llm), "The capital of France?")

    [thinking, text] = output.response.blocks
    assert isinstance(thinking, ThinkingBlock)
    assert thinking.content == "Paris, of course."
    assert text == TextBlock(text="")
    assert output.raw["choices"][0]["message"]["reasoning_content"] == "Paris, of course."


async def test_a_history_from_the_caller_is_used(llm: StepPlan, plan: Sandbox) -> None:
    history = [ChatMessage("I am Ada."), ChatMessage("Hello Ada.", role="assistant")]
    await run(FunctionAgent(tools=[], llm=llm, system_prompt="Be kind."), "Who am I?", chat_history=history)

    body = plan.requests[0].body
    assert [message["content"] for message in body["messages"]][-3:] == ["I am Ada.", "Hello Ada.", "Who am I?"]
    assert "Be kind." in str(body)
