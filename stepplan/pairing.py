"""Pairs every tool call with its result, as all protocols require."""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stepplan.errors import InvalidRequestError
from stepplan.messages import Block, Message, Text, ToolCall, ToolResult

logger = logging.getLogger("stepplan")

_ANSWER_THEM = (
    "Add a tool message for each, remove the calls, or set repair_history=True to report them to the model as "
    "interrupted."
)
_KEEP_THE_CALLS = (
    "Keep the assistant message with the call, remove the results, or set repair_history=True to send them as text."
)
_WITHOUT_ID = "one without an id"
_INTERRUPTED = (Text("Error: the call was interrupted and has no result."),)


@dataclass(slots=True)
class _Slot:
    """The place of one call's result, directly after the message that called."""

    id: str
    result: ToolResult | None = None


def pair_tool_results(messages: Sequence[Message], *, repair: bool = False) -> list[Message]:
    """Move every tool result directly after the message with its call, in the order of the calls.

    If several calls have the same id, they get distinct ones, and so do their results: within one message these are
    matched in order. Strict servers accept each id once in a conversation, and some models count from 0 in every turn.

    Args:
        messages: The conversation.
        repair: Mend what has no counterpart: a call without a result gets an error as its result, and a result without
            a call becomes text. Logs one warning if there was anything to mend.

    Raises:
        InvalidRequestError: A call has no result or a result has no call, and `repair` is off.
    """
    pairing = _Pairing(messages)
    for message in messages:
        pairing.add(message)
    if problems := pairing.problems():
        if not repair:
            raise InvalidRequestError(" ".join(problems[0]))
        logger.warning("The history was repaired. %s", " ".join(problem for problem, _ in problems))
    return pairing.paired()


class _Pairing:
    def __init__(self, messages: Sequence[Message]) -> None:
        self._orphans: list[str] = []
        self._ordered: list[Message | list[_Slot]] = []
        self._waiting: dict[str, deque[_Slot]] = {}
        self._ids = {block.id for message in messages for block in message.content if isinstance(block, ToolCall)}
        self._taken: set[str] = set()
        self._numbers: defaultdict[str, int] = defaultdict(lambda: 1)  # the last one that was appended to an id

    def add(self, message: Message) -> None:
        """Take the results out of a message, and make room for those of its calls."""
        slots: defaultdict[str, deque[_Slot]] = defaultdict(deque)
        calls: list[_Slot] = []
        rest: list[Block] = []
        for block in message.content:
            if isinstance(block, ToolResult):
                rest += self._answer(block)
            elif isinstance(block, ToolCall):
                calls.append(_Slot(self._distinct(block.id)))
                slots[block.id].append(calls[-1])
                rest.append(block if calls[-1].id == block.id else replace(block, id=calls[-1].id))
            else:
                rest.append(block)
        if rest or not message.content:
            self._ordered.append(Message(message.role, tuple(rest)))
        if calls:
            self._ordered.append(calls)
            self._waiting |= slots

    def _answer(self, result: ToolResult) -> list[Block]:
        """What remains of a result in its message: nothing if a call waits for it, otherwise its content."""
        id = result.tool_call_id
        if waiting := self._waiting.get(id):
            slot = waiting.popleft()
            slot.result = result if slot.id == id else replace(result, tool_call_id=slot.id)
            return []
        self._orphans.append(id or _WITHOUT_ID)
        return [Text(f"Result of the tool call {id}:"), *result.content]

    def _distinct(self, id: str) -> str:
        distinct = id
        while distinct in self._taken or (distinct != id and distinct in self._ids):
            self._numbers[id] += 1
            distinct = f"{id}_{self._numbers[id]}"
        self._taken.add(distinct)
        return distinct

    def problems(self) -> list[tuple[str, str]]:
        """What has no counterpart, each with how to change that."""
        slots = (slot for item in self._ordered if isinstance(item, list) for slot in item)
        found: list[tuple[str, str]] = []
        if unanswered := [slot.id or _WITHOUT_ID for slot in slots if slot.result is None]:
            found.append((f"These tool calls have no result: {', '.join(unanswered)}.", _ANSWER_THEM))
        if self._orphans:
            found.append((f"These tool results have no call: {', '.join(self._orphans)}.", _KEEP_THE_CALLS))
        return found

    def paired(self) -> list[Message]:
        """The conversation, with every call answered."""
        return [item if isinstance(item, Message) else _results(item) for item in self._ordered]


def _results(slots: Iterable[_Slot]) -> Message:
    return Message("user", tuple(slot.result or ToolResult(slot.id, _INTERRUPTED, is_error=True) for slot in slots))


def merge_same_role(messages: Iterable[Message]) -> list[Message]:
    """Join neighboring messages of the same role, for a protocol whose roles alternate. Empty messages are dropped."""
    merged: list[Message] = []
    for message in messages:
        if not message.content:
            continue
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, merged[-1].content + message.content)
        else:
            merged.append(message)
    return merged
