"""Answers that are derived from the request."""

import json
from typing import Any

import pytest

from stepplan.sandbox import Sandbox
from tests.support.wire import CHAT, CITY, JSON, MESSAGES, WEATHER, ask, body_for, chat, fold_chat, messages, tools

BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])
EMPTY: JSON = {"type": "object", "properties": {}}
NUMBERS: JSON = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


async def answer(path: str, body: JSON) -> tuple[str, dict[str, Any], str, str]:
    """The text, the tool calls by name, why it ended, and the reasoning."""
    response = await ask(Sandbox(), path, body)
    assert response.status_code == 200, response.text
    said = response.json()
    if path == CHAT:
        [choice] = said["choices"]
        message = choice["message"]
        functions = [call["function"] for call in message.get("tool_calls", [])]
        calls = {function["name"]: json.loads(function["arguments"]) for function in functions}
        return message["content"], calls, choice["finish_reason"], message["reasoning"]
    text = "".join(block["text"] for block in said["content"] if block["type"] == "text")
    calls = {block["name"]: block["input"] for block in said["content"] if block["type"] == "tool_use"}
    return text, calls, said["stop_reason"], said["content"][0]["thinking"]


def after(path: str, question: str, results: dict[str, str], *more: JSON) -> list[JSON]:
    """A history in which tools have answered the question."""
    if path == CHAT:
        functions = [{"id": n, "type": "function", "function": {"name": n, "arguments": "{}"}} for n in results]
        told = [{"role": "tool", "tool_call_id": name, "content": text} for name, text in results.items()]
        return [{"role": "user", "content": question}, {"role": "assistant", "tool_calls": functions}, *told, *more]
    uses: list[JSON] = [{"type": "tool_use", "id": name, "name": name, "input": {}} for name in results]
    blocks = [{"type": "tool_result", "tool_use_id": name, "content": text} for name, text in results.items()]
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": uses},
        {"role": "user", "content": blocks},
        *more,
    ]


@BOTH
async def test_a_question_is_answered_in_a_sentence(path: str) -> None:
    text, calls, ending, _ = await answer(path, body_for(path, "Name a fruit."))
    assert "Name a fruit." in text
    assert not calls
    assert ending in ("stop", "end_turn")


@BOTH
async def test_answers_are_the_same_every_time(path: str) -> None:
    body = body_for(path, "Weather in Paris?", tools=tools(path, get_weather=WEATHER))
    assert (await ask(Sandbox(), path, body)).text == (await ask(Sandbox(), path, body)).text


@BOTH
async def test_a_tool_is_called_and_its_result_used(path: str) -> None:
    bound = tools(path, get_weather=WEATHER)
    question = "What is the weather in Paris?"
    text, calls, ending, reasoning = await answer(path, body_for(path, question, tools=bound))
    assert (text, calls) == ("", {"get_weather": {"city": "Paris"}})
    assert ending in ("tool_calls", "tool_use")
    assert "get_weather" in reasoning
    history = after(path, question, {"get_weather": "sunny, 21 degrees"})
    text, calls, _, _ = await answer(path, body_for(path, messages=history, tools=bound))
    assert not calls
    assert "get_weather says: sunny, 21 degrees" in text


@BOTH
async def test_two_tools_that_are_named_are_called_in_parallel(path: str) -> None:
    bound = tools(path, get_weather=CITY, get_current_time=CITY, send_mail=CITY)
    question = "What are the weather and the time in Paris?"
    _, calls, _, _ = await answer(path, body_for(path, question, tools=bound))
    assert calls == {"get_weather": {"city": "Paris"}, "get_current_time": {"city": "Paris"}}
    history = after(path, question, {"get_weather": "sunny"})
    _, calls, _, _ = await answer(path, body_for(path, messages=history, tools=bound))
    assert calls.keys() == {"get_current_time"}


@BOTH
async def test_the_tool_that_fits_best_is_called(path: str) -> None:
    bound = tools(path, searchDocs=EMPTY, searchWeb=EMPTY)
    assert (await answer(path, body_for(path, "Search the web.", tools=bound)))[1] == {"searchWeb": {}}


@BOTH
async def test_of_tools_that_fit_alike_the_plainer_name_wins(path: str) -> None:
    bound = tools(path, WeatherReport=EMPTY, get_weather=EMPTY)
    assert (await answer(path, body_for(path, "The weather?", tools=bound)))[1] == {"get_weather": {}}


@BOTH
async def test_calls_can_be_asked_for_one_at_a_time(path: str) -> None:
    one: JSON = {"parallel_tool_calls": False} if path == CHAT else {"system": "Call at most one tool at a time."}
    body = body_for(path, "Weather and time?", tools=tools(path, get_weather=EMPTY, get_time=EMPTY), **one)
    assert (await answer(path, body))[1] == {"get_weather": {}}


async def test_a_system_prompt_forces_a_call_on_messages() -> None:
    history = after(MESSAGES, "Weather?", {"get_weather": "sunny"})
    bound = tools(MESSAGES, get_weather=EMPTY, WeatherReport=EMPTY)
    body = messages(messages=history, tools=bound, system="Be kind.\n\nYou must call one of the tools now.")
    assert (await answer(MESSAGES, body))[1] == {"WeatherReport": {}}


@BOTH
async def test_without_a_named_tool_the_first_is_called_once(path: str) -> None:
    bound = tools(path, multiply=NUMBERS, lookup=EMPTY)
    _, calls, _, _ = await answer(path, body_for(path, "What is 6 times 7?", tools=bound))
    assert calls == {"multiply": {"a": 6, "b": 7}}
    history = after(path, "What is 6 times 7?", {"multiply": "42"})
    assert "42" in (await answer(path, body_for(path, messages=history, tools=bound)))[0]


@BOTH
async def test_a_new_question_makes_tools_callable_again(path: str) -> None:
    history = after(path, "Weather in Paris?", {"get_weather": "sunny"})
    history += [{"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "And the weather in Rome?"}]
    _, calls, _, _ = await answer(path, body_for(path, messages=history, tools=tools(path, get_weather=CITY)))
    assert calls == {"get_weather": {"city": "Rome"}}


async def test_a_new_question_may_share_its_message_with_results() -> None:
    history = after(MESSAGES, "Weather in Paris?", {"get_weather": "sunny"})
    history[-1]["content"].append({"type": "text", "text": "And the weather in Rome?"})
    _, calls, _, _ = await answer(MESSAGES, messages(messages=history, tools=tools(MESSAGES, get_weather=CITY)))
    assert calls == {"get_weather": {"city": "Rome"}}


async def test_a_failed_tool_is_told() -> None:
    history = after(MESSAGES, "Weather in Paris?", {"get_weather": "no such city"})
    history[-1]["content"][0] |= {"is_error": True, "content": [{"type": "text", "text": "no such city"}]}
    assert "get_weather failed: no such city" in (await answer(MESSAGES, messages(messages=history)))[0]


async def test_tool_choice_on_chat() -> None:
    bound = tools(CHAT, get_weather=CITY, get_time=CITY)
    named = {"type": "function", "function": {"name": "get_time"}}
    assert (await answer(CHAT, chat("Weather?", tools=bound, tool_choice=named)))[1].keys() == {"get_time"}
    assert not (await answer(CHAT, chat("Weather?", tools=bound, tool_choice="none")))[1]
    assert (await answer(CHAT, chat("Hello!", tools=bound, tool_choice="required")))[1].keys() == {"get_weather"}
    history = after(CHAT, "Weather?", {"get_weather": "sunny"})
    body = chat(messages=history, tools=bound, tool_choice="required")
    assert (await answer(CHAT, body))[1].keys() == {"get_time"}
    history = after(CHAT, "Weather?", {"get_weather": "sunny", "get_time": "noon"})
    body = chat(messages=history, tools=bound, tool_choice="required")
    assert (await answer(CHAT, body))[1].keys() == {"get_weather"}
    body = chat(messages=history, tools=bound, tool_choice=named)
    assert (await answer(CHAT, body))[1].keys() == {"get_time"}


async def test_tool_choice_on_messages_has_no_effect() -> None:
    body = messages("Weather?", tools=tools(MESSAGES, get_weather=CITY), tool_choice={"type": "none"})
    assert (await answer(MESSAGES, body))[1].keys() == {"get_weather"}


@BOTH
@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("What is the weather in San Francisco, CA?", {"city": "San Francisco"}),
        ("what is the weather in paris", {"city": "paris"}),
        ('Call get_weather with "你好".', {"city": "你好"}),
        ("Berlin weather, please.", {"city": "Berlin"}),
        ("What is the weather?", {"city": "sample city"}),
    ],
)
async def test_arguments_are_taken_from_the_question(path: str, question: str, arguments: JSON) -> None:
    assert (await answer(path, body_for(path, question, tools=tools(path, get_weather=CITY))))[1] == {
        "get_weather": arguments
    }


@BOTH
async def test_a_query_is_the_question(path: str) -> None:
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    _, calls, _, _ = await answer(path, body_for(path, "What did Paul do?", tools=tools(path, essays=schema)))
    assert calls == {"essays": {"input": "What did Paul do?"}}


@BOTH
async def test_the_question_is_found_in_a_long_prompt(path: str) -> None:
    prompt = f"Context is below.\n{'Lorem ipsum. ' * 50}\nQuery: What did Paul do?\nAnswer: "
    text, _, _, _ = await answer(path, body_for(path, prompt))
    assert '"What did Paul do?"' in text
    text, _, _, _ = await answer(path, body_for(path, "word " * 100))
    assert len(text) < 300


async def test_a_schema_is_filled() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    text, _, _, _ = await answer(CHAT, chat("Bob is 42 years old. Extract.", response_format=form))
    assert json.loads(text) == {"name": "Bob", "age": 42}
    bound = tools(CHAT, get_person=EMPTY)
    text, calls, _, _ = await answer(CHAT, chat("Who is it?", response_format=form, tools=bound))
    assert (text, calls) == ("", {"get_person": {}})
    history = after(CHAT, "Who is it?", {"get_person": "It is Ann, aged 7."})
    text, _, _, _ = await answer(CHAT, chat(messages=history, response_format=form, tools=bound))
    assert json.loads(text) == {"name": "Ann", "age": 7}


async def test_a_json_object() -> None:
    form = {"type": "json_object"}
    question = "Tell me a joke about cats. Return JSON with 'setup' and 'punchline' keys."
    assert json.loads((await answer(CHAT, chat(question, response_format=form)))[0]).keys() == {"setup", "punchline"}
    assert json.loads((await answer(CHAT, chat("Hello", response_format=form)))[0]).keys() == {"answer"}
    prompt = {"role": "system", "content": f'Use {{this}}, not {{"that": 1}}: {json.dumps(NUMBERS)}'}
    body = chat(messages=[prompt, {"role": "user", "content": "What are 3 and 4?"}], response_format=form)
    assert json.loads((await answer(CHAT, body))[0]) == {"a": 3, "b": 4}
    assert "Hello" in (await answer(CHAT, chat("Hello", response_format={"type": "text"})))[0]


@BOTH
async def test_effort_is_the_length_of_the_reasoning(path: str) -> None:
    async def thoughts(model: str, effort: str | None) -> int:
        fields: JSON = {"reasoning_effort": effort} if path == CHAT else {"output_config": {"effort": effort}}
        return len((await answer(path, body_for(path, model=model, **(fields if effort else {}))))[3])

    low, medium, high = [await thoughts("step-3.7-flash", effort) for effort in ("low", "medium", "high")]
    assert low < medium < high
    assert low < 60
    assert high > 290
    assert await thoughts("step-3.7-flash", None) == medium
    assert await thoughts("step-3.5-flash", None) == high


@BOTH
async def test_stop_sequences(path: str) -> None:
    stop = {"stop": ["nowhere", "fruit"]} if path == CHAT else {"stop_sequences": ["nowhere", "fruit"]}
    text, _, ending, _ = await answer(path, body_for(path, "Name a fruit.", **stop))
    assert text == 'You asked: "Name a '
    assert ending in ("stop", "end_turn")


async def test_stop_may_be_one_string() -> None:
    assert (await answer(CHAT, chat("Name a fruit.", stop="fruit")))[0] == 'You asked: "Name a '


@BOTH
async def test_max_tokens_cuts_reasoning_then_text(path: str) -> None:
    whole, _, _, thoughts = await answer(path, body_for(path))
    text, _, ending, reasoning = await answer(path, body_for(path, max_tokens=5))
    assert text == ""
    assert 0 < len(reasoning) < len(thoughts)
    assert ending in ("length", "max_tokens")
    text, _, ending, reasoning = await answer(path, body_for(path, max_tokens=40))
    assert reasoning == thoughts
    assert whole.startswith(text)
    assert 0 < len(text) < len(whole)


@BOTH
async def test_max_tokens_is_what_usage_says(path: str) -> None:
    said = (await ask(Sandbox(), path, body_for(path, max_tokens=7))).json()
    assert said["usage"].get("completion_tokens", said["usage"].get("output_tokens")) == 7


async def test_max_tokens_cuts_arguments() -> None:
    bound = tools(CHAT, get_weather=CITY)
    fields: JSON = {"tools": bound, "reasoning_effort": "low", "stream": True}
    whole = fold_chat((await ask(Sandbox(), CHAT, chat("Weather in Paris?", **fields))).text)
    spent = whole["usage"]["completion_tokens"]
    cut = fold_chat((await ask(Sandbox(), CHAT, chat("Weather in Paris?", max_tokens=spent - 3, **fields))).text)
    assert cut["finish"] == "length"
    assert whole["calls"][0]["arguments"].startswith(cut["calls"][0]["arguments"])
    assert 0 < len(cut["calls"][0]["arguments"]) < len(whole["calls"][0]["arguments"])
    none = fold_chat((await ask(Sandbox(), CHAT, chat("Weather?", max_completion_tokens=spent - 10, **fields))).text)
    assert not none["calls"]
    assert none["finish"] == "length"


async def test_the_images_of_tool_results_ask_nothing_new() -> None:
    """Over Chat Completions they follow the results in a user message of their own."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    images = {"role": "user", "content": [image]}
    history = after(CHAT, "What is the weather in Rome?", {"get_weather": "18 degrees"}, images)
    text, calls, _, _ = await answer(CHAT, chat(messages=history, tools=tools(CHAT, get_weather=WEATHER)))
    assert "18 degrees" in text
    assert not calls
