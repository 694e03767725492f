"""Objects that are made without validation are what the validated ones are, in every respect that can be looked at."""

import copy
import pickle
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection
from pydantic import BaseModel

from llama_index_stepplan import StepPlan, _unvalidated
from stepplan.sandbox import Sandbox, ToolCall, Turn

BLOCKS: list[ContentBlock] = [
    TextBlock(text="Hello."),
    ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"a": [1]}),
]
CALLS = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}

PAIRS: list[tuple[BaseModel, BaseModel]] = [
    (_unvalidated.text_block("Hello."), TextBlock(text="Hello.")),
    (
        _unvalidated.thinking_block("Hm.", None, {"provider": "stepplan"}),
        ThinkingBlock(content="Hm.", num_tokens=None, additional_information={"provider": "stepplan"}),
    ),
    (
        _unvalidated.tool_call_block("1", "look", {"a": [1]}),
        ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"a": [1]}),
    ),
    (
        _unvalidated.tool_selection("1", "look", {"a": [1]}),
        ToolSelection(tool_id="1", tool_name="look", tool_kwargs={"a": [1]}),
    ),
    (
        _unvalidated.chunk([*BLOCKS], CALLS, "lo.", {"id": "c"}, {"thinking_delta": "Hm."}),
        ChatResponse(
            message=ChatMessage(role=MessageRole.ASSISTANT, blocks=[*BLOCKS], additional_kwargs=CALLS),
            delta="lo.",
            raw={"id": "c"},
            additional_kwargs={"thinking_delta": "Hm."},
        ),
    ),
]


def assert_same(quick: BaseModel, validated: BaseModel) -> None:
    assert type(quick) is type(validated)
    assert quick == validated
    assert list(vars(quick)) == list(vars(validated))
    assert quick.model_fields_set == validated.model_fields_set
    assert quick.__pydantic_extra__ == validated.__pydantic_extra__
    assert quick.__pydantic_private__ == validated.__pydantic_private__
    assert repr(quick) == repr(validated)
    for options in ({}, {"exclude_unset": True}, {"exclude_defaults": True}):
        settings: Any = options
        assert quick.model_dump_json(**settings) == validated.model_dump_json(**settings)


@pytest.mark.parametrize(("quick", "validated"), PAIRS, ids=lambda value: type(value).__name__)
def test_it_is_what_the_validated_one_is(quick: BaseModel, validated: BaseModel) -> None:
    assert_same(quick, validated)
    assert_same(pickle.loads(pickle.dumps(quick)), validated)
    assert_same(copy.deepcopy(quick), copy.deepcopy(validated))
    assert_same(quick.model_copy(), validated.model_copy())
    assert_same(type(quick).model_validate(quick.model_dump()), type(quick).model_validate(validated.model_dump()))


def test_every_field_of_todays_classes_is_set() -> None:
    for quick, _ in PAIRS:
        assert set(vars(quick)) == set(type(quick).model_fields)


def test_every_chunk_of_a_stream_is_valid(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(reasoning="Hm, hm.", text="Let me look.", tool_calls=[ToolCall("look", {"city": "Rome"}, "1")]))
    for chunk in llm.stream_chat([ChatMessage("Hi")]):
        again = ChatResponse.model_validate(chunk.model_dump())
        assert again == chunk
        assert list(vars(again)) == list(vars(chunk))
