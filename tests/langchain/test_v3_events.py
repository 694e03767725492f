"""LangChain's v3 events come straight from the answer's own, block by block."""

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_stepplan import ChatStepPlan, IncompleteStreamError
from langchain_stepplan._answers import to_ai_message
from langchain_stepplan._v3_events import V3Events
from stepplan import (
    Event,
    Finish,
    MessageStart,
    ProtocolName,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
    fold,
)
from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn
from stepplan.sandbox import Usage as ScriptedUsage
from tests.support.fixtures import completed
from tests.support.ways.langchain import Models

pytestmark = pytest.mark.filterwarnings(
    "ignore:The (method|function) .*stream.* is in beta", "ignore:`?.*stream_events.*is in beta"
)

TURN = Turn(
    reasoning="They ask for the weather.",
    text="Let me look.",
    tool_calls=[ToolCall("look", {"place": "北京"}, "a"), ToolCall("look", {}, "b")],
    usage=ScriptedUsage(20, 30, cached_tokens=5),
)


async def events_of(model: Runnable[Any, Any], asynchronous: bool) -> tuple[list[dict[str, Any]], AIMessage]:
    chat = cast("ChatStepPlan", model)
    if asynchronous:
        astream: AsyncChatModelStream = await chat.astream_events("go", version="v3")
        seen = [cast("dict[str, Any]", event) async for event in astream]
        return seen, await astream
    stream: ChatModelStream = chat.stream_events("go", version="v3")
    return [cast("dict[str, Any]", event) for event in stream], stream.output


@pytest.mark.guarantees("langchain-v3")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_events_are_valid_and_add_up_to_the_answer(
    model: ChatStepPlan, plan: Sandbox, asynchronous: bool
) -> None:
    plan.script(TURN, TURN)
    events, message = await events_of(model, asynchronous)
    assert_valid_event_stream(events)
    whole = model.invoke("go")
    assert message.text == whole.text
    assert message.tool_calls == whole.tool_calls
    assert message.usage_metadata == whole.usage_metadata
    assert message.additional_kwargs == {"reasoning_content": "They ask for the weather."}
    for name in ("model_provider", "model_name", "finish_reason"):
        assert message.response_metadata[name] == whole.response_metadata[name]
    assert [plain(block) for block in message.content_blocks] == [plain(block) for block in whole.content_blocks]


def plain(block: Any) -> dict[str, Any]:
    """A block without its number, and without the signature, which the sandbox makes anew for every answer."""
    return {name: value for name, value in block.items() if name not in {"index", "extras"}}


async def test_the_model_is_named_at_the_start_and_each_block_finishes_before_the_next_one(
    model: ChatStepPlan, plan: Sandbox
) -> None:
    plan.script(TURN)
    events, _ = await events_of(model, asynchronous=False)
    assert events[0]["metadata"] == {"provider": "stepplan", "model": "step-3.7-flash"}
    marks = [(event["event"], event["index"]) for event in events if event["event"] in {START, FINISH}]
    expected = [(kind, index) for index in range(4) for kind in (START, FINISH)]
    assert marks == expected


START, FINISH = "content-block-start", "content-block-finish"


@pytest.mark.guarantees("langchain-v3")
async def test_a_call_that_was_cut_off_finishes_as_invalid(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    events, message = await events_of(model, asynchronous=False)
    assert_valid_event_stream(events)
    assert not message.tool_calls
    [call] = message.invalid_tool_calls
    assert call["args"] == '{"place": "Pa'
    assert "cut off" in str(call["error"])


@pytest.mark.guarantees("langchain-v3")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_stream_that_breaks_off_raises_our_error_after_what_had_arrived(
    model: ChatStepPlan, plan: Sandbox, asynchronous: bool
) -> None:
    seen: list[Any] = []

    async def read() -> None:
        if asynchronous:
            async for event in await model.astream_events("go", version="v3"):
                seen.append(event)  # noqa: PERF401 - what came before the error is to stay
        else:
            seen.extend(model.stream_events("go", version="v3"))

    plan.script(Turn(text="Some words. " * 20, fault=Fault(cut_at=1500)))
    with pytest.raises(IncompleteStreamError):
        await read()
    assert "Some" in "".join(event["delta"]["text"] for event in seen if event["event"] == "content-block-delta")


async def test_tools_and_structured_output_stream_events_too(model_for: Models, plan: Sandbox) -> None:
    schema = {"title": "Place", "type": "object", "properties": {"name": {"type": "string"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "Place", "schema": schema}}
    mark = {"kwargs": {"method": "json_schema"}, "schema": schema}
    bound = model_for("openai").bind_tools([], response_format=asked, ls_structured_output_format=mark)
    plan.script(Turn(text='{"name": "Paris"}'))
    events, message = await events_of(bound, asynchronous=False)
    assert_valid_event_stream(events)
    assert json.loads(message.text) == {"name": "Paris"}


def v3(events: Sequence[Event], protocol: ProtocolName) -> tuple[list[dict[str, Any]], AIMessage]:
    source, stream = V3Events(protocol), ChatModelStream()
    found = [v3_event for event in events for v3_event in source.add(event)]
    for event in found:
        stream.dispatch(event)
    assert_valid_event_stream(found)
    assert stream.output_message is not None
    return found, stream.output_message


END = Finish("tool_calls", Usage(1, 2))


DELTAS: list[tuple[TextDelta | ReasoningDelta | ToolCallDelta, dict[str, Any]]] = [
    (ReasoningDelta(0, "First "), {"type": "reasoning-delta", "reasoning": "First "}),
    (ReasoningDelta(0, "this."), {"type": "reasoning-delta", "reasoning": "this."}),
    (TextDelta(1, "Let me "), {"type": "text-delta", "text": "Let me "}),
    (TextDelta(1, "look."), {"type": "text-delta", "text": "look."}),
    (ToolCallDelta(2, '{"place": '), {"type": "tool-call-delta", "args": '{"place": '}),
    (ToolCallDelta(2, '"x"}'), {"type": "tool-call-delta", "args": '"x"}'}),
]


@pytest.mark.guarantees("langchain-v3")
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_every_delta_is_sent_on_when_it_comes(protocol: ProtocolName) -> None:
    source = V3Events(protocol)
    source.add(MessageStart())
    for event, delta in DELTAS:
        if (event, delta) == DELTAS[4]:
            source.add(ToolCallStart(2, "a", "look"))
        sent = [v3_event for v3_event in source.add(event) if v3_event["event"] == "content-block-delta"]
        assert [(v3_event["index"], v3_event["delta"]) for v3_event in sent] == [(event.index, delta)]


def test_calls_whose_pieces_alternate_stay_apart() -> None:
    events = completed(
        MessageStart(),
        ToolCallStart(0, "a", "look"),
        ToolCallStart(1, "b", "look"),
        ToolCallDelta(0, '{"place": '),
        ToolCallDelta(1, '{"place": '),
        ToolCallDelta(1, '"y"}'),
        ToolCallDelta(0, '"x"}'),
        END,
    )
    _, message = v3(events, "openai")
    assert [(call["id"], call["args"]) for call in message.tool_calls] == [("a", {"place": "x"}), ("b", {"place": "y"})]


@pytest.mark.guarantees("langchain-v3")
@pytest.mark.parametrize("late", ["\n", "}"])
def test_what_comes_behind_a_whole_call_after_the_next_block_began_is_no_call_of_its_own(late: str) -> None:
    events = completed(
        MessageStart(),
        ToolCallStart(0, "a", "look"),
        ToolCallDelta(0, '{"place": "x"}'),
        ToolCallStart(1, "b", "look"),
        ToolCallDelta(0, late),
        ToolCallDelta(1, '{"place": "y"}'),
        END,
    )
    _, message = v3(events, "openai")
    assert [(call["id"], call["args"]) for call in message.tool_calls] == [("a", {"place": "x"}), ("b", {"place": "y"})]
    assert not message.invalid_tool_calls


@pytest.mark.guarantees("langchain-v3")
def test_a_call_without_a_name_is_invalid_although_another_block_follows() -> None:
    events = completed(
        MessageStart(), ToolCallStart(0, "a", " "), ToolCallDelta(0, "{}"), ToolCallStart(1, "b", "look"), END
    )
    _, message = v3(events, "openai")
    assert [call["id"] for call in message.tool_calls] == ["b"]
    assert [call["id"] for call in message.invalid_tool_calls] == ["a"]


@pytest.mark.guarantees("langchain-v3")
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_calls_keep_their_order_although_the_first_has_no_arguments(protocol: ProtocolName) -> None:
    events = completed(
        MessageStart(),
        ToolCallStart(0, "a", "look"),
        ToolCallStart(1, "b", "look"),
        ToolCallDelta(1, '{"place": "y"}'),
        TextDelta(2, "So."),
        ToolCallStart(3, "c", "look"),
        END,
    )
    found, message = v3(events, protocol)
    assert [call["id"] for call in message.tool_calls] == ["a", "b", "c"]
    assert next(event["content"]["type"] for event in found if event["event"] == FINISH) == "text"


def test_a_signature_that_comes_late_stays_with_its_reasoning() -> None:
    events = completed(
        MessageStart(),
        ReasoningDelta(0, "Hm."),
        TextDelta(1, "Yes."),
        ReasoningDelta(0, signature="sig"),
        Finish("stop"),
    )
    _, message = v3(events, "anthropic")
    assert [plain(block) for block in message.content_blocks] == [
        {"type": "reasoning", "reasoning": "Hm."},
        {"type": "text", "text": "Yes."},
    ]
    assert message.content_blocks[0].get("extras") == {"signature": "sig"}


def test_words_after_a_call_are_a_block_of_their_own() -> None:
    events = completed(
        MessageStart(),
        TextDelta(0, "Now."),
        ToolCallStart(1, "a", "look"),
        ToolCallDelta(1, "{}"),
        TextDelta(0, "So."),
        END,
    )
    _, message = v3(events, "openai")
    assert [block["type"] for block in message.content_blocks] == ["text", "tool_call", "text"]
    assert message.text == to_ai_message(fold(events), v1=False).text


def test_redacted_reasoning_is_kept() -> None:
    events = completed(MessageStart(), ReasoningDelta(0, redacted="opaque"), TextDelta(1, "Yes."), Finish("stop"))
    _, message = v3(events, "anthropic")
    assert message.content_blocks[0] == {
        "type": "non_standard",
        "value": {"type": "redacted_thinking", "data": "opaque"},
        "index": 0,
    }
