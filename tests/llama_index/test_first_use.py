"""The first things people do with an LLM in LlamaIndex: an agent, a query engine, and their streams."""

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.query_engine import RetrieverQueryEngine
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox
from tests.support.agents.llama_index import run
from tests.support.corpus import retriever
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


@agents_use_old_pydantic
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_function_agent_calls_its_tool_and_uses_the_result(llm: StepPlan, streaming: bool) -> None:
    agent = FunctionAgent(tools=[get_weather], llm=llm, streaming=streaming)
    handler = run(agent, "What is the weather in 'Paris'?")
    events = [event async for event in handler.stream_events()]
    answer = str(await handler)

    assert "Sunny in Paris." in answer
    [result] = [event for event in events if isinstance(event, ToolCallResult)]
    assert result.tool_kwargs == {"city": "Paris"}
    streamed = [event for event in events if isinstance(event, AgentStream)]
    assert bool(streamed) == streaming
    if streaming:
        assert any(event.thinking_delta for event in streamed)
        assert "".join(event.delta for event in streamed) == answer


async def test_a_query_engine_answers_from_what_it_retrieved(llm: StepPlan, plan: Sandbox) -> None:
    question = "Which environment variable holds the key?"
    engine = RetrieverQueryEngine.from_args(retriever(), llm=llm)
    streaming = RetrieverQueryEngine.from_args(retriever(), llm=llm, streaming=True)

    whole = engine.query(question)
    awaited = await engine.aquery(question)
    streamed = streaming.query(question)
    streamed_async = await streaming.aquery(question)

    assert isinstance(whole, Response)
    assert isinstance(awaited, Response)
    assert isinstance(streamed, StreamingResponse)
    assert isinstance(streamed_async, AsyncStreamingResponse)
    assert question in str(whole)
    assert str(awaited) == str(whole)
    assert "".join(streamed.response_gen) == str(whole)
    assert "".join([token async for token in streamed_async.async_response_gen()]) == str(whole)
    assert whole.source_nodes[0].node.get_content() in plan.requests[0].body["messages"][-1]["content"]


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


@forced_choice_is_asked_for
async def test_an_object_is_predicted_in_all_four_ways(llm: StepPlan) -> None:
    prompt = PromptTemplate("Describe {who}.")
    expected = llm.structured_predict(Person, prompt, who="'Bob'")

    assert isinstance(expected, Person)
    assert await llm.astructured_predict(Person, prompt, who="'Bob'") == expected
    assert list(llm.stream_structured_predict(Person, prompt, who="'Bob'"))[-1] == expected
    parts = [part async for part in await llm.astream_structured_predict(Person, prompt, who="'Bob'")]
    assert parts[-1] == expected
