"""Writes the answers of Chat Completions, whole and streamed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from stepplan.sandbox import tokens
from stepplan.sandbox.jsontools import JSON, dump
from stepplan.sandbox.protocol import Answer
from stepplan.sandbox.script import ToolCall, Usage

PING = b": ping\n\n"
# What every delta of a profile has; its own content replaces it.
_DELTA: Mapping[str, JSON] = {
    "live": {"role": "assistant", "content": ""},
    "old": {"role": "", "content": ""},
    "openai": {},
}


def whole(answer: Answer) -> JSON:
    """The body of an answer that is not streamed."""
    turn = answer.turn
    message: JSON = {"role": "assistant", "content": turn.text, **_reasoning(answer, turn.reasoning)}
    calls = [_call(answer, at, call, call.arguments_text) for at, call in enumerate(turn.tool_calls)]
    if calls := _server_calls(answer) + calls:
        message["tool_calls"] = calls
    return {
        "id": _id(answer),
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(answer)}],
        "usage": _usage(answer.usage),
        **_agent(answer),
    }


def frames(answer: Answer) -> Iterator[bytes]:
    """The events of a streamed answer, one at a time."""
    shown = answer.dialect.chat_usage
    counts_always = shown == "every_chunk"
    yield _first_chunk(answer, counts=counts_always)
    if answer.dialect.ping:
        yield PING
    deltas = list(_deltas(answer))
    if answer.dialect.chat_profile != "live" or not deltas:
        deltas.append(({}, 0))  # a last chunk without content
    *others, (last, _) = deltas
    spent = 0
    for delta, cost in others:
        spent = min(spent + cost, answer.usage.output_tokens)
        yield _chunk(answer, delta, _counts(answer.usage.input_tokens, spent) if counts_always else None)
    usage = _usage(answer.usage) if shown in ("every_chunk", "last") else None
    yield _chunk(answer, last, usage, finish=_finish(answer))
    if shown == "trailing_empty_choices":
        yield _frame({**_head(answer), "choices": [], "usage": _usage(answer.usage), **_agent(answer)})
    yield b"data: [DONE]\n\n"


def error_frame(error: Mapping[str, Any], shape: Literal["typed", "bare"]) -> bytes:  # noqa: ARG001 - there is only one
    """An error in the middle of a stream."""
    return _frame({"error": dict(error)})


def _deltas(answer: Answer) -> Iterator[tuple[JSON, int]]:
    """The content of the chunks after the first, each with its cost in tokens."""
    turn = answer.turn
    for piece in tokens.pieces(turn.reasoning):
        yield _reasoning(answer, piece), tokens.count(piece)
    for piece in tokens.pieces(turn.text):
        yield {"content": piece}, tokens.count(piece)
    for at, call in enumerate(turn.tool_calls, start=len(turn.server_tool_calls)):
        if answer.dialect.chat_tool_pieces == "whole":
            cost = tokens.call_cost(call) + tokens.count(call.arguments_text)
            yield {"tool_calls": [{"index": at, **_call(answer, at, call, call.arguments_text)}]}, cost
            continue
        yield {"tool_calls": [{"index": at, **_call(answer, at, call, "")}]}, tokens.call_cost(call)
        for piece in tokens.pieces(call.arguments_text):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, tokens.count(piece)


def _first_chunk(answer: Answer, *, counts: bool) -> bytes:
    """The chunk that opens the message. It holds what server tools found, so that clients can show it at once."""
    opening: JSON = {"role": "assistant", "content": ""}
    if calls := _server_calls(answer):
        opening["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
    if answer.dialect.chat_profile != "old":
        return _chunk(answer, opening, _counts(answer.usage.input_tokens, 0) if counts else None)
    choice = {"index": 0, "delta": opening, "finish_reason": ""}
    return _frame({**_head(answer), "created": 0, "choices": [choice]} | ({"usage": _counts(0, 0)} if counts else {}))


def _chunk(answer: Answer, delta: JSON, usage: JSON | None, *, finish: str | None = None) -> bytes:
    choice: JSON = {"index": 0, "delta": {**_DELTA[answer.dialect.chat_profile], **delta}}
    if finish or answer.dialect.chat_profile != "live":
        choice["finish_reason"] = finish or ("" if answer.dialect.chat_profile == "old" else None)
    counts = {} if usage is None else {"usage": usage}
    return _frame({**_head(answer), "choices": [choice], **counts, **_agent(answer)})


def _head(answer: Answer) -> JSON:
    return {
        "id": _id(answer),
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
    }


def _agent(answer: Answer) -> JSON:
    return {"agent": ""} if answer.dialect.chat_profile == "live" else {}


def _frame(data: JSON) -> bytes:
    return f"data: {dump(data)}\n\n".encode()


def _id(answer: Answer) -> str:
    return f"{answer.hex('id', 32)}.{answer.hex('span', 32)}"


def _reasoning(answer: Answer, text: str) -> JSON:
    named = answer.dialect.chat_reasoning_fields
    names = ("reasoning", "reasoning_content") if named == "both" else (named,)
    return dict.fromkeys(names, text) if text else {}


def _server_calls(answer: Answer) -> list[JSON]:
    """The calls of server tools, complete with their results."""
    return [
        {
            "id": answer.server_call_id(at, call),
            "type": call.type,
            "function": {
                "name": call.name,
                "arguments": json.dumps(dict(call.arguments), ensure_ascii=False),
                "results": [dict(result) for result in call.results],
            },
        }
        for at, call in enumerate(answer.turn.server_tool_calls)
    ]


def _call(answer: Answer, at: int, call: ToolCall, arguments: str) -> JSON:
    function = {"name": call.name, "arguments": arguments}
    return {"id": answer.call_id(at, call), "type": "function", "function": function}


def _finish(answer: Answer) -> str:
    ending = answer.turn.ending
    return answer.dialect.chat_tool_finish if ending == "tool_calls" else ending


def _counts(prompt: int, completion: int) -> JSON:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _usage(usage: Usage) -> JSON:
    return {
        **_counts(usage.input_tokens, usage.output_tokens),
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
