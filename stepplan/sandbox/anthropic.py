"""The server's side of Messages: reads requests, writes answers."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from stepplan.sandbox import tokens
from stepplan.sandbox.conversation import Conversation, Tool, ToolResult, tool_text
from stepplan.sandbox.http_errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object, as_text, dump
from stepplan.sandbox.protocol import Answer, ProtocolName
from stepplan.sandbox.validation import (
    RANGES,
    check_effort,
    check_parts,
    check_ranges,
    check_stop,
    messages_of,
    missing,
)

NAME: ProtocolName = "anthropic"
FIELDS = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "output_config",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
    }
)
_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
_BLOCKS = frozenset({"text", "image", "tool_use", "tool_result", "thinking"})
_MUST_CALL = re.compile(r"\bmust (?:call|use)\b[^.]*\btools?\b", re.IGNORECASE)
_ONE_CALL = re.compile(r"\bat most one tool\b", re.IGNORECASE)
_RANGES = {**RANGES, "top_k": (0, 500)}


# ------------------------------------------------------------------------------------------------------------ requests


def check(body: JSON) -> None:
    """Refuse what this protocol refuses."""
    messages = messages_of(body)
    if body.get("max_tokens") is None:
        raise missing("max_tokens")
    check_ranges(body, _RANGES)
    check_effort(body, as_object(body.get("output_config")).get("effort"), "output_config.effort")
    check_stop(body.get("stop_sequences"), "stop_sequences")
    known: set[str] = set()
    for position, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant"):
            # vLLM's message: a coding agent that tries a system message recognizes it, and sends the text another way.
            raise Refusal(400, f"messages.{position}.role: Input should be 'user' or 'assistant'")
        if "content" not in message:
            raise missing("messages.content")
        for block in _blocks(message):
            if block.get("type") == "tool_use":
                known.add(str(block.get("id")))
            if block.get("type") == "tool_result" and block.get("tool_use_id") not in known:
                raise Refusal(400, "a tool_result must follow an assistant message with that tool_use")
    check_parts(body, messages, _BLOCKS)
    for tool in map(as_object, as_list(body.get("tools"))):
        if not isinstance(tool.get("name"), str):
            raise missing("tools.name")
        if "input_schema" not in tool:
            raise missing("tools.input_schema")


def read(body: JSON) -> Conversation:
    """The request, independent of the protocol. Undocumented fields such as `tool_choice` have no effect."""
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    tools = [as_object(tool) for tool in as_list(body.get("tools"))]
    question, results = _asked(messages)
    instructions = as_text(body.get("system"))
    return Conversation(
        model=str(body["model"]),
        question=question,
        results=tuple(results),
        tools=tuple(Tool(str(tool["name"]), as_object(tool.get("input_schema"))) for tool in tools if "name" in tool),
        # Over Messages only the prompt can ask for a call.
        choice="required" if _MUST_CALL.search(instructions) else "auto",
        parallel=not _ONE_CALL.search(instructions),
        wants_json=False,
        schema=None,
        instructions=instructions,
        effort=as_object(body.get("output_config")).get("effort"),
        max_tokens=body.get("max_tokens"),
        stop=tuple(as_list(body.get("stop_sequences"))),
        stream=bool(body.get("stream")),
        input_tokens=_input_tokens(body, messages, tools),
    )


def _blocks(message: JSON) -> list[JSON]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else [as_object(b) for b in as_list(content)]


def _asked(messages: list[JSON]) -> tuple[str, list[ToolResult]]:
    """The text of the last user message, and the tool results since then."""
    question = ""
    results: list[ToolResult] = []
    names: dict[str, str] = {}
    for message in messages:
        blocks = _blocks(message)
        names |= {str(b.get("id")): str(b.get("name")) for b in blocks if b.get("type") == "tool_use"}
        if message.get("role") != "user":
            continue
        for block in blocks:
            if block.get("type") == "tool_result":
                name = names.get(str(block.get("tool_use_id")), "tool")
                results.append(ToolResult(name, as_text(block.get("content")), is_error=bool(block.get("is_error"))))
        # Text after results is a new question, even in the same message.
        if text := as_text([block for block in blocks if block.get("type") == "text"]):
            question, results = text, []
    return question, results


def _input_tokens(body: JSON, messages: list[JSON], tools: list[JSON]) -> int:
    texts = [tool_text(tool.get("name"), tool.get("description"), tool.get("input_schema")) for tool in tools]
    texts.append(as_text(body.get("system")))
    for block in (block for message in messages for block in _blocks(message)):
        texts.append(str(block.get("text") or block.get("thinking") or as_text(block.get("content"))))
        if block.get("type") == "tool_use":
            texts.append(f"{block.get('name')} {dump(block.get('input'))}")
    return sum(map(tokens.count, texts))


# ------------------------------------------------------------------------------------------------------------- answers


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
        return json.loads(arguments or "{}")
    except json.JSONDecodeError:
        return arguments


def _frame(data: JSON) -> bytes:
    return f"event: {data['type']}\ndata: {dump(data)}\n\n".encode()


PING = _frame({"type": "ping"})
