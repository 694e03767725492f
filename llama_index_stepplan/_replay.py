"""How an answer is stored in a LlamaIndex message, and read back from it.

Text, thinking and tool calls are the message's blocks. What these cannot hold, but sending the answer back needs, is
stored beside them: signatures in the thinking blocks, the rest in the message's `additional_kwargs`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock, ToolCallBlock

from llama_index_stepplan._untyped import as_mapping
from llama_index_stepplan._unvalidated import thinking_block, tool_call_block
from stepplan import Reasoning, parse_arguments

PROVIDER = "stepplan"
"""Marks thinking as ours: what another provider thought is never sent."""

TEXT_PARTS = "text_parts"
"""Key of `additional_kwargs` for answers with several texts: the place and the length of each.

LlamaIndex joins text blocks with a line break, which would change what the model said, so they are kept as one."""

INVALID_CALLS = "invalid_tool_calls"
"""Key of a message's `additional_kwargs` for calls that must not be run, each with the reason why."""


def to_thinking(block: Reasoning, num_tokens: int | None = None) -> ThinkingBlock:
    """Reasoning, with what its replay needs."""
    extra = {"provider": PROVIDER}
    if block.signature is not None:
        extra["signature"] = block.signature
    if block.redacted is not None:
        extra["redacted"] = block.redacted
    return thinking_block(block.text, num_tokens, extra)


def to_tool_call(id: str, name: str, arguments: Mapping[str, Any] | None) -> ToolCallBlock:
    """A call, with as many of its arguments as can be told."""
    return tool_call_block(id, name, dict(arguments or {}))


def call_data(id: str, name: str, arguments: str) -> dict[str, Any]:
    """A call as plain data, as programs and tracers look for it; the arguments are the model's own text."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def to_reasoning(block: ThinkingBlock) -> Iterator[Reasoning]:
    """The reasoning of a block of ours; nothing of another provider's."""
    extra = block.additional_information
    if extra.get("provider") == PROVIDER:
        yield Reasoning(block.content or "", extra.get("signature"), extra.get("redacted"))


def texts(message: ChatMessage, place: int) -> list[tuple[int, str]]:
    """The message's texts, each with its place among the blocks."""
    text = message.content
    if not text:
        return []
    parts = cast("list[tuple[int, int]]", message.additional_kwargs.get(TEXT_PARTS) or ())
    if sum(length for _, length in parts) != len(text):  # there are none, or the message was edited
        return [(place, text)]
    found: list[tuple[int, str]] = []
    for at, length in parts:
        found.append((at, text[:length]))
        text = text[length:]
    return found


def written_calls(message: ChatMessage) -> dict[str, str]:
    """The calls' arguments as the model wrote them, by the calls' ids."""
    return {id: arguments for id, _, arguments in stored_calls(message) if id}


def arguments_of(block: ToolCallBlock, written: str | None) -> str:
    """The arguments as the model wrote them, so that the server's prefix cache fits, unless they were changed since."""
    if isinstance(block.tool_kwargs, str):
        return block.tool_kwargs
    if written is not None and parse_arguments(written) == block.tool_kwargs:
        return written
    return json.dumps(block.tool_kwargs, ensure_ascii=False)


def stored_calls(message: ChatMessage) -> Iterator[tuple[str | None, str, str]]:
    """Id, name and arguments of the calls in `additional_kwargs`, where messages of older classes have nothing else."""
    legacy = as_mapping(message.additional_kwargs.get("function_call"))
    if legacy:  # it had no id; its result goes by the name
        yield legacy["name"], legacy["name"], legacy.get("arguments") or ""
    calls: Sequence[Any] = message.additional_kwargs.get("tool_calls") or ()
    for call in calls:
        # Other classes keep objects of an SDK there.
        data = as_mapping(call if isinstance(call, Mapping) else call.model_dump())
        function = as_mapping(data.get("function")) or data
        arguments = function.get("arguments", function.get("input"))
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        yield data.get("id"), function.get("name") or "", arguments
