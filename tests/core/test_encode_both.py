"""What holds for the requests of both protocols."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import (
    PROTOCOLS,
    AnyTool,
    Image,
    InvalidRequestError,
    Message,
    NamedTool,
    ProtocolName,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolCallStart,
    ToolResult,
    Video,
)
from stepplan.exchange import encode_json
from stepplan.names import wire_id, wire_name
from tests.support.fixtures import decode, read

NAMES: tuple[ProtocolName, ...] = ("openai", "anthropic")
ON_BOTH = pytest.mark.parametrize("protocol", NAMES)
HI = Message.user("Hi")


def body(protocol: ProtocolName, *messages: Message, **fields: Any) -> str:
    """The bytes on the wire, as text."""
    return encode_json(PROTOCOLS[protocol].encode(Request(messages=messages, **fields), stream=False)).decode()


@pytest.mark.guarantees("other-scripts")
@ON_BOTH
def test_other_scripts_are_not_escaped(protocol: ProtocolName) -> None:
    call = ToolCall("a", "f", '{"城市": "\\u5317\\u4eac"}')
    text = body(
        protocol,
        Message.user("你好 🎉 a\u2028b"),
        Message.assistant(call),
        Message.user(ToolResult("a", (Text("晴"),))),
        tools=(Tool("f", "天气", {"type": "object", "properties": {"城市": {}}}),),
    )
    assert "你好 🎉 a\u2028b" in text
    assert "晴" in text
    assert "天气" in text
    assert text.count("城市") == 2
    if protocol == "anthropic":  # Chat Completions sends the arguments as the model wrote them
        assert "\\u" not in text


@pytest.mark.guarantees("other-scripts", "lone-surrogates")
@ON_BOTH
@pytest.mark.parametrize(
    ("text", "sent"),
    [("\ud83d\ude00", "😀"), ("a\ud83d", "a\ufffd"), ("\ude00b", "\ufffdb"), ("\ud83d\ud83d\ude00", "\ufffd😀")],
)
def test_halves_of_surrogate_pairs_are_joined_or_replaced(protocol: ProtocolName, text: str, sent: str) -> None:
    call = ToolCall("a", "f", json.dumps({"x": text}, ensure_ascii=False))
    sent_body = json.loads(
        body(
            protocol,
            Message.system(text),
            Message.user(text),
            Message.assistant(text, call),
            Message.user(ToolResult("a", (Text(text),))),
            tools=(Tool("f", text),),
        )
    )
    assert json.dumps(sent_body, ensure_ascii=False).count(sent) >= 5


@pytest.mark.guarantees("other-scripts")
@ON_BOTH
@given(st.text(max_size=50))
def test_any_text_arrives_as_it_is(protocol: ProtocolName, text: str) -> None:
    call = ToolCall("a", "f", json.dumps({"x": text}))
    sent = json.loads(
        body(protocol, Message.user("x" + text), Message.assistant(call), Message.user(ToolResult("a", (Text(text),))))
    )
    question, assistant, *_ = sent["messages"]
    assert question["content"] == "x" + text
    if protocol == "openai":
        assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"x": text}
        assert sent["messages"][2]["content"] == text
    else:
        assert assistant["content"][0]["input"] == {"x": text}
        assert sent["messages"][2]["content"][0]["content"] == text


@pytest.mark.guarantees("extra-body")
@ON_BOTH
@pytest.mark.parametrize("extra", [{"x": {1, 2}}, {"x": float("nan")}, {"x": object()}])
def test_what_has_no_json_form_is_refused(protocol: ProtocolName, extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        body(protocol, HI, extra_body=extra)


@pytest.mark.guarantees("illegal-names")
@ON_BOTH
def test_an_illegal_name_travels_under_an_alias_and_comes_back(protocol: ProtocolName) -> None:
    tool = Tool("files/read.all")
    alias = wire_name(tool.name)
    sent = body(
        protocol,
        HI,
        Message.assistant(ToolCall("a", tool.name, "{}")),
        Message.user(ToolResult("a", ())),
        tools=(tool,),
        **({"tool_choice": NamedTool(tool.name)} if protocol == "openai" else {}),
    )
    assert tool.name not in sent
    assert sent.count(f'"{alias}"') == (3 if protocol == "openai" else 2)
    request = Request(messages=(HI,), tools=(tool,))
    whole: dict[str, Any] = {
        "openai": {"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": alias}}]}}]},
        "anthropic": {"content": [{"type": "tool_use", "id": "a", "name": alias, "input": {}}]},
    }
    assert read(whole[protocol], protocol, request).content == (ToolCall("a", tool.name, ""),)
    chunk: dict[str, Any] = {
        "openai": {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": alias}}]}}]},
        "anthropic": {"type": "content_block_start", "index": 0, "content_block": whole["anthropic"]["content"][0]},
    }
    events = decode([f"data: {json.dumps(chunk[protocol])}\n\n".encode()], protocol, request)
    assert events[-1] == ToolCallStart(0, "a", tool.name)


@pytest.mark.guarantees("foreign-ids")
@ON_BOTH
def test_an_illegal_id_is_the_same_alias_on_call_and_result(protocol: ProtocolName) -> None:
    id = "functions.get_weather:0"
    sent = body(protocol, HI, Message.assistant(ToolCall(id, "f", "{}")), Message.user(ToolResult(id, ())))
    assert id not in sent
    assert sent.count(wire_id(id)) == 2


@pytest.mark.guarantees("unpaired-calls")
@ON_BOTH
def test_unpaired_calls_are_refused_or_repaired(protocol: ProtocolName) -> None:
    history = (HI, Message.assistant(ToolCall("a", "f", "{}")), Message.user("Never mind."))
    with pytest.raises(InvalidRequestError, match="no result: a"):
        body(protocol, *history)
    assert "interrupted" in body(protocol, *history, repair_history=True)


@ON_BOTH
def test_the_request_is_not_changed_by_encoding_it(protocol: ProtocolName) -> None:
    extra = {"metadata": {"a": 1}}
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    request = Request(messages=(HI,), tools=(Tool("f", "", schema),), extra_body=extra)
    encoded = PROTOCOLS[protocol].encode(request, stream=True)
    encoded["more"] = 1
    assert extra == {"metadata": {"a": 1}}
    assert schema == {"type": "object", "properties": {}}
    assert request == Request(messages=(HI,), tools=(Tool("f", "", schema),), extra_body=extra)


@pytest.mark.guarantees("tool-results-never-end-a-run")
@ON_BOTH
@pytest.mark.parametrize("part", [Image.from_base64("AAAA", "image/png"), Video("https://example.com/a.mp4")])
def test_what_a_model_does_not_accept_is_described_in_a_tool_result_and_refused_of_a_person(
    protocol: ProtocolName, part: Image | Video, caplog: pytest.LogCaptureFixture
) -> None:
    model = "step-3.5-flash"
    call = Message.assistant(ToolCall("a", "f", "{}"))
    sent = body(protocol, HI, call, Message.user(ToolResult("a", (Text("Seen:"), part))), model=model)
    described = "[image: image/png, 3 bytes]" if isinstance(part, Image) else "[video: https://example.com/a.mp4]"

    assert json.dumps(f"Seen:\n{described}") in sent
    assert len(caplog.records) == 1
    with pytest.raises(InvalidRequestError):
        body(protocol, Message.user(part), model=model)


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize("part", [Video("https://example.com/a.mp4"), Image("data:image/svg+xml,<svg/>")])
def test_a_tool_result_over_messages_describes_what_messages_does_not_accept(part: Image | Video) -> None:
    result = Message.user(ToolResult("a", (part,)))
    call = Message.assistant(ToolCall("a", "f", "{}"))

    assert f'"[{type(part).__name__.lower()}' in body("anthropic", HI, call, result)
    assert part.url in body("openai", HI, call, result)


@pytest.mark.guarantees("empty-conversation")
@ON_BOTH
@pytest.mark.parametrize(
    "messages", [(), (Message.user(""),), (Message.system(""), Message.user("")), (Message.user(),)]
)
def test_an_empty_conversation_is_refused_with_the_same_sentence(
    protocol: ProtocolName, messages: tuple[Message, ...]
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        body(protocol, *messages)
    assert str(caught.value) == "The conversation is empty: add a user message with content."


@ON_BOTH
def test_system_messages_alone_are_a_conversation(protocol: ProtocolName) -> None:
    sent = json.loads(body(protocol, Message.system("Be brief."), Message.system("Say hi."), Message.system("")))
    if protocol == "openai":
        assert [message["role"] for message in sent["messages"]] == ["system"] * 3
    else:
        assert sent["system"] == "Be brief."
        assert sent["messages"] == [{"role": "user", "content": "Say hi."}]


@ON_BOTH
@pytest.mark.parametrize("arguments", ['{"a": "x\ny"}', '{"a": "x\ud83d"}', '{"a": "\\ud83d"}', '{"a": 1e999}'])
def test_arguments_that_only_a_lenient_parser_reads_go_out_as_strict_json(
    protocol: ProtocolName, arguments: str
) -> None:
    history = (HI, Message.assistant(ToolCall("a", "f", arguments)), Message.user(ToolResult("a", (Text("ok"),))))
    turn = json.loads(body(protocol, *history))["messages"][1]
    if protocol == "openai":
        sent = json.loads(turn["tool_calls"][0]["function"]["arguments"], parse_constant=pytest.fail)
    else:
        sent = turn["content"][0]["input"]
    assert isinstance(sent, dict)
    assert sent in ({"a": "x\ny"}, {"a": "x\ufffd"}, {"a": "\ufffd"}, {"invalid_arguments": '{"a": 1e999}'})


@pytest.mark.guarantees("refused-content")
@ON_BOTH
@pytest.mark.parametrize("block", [Image("file:///a.png"), Image("a.png"), Image(""), Video("gs://bucket/a.mp4")])
def test_an_address_that_no_server_loads_is_refused_in_a_question_and_described_in_a_result(
    protocol: ProtocolName, block: Image | Video
) -> None:
    with pytest.raises(InvalidRequestError, match=r"must begin with https://|videos: use protocol='openai'"):
        body(protocol, Message.user(block))
    call = ToolCall("a", "look", "{}")
    sent = body(protocol, HI, Message.assistant(call), Message.user(ToolResult("a", (Text("Seen:"), block))))
    assert "image_url" not in sent
    assert f"[{type(block).__name__.lower()}" in sent


@ON_BOTH
def test_any_tool_is_the_long_form_of_required(protocol: ProtocolName) -> None:
    tool = Tool("look")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        short = body(protocol, HI, tools=(tool,), tool_choice="required")
        assert body(protocol, HI, tools=(tool,), tool_choice=AnyTool(asked_by="a plan")) == short
    said = [str(warning.message) for warning in warned]
    assert len(said) == (2 if protocol == "anthropic" else 0)
    assert all("the tool call that stands in for a plan" in text for text in said[1:])
    for wrong in (AnyTool(), "required"):
        with pytest.raises(InvalidRequestError, match="needs tools to choose from"):
            body(protocol, HI, tool_choice=wrong)
