"""The exact bodies of Chat Completions requests."""

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
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Video,
)
from stepplan.protocols import openai

HI = Message.user("Hi")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather.", CITY)
CALL = ToolCall("call-1", "get_weather", '{"city": "Paris"}')
WIRE_CALL = {
    "id": "call-1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}


def encode(*messages: Message, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return openai.encode(Request(messages=messages or (HI,), **fields), stream=stream)


def wire(*messages: Message, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = encode(*messages, **fields)["messages"]
    return found


def added(**fields: Any) -> dict[str, Any]:
    """What these fields add to the smallest body."""
    body = encode(**fields)
    assert body.items() >= encode().items()
    return {name: value for name, value in body.items() if name not in encode()}


@pytest.mark.guarantees("only-what-was-set")
def test_the_smallest_request_holds_only_what_was_said() -> None:
    assert encode() == {"model": "step-3.7-flash", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.guarantees("stream-options")
def test_a_stream_asks_for_its_token_counts_unless_told_not_to() -> None:
    assert encode(stream=True) == encode() | {"stream": True, "stream_options": {"include_usage": True}}
    assert encode(stream=True, stream_usage=False) == encode() | {"stream": True}
    assert encode(stream_usage=True) == encode()


@pytest.mark.guarantees("effort")
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"max_tokens": 1}, {"max_tokens": 1}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 2.0}, {"temperature": 2.0}),
        ({"top_p": 1}, {"top_p": 1}),
        ({"frequency_penalty": 0.0}, {"frequency_penalty": 0.0}),
        ({"frequency_penalty": -2}, {"frequency_penalty": -2}),
        ({"stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ({"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
        (
            {"response_format": JSONSchema("city", CITY)},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}},
        ),
        (
            {"response_format": JSONSchema("city", CITY, strict=False)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "city", "schema": CITY, "strict": False},
                }
            },
        ),
        ({"parallel_tool_calls": False}, {}),
        ({"extra_body": {"seed": 0, "store": False}}, {"seed": 0, "store": False}),
        ({"extra_headers": {"x": "y"}}, {}),
        ({"replay_reasoning": False, "repair_history": True}, {}),
    ],
)
def test_a_field_is_sent_when_it_is_set(fields: dict[str, Any], body: dict[str, Any]) -> None:
    assert added(**fields) == body


@pytest.mark.guarantees("extra-body")
def test_extra_body_wins() -> None:
    assert encode(temperature=1, extra_body={"temperature": 0.5, "model": "other"}) == {
        "model": "other",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
    }


def test_tools() -> None:
    tools = (WEATHER, Tool("now"), Tool("save", "Saves.", CITY, strict=True))
    assert added(tools=tools) == {
        "tools": [
            {
                "type": "function",
                "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY},
            },
            {
                "type": "function",
                "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
            },
            {
                "type": "function",
                "function": {"name": "save", "description": "Saves.", "parameters": CITY, "strict": True},
            },
        ]
    }


@pytest.mark.guarantees("forced-choice")
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {}),
        ("required", {"tool_choice": "required"}),
        (NamedTool("get_weather"), {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}),
    ],
)
def test_a_tool_choice_is_sent_when_it_is_not_auto(choice: ToolChoice, sent: dict[str, Any]) -> None:
    body = added(tools=(WEATHER,), tool_choice=choice)
    assert [tool["function"]["name"] for tool in body.pop("tools")] == ["get_weather"]
    assert body == sent


def test_no_tool_at_all_is_said_by_leaving_the_tools_out() -> None:
    assert added(tools=(WEATHER,), tool_choice="none", parallel_tool_calls=True) == {}


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_calls_are_a_field_when_there_are_tools(parallel: bool) -> None:
    assert added(tools=(WEATHER,), parallel_tool_calls=parallel)["parallel_tool_calls"] is parallel


@pytest.mark.guarantees("system-messages", "roles-and-strings")
def test_roles_and_text() -> None:
    messages = (
        Message.system("Be brief.", "Be kind."),
        HI,
        Message.assistant("Hello", "."),
        Message.user("One", "two"),
        Message.system("Now in French."),
        Message.user(""),
        Message.user(),
        Message.assistant(),
    )
    assert wire(*messages) == [
        {"role": "system", "content": "Be brief.\nBe kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "One\ntwo"},
        {"role": "system", "content": "Now in French."},
        {"role": "user", "content": ""},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": ""},
    ]


@pytest.mark.guarantees("images-everywhere")
def test_pictures_and_films() -> None:
    message = Message.user(
        "Look",
        Image("https://example.com/a.png"),
        Image("stepfile://abc", detail="low"),
        Image.from_base64("QUJD", "image/png", detail="high"),
        Video("https://example.com/a.mp4"),
    )
    assert wire(message) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "image_url", "image_url": {"url": "stepfile://abc", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "high"}},
                {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
            ],
        }
    ]


def test_a_tool_loop() -> None:
    assert wire(
        HI,
        Message.assistant(Reasoning("Hm."), "Let me see.", CALL),
        Message.user(ToolResult("call-1", (Text("Sunny"), Text("22 C")))),
    ) == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Let me see.", "reasoning_content": "Hm.", "tool_calls": [WIRE_CALL]},
        {"role": "tool", "tool_call_id": "call-1", "content": "Sunny\n22 C"},
    ]


@pytest.mark.guarantees("replay-off")
@pytest.mark.parametrize(
    ("blocks", "sent"),
    [
        (
            (Reasoning("One."), Reasoning(" Two.", signature="s"), Text("x")),
            {"content": "x", "reasoning_content": "One. Two."},
        ),
        ((Reasoning("", signature="s"), Text("x")), {"content": "x"}),
        ((Reasoning("", redacted="data"), Text("x")), {"content": "x"}),
    ],
)
def test_reasoning_is_sent_back_as_text(blocks: tuple[Any, ...], sent: dict[str, Any]) -> None:
    message = Message("assistant", blocks)
    assert wire(message) == [{"role": "assistant", **sent}]
    assert wire(message, replay_reasoning=False) == [{"role": "assistant", "content": "x"}]


@pytest.mark.guarantees("broken-call-talked-on")
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"city":"Paris"}', '{"city":"Paris"}'),
        ('{"城市": "北京"}', '{"城市": "北京"}'),
        ("", "{}"),
        (" ", "{}"),
        ("null", "{}"),
        ("{}", "{}"),
        ('{"city": "Pa', '{"invalid_arguments": "{\\"city\\": \\"Pa"}'),
        ("[1]", '{"invalid_arguments": "[1]"}'),
        ('{"x": NaN}', '{"invalid_arguments": "{\\"x\\": NaN}"}'),
        ('"北京"', '{"invalid_arguments": "\\"北京\\""}'),
    ],
)
def test_arguments_are_sent_back_as_the_text_of_an_object(arguments: str, sent: str) -> None:
    call = replace(CALL, arguments=arguments)
    _, assistant, _ = wire(HI, Message.assistant(call), Message.user(ToolResult("call-1", ())))
    assert assistant["tool_calls"][0]["function"]["arguments"] == sent


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (ToolResult("call-1", ()), ""),
        (ToolResult("call-1", (Text("no such city"),), is_error=True), "Error: no such city"),
        (ToolResult("call-1", (Text("An ERROR: no such city"),), is_error=True), "An ERROR: no such city"),
        (ToolResult("call-1", (), is_error=True), "Error: "),
    ],
)
def test_a_result_that_is_an_error_says_so(result: ToolResult, content: str) -> None:
    *_, tool = wire(HI, Message.assistant(CALL), Message.user(result))
    assert tool == {"role": "tool", "tool_call_id": "call-1", "content": content}


@pytest.mark.guarantees("images-everywhere")
def test_pictures_in_results_follow_all_results_in_a_user_message() -> None:
    second = replace(CALL, id="call-2")
    messages = wire(
        HI,
        Message.assistant(CALL, second),
        Message.user(
            ToolResult("call-1", (Text("a map"), Image("https://example.com/1.png"))),
            ToolResult("call-2", (Image("https://example.com/2.png"),)),
            "And now?",
        ),
    )
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "call-1", "content": "a map"},
        {"role": "tool", "tool_call_id": "call-2", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://example.com/1.png"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/2.png"}},
            ],
        },
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.guarantees("refused-content")
@pytest.mark.parametrize(
    ("messages", "fields", "words"),
    [
        ((HI,), {"top_k": 5}, ("top_k", "Chat Completions", "'anthropic'", "extra_body")),
        ((Message.system(Image("https://x")),), {}, ("system", "text only", "Image")),
        ((Message.assistant(Image("https://x")),), {}, ("assistant", "Image")),
        ((Message.user(CALL),), {}, ("user", "ToolCall")),
        ((Message.user(Reasoning("x")),), {}, ("user", "Reasoning")),
        (
            (Message.user(Image("https://x")),),
            {"model": "step-3.5-flash"},
            ("step-3.5-flash", "image", "step-3.7-flash"),
        ),
        ((Message.user(Video("https://x")),), {"model": "step-3.5-flash-2603"}, ("video", "step-3.7-flash")),
        ((HI,), {"tool_choice": "required"}, ("required", "tools")),
        ((HI,), {"tool_choice": NamedTool("x"), "tools": (WEATHER,)}, ("'x'", "get_weather")),
        ((HI,), {"tool_choice": NamedTool("x")}, ("'x'", "none")),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(
    messages: tuple[Message, ...], fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    if any(isinstance(block, ToolCall) for message in messages for block in message.content):
        fields = {**fields, "repair_history": True}
    with pytest.raises(InvalidRequestError) as caught:
        encode(*messages, **fields)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.guarantees("any-model-name")
def test_an_unknown_model_may_be_sent_anything() -> None:
    body = encode(Message.user(Image("https://x"), Video("https://y")), model="step-9", reasoning_effort="extreme")
    assert body["model"] == "step-9"
    assert body["reasoning_effort"] == "extreme"
