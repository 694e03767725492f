"""The other agents on StepPlan: ReActAgent, CodeActAgent, AgentWorkflow with handoff."""

import contextlib
import io
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.llama_index import run
from tests.support.marks import agents_use_old_pydantic

pytestmark = agents_use_old_pydantic


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@pytest.mark.guarantees("llama-index-agents")
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_react_agent_reads_its_steps_from_the_text(llm: StepPlan, plan: Sandbox, streaming: bool) -> None:
    plan.script(
        Turn(reasoning="Tool.", text='Thought: I multiply.\nAction: multiply\nAction Input: {"a": 6, "b": 7}\n'),
        Turn(reasoning="Done.", text="Thought: I can answer without using any more tools.\nAnswer: It is 42."),
    )
    handler = run(ReActAgent(tools=[multiply], llm=llm, streaming=streaming), "6 times 7?")
    events = [event async for event in handler.stream_events()]

    assert str(await handler) == "It is 42."
    [result] = [event for event in events if isinstance(event, ToolCallResult)]
    assert result.tool_output.content == "42"
    assert "Observation: 42" in str(plan.requests[1].body)
    thought = "".join(event.thinking_delta or "" for event in events if isinstance(event, AgentStream))
    assert thought == ("Tool.Done." if streaming else "")


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_react_agent_asks_again_after_an_answer_without_text(
    llm: StepPlan, plan: Sandbox, streaming: bool
) -> None:
    plan.script(Turn(reasoning="Hm."), Turn(text="Thought: Now.\nAnswer: Yes."))
    answer = await run(ReActAgent(tools=[], llm=llm, streaming=streaming), "Well?")

    assert str(answer) == "Yes."
    assert "Your previous response was empty" in str(plan.requests[1].body)


class Interpreter:
    """Runs code, and remembers its variables."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {"multiply": multiply}

    def run(self, code: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, self.variables)
        return output.getvalue()


@pytest.mark.guarantees("llama-index-agents")
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_code_act_agent_runs_the_code_in_the_text(llm: StepPlan, plan: Sandbox, streaming: bool) -> None:
    plan.script(
        Turn(reasoning="Code.", text="I compute.\n<execute>\nprint(multiply(6, 7))\n</execute>"),
        Turn(text="It is 42."),
    )
    interpreter = Interpreter()
    agent = CodeActAgent(code_execute_fn=interpreter.run, tools=[multiply], llm=llm, streaming=streaming)
    handler = run(agent, "6 times 7?")
    events = [event async for event in handler.stream_events()]

    assert str(await handler) == "It is 42."
    [result] = [event for event in events if isinstance(event, ToolCallResult)]
    assert "42" in result.tool_output.content
    if streaming:
        streamed = [event for event in events if isinstance(event, AgentStream)]
        assert "".join(event.delta for event in streamed).endswith("</execute>It is 42.")
        assert "".join(event.thinking_delta or "" for event in streamed) == "Code."


def workflow(llm: StepPlan, kind: type[FunctionAgent | CodeActAgent]) -> AgentWorkflow:
    """An agent that answers the phone, and one that does sums."""
    options: dict[str, Any] = {"code_execute_fn": Interpreter().run} if kind is CodeActAgent else {}
    desk = kind(name="desk", description="Answers.", llm=llm, can_handoff_to=["maths"], **options)
    maths = FunctionAgent(name="maths", description="Does sums.", tools=[multiply], llm=llm)
    return AgentWorkflow(agents=[desk, maths], root_agent="desk")


@pytest.mark.guarantees("llama-index-agents")
@pytest.mark.parametrize("kind", [FunctionAgent, CodeActAgent])
async def test_one_agent_hands_off_to_another(
    llm: StepPlan, plan: Sandbox, kind: type[FunctionAgent | CodeActAgent]
) -> None:
    plan.script(
        Turn(reasoning="A sum.", tool_calls=[ToolCall("handoff", {"to_agent": "maths", "reason": "a sum"}, "h1")]),
        Turn(tool_calls=[ToolCall("multiply", {"a": 6, "b": 7}, "m1")]),
        Turn(text="It is 42."),
    )
    handler = run(workflow(llm, kind), "6 times 7?")
    outputs = [event async for event in handler.stream_events() if isinstance(event, AgentOutput)]

    assert str(await handler) == "It is 42."
    assert [output.current_agent_name for output in outputs] == ["desk", "maths", "maths"]
    assert "handing off" in str(plan.requests[1].body)


async def test_a_workflow_is_made_from_functions(llm: StepPlan, plan: Sandbox) -> None:
    agents = AgentWorkflow.from_tools_or_functions([multiply], llm=llm, system_prompt="Be exact.")
    plan.script(Turn(tool_calls=[ToolCall("multiply", {"a": 6, "b": 7}, "m1")]), Turn(text="It is 42."))

    assert isinstance(next(iter(agents.agents.values())), FunctionAgent)
    assert str(await run(agents, "6 times 7?")) == "It is 42."


async def test_a_model_that_is_not_to_call_tools_gets_a_react_agent(llm: StepPlan, plan: Sandbox) -> None:
    llm.is_function_calling_model = False
    agents = AgentWorkflow.from_tools_or_functions([multiply], llm=llm)
    plan.script(Turn(text="Thought: Easy.\nAnswer: It is 42."))

    assert isinstance(next(iter(agents.agents.values())), ReActAgent)
    assert str(await run(agents, "6 times 7?")) == "It is 42."
