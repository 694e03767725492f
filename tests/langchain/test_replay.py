"""What the plan thought and said goes back to it block for block, however the message was kept in between."""

import json
import pickle
from collections.abc import Callable
from typing import Any, cast

import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._answers import to_ai_message
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._messages import to_messages
from stepplan import (
    Finish,
    Message,
    MessageStart,
    ProtocolName,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    fold,
)
from stepplan.sandbox import Sandbox, Turn
from stepplan.sandbox import ToolCall as ScriptedCall
from tests.support.fixtures import completed
from tests.support.ways.langchain import WAYS, Models, Way, essence, total

# Thinking between words and calls, in every shape that Messages has: signed, unsigned, redacted, signed but empty.
EVENTS = completed(
    MessageStart("msg_1", "step-3.7-flash", "trace"),
    ReasoningDelta(0, "First "),
    ReasoningDelta(0, "this."),
    ReasoningDelta(0, signature="sig-"),
    ReasoningDelta(0, signature="a"),
    TextDelta(1, "Let me "),
    TextDelta(1, "look."),
    ReasoningDelta(2, redacted="opaque"),
    ToolCallStart(3, "call_1", "look"),
    ToolCallDelta(3, '{"place": '),
    ToolCallDelta(3, '"北京"}'),
    ReasoningDelta(4, "Then that."),
    TextDelta(5, "And more."),
    ReasoningDelta(6, signature="only"),
    ToolCallStart(7, "call_2", "look"),
    ToolCallDelta(7, "{}"),
    Finish("tool_calls"),
)
BLOCKS = (
    Reasoning("First this.", "sig-a"),
    Text("Let me look."),
    Reasoning("", redacted="opaque"),
    ToolCall("call_1", "look", '{"place": "北京"}'),
    Reasoning("Then that."),
    Text("And more."),
    Reasoning("", "only"),
    ToolCall("call_2", "look", "{}"),
)


def whole(v1: bool) -> AIMessage:
    return to_ai_message(fold(EVENTS), v1=v1)


def summed(v1: bool) -> AIMessage:
    chunks = Chunks(v1=v1)
    return total([chunks.add(event) for event in EVENTS])


def in_pairs(v1: bool) -> AIMessage:
    """Summed in another grouping: sums are associative."""
    chunks = Chunks(v1=v1)
    found = [chunks.add(event) for event in EVENTS]
    return total([total(found[:5]), total(found[5:])])


def as_json(message: AIMessage) -> BaseMessage:
    [loaded] = messages_from_dict([json.loads(json.dumps(message_to_dict(message)))])
    return loaded


def through_load(message: AIMessage) -> BaseMessage:
    return cast("BaseMessage", load(json.loads(json.dumps(dumpd(message))), allowed_objects="core"))


def through_checkpoint(message: AIMessage) -> BaseMessage:
    serializer = JsonPlusSerializer()
    return cast("BaseMessage", serializer.loads_typed(serializer.dumps_typed(message)))


def through_pickle(message: AIMessage) -> BaseMessage:
    return cast("BaseMessage", pickle.loads(pickle.dumps(message)))


def untouched(message: AIMessage) -> BaseMessage:
    return message


MADE: list[Callable[[bool], AIMessage]] = [whole, summed, in_pairs]
KEPT: list[Callable[[AIMessage], BaseMessage]] = [untouched, as_json, through_load, through_checkpoint, through_pickle]


@pytest.mark.guarantees("reasoning-goes-back")
@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("kept", KEPT)
def test_a_message_gives_back_the_blocks_it_was_made_of(
    v1: bool, made: Callable[[bool], AIMessage], kept: Callable[[AIMessage], BaseMessage]
) -> None:
    [message] = to_messages([kept(made(v1))])
    assert message == Message("assistant", BLOCKS)


@pytest.mark.guarantees("reasoning-goes-back")
def test_a_message_that_was_stored_long_ago_is_known() -> None:
    """Its provider and its keys are the format of what users have stored."""
    stored = {
        "content": "Now. So.",
        "additional_kwargs": {
            "reasoning_content": "Hm.",
            "stepplan_blocks": [
                {"type": "text", "length": 4},
                {"type": "reasoning", "length": 3, "signature": "sig", "checksum": 2370641231},
                {"type": "tool_call", "id": "a"},
                {"type": "text", "length": 4},
            ],
        },
        "tool_calls": [{"name": "look", "args": {"place": "北京"}, "id": "a", "type": "tool_call"}],
        "response_metadata": {"model_provider": "stepplan", "finish_reason": "tool_calls"},
    }
    [message] = to_messages(messages_from_dict([{"type": "ai", "data": stored}]))
    blocks = (Text("Now."), Reasoning("Hm.", "sig"), ToolCall("a", "look", '{"place": "北京"}'), Text(" So."))
    assert message == Message("assistant", blocks)


@pytest.mark.parametrize("v1", [False, True])
def test_a_streamed_answer_is_the_whole_answer(v1: bool) -> None:
    said, streamed = whole(v1), summed(v1)
    assert essence(streamed) == essence(said)
    assert streamed.text == said.text


def test_plain_order_needs_no_further_key() -> None:
    events = completed(MessageStart(), ReasoningDelta(0, "Hm."), TextDelta(1, "Yes."), Finish("stop"))
    assert to_ai_message(fold(events), v1=False).additional_kwargs == {"reasoning_content": "Hm."}


async def converse(way: Way, first: ChatStepPlan, second: ChatStepPlan, plan: Sandbox) -> list[dict[str, Any]]:
    """A tool call from the first model, its result to the second one; what the second was sent."""
    plan.script(
        Turn(reasoning="I look.", text="Looking.", tool_calls=[ScriptedCall("look", {"place": "x"}, "call_1")]),
        Turn(text="Sunny."),
    )
    said = await way(first, "how is it?")
    await way(second, [HumanMessage("how is it?"), said, ToolMessage("sunny", tool_call_id="call_1")])
    return cast("list[dict[str, Any]]", plan.requests[-1].body["messages"])


@pytest.mark.guarantees("reasoning-goes-back")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("begun_on", ["openai", "anthropic"])
async def test_reasoning_goes_back_over_either_protocol(
    way: Way, version: str, begun_on: ProtocolName, model_for: Models, plan: Sandbox
) -> None:
    first = model_for(begun_on, output_version=version)
    said = (await converse(way, first, model_for("openai"), plan))[1]
    assert said["reasoning_content"] == "I look."
    assert said["content"] == "Looking."
    said = (await converse(way, first, model_for("anthropic"), plan))[1]
    assert [block["type"] for block in said["content"]] == ["thinking", "text", "tool_use"]
    assert said["content"][0]["thinking"] == "I look."
    assert ("signature" in said["content"][0]) == (begun_on == "anthropic")


@pytest.mark.guarantees("replay-off")
async def test_replay_can_be_turned_off(model_for: Models, protocol: ProtocolName, plan: Sandbox) -> None:
    quiet = model_for(protocol, replay_reasoning=False)
    sent = await converse(WAYS[0], quiet, quiet, plan)
    assert "I look." not in json.dumps(sent)
    assert "Looking." in json.dumps(sent)


@pytest.mark.guarantees("broken-off-reasoning")
@pytest.mark.parametrize("v1", [False, True])
def test_reasoning_of_an_answer_that_broke_off_does_not_go_back(v1: bool) -> None:
    chunks = Chunks(v1=v1)
    broken = total([chunks.add(event) for event in (*EVENTS[:2], TextDelta(1, "Half"))])
    assert to_messages([broken]) == (Message("assistant", (Text("Half"),)),)


@pytest.mark.guarantees("edited-answers")
def test_edited_words_go_back_as_edited() -> None:
    message = whole(False)
    message.content = "Something else."
    [turn] = to_messages([message])
    assert [block for block in turn.content if isinstance(block, Text)] == [Text("Something else.")]
    assert [block.id for block in turn.content if isinstance(block, ToolCall)] == ["call_1", "call_2"]


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("v1", [False, True])
def test_edited_calls_go_back_as_edited(v1: bool) -> None:
    message = whole(v1)
    message.tool_calls = [{**message.tool_calls[1], "args": {"place": "Köln"}}]
    [turn] = to_messages([message])
    assert [block for block in turn.content if isinstance(block, ToolCall)] == [
        ToolCall("call_2", "look", '{"place": "Köln"}')
    ]
    assert len(turn.content) == len(BLOCKS) - 1
