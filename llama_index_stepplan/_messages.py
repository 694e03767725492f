"""LlamaIndex messages -> messages of the core."""

from collections.abc import Iterator, Sequence

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
from llama_index_stepplan._replay import arguments_of, stored_calls, texts, to_reasoning, written_calls
from stepplan import Block, InvalidRequestError, Message, Text, ToolCall, ToolResult


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
    written = written_calls(message)
    content: list[Block] = []
    text_place: int | None = None
    for block in message.blocks:
        match block:
            case ThinkingBlock():
                content += to_reasoning(block)
            case TextBlock():
                text_place = len(content) if text_place is None else text_place
            case ToolCallBlock():
                arguments = arguments_of(block, written.pop(block.tool_call_id or "", None))
                content.append(ToolCall(calls.begin(block.tool_call_id), block.tool_name, arguments))
            case CachePoint() | CitationBlock():
                continue
            case _:
                raise InvalidRequestError(
                    f"{type(block).__name__}: neither protocol takes one in an assistant message; move it to a user "
                    "message."
                )
    if not any(isinstance(block, ToolCallBlock) for block in message.blocks):
        content += [ToolCall(calls.begin(id), name, arguments) for id, name, arguments in stored_calls(message)]
    for place, text in texts(message, text_place or 0):
        content.insert(place, Text(text))
    return content
