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

from llama_index_stepplan._content import to_content
from llama_index_stepplan._tools import calls_as_data
from stepplan import Block, InvalidRequestError, Message, Reasoning, Text, ToolCall, ToolResult, parse_arguments

PROVIDER = "stepplan"
"""Marks thinking as ours: what another provider thought is never sent."""

TEXT_PARTS = "text_parts"
"""Key of `additional_kwargs` for answers with several texts: the place and the length of each.

LlamaIndex joins text blocks with a line break, which would change what the model said, so they are kept as one."""


def to_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """A conversation, as the core has it. Nothing in `messages` is changed.

    A tool's result whose call is not there goes as text: LlamaIndex leaves such results behind, when a CodeActAgent
    hands off and when a memory forgets the call, and nobody can mend it there.

    Raises:
        InvalidRequestError: Neither protocol takes a block of some kind.
    """
    calls = _Calls()
    return tuple(converted for message in messages for converted in _to_message(message, calls))


class _Calls:
    """Pairs results with calls. Ids may be missing: LlamaIndex allows it, and then means the order."""

    def __init__(self) -> None:
        self._unanswered: list[str] = []
        self._count = 0

    def begin(self, id: str | None) -> str:
        """The id of a call."""
        self._count += 1
        self._unanswered.append(str(id) if id else f"call_{self._count}")
        return self._unanswered[-1]

    def answer(self, id: str | None) -> str | None:
        """The id of the call that a result answers; `None` if there is no such call."""
        found = str(id) if id else next(iter(self._unanswered), None)
        if found not in self._unanswered:
            return None
        self._unanswered.remove(found)
        return found


def _to_message(message: ChatMessage, calls: _Calls) -> Iterator[Message]:
    match message.role:
        case MessageRole.SYSTEM | MessageRole.DEVELOPER:
            yield Message("system", tuple(to_content(message.blocks)))
        case MessageRole.USER:
            yield Message("user", tuple(to_content(message.blocks)))
        case MessageRole.TOOL | MessageRole.FUNCTION:
            content = tuple(to_content(message.blocks))
            id = calls.answer(message.additional_kwargs.get("tool_call_id"))
            yield Message.user(*(Text("Result of a tool call:"), *content) if id is None else [ToolResult(id, content)])
        case MessageRole.ASSISTANT | MessageRole.CHATBOT | MessageRole.MODEL:
            if blocks := _assistant_content(message, calls):
                yield Message("assistant", tuple(blocks))


def _assistant_content(message: ChatMessage, calls: _Calls) -> list[Block]:
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
                content.append(ToolCall(calls.begin(block.tool_call_id), block.tool_name, arguments))
            case CachePoint() | CitationBlock():
                continue
            case _:
                raise InvalidRequestError(
                    f"{type(block).__name__}: neither protocol takes one in an assistant message; move it to a user "
                    "message."
                )
    if not any(isinstance(block, ToolCallBlock) for block in message.blocks):
        content += [ToolCall(calls.begin(id), name, arguments) for id, name, arguments in calls_as_data(message)]
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
