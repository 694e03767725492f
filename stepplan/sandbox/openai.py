"""The server's side of Chat Completions: reads requests, writes answers."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from stepplan.sandbox import tokens
from stepplan.sandbox.conversation import Conversation, Tool, ToolResult, tool_text
from stepplan.sandbox.http_errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object, as_text, dump
from stepplan.sandbox.protocol import Answer, ProtocolName
from stepplan.sandbox.script import ToolCall, Usage
from stepplan.sandbox.validation import (
    RANGES,
    check_effort,
    check_parts,
    check_ranges,
    check_stop,
    invalid,
    messages_of,
    missing,
)

NAME: ProtocolName = "openai"
PING = b": ping\n\n"
FIELDS = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stream",
        "stop",
        "frequency_penalty",
        "response_format",
        "reasoning_effort",
        "reasoning_format",
        "tools",
        "tool_choice",
    }
)
_ROLES = ("system", "developer", "user", "assistant", "tool")
_PARTS = frozenset({"text", "image_url", "video_url", "input_audio"})
_RANGES = {**RANGES, "frequency_penalty": (-2, 2)}
# What every delta of a profile has; its own content replaces it.
_DELTA: Mapping[str, JSON] = {
    "live": {"role": "assistant", "content": ""},
    "old": {"role": "", "content": ""},
    "openai": {},
}
_TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


# ------------------------------------------------------------------------------------------------------------ requests


def check(body: JSON) -> None:
    """Refuse what this protocol refuses."""
    messages = messages_of(body)
    check_ranges(body, _RANGES)
    check_effort(body, body.get("reasoning_effort"), "reasoning_effort")
    check_stop([body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop"), "stop")
    _check_response_format(body.get("response_format"))
    known: set[str] = set()
    for message in messages:
        if message.get("role") not in _ROLES:
            raise Refusal(400, f"invalid msg role: {message.get('role')}", "request_params_invalid")
        if "content" not in message and message["role"] != "assistant":
            raise missing("messages.content")
        calls = [as_object(call) for call in as_list(message.get("tool_calls"))]
        for call in calls:
            _check_call(call)
        known.update(call["id"] for call in calls)
        if message.get("role") == "tool" and message.get("tool_call_id") not in known:
            raise Refusal(400, "messages with role tool must follow an assistant message with that tool call")
    check_parts(body, messages, _PARTS)
    names = [_function_name(as_object(tool)) for tool in as_list(body.get("tools"))]
    named = as_object(as_object(body.get("tool_choice")).get("function")).get("name")
    if named is not None and named not in names:
        raise invalid("tool_choice", "the name of one of the tools")


def _check_response_format(form: object) -> None:
    if form is None:
        return
    rules = as_object(form)
    described = as_object(rules.get("json_schema"))
    if rules.get("type") not in ("text", "json_object", "json_schema"):
        raise invalid("response_format", "must be text, json_object or json_schema")
    if rules["type"] == "json_schema" and not (described.get("name") and isinstance(described.get("schema"), dict)):
        raise missing("response_format.json_schema.name and .schema")


def _check_call(call: JSON) -> None:
    """Refuse a tool call in the history that lacks what the service needs to show it to the model."""
    if not call.get("id") or not call.get("type"):
        raise Refusal(400, "messages.tool_calls: id and type are required")
    try:
        arguments: Any = json.loads(as_object(call.get("function")).get("arguments", ""))
    except (TypeError, json.JSONDecodeError):
        arguments = None
    if not isinstance(arguments, dict):
        raise invalid("messages.tool_calls.function.arguments", "the text of a JSON object")


def _function_name(tool: JSON) -> str:
    """A function's name; empty for the tools that the service runs itself."""
    if tool.get("type") in ("web_search", "retrieval"):
        return ""
    function = as_object(tool.get("function"))
    name = str(function.get("name", ""))
    if tool.get("type") != "function" or not _TOOL_NAME.fullmatch(name):
        raise invalid("tools.function.name", "letters, digits, _ and -, at most 64 characters")
    if as_object(function.get("parameters", {"type": "object"})).get("type") != "object":
        raise invalid("tools.function.parameters", "a schema with type object")
    return name


def read(body: JSON) -> Conversation:
    """The request, independent of the protocol."""
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    question, results = _asked(messages)
    instructions = "\n".join(as_text(m.get("content")) for m in messages if m.get("role") in ("system", "developer"))
    functions = [as_object(tool.get("function")) for tool in map(as_object, as_list(body.get("tools")))]
    choice = body.get("tool_choice") or "auto"
    form = as_object(body.get("response_format"))
    described = as_object(form.get("json_schema"))
    stop = body.get("stop") or ()
    return Conversation(
        model=str(body["model"]),
        question=question,
        results=tuple(results),
        tools=tuple(Tool(str(f["name"]), as_object(f.get("parameters"))) for f in functions if "name" in f),
        choice=str(as_object(as_object(choice).get("function")).get("name", choice)),
        parallel=body.get("parallel_tool_calls") is not False,
        wants_json=form.get("type") == "json_object",
        schema=as_object(described.get("schema")) if form.get("type") == "json_schema" else None,
        instructions=instructions,
        effort=body.get("reasoning_effort"),
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        stream=bool(body.get("stream")),
        input_tokens=_input_tokens(messages, functions),
    )


def _asked(messages: list[JSON]) -> tuple[str, list[ToolResult]]:
    """The text of the last user message, and the tool results since then."""
    question = ""
    results: list[ToolResult] = []
    names: dict[str, str] = {}
    for message in messages:
        text = as_text(message.get("content"))
        if message.get("role") == "user":
            question, results = text, []
        elif message.get("role") == "tool":
            results.append(ToolResult(names.get(str(message.get("tool_call_id")), "tool"), text))
        for call in map(as_object, as_list(message.get("tool_calls"))):
            names[str(call.get("id"))] = str(as_object(call.get("function")).get("name"))
    return question, results


def _input_tokens(messages: list[JSON], functions: list[JSON]) -> int:
    texts = [tool_text(f.get("name"), f.get("description"), f.get("parameters")) for f in functions]
    for message in messages:
        texts += [as_text(message.get("content")), str(message.get("reasoning_content", message.get("reasoning", "")))]
        calls = [as_object(as_object(call).get("function")) for call in as_list(message.get("tool_calls"))]
        texts += [f"{call.get('name')} {call.get('arguments')}" for call in calls]
    return sum(map(tokens.count, texts))


# ------------------------------------------------------------------------------------------------------------- answers


def whole(answer: Answer) -> JSON:
    """The body of an answer that is not streamed."""
    turn = answer.turn
    message: JSON = {"role": "assistant", "content": turn.text, **_reasoning(answer, turn.reasoning)}
    if turn.tool_calls:
        message["tool_calls"] = [
            _call(answer, at, call, call.arguments_text) for at, call in enumerate(turn.tool_calls)
        ]
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
    for at, call in enumerate(turn.tool_calls):
        if answer.dialect.chat_tool_pieces == "whole":
            cost = tokens.call_cost(call) + tokens.count(call.arguments_text)
            yield {"tool_calls": [{"index": at, **_call(answer, at, call, call.arguments_text)}]}, cost
            continue
        yield {"tool_calls": [{"index": at, **_call(answer, at, call, "")}]}, tokens.call_cost(call)
        for piece in tokens.pieces(call.arguments_text):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, tokens.count(piece)


def _first_chunk(answer: Answer, *, counts: bool) -> bytes:
    """The chunk that opens the message."""
    opening = {"role": "assistant", "content": ""}
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
