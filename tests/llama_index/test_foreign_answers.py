"""Histories of other providers: repeated and missing ids, and what their servers ran or made."""

import logging
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, Turn
from tests.support.turns import sent_answer
from tests.support.ways.llama_index import WAYS, Way, ask

QUESTION = ChatMessage("Where?")


def call(id: str | None, name: str = "look", **kwargs: Any) -> ToolCallBlock:
    return ToolCallBlock(tool_call_id=id, tool_name=name, tool_kwargs=kwargs)


def answer(*blocks: ContentBlock, **kwargs: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks), additional_kwargs=kwargs)


def result(id: Any, text: str, key: str = "tool_call_id") -> ChatMessage:
    return ChatMessage(role=MessageRole.TOOL, content=text, additional_kwargs={} if id is None else {key: id})


def pairs(plan: Sandbox, position: int = 0) -> list[tuple[Any, str]]:
    """The arguments of each call that went out, with the result under its id."""
    sent = sent_answer(plan, position)
    results = dict(sent.results)
    assert len(results) == len(sent.results) == len({id for id, _, _ in sent.calls})
    return [(arguments, results[id]) for id, _, arguments in sent.calls]


@pytest.mark.guarantees("same-ids-twice")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("id", ["look", "call_1", "", None])
async def test_parallel_calls_with_one_id_or_none_get_the_results_in_order(
    llm: StepPlan, plan: Sandbox, way: Way, id: str | None
) -> None:
    calls = answer(call(id, city="Rome"), call(id, city="Oslo"), call(id, city="北京"))
    await ask(llm, way, [QUESTION, calls, result(id, "warm"), result(id, "cold"), result(id, "dry")])

    assert pairs(plan) == [({"city": "Rome"}, "warm"), ({"city": "Oslo"}, "cold"), ({"city": "北京"}, "dry")]


@pytest.mark.parametrize("way", WAYS)
async def test_an_id_that_comes_again_in_a_later_turn_is_made_distinct(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    history = [QUESTION, answer(call("look", n=1)), result("look", "one"), answer(call("look", n=2), call("look", n=3))]
    await ask(llm, way, [*history, result("look", "two"), result("look", "three")])

    assert pairs(plan, 0) == [({"n": 1}, "one")]
    assert pairs(plan, 1) == [({"n": 2}, "two"), ({"n": 3}, "three")]
    assert len({id for place in (0, 1) for id, _, _ in sent_answer(plan, place).calls}) == 3


def test_a_result_answers_the_latest_turn_that_has_its_call(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat(
        [QUESTION, answer(call("look", n=1)), ChatMessage("Stop."), answer(call("look", n=2)), result("look", "two")]
    )

    assert "interrupted" in sent_answer(plan, 0).results[0][1]
    assert pairs(plan, 1) == [({"n": 2}, "two")]


def test_an_id_that_an_agent_made_up_answers_a_call_without_one(llm: StepPlan, plan: Sandbox) -> None:
    calls = answer(call("a", n=1), call(None, n=2))
    llm.chat([QUESTION, calls, result("call_77", "two"), result("a", "one")])

    assert pairs(plan) == [({"n": 1}, "one"), ({"n": 2}, "two")]


def test_results_without_ids_answer_calls_with_ids_in_order(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat([QUESTION, answer(call("a", n=1), call("b", n=2)), result(None, "one"), result(None, "two")])

    assert pairs(plan) == [({"n": 1}, "one"), ({"n": 2}, "two")]


def test_an_id_made_here_is_none_that_is_there(llm: StepPlan, plan: Sandbox) -> None:
    calls = answer(call("call_2", n=1), call(None, n=2), call("call_2", n=3))
    llm.chat([QUESTION, calls, result("call_2", "one"), result(None, "two"), result("call_2", "three")])

    assert pairs(plan) == [({"n": 1}, "one"), ({"n": 2}, "two"), ({"n": 3}, "three")]


def test_the_id_of_a_result_may_be_under_the_key_of_responses(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat([QUESTION, answer(call("fc_1", n=1)), result("fc_1", "one", key="call_id")])

    assert pairs(plan) == [({"n": 1}, "one")]


STORED_CALLS: dict[str, dict[str, Any]] = {
    "Chat Completions": {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"city": "北京"}'}},
    "Responses": {"id": "fc", "call_id": "1", "type": "function_call", "name": "look", "arguments": '{"city": "北京"}'},
    "Messages": {"id": "1", "type": "tool_use", "name": "look", "input": {"city": "北京"}},
    "Converse": {"toolUseId": "1", "name": "look", "input": {"city": "北京"}},
    "Gemini": {"id": "1", "name": "look", "args": {"city": "北京"}},
}


@pytest.mark.parametrize("stored", STORED_CALLS.values(), ids=STORED_CALLS)
def test_a_call_in_the_kwargs_alone_is_sent_with_its_arguments_unescaped(
    llm: StepPlan, plan: Sandbox, stored: dict[str, Any]
) -> None:
    llm.chat([QUESTION, answer(tool_calls=[stored]), result("1", "dry")])

    assert pairs(plan) == [({"city": "北京"}, "dry")]
    if llm.protocol == "openai":
        [wire] = plan.requests[0].body["messages"][1]["tool_calls"]
        assert wire["function"]["arguments"] == '{"city": "北京"}'


def test_the_result_of_a_function_call_goes_by_its_name(llm: StepPlan, plan: Sandbox) -> None:
    look, find = ({"name": name, "arguments": f'{{"n": {n}}}'} for n, name in enumerate(("look", "find")))
    calls = [answer(TextBlock(text="Hm."), function_call=look), answer(TextBlock(text="So."), function_call=find)]
    llm.chat([QUESTION, *calls, result("look", "seen"), result("find", "found")])

    sent = [sent_answer(plan, position) for position in range(len(calls))]
    made = {id: arguments["n"] for turn in sent for id, _, arguments in turn.calls}
    assert sorted((made[id], text) for id, text in {pair for turn in sent for pair in turn.results}) == [
        (0, "seen"),
        (1, "found"),
    ]


@pytest.mark.guarantees("foreign-histories")
@pytest.mark.parametrize(
    "kind", ["web_search_call", "mcp_call", "code_interpreter_call", "computer_call", "server_tool_use", "of_tomorrow"]
)
def test_a_call_that_a_server_ran_is_left_out(llm: StepPlan, plan: Sandbox, kind: str) -> None:
    ran = {"id": "0", "type": kind, "name": "search", "arguments": "{}"}
    message = answer(TextBlock(text="Found."), tool_calls=[ran, STORED_CALLS["Responses"]])
    llm.chat([QUESTION, message, result("1", "dry")])

    assert pairs(plan) == [({"city": "北京"}, "dry")]
    assert sent_answer(plan).text == "Found."


class UnknownBlock:
    """A block of a LlamaIndex that is still to come."""

    block_type = "hologram"


PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
CITED = TextBlock(text="It is round.")
MADE_BY_SERVERS: list[Any] = [
    ImageBlock(image=PNG),
    ImageBlock(url="https://example.invalid/drawn.png"),
    AudioBlock(audio=b"RIFF", format="wav"),
    VideoBlock(url="https://example.invalid/a.mp4"),
    DocumentBlock(data=b"%PDF-1.7", title="Report"),
    CitableBlock(title="Atlas", source="p. 3", content=[CITED]),
    CitationBlock(cited_content=CITED, source="s", title="t", additional_location_info={"start": 1}),
    CachePoint(cache_control=CacheControl(type="ephemeral")),
    ThinkingBlock(content="Theirs.", additional_information={"signature": "s"}),
    UnknownBlock(),
    {"type": "server_tool_use", "name": "web_fetch"},
]


@pytest.mark.guarantees("foreign-histories")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("block", MADE_BY_SERVERS, ids=lambda block: type(block).__name__)
async def test_what_a_server_made_is_left_out_and_the_rest_stays(
    llm: StepPlan, plan: Sandbox, way: Way, block: Any
) -> None:
    message = answer(TextBlock(text="Here"), call("1", n=1), TextBlock(text="it is."))
    message.blocks.insert(1, block)
    await ask(llm, way, [QUESTION, message, result("1", "one"), ChatMessage("And?")])
    sent = sent_answer(plan)

    assert (sent.text, sent.thinking, sent.calls) == ("Here\nit is.", [], [("1", "look", {"n": 1})])
    assert set(plan.requests[-1].body) <= {"model", "messages", "stream", "stream_options", "max_tokens"}


def test_content_that_is_left_out_is_named_in_the_log(llm: StepPlan, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stepplan")
    llm.chat([QUESTION, answer(TextBlock(text="Drawn."), ImageBlock(image=PNG)), ChatMessage("And?")])

    assert [record.message for record in caplog.records] == [
        "ImageBlock in an assistant message is left out: it is neither text nor a call."
    ]


@pytest.mark.guarantees("foreign-histories")
def test_kwargs_of_other_providers_are_not_sent(llm: StepPlan, plan: Sandbox) -> None:
    message = answer(
        TextBlock(text="Hello."), built_in_tool_calls=[{"type": "web_search_call"}], thought_signatures=["s"], usage={}
    )
    llm.chat([QUESTION, message, ChatMessage("And?")])

    assert plan.requests[0].body["messages"][1] == {"role": "assistant", "content": "Hello."}


def test_the_mark_of_thinking_that_was_stored_is_known(llm: StepPlan, plan: Sandbox) -> None:
    """Messages that were stored stay valid: the mark is part of their format."""
    stored = {
        "role": "assistant",
        "blocks": [
            {"block_type": "thinking", "content": "Ours.", "additional_information": {"provider": "stepplan"}},
            {"block_type": "text", "text": "Hello."},
        ],
    }
    llm.chat([QUESTION, ChatMessage.model_validate(stored), ChatMessage("And?")])

    assert sent_answer(plan).thinking == ["Ours."]
    assert llm.chat([QUESTION]).message.additional_kwargs == {}


@pytest.mark.parametrize("way", WAYS)
async def test_the_mark_of_thinking_is_stored(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(Turn(reasoning="Hm.", text="Hello."))
    [thinking] = [block for block in (await ask(llm, way, "Hi"))[-1].message.blocks if isinstance(block, ThinkingBlock)]

    assert thinking.additional_information["provider"] == "stepplan"
