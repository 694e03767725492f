"""LangChain's middleware and response formats do their work with this model."""

from typing import Any

import pytest
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from langchain_stepplan import ChatStepPlan, InvalidRequestError
from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn, Usage
from tests.support.agents.langchain import ask, create_agent, messages_of
from tests.support.ways.langchain import Models

pytestmark = pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


class Report(BaseModel):
    """A weather report."""

    city: str
    sunny: bool


CALL = Turn(reasoning="I look.", tool_calls=[ToolCall("get_weather", {"city": "Paris"}, "a")])
AS_TEXT = Turn(reasoning="I know.", text='{"city": "Paris", "sunny": true}')
AS_CALL = Turn(reasoning="I know.", tool_calls=[ToolCall("Report", {"city": "Paris", "sunny": True}, "b")])
PARIS = Report(city="Paris", sunny=True)


@pytest.mark.guarantees("forced-choice", "langchain-agents")
def test_a_bare_schema_takes_the_way_that_the_protocol_has(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(CALL, AS_TEXT if model.protocol == "openai" else AS_CALL)
    agent = create_agent(model, tools=[get_weather], response_format=Report)
    assert agent.invoke(ask("weather in Paris?"))["structured_response"] == PARIS
    assert all(("response_format" in request.body) == (model.protocol == "openai") for request in plan.requests)
    assert all(not request.unlisted for request in plan.requests if model.protocol == "anthropic")


@pytest.mark.parametrize("tools", [[], [get_weather]])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_tool_strategy_works(
    model: ChatStepPlan, plan: Sandbox, tools: list[Any], asynchronous: bool
) -> None:
    plan.script(*([CALL] if tools else []), AS_CALL)
    agent = create_agent(model, tools=tools, response_format=ToolStrategy(Report))
    state = await agent.ainvoke(ask("weather?")) if asynchronous else agent.invoke(ask("weather?"))
    assert state["structured_response"] == PARIS


@pytest.mark.parametrize("tools", [[], [get_weather]])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_provider_strategy_works_on_chat_completions(
    model_for: Models, plan: Sandbox, tools: list[Any], asynchronous: bool
) -> None:
    plan.script(*([CALL] if tools else []), AS_TEXT)
    agent = create_agent(model_for("openai"), tools=tools, response_format=ProviderStrategy(Report))
    state = await agent.ainvoke(ask("weather?")) if asynchronous else agent.invoke(ask("weather?"))
    assert state["structured_response"] == PARIS
    assert ("tools" in plan.requests[-1].body) == bool(tools)


def test_the_provider_strategy_on_messages_says_what_to_do(model_for: Models, plan: Sandbox) -> None:
    agent = create_agent(model_for("anthropic"), tools=[], response_format=ProviderStrategy(Report))
    with pytest.raises(InvalidRequestError, match=r"response_format.*protocol='openai'"):
        agent.invoke(ask("weather?"))


@pytest.mark.guarantees("langchain-agents")
def test_retrying_middleware_ends_in_an_answer(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="At last.", fault=Fault(status=503)))
    agent = create_agent(model, tools=[], middleware=[ModelRetryMiddleware(initial_delay=0.0, jitter=False)])
    assert messages_of(agent.invoke(ask("hi")))[-1].content == "At last."


@pytest.mark.guarantees("langchain-agents")
def test_fallback_middleware_takes_another_model(model_for: Models, plan: Sandbox) -> None:
    plan.script(Turn(text="From Messages.", fault=Fault(status=402)))
    agent = create_agent(model_for("openai"), tools=[], middleware=[ModelFallbackMiddleware(model_for("anthropic"))])
    assert messages_of(agent.invoke(ask("hi")))[-1].content == "From Messages."
    assert [request.protocol for request in plan.requests] == ["openai", "anthropic"]


def long_conversation() -> list[Any]:
    """The last answer says that the context is almost full."""
    big = AIMessage(
        "Noted. " * 50,
        usage_metadata={"input_tokens": 200_000, "output_tokens": 1, "total_tokens": 200_001},
        response_metadata={"model_provider": "stepplan", "finish_reason": "stop"},
    )
    return [HumanMessage("One. " * 50), big, HumanMessage("Two?")]


def test_summarization_goes_by_the_tokens_that_the_plan_reports(model: ChatStepPlan, plan: Sandbox) -> None:
    middleware = SummarizationMiddleware(model, trigger=("fraction", 0.5), keep=("messages", 1))
    agent = create_agent(model, tools=[], middleware=[middleware])
    plan.script(Turn(text="A summary."), Turn(text="Yes."))
    messages = messages_of(agent.invoke({"messages": long_conversation()}))
    assert "A summary." in str(messages[0].content)
    assert messages[-1].content == "Yes."


@pytest.mark.guarantees("context-overflow")
def test_a_summary_that_overflows_is_asked_for_again_and_shorter(model: ChatStepPlan, plan: Sandbox) -> None:
    overflow = {"error": {"type": "invalid_request_error", "message": "The maximum context length is 256000."}}
    middleware = SummarizationMiddleware(model, trigger=("messages", 3), keep=("messages", 1))
    agent = create_agent(model, tools=[], middleware=[middleware])
    plan.script(Turn(text="A summary.", fault=Fault(status=400, body=overflow)), Turn(text="Yes."))
    assert messages_of(agent.invoke({"messages": long_conversation()}))[-1].content == "Yes."
    first, again, _ = (len(str(request.body["messages"])) for request in plan.requests)
    assert again < first


def test_a_limit_of_model_calls_ends_the_run(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(CALL)
    limit = ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")
    agent = create_agent(model, tools=[get_weather], middleware=[limit])
    assert "limit" in str(messages_of(agent.invoke(ask("weather?")))[-1].content).lower()
    assert len(plan.requests) == 1


def test_a_limit_of_tool_calls_reaches_the_model_as_an_error(model: ChatStepPlan, plan: Sandbox) -> None:
    again = Turn(tool_calls=[ToolCall("get_weather", {"city": "Rome"}, "b")])
    plan.script(CALL, again, Turn(text="Enough."))
    limit = ToolCallLimitMiddleware(run_limit=1, exit_behavior="continue")
    agent = create_agent(model, tools=[get_weather], middleware=[limit])
    messages = messages_of(agent.invoke(ask("weather?")))
    assert messages[-1].content == "Enough."
    refused = [message for message in messages if isinstance(message, ToolMessage) and message.status == "error"]
    assert [message.tool_call_id for message in refused] == ["b"]


EDITED = {"name": "get_weather", "args": {"city": "Rome"}}
DECISIONS: list[tuple[dict[str, Any], str]] = [
    ({"type": "approve"}, "sunny in Paris"),
    ({"type": "reject", "message": "Not that one."}, "Not that one."),
    ({"type": "edit", "edited_action": EDITED}, "sunny in Rome"),
]


@pytest.mark.guarantees("langchain-agents")
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize(("decision", "seen"), DECISIONS)
def test_a_person_may_decide_on_a_call(
    model_for: Models, plan: Sandbox, version: str, decision: dict[str, Any], seen: str
) -> None:
    for protocol in ("openai", "anthropic"):
        plan.script(CALL, Turn(text="Done."))
        middleware = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
        model = model_for(protocol, output_version=version)
        agent = create_agent(model, tools=[get_weather], middleware=[middleware], checkpointer=InMemorySaver())
        thread: Any = {"configurable": {"thread_id": "1"}}
        assert "__interrupt__" in agent.invoke(ask("weather?"), thread)
        state = agent.invoke(Command(resume={"decisions": [decision]}), thread)
        assert messages_of(state)[-1].text == "Done."
        assert seen in str(plan.requests[-1].body["messages"])


def test_usage_adds_up_over_a_run(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(
        Turn(tool_calls=[ToolCall("get_weather", {"city": "Paris"}, "a")], usage=Usage(10, 2)),
        Turn(text="Sunny.", usage=Usage(20, 3)),
    )
    messages = messages_of(create_agent(model, tools=[get_weather]).invoke(ask("weather?")))
    usages = [message.usage_metadata for message in messages if isinstance(message, AIMessage)]
    assert [usage and usage["total_tokens"] for usage in usages] == [12, 23]
