"""Every answer in the fixtures, recorded and composed, is one message: whole, in chunks, in v3 events."""

import operator
from functools import reduce
from typing import Any

import pytest
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_stepplan._answers import to_ai_message
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._messages import to_messages
from langchain_stepplan._v3_events import V3Events
from stepplan import Event, Message, ToolCall, fold, parse_arguments
from tests.support.fixtures import STREAMS, Answer, decode
from tests.support.ways.langchain import essence

EVERY_STREAM = pytest.mark.parametrize("answer", STREAMS, ids=lambda answer: answer.name)


def events_of(answer: Answer) -> list[Event]:
    return decode([answer.data], answer.protocol)


@pytest.mark.guarantees("same-every-way", "one-block-each")
@EVERY_STREAM
@pytest.mark.parametrize("v1", [False, True])
def test_the_chunks_add_up_to_the_whole_answer(answer: Answer, v1: bool) -> None:
    events, chunks = events_of(answer), Chunks(v1=v1)
    total = reduce(operator.add, [chunks.add(event) for event in events])
    whole = to_ai_message(fold(events), v1=v1)
    assert essence(total) == essence(whole)
    ids = [call["id"] for call in (*total.tool_calls, *total.invalid_tool_calls)]
    assert len(set(ids)) == len(ids)


@pytest.mark.guarantees("same-every-way", "langchain-v3")
@EVERY_STREAM
def test_the_v3_events_are_valid_and_say_the_same(answer: Answer) -> None:
    events = events_of(answer)
    v3, stream = V3Events(answer.protocol), ChatModelStream()
    found = [v3_event for event in events for v3_event in v3.add(event)]
    assert_valid_event_stream(found)
    for event in found:
        stream.dispatch(event)
    message, whole = stream.output_message, to_ai_message(fold(events), v1=True)
    assert message is not None
    assert (message.text, message.usage_metadata) == (whole.text, whole.usage_metadata)
    assert reasoning(message) == reasoning(whole)
    assert (message.tool_calls, message.invalid_tool_calls) == (whole.tool_calls, whole.invalid_tool_calls)
    assert message.response_metadata == whole.response_metadata


def reasoning(message: Any) -> str:
    return "".join(block["reasoning"] for block in message.content_blocks if block["type"] == "reasoning")


@pytest.mark.guarantees("block-for-block")
@EVERY_STREAM
def test_the_message_goes_back_as_the_answer_it_was(answer: Answer) -> None:
    response = fold(events_of(answer))
    broken = {parsed.call.id for parsed in response.tool_calls if parsed.error}
    content = tuple(block for block in response.content if not (isinstance(block, ToolCall) and block.id in broken))
    for v1 in (False, True):
        [turn] = to_messages([to_ai_message(response, v1=v1)])
        assert comparable(turn) == comparable(Message("assistant", content))


def comparable(turn: Message) -> list[Any]:
    """The blocks, with arguments read: blanks in JSON are not kept."""
    return [
        (block.id, block.name, parse_arguments(block.arguments)) if isinstance(block, ToolCall) else block
        for block in turn.content
    ]
