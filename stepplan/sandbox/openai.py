"""Chat Completions, seen from the server: requests read, answers written."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from stepplan.sandbox import tokens
from stepplan.sandbox.checks import (
    RANGES,
    check_effort,
    check_parts,
    check_ranges,
    check_stop,
    invalid,
    messages_of,
    missing,
)
from stepplan.sandbox.conversation import Conversation, Tool, ToolResult, tool_text
from stepplan.sandbox.errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object, as_text, dump
from stepplan.sandbox.script import ToolCall, Usage
from stepplan.sandbox.wire import ProtocolName, Reply

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
_TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


# ------------------------------------------------------------------------------------------------------------ requests


def check(body: JSON) -> None:
    """Refuse what the protocol refuses."""
    messages = messages_of(body)
    check_ranges(body, _RANGES)
    check_effort(body, body.get("reasoning_effort"), "reasoning_effort")
    check_stop([body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop"), "stop")
    _check_response_format(body.get("response_format"))
    known: set[str] = set()
    for message in messages:
        if message.get("role") not in _ROLES:
            raise invalid("messages.role", " or ".join(_ROLES))
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
    """Refuse a tool call of the history that has not what the service needs to show it to the model."""
    if not call.get("id") or not call.get("type"):
        raise Refusal(400, "messages.tool_calls: id and type are required")
    try:
        arguments: Any = json.loads(as_object(call.get("function")).get("arguments", ""))
    except (TypeError, json.JSONDecodeError):
        arguments = None
    if not isinstance(arguments, dict):
        raise invalid("messages.tool_calls.function.arguments", "the text of a JSON object")


def _function_name(tool: JSON) -> str:
    """A tool's name; the service's own tools have none."""
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
    """The request in neutral words."""
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
    """The last thing a person said, and what tools answered since."""
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


def whole(reply: Reply) -> JSON:
    """The answer in one object."""
    turn = reply.turn
    message: JSON = {"role": "assistant", "content": turn.text, **_reasoning(reply, turn.reasoning)}
    if turn.tool_calls:
        message["tool_calls"] = [_call(reply, at, call, call.arguments_text) for at, call in enumerate(turn.tool_calls)]
    return {
        "id": _id(reply),
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [{"index": 0, "finish_reason": _finish(reply), "message": message}],
        "usage": _usage(reply.usage),
    }


def frames(reply: Reply) -> Iterator[bytes]:
    """The answer as events."""
    shown = reply.dialect.chat_usage
    yield _chunk(
        reply, {"role": "assistant", "content": ""}, _counts(0, 0) if shown == "every_chunk" else None, created=0
    )
    if reply.dialect.ping:
        yield PING
    spent = 0
    for delta, cost in _deltas(reply):
        spent = min(spent + cost, reply.usage.output_tokens)
        usage = _counts(reply.usage.input_tokens, spent) if shown == "every_chunk" else None
        yield _chunk(reply, {**_idle_role(reply), "content": "", **delta}, usage)
    usage = _usage(reply.usage) if shown in ("every_chunk", "last") else None
    yield _chunk(reply, {**_idle_role(reply), "content": ""}, usage, finish=_finish(reply))
    if shown == "trailing_empty_choices":
        yield _frame({**_head(reply, reply.created), "choices": [], "usage": _usage(reply.usage)})
    yield b"data: [DONE]\n\n"


def error_frame(error: Mapping[str, Any], shape: Literal["typed", "bare"]) -> bytes:  # noqa: ARG001 - there is but one
    """An error in the middle of a stream."""
    return _frame({"error": dict(error)})


def _deltas(reply: Reply) -> Iterator[tuple[JSON, int]]:
    """What the chunks between the first and the last bring, and its cost in tokens."""
    turn = reply.turn
    for piece in tokens.pieces(turn.reasoning):
        yield _reasoning(reply, piece), tokens.count(piece)
    for piece in tokens.pieces(turn.text):
        yield {"content": piece}, tokens.count(piece)
    for at, call in enumerate(turn.tool_calls):
        if reply.dialect.chat_tool_pieces == "whole":
            cost = tokens.call_cost(call) + tokens.count(call.arguments_text)
            yield {"tool_calls": [{"index": at, **_call(reply, at, call, call.arguments_text)}]}, cost
            continue
        yield {"tool_calls": [{"index": at, **_call(reply, at, call, "")}]}, tokens.call_cost(call)
        for piece in tokens.pieces(call.arguments_text):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, tokens.count(piece)


def _chunk(
    reply: Reply, delta: JSON, usage: JSON | None, *, finish: str | None = None, created: int | None = None
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish or reply.dialect.chat_idle_finish}
    head = _head(reply, reply.created if created is None else created)
    return _frame({**head, "choices": [choice]} | ({} if usage is None else {"usage": usage}))


def _head(reply: Reply, created: int) -> JSON:
    return {"id": _id(reply), "object": "chat.completion.chunk", "created": created, "model": reply.model}


def _frame(data: JSON) -> bytes:
    return f"data: {dump(data)}\n\n".encode()


def _id(reply: Reply) -> str:
    return f"{reply.hex('id', 32)}.{reply.hex('span', 32)}"


def _idle_role(reply: Reply) -> JSON:
    return {} if reply.dialect.chat_idle_role == "absent" else {"role": reply.dialect.chat_idle_role}


def _reasoning(reply: Reply, text: str) -> JSON:
    named = reply.dialect.chat_reasoning_fields
    names = ("reasoning", "reasoning_content") if named == "both" else (named,)
    return dict.fromkeys(names, text) if text else {}


def _call(reply: Reply, at: int, call: ToolCall, arguments: str) -> JSON:
    function = {"name": call.name, "arguments": arguments}
    return {"id": reply.call_id(at, call), "type": "function", "function": function}


def _finish(reply: Reply) -> str:
    ending = reply.turn.ending
    return reply.dialect.chat_tool_finish if ending == "tool_calls" else ending


def _counts(prompt: int, completion: int) -> JSON:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _usage(usage: Usage) -> JSON:
    return {
        **_counts(usage.input_tokens, usage.output_tokens),
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
