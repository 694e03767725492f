"""LangChain's standard content blocks: what `content_blocks` shows, and `content` holds with `output_version="v1"`.

LangChain merges streamed blocks by their `index`. Each of ours has one that no other block has, of whatever kind; of
strings, only those that begin with `lc_` merge.
"""

from collections.abc import Iterable
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, ContentBlock
from langchain_core.messages.block_translators import register_translator

from langchain_stepplan._replay import PROVIDER, REASONING, own_blocks
from stepplan import Block, Reasoning, Text, ToolCall


def standard_blocks(message: AIMessage, blocks: Iterable[Block]) -> list[ContentBlock]:
    """The message's blocks in standard form."""
    runnable = {call["id"]: call for call in message.tool_calls}
    broken = {call["id"]: call for call in message.invalid_tool_calls}
    found: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case Text(text):
                found.append({"type": "text", "text": text})
            case Reasoning():
                found.append(reasoning_block(block.text, block.signature, block.redacted))
            case ToolCall(id) if id in runnable:
                call = runnable[id]
                found.append({"type": "tool_call", "id": id, "name": call["name"], "args": call["args"]})
            case ToolCall(id) if id in broken:
                found.append({**broken[id], "type": "invalid_tool_call"})
            case _:
                pass
    return cast("list[ContentBlock]", found)


def reasoning_block(text: str, signature: str | None, redacted: str | None) -> dict[str, Any]:
    """Reasoning, with its signature; redacted reasoning has no standard form."""
    if redacted is not None:
        return {"type": "non_standard", "value": {"type": "redacted_thinking", "data": redacted}}
    block: dict[str, Any] = {"type": "reasoning", "reasoning": text}
    return block if signature is None else {**block, "extras": {"signature": signature}}


def _translate(message: AIMessage) -> list[ContentBlock]:
    return standard_blocks(message, own_blocks(message))


def _translate_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    """A piece's blocks. Content that is a string does not say which block of its kind it is of, so there is one."""
    if chunk.chunk_position == "last" or not isinstance(chunk.content, str):
        return _translate(chunk)
    found: list[dict[str, Any]] = []
    if reasoning := chunk.additional_kwargs.get(REASONING):
        found.append({"type": "reasoning", "reasoning": reasoning, "index": "lc_rs_0"})
    if chunk.content:
        found.append({"type": "text", "text": chunk.content, "index": "lc_txt_0"})
    found += [{**call, "type": "tool_call_chunk", "index": f"lc_tc_{call['index']}"} for call in chunk.tool_call_chunks]
    return cast("list[ContentBlock]", found)


def register() -> None:
    """Tell LangChain how to read our messages."""
    register_translator(PROVIDER, _translate, _translate_chunk)
