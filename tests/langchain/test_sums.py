"""Chunks are LangChain's own, and a call that must not be run is invalid however they are added up."""

import copy
import json
import operator
import pickle
from collections.abc import Callable
from functools import reduce
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    merge_message_runs,
    message_chunk_to_message,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import add_messages

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._chunks import Chunks
from langchain_stepplan._replay import arguments_and_reason
from stepplan import DecodedEvent, Finish, MessageStart, TextDelta, ToolCallDelta, ToolCallStart
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.langchain import ask, create_agent, messages_of
from tests.support.fixtures import completed
from tests.support.ways.langchain import Models

pytestmark = pytest.mark.filterwarnings("ignore:The function `load` is in beta")

CUT = '{"to": "acct-9", "amount": 1'
# Arguments that core would mend, and so run: cut off in every state that JSON can be in, and not quite JSON.
BROKEN = (
    CUT,
    '{"to": "acct-9", "note": "half of',
    '{"to": "acct-9", "note": "ends in \\',
    '{"to": "acct-9", "note": "a \\"quote',
    '{"to": [{"id": [1, 2',
    '{"to": [{"id": 1}, ',
    '{"to": {"id": 1}',
    '{"to": tru',
    "{",
    "",
    "nul",
    '{"amount": NaN}',
    '{"amount": 1} and more',
)


def pay(to: str, amount: int = 0) -> str:
    """Pay."""
    raise AssertionError(f"a broken call was run: {to}, {amount}")


# ---------------------------------------------------------------------------------------------------------- the sums


def from_the_left(chunks: list[AIMessageChunk]) -> BaseMessage:
    return reduce(operator.add, chunks)


def from_an_empty_chunk(chunks: list[AIMessageChunk]) -> BaseMessage:
    full: Any = AIMessageChunk(content="")
    for chunk in chunks:
        full += chunk
    return cast("BaseMessage", full)


def from_the_right(chunks: list[AIMessageChunk]) -> BaseMessage:
    return reduce(lambda total, chunk: chunk + total, reversed(chunks))


def in_groups(chunks: list[AIMessageChunk]) -> BaseMessage:
    middle = len(chunks) // 2
    return from_the_left(chunks[:middle]) + from_the_right(chunks[middle:])  # type: ignore[return-value]


def with_sum(chunks: list[AIMessageChunk]) -> BaseMessage:
    return cast("Any", sum)(chunks[1:], chunks[0])  # type: ignore[no-any-return]


def at_once(chunks: list[AIMessageChunk]) -> BaseMessage:
    return chunks[0] + chunks[1:]


def by_core(chunks: list[AIMessageChunk]) -> BaseMessage:
    return add_ai_message_chunks(AIMessageChunk(content=""), *chunks)


def as_generations(chunks: list[AIMessageChunk]) -> BaseMessage:
    return reduce(operator.add, [ChatGenerationChunk(message=chunk) for chunk in chunks]).message


def each_through_json(chunks: list[AIMessageChunk]) -> BaseMessage:
    return from_the_left([load(json.loads(json.dumps(dumpd(chunk))), allowed_objects="core") for chunk in chunks])


def each_pickled(chunks: list[AIMessageChunk]) -> BaseMessage:
    return from_the_left([pickle.loads(pickle.dumps(chunk)) for chunk in chunks])


def each_deep_copied(chunks: list[AIMessageChunk]) -> BaseMessage:
    return from_an_empty_chunk(copy.deepcopy(chunks))


SUMS = [
    from_the_left,
    from_an_empty_chunk,
    from_the_right,
    in_groups,
    with_sum,
    at_once,
    by_core,
    as_generations,
    each_through_json,
    each_pickled,
    each_deep_copied,
]


# ------------------------------------------------------------------------------------------------ what is done with one


def untouched(message: BaseMessage) -> BaseMessage:
    return message


def as_message(message: BaseMessage) -> BaseMessage:
    return message_chunk_to_message(cast("AIMessageChunk", message))


def through_dicts(message: BaseMessage) -> BaseMessage:
    [loaded] = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
    return loaded


def through_load(message: BaseMessage) -> BaseMessage:
    return cast("BaseMessage", load(json.loads(json.dumps(dumpd(message))), allowed_objects="core"))


def through_checkpoint(message: BaseMessage) -> BaseMessage:
    serializer = JsonPlusSerializer(allowed_msgpack_modules=None)
    return cast("BaseMessage", serializer.loads_typed(serializer.dumps_typed(message)))


def validated_again(message: BaseMessage) -> BaseMessage:
    return type(message)(**message.model_dump())


def added_to(message: BaseMessage) -> BaseMessage:
    return cast("BaseMessage", cast("Any", message) + AIMessageChunk(content=""))


def merged_with_the_next(message: BaseMessage) -> BaseMessage:
    [_, merged] = merge_message_runs([HumanMessage("go"), AIMessage("So:"), message])
    return merged


def in_a_graph(message: BaseMessage) -> BaseMessage:
    return cast("list[BaseMessage]", cast("Any", add_messages)([HumanMessage("go")], [message]))[-1]


USES = [
    untouched,
    as_message,
    through_dicts,
    through_load,
    through_checkpoint,
    validated_again,
    added_to,
    merged_with_the_next,
    in_a_graph,
]


def chunks_of(arguments: str, *, v1: bool = False) -> list[AIMessageChunk]:
    """The chunks of an answer with a good call and a broken one."""
    events: list[DecodedEvent] = [MessageStart("id", "step-3.7-flash"), TextDelta(0, "I pay.")]
    events += [ToolCallStart(1, "good", "look"), ToolCallDelta(1, '{"at": "x"}'), ToolCallStart(2, "bad", "pay")]
    events += [ToolCallDelta(2, arguments[start : start + 5]) for start in range(0, len(arguments), 5)]
    chunks = Chunks(v1=v1)
    return [chunks.add(event) for event in completed(*events, Finish("length"))]


def assert_only_the_good_call_runs(message: BaseMessage, arguments: str) -> None:
    assert isinstance(message, AIMessage)
    assert [(call["id"], call["args"]) for call in message.tool_calls] == [("good", {"at": "x"})]
    [broken] = message.invalid_tool_calls
    assert (broken["id"], broken["name"], arguments_and_reason(broken)[0]) == ("bad", "pay", arguments)
    assert "'pay'" in str(arguments_and_reason(broken)[1])


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("arguments", BROKEN)
@pytest.mark.parametrize("add", SUMS)
def test_a_broken_call_is_invalid_in_every_sum(add: Callable[..., BaseMessage], arguments: str, v1: bool) -> None:
    assert_only_the_good_call_runs(add(chunks_of(arguments, v1=v1)), arguments)


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("add", SUMS)
def test_a_broken_call_stays_invalid_whatever_is_done_with_the_sum(
    add: Callable[..., BaseMessage], use: Callable[[BaseMessage], BaseMessage], v1: bool
) -> None:
    assert_only_the_good_call_runs(use(add(chunks_of(CUT, v1=v1))), CUT)


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("arguments", BROKEN)
@pytest.mark.parametrize("add", SUMS)
def test_the_standard_block_of_a_broken_call_holds_its_text_and_is_no_call(
    add: Callable[..., BaseMessage], arguments: str
) -> None:
    """Core turns the blocks of valid calls into `tool_call`, and leaves the others as they are."""
    for use in USES:
        blocks: list[Any] = list(use(add(chunks_of(arguments, v1=True))).content_blocks)
        calls = [block for block in blocks if "id" in block]  # an empty chunk adds empty text before them
        found = {block["id"]: (block["type"], block["args"]) for block in calls}
        assert found["good"] == ("tool_call", {"at": "x"})
        assert found["bad"][0] in {"tool_call_chunk", "invalid_tool_call"}
        assert found["bad"][1] == arguments


@pytest.mark.guarantees("cut-off-call")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=12,
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_a_call_that_is_cut_off_anywhere_is_invalid(value: Any, where: float) -> None:
    whole = json.dumps({"value": value}, ensure_ascii=False)
    cut = whole[: int(len(whole) * where)]
    assert_only_the_good_call_runs(from_an_empty_chunk(chunks_of(cut)), cut)


@pytest.mark.parametrize("arguments", ['{"to": "x"}', ' {"to": "x"} ', '{"to": "null"}'])
@pytest.mark.parametrize("add", SUMS)
def test_a_whole_call_is_valid_in_every_sum(add: Callable[..., BaseMessage], arguments: str) -> None:
    message = cast("AIMessage", add(chunks_of(arguments)))
    assert [call["args"] for call in message.tool_calls] == [{"at": "x"}, json.loads(arguments)]
    assert not message.invalid_tool_calls


@pytest.mark.guarantees("calls-without-arguments")
@pytest.mark.parametrize("arguments", ["null", " null", "  ", "\n"])
def test_a_call_without_arguments_is_valid_in_every_sum(arguments: str) -> None:
    """Core takes blanks and null for broken JSON, in one delta or in several."""
    for size in (1, 2, 9):
        deltas = [ToolCallDelta(0, arguments[start : start + size]) for start in range(0, len(arguments), size)]
        chunks = Chunks(v1=False)
        events = completed(MessageStart(), ToolCallStart(0, "a", "now"), *deltas, Finish("tool_calls"))
        message = from_an_empty_chunk([chunks.add(event) for event in events])
        assert [call["args"] for call in cast("AIMessage", message).tool_calls] == [{}]


# --------------------------------------------------------------------------------------------------- over the protocols

CUT_OFF = Turn(text="I pay.", tool_calls=[ToolCall("pay", CUT, "bad")], finish_reason="length")


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_streamed_calls_that_were_cut_off_are_invalid_over_both_protocols(
    model_for: Models, plan: Sandbox, version: str
) -> None:
    for protocol in ("openai", "anthropic"):
        model = model_for(protocol, output_version=version).bind_tools([pay])
        plan.script(CUT_OFF, CUT_OFF)
        for chunks in (list(model.stream("go")), [chunk async for chunk in model.astream("go")]):
            message = cast("AIMessage", from_an_empty_chunk(cast("list[AIMessageChunk]", chunks)))
            assert not message.tool_calls
            assert [call["id"] for call in message.invalid_tool_calls] == ["bad"]


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_agent_whose_chunks_are_added_up_runs_no_broken_call(
    model: ChatStepPlan, plan: Sandbox, asynchronous: bool
) -> None:
    """As an application shows it: `stream_mode="messages"`, a checkpoint, then the next question."""
    agent = create_agent(model, tools=[pay], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    plan.script(CUT_OFF, Turn(text="Sorry."))
    if asynchronous:
        parts = [part async for part, _ in agent.astream(ask("pay"), config, stream_mode="messages")]
    else:
        parts = [part for part, _ in agent.stream(ask("pay"), config, stream_mode="messages")]
    shown = from_an_empty_chunk([part for part in parts if isinstance(part, AIMessageChunk)])
    stored = messages_of(agent.get_state(config).values)[-1]
    for message in (shown, stored):
        assert isinstance(message, AIMessage)
        assert not message.tool_calls
        assert [call["id"] for call in message.invalid_tool_calls] == ["bad"]
    assert messages_of(agent.invoke(ask("and now?"), config))[-1].content == "Sorry."


@pytest.mark.guarantees("broken-call-talked-on")
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_the_answer_to_a_broken_call_goes_back_with_the_arguments_as_they_were_written(
    model: ChatStepPlan, plan: Sandbox, version: str
) -> None:
    model.output_version = version
    plan.script(CUT_OFF, Turn(text="Sorry."))
    broken = from_an_empty_chunk(cast("list[AIMessageChunk]", list(model.stream("go"))))
    model.invoke([HumanMessage("go"), as_message(broken), ToolMessage("It was cut off.", tool_call_id="bad")])
    said = plan.requests[-1].body["messages"][1]
    if model.protocol == "openai":
        assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"invalid_arguments": CUT}
    else:
        assert said["content"][-1]["input"] == {"invalid_arguments": CUT}
