"""The shapes of Messages."""

import pytest

from stepplan.sandbox import Dialect, Sandbox, ToolCall, Turn, Usage
from tests.support.wire import JSON, MESSAGES, ask, data, fold_messages, messages

LIVE = Dialect()
CALLS = Turn(
    reasoning="Need the weather tool.",
    text="Checking both.",
    tool_calls=[ToolCall("get_weather", {"city": "Paris"}), ToolCall("get_weather", {"city": "Rome"}, id="mine")],
)


async def stream(turn: Turn, dialect: Dialect = LIVE) -> str:
    response = await ask(Sandbox([turn], dialect=dialect), MESSAGES, messages(stream=True))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-trace-id"]
    return response.text


async def whole(turn: Turn, dialect: Dialect = LIVE) -> JSON:
    answer: JSON = (await ask(Sandbox([turn], dialect=dialect), MESSAGES, messages())).json()
    return answer


async def test_a_text_stream_is_the_one_seen_live() -> None:
    text = await stream(Turn(text="Hello there.", usage=Usage(12, 3, cached_tokens=2)))
    events = data(text)
    identity = events[0]["message"]["id"]
    prefix, digits, suffix = identity.split("-")
    assert (prefix, len(digits), len(suffix)) == ("chatcmpl", 32, 8)
    assert events == [
        {
            "type": "message_start",
            "message": {
                "id": identity,
                "type": "message",
                "role": "assistant",
                "model": "step-3.7-flash",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 12, "output_tokens": 0},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello there"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "."}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {
                "input_tokens": 12,
                "output_tokens": 3,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 2,
            },
        },
        {"type": "message_stop"},
    ]
    assert text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


async def test_every_event_is_named() -> None:
    text = await stream(CALLS)
    names = [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event: ")]
    assert names == [event["type"] for event in data(text)]


async def test_the_same_in_the_documented_profile() -> None:
    dialect = Dialect(messages_profile="docs")
    events = data(await stream(Turn(text="Hello there.", usage=Usage(12, 3)), dialect))
    identity = events[0]["message"]["id"]
    assert identity.startswith("msg_")
    assert events == [
        {
            "type": "message_start",
            "message": {"id": identity, "type": "message", "role": "assistant", "model": "step-3.7-flash"},
        },
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello there"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "."}},
        {"type": "message_delta", "stop_reason": "end_turn", "usage": {"input_tokens": 12, "output_tokens": 3}},
        {"type": "message_stop"},
    ]
    answer = await whole(Turn(text="Hello there.", usage=Usage(12, 3)), dialect)
    assert answer["usage"] == {"input_tokens": 12, "output_tokens": 3}


async def test_blocks_are_sequential_and_the_signature_comes_last() -> None:
    events = data(await stream(CALLS))
    indices = [event["index"] for event in events if "index" in event]
    assert indices == sorted(indices)
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [block["type"] for block in starts] == ["thinking", "text", "tool_use", "tool_use"]
    assert starts[0] == {"type": "thinking", "thinking": ""}
    assert starts[2].keys() == {"type", "id", "name", "input"}
    thoughts = [event.get("delta", {}).get("type") for event in events if event.get("index") == 0]
    assert thoughts[-2:] == ["signature_delta", None]
    assert len(thoughts) > 4
    arguments = [event["delta"]["partial_json"] for event in events if event.get("index") == 2 and "delta" in event]
    assert len(arguments) > 1
    assert "".join(arguments) == '{"city": "Paris"}'


@pytest.mark.parametrize("profile", ["live", "docs"])
async def test_a_whole_answer_says_what_the_stream_says(profile: str) -> None:
    dialect = Dialect(messages_profile=profile)  # type: ignore[arg-type]
    folded = fold_messages(await stream(CALLS, dialect))
    answer = await whole(CALLS, dialect)
    assert answer["content"] == folded["content"]
    assert answer["stop_reason"] == folded["stop_reason"] == "tool_use"
    assert answer["usage"] == folded["usage"]
    assert [block.get("id") for block in answer["content"]][-1] == "mine"


async def test_calls_and_their_arguments_count_as_input() -> None:
    async def counted(arguments: JSON) -> int:
        call = {"type": "tool_use", "id": "a", "name": "look", "input": arguments}
        result = {"type": "tool_result", "tool_use_id": "a", "content": "ok"}
        history = [("user", "Look."), ("assistant", [call]), ("user", [result])]
        body = messages(messages=[{"role": role, "content": content} for role, content in history])
        return int((await ask(Sandbox(), MESSAGES, body)).json()["usage"]["input_tokens"])

    assert await counted({"at": "one two three four"}) > await counted({"at": "one"}) > 0


async def test_signatures() -> None:
    turn = Turn(reasoning="Hm.")
    [block] = (await whole(turn))["content"]
    assert len(block["signature"]) == 32
    absent, null = Dialect(messages_signature="absent"), Dialect(messages_signature=None)
    assert (await whole(turn, absent))["content"] == [{"type": "thinking", "thinking": "Hm."}]
    assert (await whole(turn, null))["content"] == [{"type": "thinking", "thinking": "Hm.", "signature": None}]
    assert fold_messages(await stream(turn, absent))["content"] == [{"type": "thinking", "thinking": "Hm."}]
    assert "signature" not in await stream(turn, absent)
    assert fold_messages(await stream(turn, null))["content"][0]["signature"] is None


async def test_done_after_the_end() -> None:
    assert (await stream(Turn(text="4"), Dialect(messages_trailing_done=True))).endswith("\n\ndata: [DONE]\n\n")


async def test_no_model_field() -> None:
    dialect = Dialect(messages_model_field=False)
    assert "model" not in await whole(Turn(text="4"), dialect)
    assert "model" not in data(await stream(Turn(text="4"), dialect))[0]["message"]


async def test_ping_is_an_event() -> None:
    assert data(await stream(Turn(text="4"), Dialect(ping=True)))[1] == {"type": "ping"}


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("stop", "end_turn"),
        ("tool_calls", "tool_use"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("pause_turn", "pause_turn"),
    ],
)
async def test_stop_reasons(reason: str, sent: str) -> None:
    assert (await whole(Turn(text="4", finish_reason=reason)))["stop_reason"] == sent


async def test_arguments_that_are_no_json_go_out_as_they_are() -> None:
    broken = Turn(tool_calls=[ToolCall("f", '{"a": '), ToolCall("g", "")])
    assert [block["input"] for block in (await whole(broken))["content"]] == ['{"a": ', {}]
    deltas = [event for event in data(await stream(broken)) if event["type"] == "content_block_delta"]
    assert "".join(event["delta"]["partial_json"] for event in deltas) == '{"a": '


@pytest.mark.parametrize(
    "arguments", ['{"a": ' + "9" * 5000 + "}", '{"a": ' + "[" * 3000 + "]" * 3000 + "}", "[" * 250 + "]" * 250, "{"]
)
async def test_arguments_that_cannot_be_read_are_sent_as_text(arguments: str) -> None:
    answer = await whole(Turn(tool_calls=[ToolCall("look", arguments)]))
    assert answer["content"][-1]["input"] == arguments


async def test_half_a_surrogate_pair_does_not_end_the_answer() -> None:
    answer = await whole(Turn(tool_calls=[ToolCall("look", r'{"a": "\ud800"}')]))
    assert answer["content"][-1]["input"] == {"a": "\ufffd"}
