"""LlamaIndex messages -> messages of the core."""

import json
from collections.abc import Iterator, Sequence
from typing import cast

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    CitationBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llama_index_stepplan._blocks import to_content
from llama_index_stepplan._tools import calls_as_data
from stepplan import Block, InvalidRequestError, Message, Reasoning, Text, ToolCall, ToolResult, parse_arguments

PROVIDER = "stepplan"
"""Marks thinking as ours: what another provider thought is never sent."""

TEXT_PARTS = "text_parts"
"""Key of `additional_kwargs` for answers with several texts: the place and the length of each.

LlamaIndex joins text blocks with a line break, which would change what the model said, so they are kept as one."""


def to_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """A conversation, as the core has it. Nothing in `messages` is changed.

    Raises:
        InvalidRequestError: Neither protocol takes a block of some kind.
    """
    calls = _CallIds()
    return tuple(converted for message in messages for converted in _to_message(message, calls))


class _CallIds:
    """Gives ids to calls and results that have none: LlamaIndex allows it, and then means the order."""

    def __init__(self) -> None:
        self._unanswered: list[str] = []
        self._count = 0

    def of_call(self, id: str | None) -> str:
        self._count += 1
        self._unanswered.append(id or f"call_{self._count}")
        return self._unanswered[-1]

    def of_result(self, id: str | None) -> str:
        found = id or (self._unanswered[0] if self._unanswered else "unknown")
        if found in self._unanswered:
            self._unanswered.remove(found)
        return found


def _to_message(message: ChatMessage, calls: _CallIds) -> Iterator[Message]:
    match message.role:
        case MessageRole.SYSTEM | MessageRole.DEVELOPER:
            yield Message("system", tuple(to_content(message.blocks)))
        case MessageRole.USER:
            yield Message("user", tuple(to_content(message.blocks)))
        case MessageRole.TOOL | MessageRole.FUNCTION:
            id = calls.of_result(message.additional_kwargs.get("tool_call_id"))
            yield Message.user(ToolResult(id, tuple(to_content(message.blocks))))
        case MessageRole.ASSISTANT | MessageRole.CHATBOT | MessageRole.MODEL:
            if content := tuple(_assistant_content(message, calls)):
                yield Message("assistant", content)


def _assistant_content(message: ChatMessage, calls: _CallIds) -> list[Block]:
    written = _written_calls(message)
    content: list[Block] = []
    text_place: int | None = None
    for block in message.blocks:
        match block:
            case ThinkingBlock():
                content += _to_reasoning(block)
            case TextBlock():
                text_place = len(content) if text_place is None else text_place
            case ToolCallBlock():
                arguments = _arguments(block, written.pop(block.tool_call_id or "", None))
                content.append(ToolCall(calls.of_call(block.tool_call_id), block.tool_name, arguments))
            case CachePoint() | CitationBlock():
                continue
            case _:
                raise InvalidRequestError(
                    f"{type(block).__name__}: neither protocol takes one in an assistant message; move it to a user "
                    "message."
                )
    if not any(isinstance(block, ToolCallBlock) for block in message.blocks):
        content += [ToolCall(calls.of_call(id), name, arguments) for id, name, arguments in calls_as_data(message)]
    for place, text in _texts(message, text_place or 0):
        content.insert(place, Text(text))
    return content


def _to_reasoning(block: ThinkingBlock) -> Iterator[Reasoning]:
    extra = block.additional_information
    if extra.get("provider") == PROVIDER:
        yield Reasoning(block.content or "", extra.get("signature"), extra.get("redacted"))


def _texts(message: ChatMessage, place: int) -> list[tuple[int, str]]:
    """The message's texts, each with its place among the blocks."""
    text = message.content
    if not text:
        return []
    parts = cast("list[tuple[int, int]]", message.additional_kwargs.get(TEXT_PARTS) or ())
    if sum(length for _, length in parts) != len(text):  # there are none, or the message was edited
        return [(place, text)]
    texts: list[tuple[int, str]] = []
    for at, length in parts:
        texts.append((at, text[:length]))
        text = text[length:]
    return texts


def _written_calls(message: ChatMessage) -> dict[str, str]:
    """The calls' arguments as the model wrote them, by the calls' ids."""
    return {id: arguments for id, _, arguments in calls_as_data(message) if id}


def _arguments(block: ToolCallBlock, written: str | None) -> str:
    """The arguments as the model wrote them, so that the server's prefix cache fits, unless they were changed since."""
    if isinstance(block.tool_kwargs, str):
        return block.tool_kwargs
    if written is not None and parse_arguments(written) == block.tool_kwargs:
        return written
    return json.dumps(block.tool_kwargs, ensure_ascii=False)
