"""Estimates of token counts, without a tokenizer, a download or a network."""

import json
import re
from collections.abc import Mapping, Sequence

from stepplan import Block, Image, Message, Reasoning, ServerToolCall, Text, Tool, ToolCall, ToolResult, Video

# Chinese; kana and hangul; Latin words; digits; words of other scripts; punctuation; symbols; blank lines, indentation.
_PIECES = re.compile(
    r"([\u3400-\u9fff\uf900-\ufaff])|([\u3040-\u30ff\uac00-\ud7af])|([A-Za-z]+)|(\d{1,3})|([^\W\d_A-Za-z]+)"
    r"|([!-/:-@\[-`{-~]{1,3})|([^\w\s])|(\n\s*|\s{2,})"
)
_WEIGHTS = (0.0, 0.65, 0.75, 0.0, 1.3, 0.0, 1.0, 1.5, 0.5)
_LATIN, _OTHER = 3, 5
_LATIN_LETTERS, _OTHER_LETTERS = 5.5, 2.7
_PER_MESSAGE = 4
# StepFun publishes no rule for these.
_PER_IMAGE = 1_000
_PER_VIDEO = 10_000


def estimate_text(text: str) -> int:
    """About how many tokens a text has.

    The weights come from the tokenizers of DeepSeek V4 and Mistral (tekken), as StepFun publishes none. For prose in
    twelve languages and kinds, code, JSON and numbers, the estimate was within 30 % of the two tokenizers' average.
    """
    tokens = 0.0
    for piece in _PIECES.finditer(text):
        kind = piece.lastindex or 0
        if kind == _LATIN:
            tokens += max(1.0, len(piece.group()) / _LATIN_LETTERS)
        elif kind == _OTHER:
            tokens += max(1.0, len(piece.group()) / _OTHER_LETTERS)
        else:
            tokens += _WEIGHTS[kind]
    return round(tokens)


def estimate(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> int:
    """About how many tokens a request has. An image counts as 1,000 and a video as 10,000; both are guesses."""
    schemas = [_json({"name": tool.name, "description": tool.description, **tool.parameters}) for tool in tools]
    blocks = [block for message in messages for block in message.content]
    return (
        sum(map(estimate_text, schemas))
        + sum(map(_estimate_block, blocks))
        + _PER_MESSAGE * (len(messages) + len(tools))
    )


def _estimate_block(block: Block) -> int:
    match block:
        case Text(text) | Reasoning(text):
            return estimate_text(text)
        case ToolCall():
            return estimate_text(block.name) + estimate_text(block.arguments) + _PER_MESSAGE
        case ToolResult(_, content):
            return sum(map(_estimate_block, content))
        case Image():
            return _PER_IMAGE
        case Video():
            return _PER_VIDEO
        case ServerToolCall():  # not sent
            return 0


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False)
