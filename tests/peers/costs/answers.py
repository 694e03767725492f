"""The answers that the server sends: composed, of a size that can be chosen, one for each way to spend time."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Wire = Literal["openai", "anthropic"]
Kind = Literal["text", "reasoning", "tool", "stamp"]

WHOLE_TEXT = "The answer to the question is given here, in one sentence of some length."
PIECE = " word"
STAMP = "@" * 20
"""What the server replaces by the time at which it sends it, in nanoseconds (`time.monotonic_ns`)."""
ARGUMENT_PIECE = "0123456789"


def whole(wire: Wire) -> bytes:
    """A small answer in one piece."""
    if wire == "openai":
        message = {"role": "assistant", "content": WHOLE_TEXT}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = _chat("chat.completion", choices=[choice], usage=_CHAT_USAGE)
    else:
        body = {**_MESSAGE, "content": [{"type": "text", "text": WHOLE_TEXT}], "stop_reason": "end_turn"}
    return json.dumps(body).encode()


def stream(wire: Wire, kind: Kind, count: int) -> list[bytes]:
    """The events of a streamed answer, `count` of them with a piece of the kind."""
    return list(_chat_stream(kind, count) if wire == "openai" else _messages_stream(kind, count))


# ---------------------------------------------------------------------------------------------------- Chat Completions

_CHAT_USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}


def _chat(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "object": kind, "created": 1, "model": "step-3.7-flash", **fields}


def _chat_stream(kind: Kind, count: int) -> Iterable[bytes]:
    yield _chunk({"role": "assistant", "content": ""})
    match kind:
        case "text":
            deltas: list[dict[str, Any]] = [{"content": PIECE}] * count
        case "stamp":
            deltas = [{"content": STAMP}]
        case "reasoning":
            # Both names, as peers read one or the other.
            deltas = [{"reasoning": PIECE, "reasoning_content": PIECE}] * count
        case _:
            start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": ""}}
            pieces = [{"index": 0, "function": {"arguments": piece}} for piece in _arguments(count)]
            deltas = [{"tool_calls": [piece]} for piece in (start, *pieces)]
    yield from map(_chunk, deltas)
    yield _chunk({}, "tool_calls" if kind == "tool" else "stop")
    yield _data(_chat("chat.completion.chunk", choices=[], usage=_CHAT_USAGE))
    yield b"data: [DONE]\n\n"


def _chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    return _data(_chat("chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": finish}]))


# ------------------------------------------------------------------------------------------------------------ Messages

_MESSAGE: dict[str, Any] = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "step-3.7-flash",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 20},
}


def _messages_stream(kind: Kind, count: int) -> Iterable[bytes]:
    match kind:
        case "text":
            block: dict[str, Any] = {"type": "text", "text": ""}
            deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": PIECE}] * count
        case "stamp":
            block = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": STAMP}]
        case "reasoning":
            block = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": PIECE}] * count
            deltas.append({"type": "signature_delta", "signature": "00ff"})
        case _:
            block = {"type": "tool_use", "id": "call_1", "name": "write", "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _arguments(count)]
    yield _event("message_start", message=_MESSAGE)
    yield _event("content_block_start", index=0, content_block=block)
    for delta in deltas:
        yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    stop = {"stop_reason": "tool_use" if kind == "tool" else "end_turn", "stop_sequence": None}
    yield _event("message_delta", delta=stop, usage={"output_tokens": 20})
    yield _event("message_stop")


def _event(type: str, **fields: Any) -> bytes:
    return f"event: {type}\n".encode() + _data({"type": type, **fields})


def _data(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _arguments(count: int) -> Iterable[str]:
    yield '{"text": "'
    yield from [ARGUMENT_PIECE] * count
    yield '"}'
