"""Answers that a person edited before sending them back: what the message says now is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock, ToolCallBlock

from llama_index_stepplan import StepPlan
from llama_index_stepplan._answers import Reading, to_chat_response
from stepplan import Block, Request, Response, Text, ToolCall, sandbox
from stepplan.sandbox import Sandbox, Turn
from tests.support.servers import canned
from tests.support.turns import Sent, sent_answer
from tests.support.ways.llama_index import WAYS, Way, ask

QUESTION = ChatMessage("Pay Ann and Bob.")
PAYMENTS = Turn(
    reasoning="Two payments.",
    text="I pay both.",
    tool_calls=[
        sandbox.ToolCall("pay", '{"to":  "ann", "amount": 9999}', "a"),
        sandbox.ToolCall("pay", '{"to": "bob"}', "b"),
    ],
)
ANN = ("a", "pay", {"to": "ann", "amount": 9999})
BOB = ("b", "pay", {"to": "bob"})


def result(id: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.TOOL, content="done", additional_kwargs={"tool_call_id": id})


def call_block(message: ChatMessage, id: str = "a") -> ToolCallBlock:
    [block] = [block for block in message.blocks if isinstance(block, ToolCallBlock) and block.tool_call_id == id]
    return block


def without(message: ChatMessage, *ids: str) -> None:
    message.blocks = [
        block for block in message.blocks if not (isinstance(block, ToolCallBlock) and block.tool_call_id in ids)
    ]


async def sent_after(
    edit: Callable[[ChatMessage], object], llm: StepPlan, plan: Sandbox, way: Way, *, results: str = "ab"
) -> Sent:
    """What goes out of the answer, once it was edited and stored as JSON."""
    plan.script(PAYMENTS)
    answer = (await ask(llm, way, [QUESTION]))[-1].message
    edit(answer)
    stored = ChatMessage.model_validate_json(answer.model_dump_json())
    await ask(llm, way, [QUESTION, stored, *map(result, results), ChatMessage("So?")])
    return sent_answer(plan)


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "edited",
    [{"to": "ann", "amount": 5}, {"to": "ann", "amount": 9999.0}, {"to": "ann"}, {}, {"to": "ann", "amount": True}],
)
async def test_edited_arguments_are_sent(llm: StepPlan, plan: Sandbox, way: Way, edited: dict[str, Any]) -> None:
    def edit(message: ChatMessage) -> None:
        call_block(message).tool_kwargs = edited

    sent = await sent_after(edit, llm, plan, way)

    assert json.dumps(sent.calls) == json.dumps([("a", "pay", edited), BOB])


def test_an_edited_one_is_not_taken_for_true(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[sandbox.ToolCall("switch", '{"on":1}', "a")]))
    answer = llm.chat([QUESTION]).message
    call_block(answer).tool_kwargs = {"on": True}
    llm.chat([QUESTION, answer, result("a")])

    assert sent_answer(plan).calls[0][2]["on"] is True


@pytest.mark.parametrize("way", WAYS)
async def test_arguments_edited_as_text_and_a_changed_name_are_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        call_block(message).tool_kwargs = '{"to": "eve"}'
        call_block(message).tool_name = "refund"

    sent = await sent_after(edit, llm, plan, way)

    assert sent.calls == [("a", "refund", {"to": "eve"}), BOB]


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_was_taken_out_is_not_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    sent = await sent_after(lambda message: without(message, "a"), llm, plan, way, results="b")

    assert (sent.calls, sent.results) == ([BOB], [("b", "done")])
    assert sent.text == "I pay both."


@pytest.mark.parametrize("way", WAYS)
async def test_if_all_calls_were_taken_out_none_is_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    sent = await sent_after(lambda message: without(message, "a", "b"), llm, plan, way, results="")

    assert (sent.calls, sent.text) == ([], "I pay both.")
    assert "interrupted" not in str(plan.requests[-1].body)


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_was_put_in_is_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        message.blocks.append(ToolCallBlock(tool_call_id="c", tool_name="pay", tool_kwargs={"to": "eve"}))

    sent = await sent_after(edit, llm, plan, way, results="abc")

    assert sent.calls == [ANN, BOB, ("c", "pay", {"to": "eve"})]


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("way", WAYS)
async def test_edited_text_is_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        [block] = [block for block in message.blocks if isinstance(block, TextBlock)]
        block.text = "I pay none."

    assert (await sent_after(edit, llm, plan, way)).text == "I pay none."


@pytest.mark.parametrize("way", WAYS)
async def test_text_that_was_taken_out_is_not_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        message.blocks = [block for block in message.blocks if not isinstance(block, TextBlock)]

    sent = await sent_after(edit, llm, plan, way)

    assert (sent.text, sent.calls) == ("", [ANN, BOB])


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("edited", ["One payment.", "Two payments?", "", None])
async def test_edited_thinking_is_sent_without_the_signature_of_the_old(
    llm: StepPlan, plan: Sandbox, way: Way, edited: str | None
) -> None:
    def edit(message: ChatMessage) -> None:
        [block] = [block for block in message.blocks if isinstance(block, ThinkingBlock)]
        block.content = edited

    sent = await sent_after(edit, llm, plan, way)

    assert sent.thinking == ([edited] if edited else [])
    assert "signature" not in str(plan.requests[-1].body)


@pytest.mark.parametrize("damaged", [5, ["sig"], {"sig": {}}])
async def test_a_stored_signature_that_is_no_text_is_not_sent(llm: StepPlan, plan: Sandbox, damaged: Any) -> None:
    def damage(message: ChatMessage) -> None:
        [block] = [block for block in message.blocks if isinstance(block, ThinkingBlock)]
        block.additional_information |= {"signature": damaged}

    sent = await sent_after(damage, llm, plan, "chat")

    assert len(sent.thinking) == 1
    assert "signature" not in str(plan.requests[-1].body)


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("way", WAYS)
async def test_thinking_that_was_taken_out_is_not_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        message.blocks = [block for block in message.blocks if not isinstance(block, ThinkingBlock)]

    assert (await sent_after(edit, llm, plan, way)).thinking == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_message_made_anew_from_its_text_and_kwargs_keeps_its_calls(
    llm: StepPlan, plan: Sandbox, way: Way
) -> None:
    def edit(message: ChatMessage) -> None:
        message.blocks = [TextBlock(text=message.content or "")]

    assert (await sent_after(edit, llm, plan, way)).calls == [ANN, BOB]


@pytest.mark.parametrize("way", WAYS)
async def test_calls_edited_in_the_kwargs_of_such_a_message_are_sent(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        message.blocks = [TextBlock(text=message.content or "")]
        first, _ = message.additional_kwargs["tool_calls"]
        first["function"] |= {"arguments": '{"amount": 5}'}
        message.additional_kwargs["tool_calls"] = [first]

    sent = await sent_after(edit, llm, plan, way, results="a")

    assert sent.calls == [("a", "pay", {"amount": 5})]


@pytest.mark.parametrize("way", WAYS)
async def test_the_blocks_win_over_the_kwargs(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    def edit(message: ChatMessage) -> None:
        message.additional_kwargs["tool_calls"][0]["function"]["arguments"] = '{"to": "eve"}'

    assert (await sent_after(edit, llm, plan, way)).calls == [ANN, BOB]


@pytest.mark.parametrize("arguments", ["no JSON", "[1]", "{", '{"a": NaN}'])
def test_stored_arguments_that_are_broken_do_not_hide_the_blocks(llm: StepPlan, plan: Sandbox, arguments: str) -> None:
    answer = ChatMessage(
        role="assistant",
        blocks=[ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"a": 1})],
        additional_kwargs={"tool_calls": [{"id": "1", "function": {"name": "look", "arguments": arguments}}]},
    )
    llm.chat([QUESTION, answer, result("1")])

    assert sent_answer(plan).calls == [("1", "look", {"a": 1})]


SEVERAL: list[dict[str, Any]] = [
    {"type": "text", "text": "First."},
    {"type": "tool_use", "id": "1", "name": "look", "input": {}},
    {"type": "text", "text": "Second."},
    {"type": "tool_use", "id": "2", "name": "look", "input": {}},
    {"type": "text", "text": "Third."},
]


def sent_of_several(edit: Callable[[ChatMessage], object], *ids: str) -> list[dict[str, Any]]:
    """What goes out of an edited answer whose texts stand between its calls."""
    client, requests = canned(*[{"content": SEVERAL, "stop_reason": "tool_use"}] * 2)
    llm = StepPlan(protocol="anthropic", api_key="k", http_client=client)
    answer = llm.chat([QUESTION]).message
    edit(answer)
    llm.chat([QUESTION, ChatMessage.model_validate_json(answer.model_dump_json()), *map(result, ids)])
    content: list[dict[str, Any]] = requests[1]["messages"][1]["content"]
    return content


def test_text_between_calls_goes_back_where_it_stood_if_nothing_was_edited() -> None:
    assert sent_of_several(lambda _: None, "1", "2") == SEVERAL


def test_edited_text_of_the_same_length_is_one_text() -> None:
    def edit(message: ChatMessage) -> None:
        message.blocks[0] = TextBlock(text="Fourth.Fifth.Sixth.")

    assert sent_of_several(edit, "1", "2") == [{"type": "text", "text": "Fourth.Fifth.Sixth."}, SEVERAL[1], SEVERAL[3]]


def test_text_around_a_call_that_was_taken_out_stays_whole() -> None:
    one_text = {"type": "text", "text": "First.Second.Third."}

    assert sent_of_several(lambda message: without(message, "1"), "2") == [one_text, SEVERAL[3]]


@pytest.mark.parametrize("broken", [1, 3])
def test_blocks_around_a_broken_call_keep_their_order(broken: int) -> None:
    content = SEVERAL
    sent = [block for place, block in enumerate(content) if place != broken]
    blocks: list[Block] = [
        Text(block["text"]) if block["type"] == "text" else ToolCall(block["id"], "look", "{}") for block in content
    ]
    blocks[broken] = ToolCall(content[broken]["id"], "look", "{'a'")
    answer = to_chat_response(Response(tuple(blocks), "tool_calls"), Reading(Request(messages=()))).message
    client, requests = canned({"content": [], "stop_reason": "end_turn"})
    StepPlan(protocol="anthropic", api_key="k", http_client=client).chat([QUESTION, answer])

    assert requests[0]["messages"][1]["content"] == sent
    assert answer.additional_kwargs["invalid_tool_calls"][0]["id"] == content[broken]["id"]
