"""The pieces of a stream are made without validation, and are what validation would have made."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_stepplan._chunks import Chunks
from langchain_stepplan._unvalidated import to_generation
from stepplan import Event, MessageStart, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStart

EVENTS: list[Event] = [
    MessageStart("id", "model", "trace"),
    MessageStart(),
    TextDelta(1, "words 词"),
    ReasoningDelta(0, "thought"),
    ReasoningDelta(0, signature="sig"),
    ReasoningDelta(0, redacted="opaque"),
    ToolCallStart(2, "a", "look"),
]


def assert_same(made: Any, validated: Any) -> None:
    assert type(made) is type(validated)
    assert made == validated
    assert made.__dict__ == validated.__dict__
    assert list(made.__dict__) == list(validated.__dict__)
    assert [type(value) for value in made.__dict__.values()] == [type(value) for value in validated.__dict__.values()]
    assert made.model_fields_set == validated.model_fields_set
    assert made.__pydantic_extra__ == validated.__pydantic_extra__
    assert made.__pydantic_private__ == validated.__pydantic_private__
    assert made.model_dump_json() == validated.model_dump_json()
    assert pickle.loads(pickle.dumps(made)) == validated


def check(event: Event, *, v1: bool) -> None:
    made = Chunks(v1=v1).add(event)
    derived = {"tool_calls", "invalid_tool_calls"}
    validated = AIMessageChunk(**{name: getattr(made, name) for name in made.model_fields_set - derived})
    assert_same(made, validated)
    assert_same(to_generation(made), ChatGenerationChunk(message=validated))


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("event", EVENTS)
def test_a_piece_is_what_validation_makes(event: Event, v1: bool) -> None:
    check(event, v1=v1)


PIECES = st.one_of(
    st.text(max_size=12),
    st.text(alphabet='{}[]":, \t\n\\0123456789.eE-+truefalsn\u00a0\ufeff', max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ).flatmap(lambda value: st.integers(0, 30).map(lambda start: json.dumps(value)[start:])),
)


@given(PIECES)
def test_a_piece_of_arguments_is_what_validation_makes(arguments: str) -> None:
    for v1 in (False, True):
        check(ToolCallDelta(0, arguments), v1=v1)


def test_pieces_share_nothing_that_can_change() -> None:
    chunks = Chunks(v1=False)
    one, other = chunks.add(TextDelta(0, "a")), chunks.add(TextDelta(0, "b"))
    one.additional_kwargs["x"] = 1
    one.response_metadata["x"] = 1
    one.tool_calls.append({"type": "tool_call", "id": "a", "name": "a", "args": {}})
    assert other == AIMessageChunk(content="b", response_metadata={"model_provider": "stepplan"})
