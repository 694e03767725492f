"""Pairs every tool call with its result, as both protocols require."""

import logging
from collections.abc import Iterable, Sequence

from stepplan.errors import InvalidRequestError
from stepplan.messages import Block, Message, Text, ToolCall, ToolResult

logger = logging.getLogger("stepplan")


def pair_tool_results(messages: Sequence[Message], *, repair: bool = False) -> list[Message]:
    """Put every tool result directly after the turn that called, in the order of the calls.

    Args:
        messages: The conversation.
        repair: Give a call without a result an error result, and send a result without a call as text. The log
            names them.

    Raises:
        InvalidRequestError: A call has no result, or a result no call, and `repair` is off.
    """
    ordered: list[Message | dict[str, ToolResult | None]] = []
    waiting: dict[str, dict[str, ToolResult | None]] = {}
    orphans: list[str] = []
    for message in messages:
        calls = [block.id for block in message.content if isinstance(block, ToolCall)]
        rest: list[Block] = []
        for block in message.content:
            if not isinstance(block, ToolResult):
                rest.append(block)
            elif (turn := waiting.pop(block.tool_call_id, None)) is not None:
                turn[block.tool_call_id] = block
            else:
                orphans.append(block.tool_call_id)
                rest += [Text(f"Result of the tool call {block.tool_call_id}:"), *block.content]
        if rest or not message.content:
            ordered.append(Message(message.role, tuple(rest)))
        if calls:
            results: dict[str, ToolResult | None] = dict.fromkeys(calls)
            waiting |= dict.fromkeys(calls, results)
            ordered.append(results)
    unanswered = [id for item in ordered if isinstance(item, dict) for id, result in item.items() if result is None]
    if not repair:
        _refuse_unpaired(unanswered, orphans)
    if unanswered:
        logger.warning(
            "Tool calls without a result are reported to the model as interrupted: %s.", ", ".join(unanswered)
        )
    if orphans:
        logger.warning("Tool results without a call are sent as text: %s.", ", ".join(orphans))
    return [item if isinstance(item, Message) else _results(item) for item in ordered]


def _refuse_unpaired(unanswered: Sequence[str], orphans: Sequence[str]) -> None:
    if unanswered:
        raise InvalidRequestError(
            f"These tool calls have no result: {', '.join(unanswered)}. Add a tool message for each, drop the calls, "
            "or set repair_history=True to report them to the model as interrupted."
        )
    if orphans:
        raise InvalidRequestError(
            f"These tool results have no call: {', '.join(orphans)}. Keep the assistant message that called, drop the "
            "results, or set repair_history=True to send them as text."
        )


def _results(turn: dict[str, ToolResult | None]) -> Message:
    interrupted = (Text("Error: the call was interrupted and has no result."),)
    return Message("user", tuple(result or ToolResult(id, interrupted, is_error=True) for id, result in turn.items()))


def merge_same_role(messages: Iterable[Message]) -> list[Message]:
    """Join neighbours of the same role, for a wire that wants the roles to alternate. Empty turns vanish."""
    merged: list[Message] = []
    for message in messages:
        if not message.content:
            continue
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, merged[-1].content + message.content)
        else:
            merged.append(message)
    return merged
