"""LlamaIndex messages -> messages of the core."""

import logging
from collections.abc import Callable, Container, Iterator, Sequence
from reprlib import repr as shorten

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from llama_index_stepplan._content import to_content, to_result
from llama_index_stepplan._replay import read_answer
from stepplan import Block, InvalidRequestError, Message, Text, ToolCall, ToolResult
from stepplan.integration.plain import as_mapping

logger = logging.getLogger("stepplan")

_TOOL_ROLES = {MessageRole.TOOL, MessageRole.FUNCTION}


def to_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """A conversation for the core. Nothing in `messages` is changed.

    A tool result whose call is not in the conversation becomes text, with a log line: LlamaIndex leaves such results
    behind when a CodeActAgent hands off and when a memory forgets the call, and no caller can mend that.

    Raises:
        InvalidRequestError: A block is malformed, or neither protocol takes it.
    """
    for message in messages:
        if not isinstance(message, ChatMessage):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may err
            raise InvalidRequestError(f"Messages must be ChatMessages, not {shorten(message)}.")
    answered = {_result_id(message) for message in messages if message.role in _TOOL_ROLES}
    ids = _CallIds()
    converted = tuple(turn for message in messages for turn in _to_message(message, ids, answered))
    if ids.orphans:
        logger.warning("Tool results without a call are sent as text: %s.", ", ".join(ids.orphans))
    return converted


def _to_message(message: ChatMessage, ids: "_CallIds", answered: Container[str]) -> Iterator[Message]:
    match message.role:
        case MessageRole.SYSTEM | MessageRole.DEVELOPER:
            yield Message("system", tuple(to_content(message)))
        case MessageRole.USER:
            yield Message("user", tuple(to_content(message)))
        case MessageRole.TOOL | MessageRole.FUNCTION:
            result = tuple(to_result(message))
            id = ids.of_result(_result_id(message))
            yield Message.user(*(Text("Result of a tool call:"), *result) if id is None else [ToolResult(id, result)])
        case MessageRole.ASSISTANT | MessageRole.CHATBOT | MessageRole.MODEL:
            if blocks := read_answer(message, answered):
                yield Message("assistant", tuple(ids.of_calls(blocks)))
        case _:  # nothing validates a role that is assigned
            raise InvalidRequestError(f"The role {message.role!r} is unknown: use system, user, assistant or tool.")


def _result_id(message: ChatMessage) -> str:
    """The id of the call that a tool message answers; "" if it names none."""
    kwargs = as_mapping(message.additional_kwargs)
    return str(kwargs.get("tool_call_id") or kwargs.get("call_id") or "")


class _CallIds:
    """Gives every call an id of its own, and every result the id of its call.

    Ids of other providers may be missing, and then the order counts. Some providers repeat them, in one message or in
    several, where they take the tool's name for the id.
    """

    def __init__(self) -> None:
        self.orphans: list[str] = []
        self._used: set[str] = set()
        self._turns: list[list[tuple[str, str]]] = []  # calls without a result, each as the id it had and the one here

    def of_calls(self, blocks: Sequence[Block]) -> Iterator[Block]:
        """The blocks of an assistant message, with distinct ids."""
        turn: list[tuple[str, str]] = []
        for block in blocks:
            if not isinstance(block, ToolCall):
                yield block
                continue
            id = self._distinct(block.id)
            turn.append((block.id, id))
            yield ToolCall(id, block.name, block.arguments)
        if turn:
            self._turns.append(turn)

    def of_result(self, given: str) -> str | None:
        """The id of the call that a result answers, in the latest turn that has one; `None` if none has.

        A result without an id answers the first call. One whose id no call has answers the first call without an id:
        agents make ids up for such calls.
        """
        found = self._take(lambda had: had == given) or self._take(lambda had: not (had and given))
        if found is None:
            self.orphans.append(given or "one without an id")
        return found

    def _distinct(self, given: str) -> str:
        id, number = given, len(self._used)
        while not id or id in self._used:
            number += 1
            id = f"{given or 'call'}_{number}"
        self._used.add(id)
        return id

    def _take(self, matches: Callable[[str], bool]) -> str | None:
        for turn in reversed(self._turns):
            for call in turn:
                if matches(call[0]):
                    turn.remove(call)
                    return call[1]
        return None
