"""A tool call that the token limit cut off, or that is no JSON, is never one that can be run."""

import logging
from typing import Any, NamedTuple

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import LLMResult

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._messages import to_messages
from stepplan import Message, Text
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.langchain.agents import create_agent
from tests.langchain.conftest import Models
from tests.langchain.ways import WAYS, Way

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
        assert (call["id"], call["name"], call["args"]) == ("bad", "look", case.arguments)
        assert case.reason in str(call["error"])
        assert [block["type"] for block in message.content_blocks] == ["reasoning", "tool_call", "invalid_tool_call"]
        if version == "v1":
            assert message.content == message.content_blocks


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", ["", "{}", "null", " "])
async def test_a_call_without_arguments_is_a_call(way: Way, arguments: str, model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", arguments, "a")]))
    message = await way(model, "go")
    assert message.tool_calls == [{"type": "tool_call", "id": "a", "name": "look", "args": {}}]
    assert not message.invalid_tool_calls


@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_call_is_logged_once(
    way: Way, model: ChatStepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    with caplog.at_level(logging.WARNING):
        await way(model, "go")
    [record] = caplog.records
    assert "max_tokens" in record.getMessage()


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


@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_call_does_not_spoil_the_conversation(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="I look.", tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    said = await way(model, "go")
    assert to_messages([said]) == (Message("assistant", (Text("I look."),)),)
    assert model.invoke([HumanMessage("go"), said, HumanMessage("go on")]).content


def test_a_broken_call_that_was_answered_goes_back_as_a_call(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"place": "Pa', "a")], finish_reason="length"))
    said = model.invoke("go")
    model.invoke([HumanMessage("go"), said, ToolMessage("Your arguments were cut off.", tool_call_id="a")])
    turn = plan.requests[-1].body["messages"][1]
    if model.protocol == "openai":
        assert turn["tool_calls"][0]["function"]["arguments"] == '{"invalid_arguments": "{\\"place\\": \\"Pa"}'
    else:
        assert turn["content"][0]["input"] == {"invalid_arguments": '{"place": "Pa'}
