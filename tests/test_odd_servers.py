"""Answers in shapes that no page documents: what they hold is kept, and what went wrong is said."""

import json
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage

from stepplan import (
    APIStatusError,
    Client,
    IncompleteStreamError,
    Message,
    ProtocolName,
    RateLimitError,
    Request,
    Settings,
)
from tests.support.both import Asking, every_way, streamed_every_way, ways
from tests.support.composed import Answer

START: dict[str, Any] = {"type": "message_start", "message": {"id": "1"}}


def started(block: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def added(kind: str, index: int = 0, **fields: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def ended(reason: str) -> list[dict[str, Any]]:
    return [{"type": "message_delta", "delta": {"stop_reason": reason}}, {"type": "message_stop"}]


def stream_of(frames: list[Any]) -> bytes:
    return "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames).encode()


def whole(protocol: ProtocolName, blocks: list[dict[str, Any]], reason: str) -> str:
    """An answer with one text or one call."""
    if protocol == "anthropic":
        return json.dumps({"id": "1", "content": blocks, "stop_reason": reason})
    [call] = blocks
    function = {"name": call["name"], "arguments": json.dumps(call["input"])}
    message = {"content": None, "tool_calls": [{"id": call["id"], "type": "function", "function": function}]}
    return json.dumps({"id": "1", "choices": [{"message": message, "finish_reason": "tool_calls"}]})


# ----------------------------------------------------------------------------------- Messages: one index for all blocks


@ways("streamed", protocols=("anthropic",))
@pytest.mark.parametrize("with_starts", [True, False])
def test_blocks_of_different_kinds_with_one_index_are_told_apart(asking: Asking, with_starts: bool) -> None:
    frames = [
        START,
        *([started({"type": "thinking", "thinking": ""})] if with_starts else []),
        added("thinking_delta", thinking="Hm."),
        added("signature_delta", signature="s"),
        *([started({"type": "text", "text": ""})] if with_starts else []),
        added("text_delta", text="Looking."),
        started({"type": "tool_use", "id": "a", "name": "look", "input": {}}),
        added("input_json_delta", partial_json='{"x": 1}'),
        started({"type": "tool_use", "id": "b", "name": "look", "input": {"x": 2}}),
        started({"type": "tool_use", "id": "c", "name": "look", "input": {}}),
        added("input_json_delta", partial_json='{"x": 3}'),
        *ended("tool_use"),
    ]
    got = asking.got(stream_of(frames), "text/event-stream")
    assert (got.reasoning, got.text, got.calls) == ("Hm.", "Looking.", [{"x": 1}, {"x": 2}, {"x": 3}])


# ------------------------------------------------------------------------------------------- calls that must not be run


@every_way
@pytest.mark.parametrize("name", ["", " ", None])
def test_a_call_without_a_name_is_not_run_and_does_not_end_the_conversation(asking: Asking, name: str | None) -> None:
    call = {"type": "tool_use", "id": "a", "name": name, "input": {"x": 1}}
    if asking.mode == "whole":
        got = asking.got(whole(asking.protocol, [call], "tool_use").encode(), "application/json")
    elif asking.protocol == "anthropic":
        got = asking.got(stream_of([START, started(call), *ended("tool_use")]), "text/event-stream")
    else:
        delta = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": name, "arguments": '{"x": 1}'}}]}
        frames = [{"choices": [{"delta": delta}]}, {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}]
        got = asking.got(stream_of(frames), "text/event-stream")
    assert (got.calls, got.invalid) == ([], ["a"])
    history: Any = [("user", "Hi"), got.message, ("user", "Go on")]
    if asking.framework == "llama_index":
        history = [ChatMessage("Hi"), got.message, ChatMessage("Go on")]
    sent = json.dumps(asking.sent(history)["messages"])
    assert "Go on" in sent
    assert "tool_use" not in sent
    assert "tool_calls" not in sent


@ways("whole", protocols=("anthropic",))
@pytest.mark.parametrize("input", [{"amount": 1}, {"to": "a", "amount": 1}, {"to": ["a", {"b": {}}]}])
@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "refusal"])
def test_an_object_that_the_server_closed_where_the_answer_broke_off_is_not_run(
    asking: Asking, input: dict[str, Any], reason: str
) -> None:
    call = {"type": "tool_use", "id": "a", "name": "pay", "input": input}
    cut = asking.got(whole("anthropic", [call], reason).encode(), "application/json")
    assert (cut.calls, cut.invalid) == ([], ["a"])
    assert cut.finish_reason == ("content_filter" if reason == "refusal" else "length")
    before = asking.got(whole("anthropic", [call, {**call, "id": "b"}], reason).encode(), "application/json")
    assert (before.calls, before.invalid) == ([input], ["b"])
    unharmed = asking.got(whole("anthropic", [call], "tool_use").encode(), "application/json")
    assert (unharmed.calls, unharmed.invalid) == ([input], [])


# ---------------------------------------------------------------------------------------------------- OpenAI's refusals


@ways("whole", "streamed", protocols=("openai",))
def test_a_refusal_in_a_field_of_its_own_is_the_answers_text(asking: Asking) -> None:
    message = {"content": None, "refusal": "I cannot help with that."}
    body = json.dumps({"id": "1", "choices": [{"message": message, "finish_reason": "stop"}]})
    if asking.mode == "whole":
        got = asking.got(body.encode(), "application/json")
    else:
        deltas = [{"role": "assistant", "content": None, "refusal": None}, {"refusal": "I cannot "}]
        frames = [{"id": "1", "choices": [{"delta": delta}]} for delta in [*deltas, {"refusal": "help with that."}]]
        frames.append({"id": "1", "choices": [{"delta": {}, "finish_reason": "stop"}]})
        got = asking.got(stream_of(frames), "text/event-stream")
    assert got.text == "I cannot help with that."
    assert got.finish_reason == "content_filter"


# ----------------------------------------------------------------------------------------------- errors of other shapes


@every_way
@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"success": False, "errorMessage": "worker died"}, 500, "worker died"),
        ({"Message": "no capacity"}, 500, "no capacity"),
        ({"type": "about:blank", "title": "Too Many", "status": 429}, 429, "Too Many"),
        ({"code": "429", "data": None, "error_message": "slow"}, 429, "slow"),
        ({"status_code": 503, "reason": "draining"}, 503, "draining"),
    ],
)
def test_an_error_of_another_shape_is_one(asking: Asking, body: dict[str, Any], status: int, said: str) -> None:
    if asking.mode == "whole":
        got = asking.got(json.dumps(body).encode(), "application/json")
    else:
        got = asking.got(stream_of([body]), "text/event-stream")
    assert isinstance(got.error, APIStatusError)
    assert (got.error.status_code, got.error.body, got.requests) == (status, body, 1)
    assert isinstance(got.error, RateLimitError) == (status == 429)
    assert said in str(got.error)


@streamed_every_way
@pytest.mark.parametrize("frame", [{"base_resp": {"status_msg": "auth failed"}}, {"status": "error", "why": "x"}])
def test_a_stream_that_ends_early_shows_what_came_last(asking: Asking, frame: dict[str, Any]) -> None:
    got = asking.got(stream_of([frame]) + b"data: [DONE]\n\n", "text/event-stream")
    assert isinstance(got.error, IncompleteStreamError)
    assert got.error.body == json.dumps(frame)
    assert got.error.body in str(got.error)


@streamed_every_way
def test_what_added_to_the_answer_is_no_reason(asking: Asking) -> None:
    frame: dict[str, Any] = {"choices": [{"delta": {"content": "Half"}}]}
    if asking.protocol == "anthropic":
        frame = added("text_delta", text="Half")
    got = asking.got(stream_of([{"type": "ping", "n": 1}, frame]), "text/event-stream")
    assert isinstance(got.error, IncompleteStreamError)
    assert got.error.body is None


# --------------------------------------------------------------------------------------------------------- odd replies


@ways("whole")
def test_a_byte_order_mark_is_passed_over(asking: Asking) -> None:
    body = Answer(text=("ok",)).whole(asking.protocol)
    assert asking.got(b"\xef\xbb\xbf" + body.encode(), "application/json").text == "ok"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("body", ["", "<html>Moved</html>"])
def test_a_redirect_names_where_it_leads(status: int, body: str) -> None:
    headers = {"location": "https://example.org/v1/chat/completions"}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=body, headers=headers))
    client = Client(Settings(api_key="k"), http_client=httpx.Client(transport=transport))
    with pytest.raises(APIStatusError, match=r"redirects to https://example\.org/v1.*set base_url"):
        client.send(Request(messages=(Message.user("Hi"),)))


@ways("streamed", protocols=("anthropic",))
@pytest.mark.parametrize(("kind", "field"), [("text", "text"), ("thinking", "thinking")])
def test_text_of_two_blocks_that_alternate_is_read_in_the_order_in_which_it_arrives(
    asking: Asking, kind: str, field: str
) -> None:
    pieces = [(0, "One"), (1, "Two"), (0, ", three"), (1, ", four")]
    deltas = [added(f"{kind}_delta", index, **{field: piece}) for index, piece in pieces]
    got = asking.got(stream_of([START, *deltas, *ended("end_turn")]), "text/event-stream")
    assert (got.text or got.reasoning) == "OneTwo, three, four"
