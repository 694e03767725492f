"""StepFun's own tools with StepPlan: offered beside functions, found in the answer, never run here."""

from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, CitationBlock, TextBlock
from llama_index.core.tools import FunctionTool

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, WebSearch
from stepplan.sandbox import Sandbox, ServerToolCall, ToolCall, Turn
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm

SEARCH = {"type": "web_search", "function": {"description": "News."}}
PAGE = {"index": 0, "url": "https://example.com", "title": "T", "summary": "It rains."}
FOUND = ServerToolCall({"keyword": "weather"}, [PAGE], id="call_web")
ANSWER = Turn("Hm.", "It rains.", server_tool_calls=[FOUND])
STORED = [{"id": "call_web", "name": "web_search", "arguments": '{"keyword": "weather"}', "results": [PAGE]}]


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


WEATHER = FunctionTool.from_defaults(get_weather)


@pytest.fixture
def chat(plan: Sandbox) -> StepPlan:
    return make_llm(plan, "openai")


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("offered", [SEARCH, WebSearch("News.")])
def test_it_is_sent_beside_functions(chat: StepPlan, plan: Sandbox, offered: Any) -> None:
    chat.chat([ChatMessage("Hello")], tools=[offered, WEATHER])
    chat.chat_with_tools([offered, WEATHER], "Hello", allow_parallel_tool_calls=True)
    for request in plan.requests:
        assert SEARCH in request.body["tools"]
        assert len(request.body["tools"]) == 2


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("standing", [SEARCH, WebSearch("News.")])
async def test_one_for_every_call_is_sent_beside_the_functions_of_an_agent(plan: Sandbox, standing: Any) -> None:
    llm = make_llm(plan, "openai", additional_kwargs={"tools": [standing, WEATHER]})
    clock = FunctionTool.from_defaults(lambda: "noon", name="get_time", description="The time.")
    await FunctionAgent(tools=[clock], llm=llm).run("What is new?")
    both: list[Any] = [clock, WebSearch("News.")]
    llm.chat_with_tools(both, "Hello")
    for request in plan.requests:
        names = [tool["function"].get("name", tool["type"]) for tool in request.body["tools"]]
        assert sorted(names) == ["get_time", "web_search"]


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("way", WAYS)
async def test_query_and_sources_are_in_the_answer(way: Way, chat: StepPlan, plan: Sandbox) -> None:
    plan.script(ANSWER)
    message = (await ask(chat, way, "Weather?"))[-1].message
    assert message.content == "It rains."
    assert message.additional_kwargs["server_tool_calls"] == STORED
    [citation] = [block for block in message.blocks if isinstance(block, CitationBlock)]
    assert (citation.source, citation.title) == ("https://example.com", "T")
    assert citation.cited_content == TextBlock(text="It rains.")
    assert citation.additional_location_info == {"index": 0}
    assert not chat.get_tool_calls_from_response((await ask(chat, way, "Hello"))[-1], error_on_no_tool_call=False)


@pytest.mark.parametrize("way", STREAMS)
async def test_the_first_chunk_shows_the_pages(way: Way, chat: StepPlan, plan: Sandbox) -> None:
    plan.script(ANSWER)
    chunks = await ask(chat, way, "Weather?")
    for chunk in chunks:
        assert chunk.message.additional_kwargs["server_tool_calls"] == STORED
        assert sum(isinstance(block, CitationBlock) for block in chunk.message.blocks) == 1
    assert "".join(chunk.delta or "" for chunk in chunks) == "It rains."


@pytest.mark.parametrize("way", WAYS)
async def test_the_conversation_goes_on(way: Way, chat: StepPlan, plan: Sandbox) -> None:
    plan.script(ANSWER, Turn(text="Yes."))
    answer = (await ask(chat, way, "Weather?"))[-1].message
    stored = ChatMessage.model_validate_json(answer.model_dump_json())
    await ask(chat, way, [ChatMessage("Weather?"), stored, ChatMessage("Sure?")])
    sent = plan.requests[1].body["messages"][1]
    assert sent == {"role": "assistant", "content": "It rains.", "reasoning_content": "Hm."}


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_beside_a_search_is_the_callers(way: Way, chat: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(server_tool_calls=[FOUND], tool_calls=[ToolCall("get_weather", {"city": "Paris"}, "call_1")]))
    response = (await ask(chat, way, "Weather?", tools=[SEARCH, WEATHER]))[-1]
    [call] = chat.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Paris"})
    assert response.message.additional_kwargs["server_tool_calls"] == STORED


@pytest.mark.parametrize("damaged", [{"x": 1}, "text", [3], [{"results": 5}]])
def test_damaged_data_does_not_end_the_conversation(chat: StepPlan, plan: Sandbox, damaged: Any) -> None:
    message = ChatMessage(role="assistant", content="It rains.", additional_kwargs={"server_tool_calls": damaged})
    chat.chat([message, ChatMessage("Sure?")])
    assert plan.requests[0].body["messages"][0] == {"role": "assistant", "content": "It rains."}


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize(
    ("protocol", "model", "reason"),
    [
        ("anthropic", "step-3.7-flash", "Messages does not document the tool web_search: use protocol='openai'"),
        ("openai", "step-router-v1", "step-router-v1 does not support web_search"),
        ("openai", "step-5-preview", "step-5-preview does not support web_search"),
    ],
)
def test_where_there_is_none_one_sentence_says_so(plan: Sandbox, protocol: Any, model: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        make_llm(plan, protocol, model=model).chat([ChatMessage("Hello")], tools=[SEARCH])
    assert not plan.requests
