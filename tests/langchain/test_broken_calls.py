"""A tool call that the token limit cut off, or that is no JSON, is never one that can be run."""

import logging
from typing import Any, NamedTuple, cast

import pytest
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ModelError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import LLMResult

from langchain_stepplan import ChatStepPlan, ResponseDecodeError
from langchain_stepplan._messages import to_messages
from langchain_stepplan._replay import arguments_and_reason
from stepplan import Message, ProtocolName, Text
from stepplan import ToolCall as CoreToolCall
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.langchain import ask, create_agent, messages_of
from tests.support.ways.langchain import WAYS, Models, Way, v3

GOOD = ToolCall("look", {"place": "x"}, "good")


def look(place: str) -> str:
    """Look at a place."""
    raise AssertionError(f"a broken call was run, with {place!r}")


class Broken(NamedTuple):
    """Arguments that cannot be read, how the answer ended, and what is said of it."""

    arguments: str
    finish_reason: str
    reason: str


BROKEN = (
    Broken('{"place": "Pa', "length", "cut off"),
    Broken('{"place": tru', "length", "cut off"),
    Broken('{"place"', "length", "cut off"),
    Broken("", "length", "cut off"),
    Broken('{"place": "Paris"', "tool_calls", "not a JSON object"),
    Broken("{'place': 'Paris'}", "tool_calls", "not a JSON object"),
    Broken('["Paris"]', "tool_calls", "not a JSON object"),
)


@pytest.mark.guarantees("broken-call-invalid", "cut-off-call")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_call_is_invalid_with_its_text_and_the_reason(
    way: Way, version: str, case: Broken, model_for: Models, plan: Sandbox
) -> None:
    for protocol in ("openai", "anthropic"):
        broken = ToolCall("look", case.arguments, "bad")
        plan.script(Turn(reasoning="Hm.", tool_calls=[GOOD, broken], finish_reason=case.finish_reason))
        message = await way(model_for(protocol, output_version=version).bind_tools([look]), "go")
        assert [call["id"] for call in message.tool_calls] == ["good"]
        [call] = message.invalid_tool_calls
        arguments, reason = arguments_and_reason(call)
        assert (call["id"], call["name"], arguments) == ("bad", "look", case.arguments)
        assert case.reason in str(reason)
        reasoning, valid, broken = cast("list[Any]", message.content_blocks)
        assert (reasoning["type"], valid["type"]) == ("reasoning", "tool_call")
        assert (broken["id"], broken["name"], broken["args"]) == ("bad", "look", case.arguments)
        if version == "v1":
            assert message.content == message.content_blocks
        else:
            assert (broken["type"], broken["error"]) == ("invalid_tool_call", reason)


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("way", [*WAYS, v3])
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_a_broken_call_stays_at_its_position(way: Way, version: str, model_for: Models, plan: Sandbox) -> None:
    broken = ToolCall("look", "{'place'}", "bad")
    for protocol in ("openai", "anthropic"):
        for calls in ([broken, GOOD], [GOOD, broken], [broken]):
            plan.script(Turn(text="I look.", tool_calls=calls))
            message = await way(model_for(protocol, output_version=version).bind_tools([look]), "go")
            blocks = cast("list[dict[str, Any]]", message.content_blocks)
            assert [block.get("id") for block in blocks] == [None, *(call.id for call in calls)]
            results = [ToolMessage("ok", tool_call_id=str(call.id)) for call in calls]
            sent = to_messages([message, *results])[0].content
            assert [block.id for block in sent if isinstance(block, CoreToolCall)] == [call.id for call in calls]


@pytest.mark.guarantees("calls-without-arguments")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", ["", "{}", "null", " "])
async def test_a_call_without_arguments_is_a_call(way: Way, arguments: str, model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", arguments, "a")]))
    message = await way(model, "go")
    assert message.tool_calls == [{"type": "tool_call", "id": "a", "name": "look", "args": {}}]
    assert not message.invalid_tool_calls


@pytest.mark.guarantees("broken-call-invalid")
@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_call_is_logged_once(
    way: Way, model: ChatStepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    with caplog.at_level(logging.WARNING):
        await way(model, "go")
    [record] = caplog.records
    assert "max_tokens" in record.getMessage()


@pytest.mark.guarantees("broken-call-invalid")
@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("way", [*WAYS, v3])
async def test_a_broken_call_raises_if_that_is_asked_for(
    way: Way, model_for: Models, plan: Sandbox, protocol: ProtocolName
) -> None:
    model = model_for(protocol, raise_invalid_tool_calls=True).bind_tools([look])
    for finish_reason, retryable in (("tool_calls", True), ("length", False)):
        plan.script(Turn(text="I look.", tool_calls=[ToolCall("look", '{"p', "a")], finish_reason=finish_reason))
        with pytest.raises(ResponseDecodeError, match="The arguments of 'look'") as caught:
            await way(model, "go")
        assert isinstance(caught.value, ModelError)
        assert caught.value.is_retryable is retryable
        assert caught.value.partial is not None
        assert caught.value.partial.text == "I look."


def test_a_broken_call_that_raises_is_asked_for_again_by_retrying_middleware(
    model_for: Models, plan: Sandbox, protocol: ProtocolName
) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"p', "a")]), Turn(text="I looked."))
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    agent = create_agent(model_for(protocol, raise_invalid_tool_calls=True), tools=[look], middleware=[retry])
    assert messages_of(agent.invoke(ask("go")))[-1].content == "I looked."


LEAK = "<tool_call>\n<function=look>\n<parameter=place>\nParis\n</parameter>\n</function>\n</tool_call>"
LEAKS = [Turn(text=LEAK), Turn(reasoning=f"I look. {LEAK}", text="Well.")]


@pytest.mark.guarantees("leaked-call")
@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("way", [*WAYS, v3])
@pytest.mark.parametrize("turn", LEAKS, ids=["in the words", "in the reasoning"])
async def test_a_call_that_the_server_left_in_the_words_is_flagged_and_logged(
    way: Way, turn: Turn, model: ChatStepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    plan.script(turn)
    message = await way(model.bind_tools([look]), "go")
    assert message.response_metadata["leaked_tool_call"] is True
    assert not message.tool_calls
    [record] = caplog.records
    assert "<tool_call>" in record.getMessage()


@pytest.mark.guarantees("leaked-call")
@pytest.mark.parametrize("way", WAYS)
async def test_words_about_calls_are_no_leak_where_no_tool_is_bound_or_one_was_called(
    way: Way, model_for: Models, plan: Sandbox, protocol: ProtocolName
) -> None:
    model = model_for(protocol, raise_invalid_tool_calls=True)
    plan.script(Turn(text=LEAK), Turn(text=LEAK, tool_calls=[GOOD]))
    for asked in (model, model.bind_tools([look])):
        assert "leaked_tool_call" not in (await way(asked, "go")).response_metadata
    plan.script(Turn(text=LEAK))
    with pytest.raises(ResponseDecodeError, match="<tool_call>"):
        await way(model.bind_tools([look]), "go")


@pytest.mark.guarantees("broken-call-invalid", "cut-off-call")
@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_does_not_run_a_broken_call(model_for: Models, plan: Sandbox, streaming: bool) -> None:
    for protocol in ("openai", "anthropic"):
        plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
        agent = create_agent(model_for(protocol, streaming=streaming), tools=[look])
        [_, last] = agent.invoke({"messages": [("user", "go")]})["messages"]
        assert type(last) is AIMessage
        assert [call["id"] for call in last.invalid_tool_calls] == ["a"]


class Ends(BaseCallbackHandler):
    """Keeps what tracers are given at the end of an answer."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.messages += [getattr(generation, "message", None) for [generation] in response.generations]


def test_tracers_see_a_broken_call_as_broken(model: ChatStepPlan, plan: Sandbox) -> None:
    handler = Ends()
    plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    list(model.stream("go", config={"callbacks": [handler]}))
    [message] = handler.messages
    assert not message.tool_calls
    assert [call["id"] for call in message.invalid_tool_calls] == ["a"]


@pytest.mark.guarantees("broken-call-talked-on")
@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_call_does_not_spoil_the_conversation(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="I look.", tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    said = await way(model, "go")
    assert to_messages([said]) == (Message("assistant", (Text("I look."),)),)
    assert model.invoke([HumanMessage("go"), said, HumanMessage("go on")]).content


@pytest.mark.guarantees("broken-call-talked-on")
def test_a_broken_call_that_was_answered_goes_back_as_a_call(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    said = model.invoke("go")
    model.invoke([HumanMessage("go"), said, ToolMessage("Your arguments were cut off.", tool_call_id="a")])
    turn = plan.requests[-1].body["messages"][1]
    if model.protocol == "openai":
        assert turn["tool_calls"][0]["function"]["arguments"] == '{"invalid_arguments": "{\\"place\\": \\"Pa"}'
    else:
        assert turn["content"][0]["input"] == {"invalid_arguments": '{"place": "Pa'}
