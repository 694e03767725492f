"""Counts tokens the sandbox's way: a token is a short word or a piece of a long one."""

import re
from dataclasses import replace

from stepplan.sandbox.script import ToolCall, Turn

# Every character belongs to exactly one match, so the tokens of a text joined are the text.
_TOKEN = re.compile(r"\s*(?:[^\W\d_]{1,8}|\d{1,4}|[\W_])")
_TOKENS_IN_PIECE = 2
# The service counts the markup around a call too.
_CALL_OVERHEAD = 4


def split(text: str) -> list[str]:
    """The tokens of a text."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """How many tokens a text has."""
    return len(split(text))


def pieces(text: str) -> list[str]:
    """The text in the pieces of a stream, which hold more than one token each."""
    tokens = split(text)
    return ["".join(tokens[at : at + _TOKENS_IN_PIECE]) for at in range(0, len(tokens), _TOKENS_IN_PIECE)]


def call_cost(call: ToolCall) -> int:
    """The tokens of a call without its arguments."""
    return count(call.name) + _CALL_OVERHEAD


def found_tokens(turn: Turn) -> int:
    """The tokens of what server tools found, which become part of the input."""
    return sum(count(str(value)) for call in turn.server_tool_calls for item in call.results for value in item.values())


def output_tokens(turn: Turn) -> int:
    """The tokens of an answer, including its reasoning."""
    calls = sum(call_cost(call) + count(call.arguments_text) for call in turn.tool_calls)
    return count(turn.reasoning) + count(turn.text) + calls


def fit(turn: Turn, max_tokens: int | None, stop: tuple[str, ...]) -> Turn:
    """The turn, cut at the first stop sequence and at the token budget."""
    ends = [at for at in (turn.text.find(sequence) for sequence in stop if sequence) if at >= 0]
    if ends:
        turn = replace(turn, text=turn.text[: min(ends)], tool_calls=(), finish_reason="stop")
    if max_tokens is None or output_tokens(turn) <= max_tokens:
        return turn
    reasoning = split(turn.reasoning)[:max_tokens]
    left = max_tokens - len(reasoning)
    text = split(turn.text)[:left]
    left -= len(text)
    calls: list[ToolCall] = []
    for call in turn.tool_calls:
        left -= call_cost(call)
        if left < 0:
            break
        arguments = split(call.arguments_text)
        calls.append(replace(call, arguments="".join(arguments[:left])))
        left -= len(arguments)
    return replace(
        turn, reasoning="".join(reasoning), text="".join(text), tool_calls=tuple(calls), finish_reason="length"
    )
