"""StepFun's own tools with ChatStepPlan: offered beside functions, found in the answer, never run here."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, message_to_dict, messages_from_dict
from langchain_core.tools import tool

from langchain_stepplan import ChatStepPlan, InvalidRequestError
from stepplan import WebSearch
from stepplan.sandbox import Sandbox, ServerToolCall, ToolCall, Turn
from tests.support.ways.langchain import WAYS, Models, Way, v3

SEARCH = {"type": "web_search", "function": {"description": "News."}}
PAGE = {"index": 0, "url": "https://example.com", "title": "T", "summary": "It rains."}
FOUND = ServerToolCall({"keyword": "weather"}, [PAGE], id="call_web")
ANSWER = Turn("Hm.", "It rains.", server_tool_calls=[FOUND])
CALLED = {"type": "server_tool_call", "id": "call_web", "name": "web_search", "args": {"keyword": "weather"}}
RESULT = {"type": "server_tool_result", "tool_call_id": "call_web", "status": "success", "output": [PAGE]}


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@pytest.fixture
def chat(model_for: Models) -> ChatStepPlan:
    return model_for("openai")


def without_index(blocks: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("offered", [SEARCH, WebSearch("News.")])
def test_it_is_sent_beside_functions(chat: ChatStepPlan, plan: Sandbox, offered: Any) -> None:
    chat.bind_tools([offered, get_weather]).invoke("Hello")
    sent = plan.requests[0].body["tools"]
    assert SEARCH in sent
    assert [item["function"]["name"] for item in sent if item["type"] == "function"] == ["get_weather"]


def test_it_may_be_bare(chat: ChatStepPlan, plan: Sandbox) -> None:
    chat.bind_tools([{"type": "web_search"}]).invoke("Hello")
    [sent] = plan.requests[0].body["tools"]
    assert sent["type"] == "web_search"
    assert sent["function"]["description"]


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("way", [*WAYS, v3])
async def test_query_and_results_are_in_the_answer(way: Way, v1: bool, model_for: Models, plan: Sandbox) -> None:
    plan.script(ANSWER)
    answer = await way(model_for("openai", output_version="v1" if v1 else None), "Weather?")
    assert answer.text == "It rains."
    assert answer.tool_calls == []
    blocks = without_index(answer.content_blocks)
    assert blocks == [
        CALLED,
        RESULT,
        {"type": "reasoning", "reasoning": "Hm."},
        {"type": "text", "text": "It rains."},
    ]
    if v1 or way is v3:
        assert without_index(answer.content) == blocks
    else:
        assert answer.content == "It rains."


def test_the_first_chunk_with_content_shows_the_pages(chat: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(ANSWER)
    chunks = [without_index(chunk.content_blocks) for chunk in chat.stream("Weather?")]
    assert next(filter(None, chunks)) == [CALLED, RESULT]


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_the_conversation_goes_on(way: Way, v1: bool, model_for: Models, plan: Sandbox) -> None:
    plan.script(ANSWER, Turn(text="Yes."))
    model = model_for("openai", output_version="v1" if v1 else None)
    answer = await way(model, "Weather?")
    [stored] = messages_from_dict([message_to_dict(answer)])
    assert without_index(stored.content_blocks) == without_index(answer.content_blocks)
    await way(model, [HumanMessage("Weather?"), stored, HumanMessage("Sure?")])
    sent = plan.requests[1].body["messages"][1]
    assert sent == {"role": "assistant", "content": "It rains.", "reasoning_content": "Hm."}


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_beside_a_search_is_run_once(way: Way, chat: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(server_tool_calls=[FOUND], tool_calls=[ToolCall("get_weather", {"city": "Paris"}, "call_1")]))
    answer = await way(chat.bind_tools([SEARCH, get_weather]), "Weather?")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("get_weather", {"city": "Paris"})]
    assert without_index(answer.content_blocks)[:2] == [CALLED, RESULT]


@pytest.mark.guarantees("stepfuns-tools")
def test_an_agent_runs_functions_only(chat: ChatStepPlan, plan: Sandbox) -> None:
    agent = create_agent(chat, tools=[SEARCH, get_weather])
    question = "Search the web, and get the weather in Paris."
    messages = agent.invoke({"messages": [HumanMessage(question)]})["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    first = messages[1]
    assert isinstance(first, AIMessage)
    assert [block["type"] for block in first.content_blocks if block["type"].startswith("server")] == [
        "server_tool_call",
        "server_tool_result",
    ]
    assert "sunny in Paris" in messages[-1].text
    assert len(plan.requests) == 2


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize(
    ("protocol", "model", "reason"),
    [
        ("anthropic", "step-3.7-flash", "Messages does not document the tool web_search: use protocol='openai'"),
        ("openai", "step-router-v1", "step-router-v1 does not support web_search"),
        ("openai", "step-5-preview", "step-5-preview does not support web_search"),
    ],
)
def test_where_there_is_none_one_sentence_says_so(
    model_for: Models, plan: Sandbox, protocol: Any, model: str, reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        model_for(protocol, model=model).bind_tools([SEARCH]).invoke("Hello")
    assert not plan.requests


@pytest.mark.parametrize("id", [[], {}, ["a"], None, 1])
def test_an_id_that_is_no_text_ends_no_history(chat: ChatStepPlan, id: Any) -> None:
    answer = AIMessage([{**CALLED, "id": id}], response_metadata={"model_provider": "stepplan"})
    assert chat.invoke([HumanMessage("Look."), answer, HumanMessage("Go on.")]).text
