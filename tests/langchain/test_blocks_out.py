"""What a message shows of an answer, piece by piece, in part and whole."""

import operator
from functools import reduce
from typing import Any

import pytest
from langchain_core.language_models._utils import _update_message_content_to_blocks
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, message_chunk_to_message
from langchain_core.utils._merge import merge_lists

from langchain_stepplan._answers import to_ai_message
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._messages import to_messages
from stepplan import (
    Finish,
    Message,
    MessageStart,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
    fold,
)
from tests.support.fixtures import completed

EVENTS = completed(
    MessageStart("id", "step-3.7-flash", "trace"),
    ReasoningDelta(0, "First "),
    ReasoningDelta(0, "this."),
    TextDelta(1, "Let me "),
    TextDelta(1, "look."),
    ToolCallStart(2, "a", "look"),
    ToolCallStart(3, "b", "look"),
    ToolCallDelta(2, '{"place": "x"}'),
    ToolCallDelta(3, '{"place": '),
    ToolCallDelta(3, '"y"}'),
    Finish("tool_calls", Usage(3, 4)),
)


def pieces(v1: bool, count: int = len(EVENTS)) -> list[AIMessageChunk]:
    chunks = Chunks(v1=v1)
    return [chunks.add(event) for event in EVENTS[:count]]


def total(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return reduce(operator.add, chunks)


@pytest.mark.guarantees("one-block-each")
@pytest.mark.parametrize("v1", [False, True])
def test_every_piece_shows_its_own_block(v1: bool) -> None:
    kinds = [[block["type"] for block in piece.content_blocks] for piece in pieces(v1)]
    call = ["tool_call_chunk"]
    assert kinds == [[], ["reasoning"], ["reasoning"], ["text"], ["text"], *[call] * 5, []]


@pytest.mark.guarantees("one-block-each")
@pytest.mark.parametrize("v1", [False, True])
def test_the_blocks_of_pieces_merge_into_one_each(v1: bool) -> None:
    """As LangChain merges blocks of pieces: by their index."""
    blocks: list[Any] = merge_lists([], *[list(piece.content_blocks) for piece in pieces(v1)]) or []
    assert [block["type"] for block in blocks] == ["reasoning", "text", "tool_call_chunk", "tool_call_chunk"]
    assert blocks[0]["reasoning"] == "First this."
    assert blocks[1]["text"] == "Let me look."
    assert [(block["id"], block["args"]) for block in blocks[2:]] == [("a", '{"place": "x"}'), ("b", '{"place": "y"}')]


@pytest.mark.parametrize("v1", [False, True])
def test_a_part_shows_what_there_is_so_far(v1: bool) -> None:
    part = total(pieces(v1, 9))
    assert [block["type"] for block in part.content_blocks] == [
        "reasoning",
        "text",
        "tool_call_chunk",
        "tool_call_chunk",
    ]
    assert part.text == "Let me look."


def test_standard_content_made_by_core_is_ours() -> None:
    """With `output_version="v1"` core replaces content by `content_blocks`; ours comes that way already."""
    plain, standard = (to_ai_message(fold(EVENTS), v1=v1) for v1 in (False, True))
    assert _update_message_content_to_blocks(plain, "v1") == standard
    assert standard.content == [
        {"type": "reasoning", "reasoning": "First this."},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_call", "id": "a", "name": "look", "args": {"place": "x"}},
        {"type": "tool_call", "id": "b", "name": "look", "args": {"place": "y"}},
    ]
    assert plain.content_blocks == standard.content


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("count", [4, 9, len(EVENTS)])
def test_a_message_can_be_made_of_any_part(v1: bool, count: int) -> None:
    message = message_chunk_to_message(total(pieces(v1, count)))
    assert type(message) is AIMessage
    assert message.text == "Let me look."[: 7 if count == 4 else None]


def test_ids_model_and_finish_are_said_once() -> None:
    message = total(pieces(False))
    assert message.response_metadata == {
        "model_provider": "stepplan",
        "model_name": "step-3.7-flash",
        "id": "id",
        "trace_id": "trace",
        "finish_reason": "tool_calls",
        "token_usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
    assert message.usage_metadata == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


@pytest.mark.guarantees("usage-details")
def test_details_of_usage_are_in_langchains_words() -> None:
    usage = Usage(30, 20, cache_read_tokens=5, cache_creation_tokens=6, reasoning_tokens=7)
    message = to_ai_message(fold([MessageStart(), Finish("stop", usage)]), v1=False)
    assert message.usage_metadata == {
        "input_tokens": 30,
        "output_tokens": 20,
        "total_tokens": 50,
        "input_token_details": {"cache_read": 5, "cache_creation": 6},
        "output_token_details": {"reasoning": 7},
    }


def test_a_server_that_counts_nothing_leaves_usage_out() -> None:
    assert to_ai_message(fold([MessageStart(), Finish("stop")]), v1=False).usage_metadata is None


def test_content_of_ours_that_was_rewritten_is_sent_as_it_is_now() -> None:
    said = to_ai_message(fold(EVENTS[:5] + EVENTS[-1:]), v1=True)
    said.content = ["Rewritten.", {"type": "citation", "url": "x"}]
    assert to_messages([HumanMessage("a"), said])[1] == Message("assistant", (Text("Rewritten."),))
