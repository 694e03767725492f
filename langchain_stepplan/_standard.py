"""LangChain's standard content blocks: what `content_blocks` shows, and `content` holds with `output_version="v1"`.

Each block's `index` is unique across kinds: LangChain merges streamed blocks by it, and merges string indices only if
they start with `lc_`.
"""

from collections.abc import Iterable
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, ContentBlock
from langchain_core.messages.block_translators import register_translator

from langchain_stepplan._replay import PROVIDER, REASONING, arguments_and_reason, own_blocks, own_server_calls
from stepplan import Block, Reasoning, ServerToolCall, Text, ToolCall, parse_arguments


def standard_blocks(message: AIMessage, blocks: Iterable[Block]) -> list[ContentBlock]:
    """The message's blocks in standard form."""
    found: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case Text(text):
                found.append({"type": "text", "text": text})
            case Reasoning():
                found.append(reasoning_block(block.text, block.signature, block.redacted))
            case ToolCall():
                found.append(_call_block(message, block))
            case ServerToolCall():
                found += server_tool_blocks(block)
            case _:
                pass
    return cast("list[ContentBlock]", found + refusal(message.response_metadata.get("finish_reason")))


def _call_block(message: AIMessage, call: ToolCall) -> dict[str, Any]:
    for valid in message.tool_calls:
        if (valid["id"] or "") == call.id:
            return {"type": "tool_call", "id": valid["id"], "name": valid["name"], "args": valid["args"]}
    reasons = (arguments_and_reason(broken)[1] for broken in message.invalid_tool_calls if broken["id"] == call.id)
    error = next(reasons, None)
    return {"type": "invalid_tool_call", "id": call.id, "name": call.name, "args": call.arguments, "error": error}


def reasoning_block(text: str, signature: str | None, redacted: str | None) -> dict[str, Any]:
    """Reasoning, with its signature; redacted reasoning has no standard form."""
    if redacted is not None:
        return {"type": "non_standard", "value": {"type": "redacted_thinking", "data": redacted}}
    block: dict[str, Any] = {"type": "reasoning", "reasoning": text}
    return block if signature is None else {**block, "extras": {"signature": signature}}


def server_tool_blocks(call: ServerToolCall) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tool that the server ran: its call, and what it found."""
    try:
        args = parse_arguments(call.arguments)
    except ValueError:
        args = {"arguments": call.arguments}
    results = [dict(result) for result in call.results]
    return (
        {"type": "server_tool_call", "id": call.id, "name": call.name, "args": args},
        {"type": "server_tool_result", "tool_call_id": call.id, "status": "success", "output": results},
    )


def indexed_server_tool_blocks(call: ServerToolCall) -> list[dict[str, Any]]:
    """The same, as blocks of a stream."""
    called, result = server_tool_blocks(call)
    return [{**called, "index": f"lc_sc_{call.id}"}, {**result, "index": f"lc_sr_{call.id}"}]


def refusal(finish_reason: str | None) -> list[dict[str, Any]]:
    """The block for an answer that a filter or the model itself withheld; the text says why, if anything does.

    LangChain's parsers and its refusal middleware look for it. The core reads the stop reason `refusal` of Messages as
    `content_filter`, too.
    """
    return [{"type": "refusal", "refusal": ""}] if finish_reason == "content_filter" else []


def _translate(message: AIMessage) -> list[ContentBlock]:
    return standard_blocks(message, own_blocks(message))


def _translate_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    """The blocks of a chunk. String content carries no block index, so all text merges into one block."""
    if chunk.chunk_position == "last" or not isinstance(chunk.content, str):
        return _translate(chunk)
    found = [block for call in own_server_calls(chunk) for block in indexed_server_tool_blocks(call)]
    if reasoning := chunk.additional_kwargs.get(REASONING):
        found.append({"type": "reasoning", "reasoning": reasoning, "index": "lc_rs_0"})
    if chunk.content:
        found.append({"type": "text", "text": chunk.content, "index": "lc_txt_0"})
    found += [{**call, "type": "tool_call_chunk", "index": f"lc_tc_{call['index']}"} for call in chunk.tool_call_chunks]
    return cast("list[ContentBlock]", found)


def register() -> None:
    """Tell LangChain how to read the messages of this provider."""
    register_translator(PROVIDER, _translate, _translate_chunk)
