"""Messages in: from LangChain's to the core's."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_stepplan._content import REASONING_TYPES, Content, to_parts, to_tool_result
from langchain_stepplan._replay import calls_of, is_ours, own_blocks
from stepplan import Block, Image, InvalidRequestError, Message, Reasoning, Text, ToolCall, ToolResult, Video

_ROLES = {"system": SystemMessage, "developer": SystemMessage, "user": HumanMessage, "human": HumanMessage}


def to_messages(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """A conversation for the core.

    Reasoning goes back only where the plan said it, in an answer that was whole; what other models thought is left out.
    A tool call that could not be run is left out too, unless something answers it.

    Raises:
        InvalidRequestError: Something in it can be sent over no protocol.
    """
    converted = tuple(map(_to_message, messages))
    broken = {
        call["id"] for message in messages if isinstance(message, AIMessage) for call in message.invalid_tool_calls
    }
    if not broken:
        return converted
    answered = {block.tool_call_id for turn in converted for block in turn.content if isinstance(block, ToolResult)}
    return tuple(_without_calls(turn, broken - answered) for turn in converted)


def _without_calls(turn: Message, ids: set[str | None]) -> Message:
    return Message(
        turn.role, tuple(block for block in turn.content if not (isinstance(block, ToolCall) and block.id in ids))
    )


def _to_message(message: BaseMessage) -> Message:
    content = cast("Content", message.content)
    match message:
        case HumanMessage():
            return Message("user", tuple(to_parts(content)))
        case AIMessage():
            return Message("assistant", tuple(_to_blocks(message)))
        case ToolMessage():
            result = to_tool_result(message.tool_call_id, content, is_error=message.status == "error")
            return Message("user", (result,))
        case SystemMessage():
            return Message("system", tuple(to_parts(content)))
        case ChatMessage():
            if message.role == "assistant":
                return _to_message(AIMessage(message.content))
            if message.role in _ROLES:
                return _to_message(_ROLES[message.role](message.content))
            raise InvalidRequestError(f"The role {message.role!r} is not known: it is system, user or assistant.")
        case _:
            raise InvalidRequestError(f"A {type(message).__name__} cannot be sent: use a ToolMessage or HumanMessage.")


def _to_blocks(message: AIMessage) -> Iterator[Block]:
    """What an assistant said: ours block for block, others' text and calls."""
    ours = is_ours(message)
    whole = "finish_reason" in message.response_metadata
    for block in own_blocks(message) if ours else _foreign_blocks(message):
        if isinstance(block, Reasoning) and not whole:  # an answer that broke off: its reasoning may be half, unsigned
            continue
        yield block


def _foreign_blocks(message: AIMessage) -> Iterator[Block]:
    calls = calls_of(message)
    if isinstance(message.content, str):
        if message.content:
            yield Text(message.content)
    else:
        content = cast("Sequence[str | Mapping[str, Any]]", message.content)
        calls = calls or _calls_in(content)
        for item in content:
            yield from _foreign_block(item, calls)
    yield from calls.values()


def _calls_in(content: Sequence[str | Mapping[str, Any]]) -> dict[str, ToolCall]:
    """The calls of a message that was written by hand in the shape of the Messages protocol."""
    return {
        item["id"]: ToolCall(item["id"], item["name"], json.dumps(item.get("input") or {}, ensure_ascii=False))
        for item in content
        if not isinstance(item, str) and item.get("type") == "tool_use"
    }


# What another model's vendor ran or kept for itself means nothing here.
_FOREIGN_BUSINESS = REASONING_TYPES | {
    "non_standard",
    "server_tool_call",
    "server_tool_call_chunk",
    "server_tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "code_interpreter_call",
    "web_search_call",
    "file_search_call",
    "executable_code",
    "code_execution_result",
    "reference",
    "citation",
}
_CALLS = {
    "tool_use",
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "function_call",
    "input_json_delta",
    "toolUse",
}


def _foreign_block(item: str | Mapping[str, Any], calls: dict[str, ToolCall]) -> Iterator[Block]:
    if isinstance(item, str):
        yield Text(item)
        return
    kind = item.get("type")
    if kind in _FOREIGN_BUSINESS:
        return
    if kind in _CALLS:
        if (call := calls.pop(str(item.get("call_id") or item.get("id")), None)) is not None:
            yield call
    elif kind == "refusal":
        yield Text(item.get("refusal") or "")
    else:
        for part in to_parts([item]):
            if isinstance(part, Image | Video | ToolResult):
                raise InvalidRequestError(
                    f"An assistant message cannot hold {type(part).__name__.lower()!r}: move it to a HumanMessage."
                )
            yield part
