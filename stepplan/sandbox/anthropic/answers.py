"""Writes the answers of Messages, whole and streamed."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from stepplan.jsontext import read_value
from stepplan.sandbox import tokens
from stepplan.sandbox.jsontools import JSON, dump
from stepplan.sandbox.protocol import Answer

_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


def whole(answer: Answer) -> JSON:
    """The body of an answer that is not streamed."""
    turn = answer.turn
    content: list[JSON] = []
    if turn.reasoning:
        content.append({"type": "thinking", "thinking": turn.reasoning, **_signature(answer)})
    if turn.text:
        content.append({"type": "text", "text": turn.text})
    for at, call in enumerate(turn.tool_calls):
        tool_input = _input(call.arguments_text)
        content.append({"type": "tool_use", "id": answer.call_id(at, call), "name": call.name, "input": tool_input})
    return {
        **_head(answer),
        "stop_reason": _stop_reason(answer),
        "usage": _usage(answer),
        "content": content,
    }


def frames(answer: Answer) -> Iterator[bytes]:
    """The events of a streamed answer, one at a time."""
    is_live = answer.dialect.messages_profile == "live"
    message = _head(answer)
    if is_live:
        message |= {"content": [], "stop_reason": None, "stop_sequence": None}
        message["usage"] = {"input_tokens": answer.usage.input_tokens, "output_tokens": 0}
    yield _frame({"type": "message_start", "message": message})
    if answer.dialect.ping or not is_live:
        yield PING
    for index, (start, deltas) in enumerate(_content(answer)):
        yield _frame({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield _frame({"type": "content_block_delta", "index": index, "delta": delta})
        if is_live:
            yield _frame({"type": "content_block_stop", "index": index})
    stop_reason = {"stop_reason": _stop_reason(answer)}
    ending = {"delta": stop_reason} if is_live else stop_reason
    yield _frame({"type": "message_delta", **ending, "usage": _usage(answer)})
    yield _frame({"type": "message_stop"})
    if answer.dialect.messages_trailing_done:
        yield b"data: [DONE]\n\n"


def error_frame(error: Mapping[str, Any], shape: Literal["typed", "bare"]) -> bytes:
    """An error in the middle of a stream, with or without Anthropic's `type` beside it."""
    outer = {"type": "error"} if shape == "typed" else {}
    return f"event: error\ndata: {dump({**outer, 'error': dict(error)})}\n\n".encode()


def _content(answer: Answer) -> Iterator[tuple[JSON, list[JSON]]]:
    """Each block's start, and its deltas."""
    turn = answer.turn
    if turn.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in tokens.pieces(turn.reasoning)]
        signature = _signature(answer)
        if signature.get("signature") is not None:
            # As captured from the service: the block starts without its signature, which comes last.
            yield {"type": "thinking", "thinking": ""}, [*deltas, {"type": "signature_delta", **signature}]
        else:
            yield {"type": "thinking", "thinking": "", **signature}, list[JSON](deltas)
    if turn.text:
        yield (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": piece} for piece in tokens.pieces(turn.text)],
        )
    for at, call in enumerate(turn.tool_calls):
        pieces = tokens.pieces(call.arguments_text)
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield {"type": "tool_use", "id": answer.call_id(at, call), "name": call.name, "input": {}}, list[JSON](deltas)


def _usage(answer: Answer) -> JSON:
    counts = {"input_tokens": answer.usage.input_tokens, "output_tokens": answer.usage.output_tokens}
    if answer.dialect.messages_profile == "docs":
        return counts
    return {**counts, "cache_creation_input_tokens": 0, "cache_read_input_tokens": answer.usage.cached_tokens}


def _head(answer: Answer) -> JSON:
    is_live = answer.dialect.messages_profile == "live"
    name = f"chatcmpl-{answer.hex('id', 32)}-{answer.hex('span', 8)}" if is_live else f"msg_{answer.hex('id', 24)}"
    model = {"model": answer.model} if answer.dialect.messages_model_field else {}
    return {"id": name, "type": "message", "role": "assistant", **model}


def _signature(answer: Answer) -> JSON:
    wanted = answer.dialect.messages_signature
    if wanted == "absent":
        return {}
    return {"signature": wanted and answer.hex("signature", 32)}


def _stop_reason(answer: Answer) -> str:
    return _STOP_REASONS.get(answer.turn.ending, answer.turn.ending)


def _input(arguments: str) -> object:
    """A call's arguments as an object. Invalid JSON is sent as a string, so that it is not taken for no arguments."""
    try:
        return read_value(arguments or "{}")
    except ValueError:
        return arguments


def _frame(data: JSON) -> bytes:
    return f"event: {data['type']}\ndata: {dump(data)}\n\n".encode()


PING = _frame({"type": "ping"})
