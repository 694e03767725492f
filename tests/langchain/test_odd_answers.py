"""Answers in the shapes of other servers: marks of calls, empty fields, errors amid a stream, tags in the text."""

import json
from typing import Any

import pytest
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_stepplan import StepPlanError
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._v3_events import V3Events
from stepplan import ProtocolName
from tests.core.test_calls import SHAPES, events
from tests.support.servers import CannedServer
from tests.support.ways.langchain import WAYS, Way, model_of, total

STREAMED = {"stream", "astream"}


def sse(*frames: dict[str, Any]) -> bytes:
    """A stream of either protocol: what has a type is named by it."""
    names = [f"event: {frame['type']}\n" if "type" in frame else "" for frame in frames]
    pairs = zip(names, frames, strict=True)
    return "".join(f"{name}data: {json.dumps(frame, ensure_ascii=False)}\n\n" for name, frame in pairs).encode()


# ---------------------------------------------------------------------------------------------------- marks of calls


@pytest.mark.guarantees("calls-stay-apart")
@pytest.mark.parametrize("shape", SHAPES)
def test_calls_stay_apart_however_a_server_marks_their_pieces(shape: str) -> None:
    """Servers leave out or repeat indexes, ids and names; chunks and v3 events add up to the calls that were meant."""
    pieces, expected = SHAPES[shape]
    wanted = [(name, json.loads(arguments or "{}")) for name, arguments in expected]
    found = events(*pieces)
    for v1 in (False, True):
        chunks = Chunks(v1=v1)
        assert named(total([chunks.add(event) for event in found])) == wanted
    v3, stream = V3Events("openai"), ChatModelStream()
    v3_events = [v3_event for event in found for v3_event in v3.add(event)]
    assert_valid_event_stream(v3_events)
    for v3_event in v3_events:
        stream.dispatch(v3_event)
    assert stream.output_message is not None
    assert named(stream.output_message) == wanted


def named(message: AIMessage) -> list[tuple[str, dict[str, Any]]]:
    assert len({call["id"] for call in message.tool_calls}) == len(message.tool_calls)
    return [(call["name"], call["args"]) for call in message.tool_calls]


# ------------------------------------------------------------------------------------------------- fields left empty


def empty(protocol: ProtocolName, streamed: bool, nothing: dict[str, Any]) -> dict[str, Any] | bytes:
    """An answer with a call, and with nothing where words, arguments and token counts belong."""
    if protocol == "openai":
        call = {"index": 0, "id": "a", "type": "function", "function": {"name": "now", **nothing.get("arguments", {})}}
        message = {"role": "assistant", "tool_calls": [call], **nothing.get("content", {})}
        choice = {"index": 0, "finish_reason": "tool_calls", "delta" if streamed else "message": message}
        body = {"choices": [choice], **nothing.get("usage", {})}
        return sse(body) + b"data: [DONE]\n\n" if streamed else body
    block = {"type": "tool_use", "id": "a", "name": "now", **nothing.get("input", {})}
    text = {"type": "text", **nothing.get("text", {})}
    if not streamed:
        return {"content": [text, block], "stop_reason": "tool_use", **nothing.get("usage", {})}
    return sse(
        {"type": "message_start", "message": {**nothing.get("usage", {})}},
        {"type": "content_block_start", "index": 0, "content_block": text},
        {"type": "content_block_start", "index": 1, "content_block": block},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, **nothing.get("usage", {})},
        {"type": "message_stop"},
    )


ABSENT: dict[str, Any] = {}
NULL = {name: {name: None} for name in ("arguments", "content", "usage", "input", "text")}
BLANK: dict[str, Any] = {
    "arguments": {"arguments": ""},
    "content": {"content": ""},
    "usage": {"usage": {}},
    "input": {"input": {}},
    "text": {"text": ""},
}
NULL_DETAILS: dict[str, Any] = {
    "usage": {"usage": {"prompt_tokens_details": None, "completion_tokens_details": None, "input_tokens": None}}
}


@pytest.mark.guarantees("usage-missing", "null-content")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nothing", [ABSENT, NULL, BLANK, NULL_DETAILS], ids=["absent", "null", "blank", "details"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_nothing_where_words_arguments_or_counts_belong_is_nothing(
    way: Way, nothing: dict[str, Any], protocol: ProtocolName
) -> None:
    server = CannedServer([empty(protocol, way.__name__ in STREAMED, nothing)])
    message = await way(model_of(server, protocol), "go")
    assert message.content == ""
    assert message.tool_calls == [{"type": "tool_call", "id": "a", "name": "now", "args": {}}]
    if message.usage_metadata is not None:
        assert message.usage_metadata["total_tokens"] == 0


# ----------------------------------------------------------------------------------------------------- and back again

THINKING: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "First.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "EmwK"},
    {"type": "thinking", "thinking": "", "signature": "ZW1wdHk="},
    {"type": "text", "text": "I look. 我看看。"},
    {"type": "thinking", "thinking": "And then."},
    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "北京"}},
]


def streamed(blocks: list[dict[str, Any]]) -> bytes:
    """The blocks as a stream that says everything of each at its start, but the signature."""
    frames: list[dict[str, Any]] = [{"type": "message_start", "message": {"model": "step-3.7-flash"}}]
    for index, block in enumerate(blocks):
        start = {name: value for name, value in block.items() if name != "signature"}
        frames.append({"type": "content_block_start", "index": index, "content_block": start})
        if "signature" in block:
            delta = {"type": "signature_delta", "signature": block["signature"]}
            frames.append({"type": "content_block_delta", "index": index, "delta": delta})
        frames.append({"type": "content_block_stop", "index": index})
    return sse(*frames, {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"})


@pytest.mark.guarantees("block-for-block", "signatures")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_what_messages_sent_goes_back_to_it_block_for_block(way: Way, version: str) -> None:
    """Order, signatures, redacted thinking, blocks that are signed but empty: what came is what goes out."""
    whole = {"content": THINKING, "stop_reason": "tool_use"}
    server = CannedServer([streamed(THINKING) if way.__name__ in STREAMED else whole, {**whole, "content": []}])
    model = model_of(server, "anthropic", output_version=version)
    said = await way(model, "go")
    model.invoke([HumanMessage("go"), said, ToolMessage("晴", tool_call_id="call_1")])
    sent = server.requests[-1].content.decode()
    assert json.loads(sent)["messages"][1] == {"role": "assistant", "content": THINKING}
    assert "\\u" not in sent


# ------------------------------------------------------------------------------------------------ errors in the stream

ERROR: dict[str, Any] = {"type": "overloaded_error", "message": "The engine is overloaded."}


def frames_with_an_error(protocol: ProtocolName, place: int, shape: str) -> bytes:
    """A stream whose frame at this place is an error."""
    frames: list[dict[str, Any]] = [{"choices": [{"delta": {"content": word}}]} for word in "abc"]
    if protocol == "anthropic":
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
        frames = [{"type": "message_start", "message": {}}, delta, delta]
    shapes: dict[str, dict[str, Any]] = {
        "bare": {"error": ERROR},
        "text": {"error": ERROR["message"]},
        "choices": {"error": ERROR, "choices": None},
        "event": {"type": "error", "error": ERROR},
    }
    frames[place:place] = [shapes[shape]]
    return sse(*frames)


@pytest.mark.guarantees("error-in-stream")
@pytest.mark.parametrize("way", [way for way in WAYS if way.__name__ in STREAMED])
@pytest.mark.parametrize("shape", ["bare", "text", "choices", "event"])
@pytest.mark.parametrize("place", [0, 1, 3], ids=["first", "middle", "last"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_an_error_anywhere_in_a_stream_is_raised_with_its_message(
    way: Way, shape: str, place: int, protocol: ProtocolName
) -> None:
    server = CannedServer([frames_with_an_error(protocol, place, shape)])
    with pytest.raises(StepPlanError, match="The engine is overloaded"):
        await way(model_of(server, protocol), "go")


# --------------------------------------------------------------------------------------------------- tags in the words


def words(protocol: ProtocolName, streamed: bool, text: str) -> dict[str, Any] | bytes:
    if protocol == "openai":
        if not streamed:
            return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        pieces = [{"choices": [{"delta": {"content": piece}}]} for piece in text]
        return sse(*pieces, {"choices": [{"finish_reason": "stop"}]}) + b"data: [DONE]\n\n"
    if not streamed:
        return {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    deltas = [{"type": "text_delta", "text": piece} for piece in text]
    return sse(
        {"type": "message_start", "message": {}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    )


@pytest.mark.guarantees("think-tags")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_think_tags_are_words_unless_they_are_asked_to_be_reasoning(way: Way, protocol: ProtocolName) -> None:
    text = "<think>Hm.</think>\n\nYes."
    server = CannedServer([words(protocol, way.__name__ in STREAMED, text) for _ in range(2)])
    message = await way(model_of(server, protocol), "go")
    assert (message.content, message.additional_kwargs) == (text, {})
    message = await way(model_of(server, protocol, think_tags=True), "go")
    assert (message.content, message.additional_kwargs) == ("Yes.", {"reasoning_content": "Hm."})
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]
