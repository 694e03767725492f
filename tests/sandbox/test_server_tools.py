"""The tools that StepFun's servers run: `web_search` and `retrieval`, over Chat Completions."""

import json
from pathlib import Path
from typing import Any

import pytest

from stepplan.sandbox import Dialect, Sandbox, ServerToolCall, ToolCall, Turn, Usage
from tests.support.wire import CHAT, CITY, JSON, MESSAGES, ask, chat, data, fold_chat, messages, tools

SEARCH: JSON = {"type": "web_search", "function": {"description": "Searches the web."}}
RETRIEVAL: JSON = {
    "type": "retrieval",
    "function": {
        "name": "food",
        "description": "What is in food.",
        "options": {"vector_store_id": "1712", "prompt_template": "Find {{query}} in {{knowledge}}"},
    },
}
PAGE = {"index": 0, "url": "https://example.com", "title": "T", "summary": "It rains."}
FOUND = ServerToolCall({"keyword": "weather"}, [PAGE], id="call_web")


async def answer(body: JSON, *turns: Turn, dialect: Dialect = Dialect()) -> JSON:
    response = await ask(Sandbox(turns, dialect=dialect), CHAT, body)
    assert response.status_code == 200, response.text
    said: JSON = response.json()
    return said


async def refusal(body: JSON, path: str = CHAT) -> tuple[str, str]:
    response = await ask(Sandbox(), path, body)
    assert response.status_code == 400
    error = response.json()["error"]
    return error["type"], error["message"]


async def test_a_whole_answer_holds_the_search_and_its_results() -> None:
    said = await answer(chat(tools=[SEARCH]), Turn(text="It rains.", server_tool_calls=[FOUND]))
    [choice] = said["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == "It rains."
    assert choice["message"]["tool_calls"] == [
        {
            "id": "call_web",
            "type": "web_search",
            "function": {"name": "step_websearch", "arguments": '{"keyword": "weather"}', "results": [PAGE]},
        }
    ]


@pytest.mark.parametrize("profile", ["live", "old", "openai"])
async def test_in_a_stream_it_is_complete_in_the_first_chunk(profile: Any) -> None:
    turn = Turn("Hm.", "It rains.", [ToolCall("f")], server_tool_calls=[FOUND])
    plan = Sandbox([turn], dialect=Dialect(chat_profile=profile))
    chunks = data((await ask(plan, CHAT, chat(tools=[SEARCH], stream=True))).text)
    [call] = chunks[0]["choices"][0]["delta"]["tool_calls"]
    assert call["type"] == "web_search"
    assert call["function"]["results"] == [PAGE]
    others = [piece for chunk in chunks[1:] for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert {piece["index"] for piece in others} == {1}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_question_is_searched_for(stream: bool) -> None:
    body = chat("What is new in Oslo?", tools=[SEARCH], stream=stream)
    text = (await ask(Sandbox(), CHAT, body)).text
    if stream:
        [call] = data(text)[0]["choices"][0]["delta"]["tool_calls"]
        content = fold_chat(text)["content"]
    else:
        message = json.loads(text)["choices"][0]["message"]
        [call], content = message["tool_calls"], message["content"]
    assert json.loads(call["function"]["arguments"]) == {"keyword": "What is new in Oslo?"}
    assert [page.keys() for page in call["function"]["results"]] == [PAGE.keys()] * 2
    assert all(page["url"] in content for page in call["function"]["results"])


async def test_the_results_count_as_input() -> None:
    found = ServerToolCall({"keyword": "x"}, [{"summary": "one two three"}])
    with_results, without = [
        (await answer(chat(tools=[SEARCH]), Turn(text="4", server_tool_calls=calls)))["usage"]["prompt_tokens"]
        for calls in ([found], [])
    ]
    assert with_results == without + 3
    fixed = await answer(chat(tools=[SEARCH]), Turn(text="4", server_tool_calls=[found], usage=Usage(1, 2)))
    assert fixed["usage"]["prompt_tokens"] == 1


async def test_a_search_may_find_nothing() -> None:
    text = await answer(chat(tools=[SEARCH]), Turn(text="4", server_tool_calls=[ServerToolCall({"keyword": "x"})]))
    [call] = text["choices"][0]["message"]["tool_calls"]
    assert call["function"]["results"] == []


async def test_beside_functions_it_is_one_tool_of_several() -> None:
    both = [SEARCH, *tools(CHAT, get_weather=CITY)]

    async def called(question: str, **fields: Any) -> list[str]:
        message = (await answer(chat(question, tools=both, **fields)))["choices"][0]["message"]
        return [call["type"] for call in message.get("tool_calls", [])]

    assert await called("What is the weather in Paris?") == ["function"]
    assert await called("Search the web for the weather in Paris.") == ["web_search", "function"]
    assert await called("Who is Ann?") == ["web_search"]
    assert await called("Who is Ann?", tool_choice="none") == []


async def test_a_retrieval_is_part_of_the_answer_alone() -> None:
    [choice] = (await answer(chat("How much?", tools=[RETRIEVAL])))["choices"]
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        ({"type": "web_search"}, "description"),
        ({**RETRIEVAL, "function": {"description": "x", "options": {"vector_store_id": "1"}}}, "name"),
        ({**RETRIEVAL, "function": {"name": "x", "description": "x"}}, "vector_store_id"),
        ({"type": "code_interpreter"}, "tools.function.name"),
    ],
)
async def test_undocumented_shapes_are_refused(tool: JSON, field: str) -> None:
    kind, message = await refusal(chat(tools=[tool]))
    assert kind == "input_invalid"
    assert field in message


@pytest.mark.parametrize("model", ["step-router-v1", "step-5-preview"])
async def test_some_models_refuse_it(model: str) -> None:
    kind, message = await refusal(chat(model=model, tools=[SEARCH]))
    assert kind == "unsupported_content_type"
    assert model in message


async def test_messages_has_no_such_tools() -> None:
    assert (await refusal(messages(tools=[SEARCH]), MESSAGES))[0] == "input_invalid"
    said = await ask(Sandbox([Turn(text="4", server_tool_calls=[FOUND])]), MESSAGES, messages())
    assert [block["type"] for block in said.json()["content"]] == ["text"]


async def test_a_search_in_the_history_is_refused() -> None:
    function = {"name": "step_websearch", "arguments": '{"keyword": "weather"}'}
    call = {"id": "call_web", "type": "web_search", "function": function}
    history: list[JSON] = [{"role": "assistant", "content": "It rains.", "tool_calls": [call]}]
    assert "tool_calls.type" in (await refusal(chat(messages=history)))[1]


SAMPLES = Path(__file__).parents[1] / "fixtures" / "composed"


@pytest.mark.parametrize(
    ("sample", "profile"),
    [("searched.live.openai.sse", "live"), ("searched.live.openai.json", "live")],
)
async def test_an_answer_has_the_shape_of_the_sample(sample: str, profile: Any) -> None:
    turn = Turn(text="It rains.", server_tool_calls=[FOUND])
    plan = Sandbox([turn], dialect=Dialect(chat_profile=profile))
    sent = (await ask(plan, CHAT, chat(tools=[SEARCH], stream=sample.endswith("sse")))).text
    expected = (SAMPLES / sample).read_text()
    assert [_call(text) for text in (sent, expected)] == [_call(expected)] * 2


def _call(text: str) -> JSON:
    """The search in an answer or in the first chunk of a stream."""
    body = data(text)[0] if text.startswith("data:") else json.loads(text)
    [choice] = body["choices"]
    [call] = choice.get("message", choice.get("delta"))["tool_calls"]
    found: JSON = call
    return found
