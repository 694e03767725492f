"""The exact bodies of Messages requests."""

import warnings
from dataclasses import replace
from typing import Any

import pytest

from stepplan import (
    Image,
    InvalidRequestError,
    JSONSchema,
    Message,
    NamedTool,
    Reasoning,
    Request,
    StepPlanWarning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Video,
)
from stepplan.protocols import anthropic

HI = Message.user("Hi")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather.", CITY)
CALL = ToolCall("call-1", "get_weather", '{"city": "Paris"}')
WIRE_CALL = {"type": "tool_use", "id": "call-1", "name": "get_weather", "input": {"city": "Paris"}}
RESULT = ToolResult("call-1", (Text("Sunny"),))
WIRE_RESULT = {"type": "tool_result", "tool_use_id": "call-1", "content": "Sunny"}


def encode(*messages: Message, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return anthropic.encode(Request(messages=messages or (HI,), **fields), stream=stream)


def wire(*messages: Message, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encode(*messages, **fields)["messages"]
    return found


def added(**fields: Any) -> dict[str, Any]:
    """What these fields add to, or change in, the smallest body."""
    smallest = encode()
    return {name: value for name, value in encode(**fields).items() if smallest.get(name) != value}


@pytest.mark.guarantees("only-what-was-set", "max-tokens-default")
def test_the_smallest_request_holds_only_what_was_said_and_the_required_limit() -> None:
    assert encode() == {
        "model": "step-3.7-flash",
        "max_tokens": 32768,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert encode(stream=True) == encode() | {"stream": True}


@pytest.mark.guarantees("effort")
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"max_tokens": 1}, {"max_tokens": 1}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"top_k": 0}, {"top_k": 0}),
        ({"stop": ("a", "b")}, {"stop_sequences": ["a", "b"]}),
        ({"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
        ({"stream_usage": False}, {}),
        ({"parallel_tool_calls": False}, {}),
        ({"extra_body": {"thinking": {"type": "disabled"}}}, {"thinking": {"type": "disabled"}}),
        ({"extra_body": {"max_tokens": 5}}, {"max_tokens": 5}),
    ],
)
def test_a_field_is_sent_when_it_is_set(fields: dict[str, Any], body: dict[str, Any]) -> None:
    assert added(**fields) == body


def test_tools() -> None:
    assert added(tools=(WEATHER, Tool("now", strict=True))) == {
        "tools": [
            {"name": "get_weather", "description": "The weather.", "input_schema": CITY},
            {"name": "now", "description": "", "input_schema": {"type": "object", "properties": {}}},
        ]
    }


@pytest.mark.guarantees("forced-choice")
@pytest.mark.parametrize(
    ("choice", "names", "system"),
    [
        ("required", ["get_weather", "now"], "You must call one of the tools now. Do not answer in words."),
        (NamedTool("now"), ["now"], "You must call the tool `now` now. Do not answer in words."),
    ],
)
def test_a_forced_choice_is_asked_for_in_words_with_a_warning(
    choice: ToolChoice, names: list[str], system: str
) -> None:
    with pytest.warns(StepPlanWarning, match="tool_choice"):
        body = added(tools=(WEATHER, Tool("now")), tool_choice=choice)
    assert [tool["name"] for tool in body["tools"]] == names
    assert body["system"] == system
    assert set(body) == {"tools", "system"}


@pytest.mark.guarantees("forced-choice")
def test_a_forced_choice_warns_once_a_request() -> None:
    with pytest.warns(StepPlanWarning) as caught:
        encode(tools=(WEATHER,), tool_choice="required")
    assert len(caught) == 1


def test_no_tool_at_all_is_said_by_leaving_the_tools_out() -> None:
    assert added(tools=(WEATHER,), tool_choice="none", parallel_tool_calls=False) == {}


def test_one_call_at_a_time_is_asked_for_in_words() -> None:
    body = added(tools=(WEATHER,), parallel_tool_calls=False)
    assert body.pop("tools")
    assert body == {"system": "Call at most one tool at a time."}
    assert "system" not in added(tools=(WEATHER,), parallel_tool_calls=True)


@pytest.mark.guarantees("system-messages")
def test_system_messages_are_gathered_in_their_order_before_the_turns() -> None:
    body = encode(
        Message.system("Be brief.", "Be kind."),
        HI,
        Message.system("Now in French."),
        Message.system(""),
        Message.user("Again"),
    )
    assert body["system"] == "Be brief.\nBe kind.\n\nNow in French."
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Again"}]}
    ]
    assert "system" not in encode(Message.system(), HI)


@pytest.mark.guarantees("roles-and-strings")
def test_neighbours_of_one_role_are_one_turn() -> None:
    assert wire(
        HI, Message.user("you"), Message.assistant("Hello"), Message.assistant("there"), Message.user("Bye")
    ) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]},
        {"role": "user", "content": "Bye"},
    ]


@pytest.mark.guarantees("empty-text")
def test_empty_text_and_empty_turns_are_not_sent() -> None:
    assert wire(Message.user("", "Hi", ""), Message.assistant(""), Message.user(), Message.user("you")) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]}
    ]
    assert wire(HI, Message.assistant("", CALL), Message.user(RESULT))[1]["content"] == [WIRE_CALL]


@pytest.mark.guarantees("block-for-block", "signatures")
def test_a_tool_loop_is_sent_back_block_for_block() -> None:
    assert wire(
        HI,
        Message.assistant(
            Reasoning("Hm.", signature="s1"),
            Reasoning("", signature="s2"),
            Reasoning("", redacted="data"),
            Reasoning("Unsigned."),
            Reasoning("Empty.", signature=""),
            "Let me see.",
            CALL,
        ),
        Message.user(RESULT),
    ) == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
                {"type": "thinking", "thinking": "", "signature": "s2"},
                {"type": "redacted_thinking", "data": "data"},
                {"type": "thinking", "thinking": "Unsigned."},
                {"type": "thinking", "thinking": "Empty.", "signature": ""},
                {"type": "text", "text": "Let me see."},
                WIRE_CALL,
            ],
        },
        {"role": "user", "content": [WIRE_RESULT]},
    ]


@pytest.mark.guarantees("replay-off")
def test_without_replay_no_reasoning_is_sent() -> None:
    messages = (HI, Message.assistant(Reasoning("Hm.", "s"), "Hello."), Message.user("Bye"))
    assert wire(*messages, replay_reasoning=False)[1] == {"role": "assistant", "content": "Hello."}
    assert len(wire(HI, Message.assistant(Reasoning("Hm.")), Message.user("Bye"), replay_reasoning=False)) == 1


@pytest.mark.guarantees("results-in-order")
def test_results_of_parallel_calls_are_one_turn_in_the_order_of_the_calls_before_what_the_user_says() -> None:
    second = replace(CALL, id="call-2")
    messages = wire(
        HI,
        Message.assistant(CALL, second),
        Message.user(ToolResult("call-2", (Text("Rainy"),))),
        Message.user("Well?", RESULT),
        Message.user(Image("https://example.com/a.png")),
    )
    assert messages[2]["content"] == [
        WIRE_RESULT,
        {"type": "tool_result", "tool_use_id": "call-2", "content": "Rainy"},
        {"type": "text", "text": "Well?"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]


@pytest.mark.guarantees("images-everywhere")
@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (ToolResult("call-1", ()), {"content": ""}),
        (
            ToolResult("call-1", (Text("no such city"),), is_error=True),
            {"content": "Error: no such city", "is_error": True},
        ),
        (
            ToolResult("call-1", (Text("a map"), Image.from_base64("QUJD", "image/png"), Text("of Paris"))),
            {
                "content": [
                    {"type": "text", "text": "a map\nof Paris"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
                ]
            },
        ),
        (
            ToolResult("call-1", (Image("https://example.com/a.png"),)),
            {"content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]},
        ),
    ],
)
def test_results(result: ToolResult, sent: dict[str, Any]) -> None:
    *_, last = wire(HI, Message.assistant(CALL), Message.user(result))
    assert last == {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call-1", **sent}]}


@pytest.mark.guarantees("broken-call-talked-on")
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"城市":"北京"}', {"城市": "北京"}),
        ("", {}),
        ("null", {}),
        ('{"city": "Pa', {"invalid_arguments": '{"city": "Pa'}),
        ("[1]", {"invalid_arguments": "[1]"}),
        ('{"x": NaN}', {"invalid_arguments": '{"x": NaN}'}),
    ],
)
def test_arguments_are_sent_back_as_an_object(arguments: str, sent: dict[str, Any]) -> None:
    _, assistant, _ = wire(HI, Message.assistant(replace(CALL, arguments=arguments)), Message.user(RESULT))
    assert assistant["content"][0]["input"] == sent


@pytest.mark.guarantees("images-everywhere")
def test_pictures() -> None:
    message = Message.user("Look", Image("http://example.com/a.png"), Image.from_base64("QUJD", "image/webp", "low"))
    assert wire(message)[0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "url", "url": "http://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "QUJD"}},
    ]


@pytest.mark.guarantees("refused-content")
@pytest.mark.parametrize(
    ("messages", "fields", "words"),
    [
        ((HI,), {"frequency_penalty": 0.0}, ("frequency_penalty", "Messages", "'openai'", "extra_body")),
        ((HI,), {"response_format": "json_object"}, ("response_format", "'openai'")),
        ((HI,), {"response_format": JSONSchema("x", CITY)}, ("response_format", "'openai'")),
        ((Message.system(Image("https://x")),), {}, ("system", "text only", "Image")),
        ((HI, Message.assistant(Image("https://x"))), {}, ("Image", "assistant")),
        ((Message.user(Reasoning("x")),), {}, ("Reasoning", "user")),
        ((Message.user(Video("https://x")),), {}, ("videos", "'openai'")),
        ((Message.user(Image("stepfile://abc")),), {}, ("stepfile://abc", "'openai'")),
        ((Message.user(Image("data:image/png,raw")),), {}, ("base64",)),
        (
            (Message.user(Image("https://x")),),
            {"model": "step-3.5-flash"},
            ("step-3.5-flash", "image", "step-3.7-flash"),
        ),
        ((HI,), {"tool_choice": "required"}, ("required", "tools")),
        ((HI,), {"tool_choice": NamedTool("x"), "tools": (WEATHER,)}, ("'x'", "get_weather")),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(
    messages: tuple[Message, ...], fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    warnings.simplefilter("ignore")
    with pytest.raises(InvalidRequestError) as caught:
        anthropic.encode(Request(messages=messages, **fields), stream=False)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_counting_tokens_sends_the_prompt_and_nothing_about_the_answer() -> None:
    request = Request(
        messages=(Message.system("Be brief."), HI),
        tools=(WEATHER,),
        tool_choice="required",
        max_tokens=5,
        temperature=1,
        stop=("a",),
        reasoning_effort="low",
        frequency_penalty=1,
        response_format="json_object",
        extra_body={"seed": 1, "tools": [{"type": "web_search"}]},
    )
    assert anthropic.TOKEN_COUNTER.encode(request) == {
        "model": "step-3.7-flash",
        "system": "Be brief.\n\nYou must call one of the tools now. Do not answer in words.",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "web_search"}],
    }
