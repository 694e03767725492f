"""Messages in: from LangChain's to the core's."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolMessage,
)

from langchain_stepplan._content import has_no_content, items_of, located, read_part, type_of
from langchain_stepplan._foreign import foreign_blocks, vendor_ids
from langchain_stepplan._replay import is_ours, own_blocks
from langchain_stepplan._tool_results import to_tool_result
from stepplan import Block, InvalidRequestError, Message, Reasoning, ToolCall, ToolResult

_ROLES: Mapping[str, type[SystemMessage | HumanMessage | AIMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "human": HumanMessage,
    "assistant": AIMessage,
}


def to_messages(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """A conversation for the core.

    Reasoning is replayed only if the plan produced it, in an answer that was whole. What another vendor's servers
    produced or consumed is left out. So is a tool call that could not be run, unless a tool result answers it.

    Raises:
        InvalidRequestError: Content that a person or the caller wrote is malformed, or no protocol takes it.
    """
    foreign = (message for message in messages if isinstance(message, AIMessage) and not is_ours(message))
    hosted = {id for message in foreign for id in vendor_ids(message)}
    turns = [_to_message(_with_broken_calls(message, []), index, hosted) for index, message in enumerate(messages)]
    for index, message in enumerate(messages):
        if isinstance(message, AIMessage) and message.invalid_tool_calls:
            answered = _answered(message.invalid_tool_calls, turns[index:])
            turns[index] = _to_message(_with_broken_calls(message, answered), index, hosted)
    return tuple(turn for turn in turns if turn is not None)


def _with_broken_calls(message: BaseMessage, calls: list[InvalidToolCall]) -> BaseMessage:
    if not isinstance(message, AIMessage) or message.invalid_tool_calls == calls:
        return message
    return message.model_copy(update={"invalid_tool_calls": calls})


def _answered(broken: list[InvalidToolCall], turns: Sequence[Message | None]) -> list[InvalidToolCall]:
    """The broken calls of the first turn that a result answers; results go to the calls that could be run first."""
    blocks = [block for turn in turns if turn is not None for block in turn.content]
    results = Counter(block.tool_call_id for block in blocks if isinstance(block, ToolResult))
    results -= Counter(block.id for block in blocks if isinstance(block, ToolCall))
    answered: list[InvalidToolCall] = []
    for call in broken:
        id = call.get("id") or ""
        if results[id] > 0:
            results[id] -= 1
            answered.append(call)
    return answered


def _to_message(message: BaseMessage, index: int, hosted: Set[str]) -> Message | None:
    """The message for the core; `None` if it holds nothing but the result of another vendor's hosted tool.

    Raises:
        InvalidRequestError: It cannot be sent; the error names its position.
    """
    where = f"messages[{index}]"
    if isinstance(message, ChatMessage):
        message = _of_role(message, where)
    try:
        match message:
            case AIMessage():
                return Message("assistant", tuple(_answer(message)))
            case ToolMessage():
                return None if message.tool_call_id in hosted else Message("user", (_result(message),))
            case HumanMessage():
                return Message("user", tuple(_written(message, hosted)))
            case SystemMessage():
                return Message("system", tuple(_written(message, hosted)))
            case _:
                pass
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{where}.{error}") from None
    raise InvalidRequestError(f"{where}: A {type(message).__name__} cannot be sent: use a ToolMessage or HumanMessage.")


def _of_role(message: ChatMessage, where: str) -> BaseMessage:
    if message.role not in _ROLES:
        raise InvalidRequestError(f"{where}: The role {message.role!r} is unknown: use system, user or assistant.")
    made: BaseMessage = _ROLES[message.role](message.content)
    return made


def _answer(message: AIMessage) -> Iterator[Block]:
    """An assistant message's blocks: the plan's own block for block, of others the text and the calls."""
    ours = is_ours(message)
    whole = "finish_reason" in message.response_metadata
    for block in own_blocks(message) if ours else foreign_blocks(message):
        if isinstance(block, Reasoning) and not whole:
            continue  # the answer broke off, so its reasoning may be cut short and unsigned
        yield block


def _result(message: ToolMessage) -> ToolResult:
    return to_tool_result(str(message.tool_call_id), message.content, is_error=message.status == "error")


def _written(message: BaseMessage, hosted: Set[str]) -> Iterator[Block]:
    """The blocks of what a person wrote, or of instructions."""
    for index, item in enumerate(items_of(message.content)):
        kind = type_of(item)
        if has_no_content(item) or (isinstance(item, Mapping) and _answers_hosted_tool(item, hosted)):
            continue
        if isinstance(item, Mapping) and kind == "tool_result":
            id = str(item.get("tool_use_id") or "")
            yield to_tool_result(id, item.get("content"), is_error=bool(item.get("is_error")))
            continue
        try:
            yield read_part(item)
        except InvalidRequestError as error:
            raise located(error, index, item) from None


def _answers_hosted_tool(item: Mapping[str, Any], hosted: Set[str]) -> bool:
    """Whether the block is for another vendor's hosted tool, such as the approval of a call."""
    return any(isinstance(value, str) and value in hosted for name, value in item.items() if str(name).endswith("_id"))
