"""Tool calls that are broken or cut off are never run, and the user is told."""

import json
import logging
from itertools import product

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.tools import FunctionTool

from llama_index_stepplan import StepPlan
from llama_index_stepplan._untyped import response_kwargs
from stepplan import ResponseDecodeError
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.llama_index import run
from tests.support.marks import agents_use_old_pydantic
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask

CUT_OFF = Turn(text="I pay.", tool_calls=[ToolCall("pay", '{"to": "bob", "amount": 25', "1")], finish_reason="length")


# A whole answer on Messages has the arguments as an object, so they cannot end in the middle.
@pytest.mark.guarantees("broken-call-invalid", "cut-off-call")
@pytest.mark.parametrize(("protocol", "way"), [*product(["openai"], WAYS), *product(["anthropic"], STREAMS)])
async def test_a_call_that_was_cut_off_is_kept_but_not_to_be_run(
    llm: StepPlan, plan: Sandbox, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stepplan")
    plan.script(CUT_OFF)
    answer = (await ask(llm, way, "Pay Bob 2500."))[-1]

    assert not any(isinstance(block, ToolCallBlock) for block in answer.message.blocks)
    assert "tool_calls" not in answer.message.additional_kwargs
    assert llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False) == []
    [kept] = answer.message.additional_kwargs["invalid_tool_calls"]
    assert kept["arguments"] == '{"to": "bob", "amount": 25'
    assert "raise max_tokens" in kept["error"]
    assert "used up by thinking" not in caplog.text
    assert "raise max_tokens" in caplog.text
    with pytest.raises(ValueError, match="raise max_tokens"):
        llm.get_tool_calls_from_response(answer)
    json.dumps(answer.message.additional_kwargs)


@pytest.mark.guarantees("cut-off-call")
@agents_use_old_pydantic
async def test_an_agent_does_not_pay_25_when_2500_was_cut_off(llm: StepPlan, plan: Sandbox) -> None:
    paid: list[int] = []

    def pay(to: str, amount: int) -> str:
        """Pay somebody."""
        paid.append(amount)
        return f"Paid {to}."

    plan.script(CUT_OFF)
    answer = await run(FunctionAgent(tools=[pay], llm=llm), "Pay Bob 2500.")

    assert paid == []
    assert str(answer) == "I pay."


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_was_cut_off_before_its_arguments_is_not_run(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(Turn(tool_calls=[ToolCall("delete_all", "", "1")], finish_reason="length"))
    answer = (await ask(llm, way, "Delete what I say."))[-1]

    assert llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False) == []
    [kept] = answer.message.additional_kwargs["invalid_tool_calls"]
    assert "no arguments arrived" in kept["error"]


@pytest.mark.guarantees("cut-off-call")
@pytest.mark.parametrize("way", STREAMS)
async def test_whole_calls_before_the_one_that_was_cut_off_are_run(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    calls = [ToolCall("pay", '{"amount": 1}', "1"), ToolCall("pay", '{"amount": 2', "2")]
    plan.script(Turn(tool_calls=calls, finish_reason="length"))
    answer = (await ask(llm, way, "Pay."))[-1]

    assert [call.tool_kwargs for call in llm.get_tool_calls_from_response(answer)] == [{"amount": 1}]
    assert [call["id"] for call in answer.message.additional_kwargs["invalid_tool_calls"]] == ["2"]


@pytest.mark.guarantees("broken-call-invalid")
@pytest.mark.parametrize("arguments", ["{'amount': 1}", "[1]", '"25"', '{"amount": 25,,}'])
async def test_broken_arguments_are_not_mended(llm: StepPlan, plan: Sandbox, arguments: str) -> None:
    plan.script(Turn(tool_calls=[ToolCall("pay", arguments, "1")]))
    answer = (await ask(llm, "stream_chat", "Pay."))[-1]

    assert llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False) == []
    [kept] = answer.message.additional_kwargs["invalid_tool_calls"]
    assert "are not a JSON object" in kept["error"]


def look(city: str) -> str:
    """Look at a city."""
    return f"{city} is there."


LOOK = FunctionTool.from_defaults(look)


@pytest.mark.guarantees("broken-call-invalid")
@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(("finish_reason", "again"), [("length", False), (None, True)])
async def test_a_call_that_cannot_be_run_raises_if_so_chosen(
    llm: StepPlan, plan: Sandbox, way: Way, finish_reason: str | None, again: bool
) -> None:
    llm.raise_invalid_tool_calls = True
    plan.script(Turn(text="I pay.", tool_calls=[ToolCall("pay", '{"amount": 25', "1")], finish_reason=finish_reason))
    with pytest.raises(ResponseDecodeError, match="'pay'") as caught:
        await ask(llm, way, "Pay Bob 2500.")

    assert caught.value.is_retryable is again
    assert caught.value.partial is not None
    assert caught.value.partial.text == "I pay."


@pytest.mark.guarantees("leaked-call")
@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_the_server_left_in_the_words_is_flagged_and_logged(
    llm: StepPlan, plan: Sandbox, way: Way, thinking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    llm.return_thinking = thinking
    leak = Turn(reasoning="I look. <tool_call>look</tool_call>", text="")
    plan.script(leak, leak, Turn(text="No <tool_call> here.", tool_calls=[ToolCall("look", {"city": "Rome"})]))
    with_tools = (await ask(llm, way, "Look.", tools=[LOOK]))[-1]
    assert "in its text" in caplog.text
    caplog.clear()
    without = (await ask(llm, way, "Look."))[-1]
    called = (await ask(llm, way, "Look.", tools=[LOOK]))[-1]

    assert response_kwargs(with_tools)["leaked_tool_call"] is True
    assert "leaked_tool_call" not in {*response_kwargs(without), *response_kwargs(called)}
    assert caplog.text == ""
    plan.script(leak)
    llm.raise_invalid_tool_calls = True
    with pytest.raises(ResponseDecodeError, match="<tool_call> in its text"):
        await ask(llm, way, "Look.", tools=[LOOK])


@pytest.mark.guarantees("broken-call-talked-on")
async def test_an_answer_with_a_call_that_was_cut_off_can_be_talked_on_about(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(CUT_OFF)
    answer = (await ask(llm, "stream_chat", "Pay."))[-1].message
    llm.chat([ChatMessage("Pay."), answer, ChatMessage("Did you?")])

    assert plan.requests[1].body["messages"][1] == {"role": "assistant", "content": "I pay."}


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_that_is_all_thinking_says_why(
    llm: StepPlan, plan: Sandbox, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stepplan")
    plan.script(Turn(reasoning="Hm, hm, hm.", finish_reason="length"))
    answer = (await ask(llm, way, "Hi"))[-1]

    assert answer.message.content == ""
    assert "max_tokens was used up by thinking" in caplog.text
