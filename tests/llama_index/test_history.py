"""Conversations: what earlier turns look like when they are sent again."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock, ToolCallBlock

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, ProtocolName
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.servers import canned
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm


def sent(llm: StepPlan, plan: Sandbox, messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The messages that go out."""
    llm.chat(list(messages))
    body: list[dict[str, Any]] = plan.requests[-1].body["messages"]
    return body


def call(id: str | None, name: str, kwargs: dict[str, Any] | str) -> ToolCallBlock:
    return ToolCallBlock(tool_call_id=id, tool_name=name, tool_kwargs=kwargs)


def result(id: str | None, text: str, role: str = "tool") -> ChatMessage:
    kwargs = {"tool_call_id": id} if id is not None else {}
    return ChatMessage(role=MessageRole(role), content=text, additional_kwargs=kwargs)


@pytest.mark.parametrize(
    ("role", "expected"),
    [("user", "user"), ("assistant", "assistant"), ("chatbot", "assistant"), ("model", "assistant")],
)
def test_every_role_has_its_place(llm: StepPlan, plan: Sandbox, role: str, expected: str) -> None:
    messages = sent(llm, plan, [ChatMessage("One"), ChatMessage("Two", role=role)])

    if expected == "user" and llm.protocol == "anthropic":  # neighbors of one role are one turn there
        assert messages == [
            {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]}
        ]
    else:
        assert messages[1] == {"role": expected, "content": "Two"}


@pytest.mark.guarantees("system-messages")
@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_may_come_late(llm: StepPlan, plan: Sandbox, role: str) -> None:
    messages = sent(
        llm, plan, [ChatMessage("Be brief.", role=role), ChatMessage("Hi"), ChatMessage("Stop.", role=role)]
    )

    if llm.protocol == "openai":
        assert [message["role"] for message in messages] == ["system", "user", "system"]
    else:
        assert plan.requests[0].body["system"] == "Be brief.\n\nStop."
        assert messages == [{"role": "user", "content": "Hi"}]


def test_a_role_that_was_assigned_and_is_none_is_refused(llm: StepPlan, plan: Sandbox) -> None:
    for role in ("wizard", "human", None, 5):
        message = ChatMessage("Remember this.")
        vars(message)["role"] = role
        with pytest.raises(InvalidRequestError, match=f"The role {role!r} is unknown"):
            llm.chat([ChatMessage("Hi"), message])
    assert not plan.requests


def test_the_system_prompt_of_the_model_is_not_added_to_a_chat(plan: Sandbox, protocol: ProtocolName) -> None:
    llm = make_llm(plan, protocol, system_prompt="Be brief.")
    llm.chat([ChatMessage("Hi")])

    assert "Be brief." not in str(plan.requests[0].body)


@pytest.mark.guarantees("empty-text")
def test_empty_assistant_turns_are_left_out(llm: StepPlan, plan: Sandbox) -> None:
    messages = sent(llm, plan, [ChatMessage("Hi"), ChatMessage(role="assistant"), ChatMessage("Still there?")])

    assert "assistant" not in str(messages)


@pytest.mark.guarantees("empty-text")
def test_empty_text_beside_words_is_not_sent_on_messages(plan: Sandbox) -> None:
    llm = make_llm(plan, "anthropic")
    messages = sent(llm, plan, [ChatMessage(role="user", blocks=[TextBlock(text=""), TextBlock(text="Hi")])])

    assert messages == [{"role": "user", "content": "Hi"}]


@pytest.mark.guarantees("reasoning-goes-back", "block-for-block")
@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_is_replayed_block_for_block(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(
        Turn(reasoning="Both cities.", text="I look.", tool_calls=[ToolCall("look", '{"a": "é",  "b": 1}', "x1")])
    )
    question = ChatMessage("Where?")
    answer = (await ask(llm, way, [question]))[-1].message
    answer = ChatMessage.model_validate_json(answer.model_dump_json())
    messages = sent(llm, plan, [question, answer, result("x1", "there")])

    if llm.protocol == "openai":
        assert messages[1] == {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "Both cities.",
            "tool_calls": [
                {"id": "x1", "type": "function", "function": {"name": "look", "arguments": '{"a": "é",  "b": 1}'}}
            ],
        }
    else:
        thinking, text, tool_use = messages[1]["content"]
        signature = answer.blocks[0].additional_information["signature"]  # type: ignore[union-attr]
        assert thinking == {"type": "thinking", "thinking": "Both cities.", "signature": signature}
        assert text == {"type": "text", "text": "I look."}
        assert tool_use == {"type": "tool_use", "id": "x1", "name": "look", "input": {"a": "é", "b": 1}}


@pytest.mark.guarantees("broken-off-reasoning")
@pytest.mark.parametrize("way", STREAMS)
async def test_thinking_of_an_answer_that_broke_off_is_not_sent_back(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(Turn(reasoning="Half a thought, and no signature.", text="Half a word."))
    chunks = await ask(llm, way, "Hi")
    halves = [chunk.message for chunk in chunks[:-1]]
    broken = halves[[message.content or "" for message in halves].index("Half a word.")]
    messages = sent(llm, plan, [ChatMessage("Hi"), broken, ChatMessage("Go on.")])

    assert isinstance(broken.blocks[0], ThinkingBlock)
    assert messages[1] == {"role": "assistant", "content": "Half a word."}


@pytest.mark.guarantees("other-scripts", "lone-surrogates")
def test_halves_of_surrogate_pairs_are_joined_or_replaced(llm: StepPlan, plan: Sandbox) -> None:
    answer = ChatMessage(role="assistant", blocks=[call("1", "look", {"city": "\ud83c\udf0d \ud800"})])
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, result("1", "ok")])

    assert "\U0001f30d \ufffd" in json.dumps(messages[1], ensure_ascii=False)


@pytest.mark.guarantees("replay-off")
def test_thinking_is_not_replayed_if_so_chosen(plan: Sandbox, protocol: ProtocolName) -> None:
    llm = make_llm(plan, protocol, replay_reasoning=False)
    plan.script(Turn(reasoning="Secret thoughts.", text="Hello."))
    answer = llm.chat([ChatMessage("Hi")]).message
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, ChatMessage("And?")])

    assert messages[1] == {"role": "assistant", "content": "Hello."}


@pytest.mark.guarantees("foreign-histories")
def test_thinking_of_another_provider_is_never_sent(llm: StepPlan, plan: Sandbox) -> None:
    theirs = ChatMessage(
        role="assistant",
        blocks=[ThinkingBlock(content="Theirs.", additional_information={"signature": "s"}), TextBlock(text="Hello.")],
    )

    assert sent(llm, plan, [ChatMessage("Hi"), theirs])[1] == {"role": "assistant", "content": "Hello."}


@pytest.mark.guarantees("block-for-block")
def test_an_answer_of_many_blocks_is_replayed_in_its_order() -> None:
    content = [
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "First."},
        {"type": "thinking", "thinking": "More.", "signature": "s2"},
        {"type": "thinking", "thinking": "", "signature": "s3"},
        {"type": "text", "text": "Second."},
        {"type": "tool_use", "id": "1", "name": "look", "input": {}},
        {"type": "text", "text": "Third."},
    ]
    client, requests = canned(*[{"content": content, "stop_reason": "tool_use"}] * 2)
    llm = StepPlan(protocol="anthropic", api_key="k", http_client=client)
    answer = llm.chat([ChatMessage("Hi")]).message
    llm.chat([ChatMessage("Hi"), ChatMessage.model_validate_json(answer.model_dump_json()), result("1", "ok")])

    assert answer.content == "First.Second.Third."
    assert requests[1]["messages"][1]["content"] == content


@pytest.mark.guarantees("edited-answers")
def test_an_edited_answer_is_sent_as_edited(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", '{"city":  "Rome"}', "1")]))
    answer = llm.chat([ChatMessage("Hi")]).message
    block = answer.blocks[-1]
    assert isinstance(block, ToolCallBlock)
    block.tool_kwargs = {"city": "Oslo"}
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, result("1", "cold")])

    assert "Oslo" in str(messages)
    assert "Rome" not in str(messages)


@pytest.mark.guarantees("other-scripts")
def test_arguments_in_other_scripts_are_not_escaped(plan: Sandbox) -> None:
    llm = make_llm(plan, "openai")
    answer = ChatMessage(role="assistant", blocks=[call("1", "look", {"city": "北京"})])
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, result("1", "ok")])

    assert messages[1]["tool_calls"][0]["function"]["arguments"] == '{"city": "北京"}'


def test_arguments_given_as_text_are_understood(llm: StepPlan, plan: Sandbox) -> None:
    answer = ChatMessage(role="assistant", blocks=[call("1", "look", '{"city": "Rome"}')])
    message = sent(llm, plan, [ChatMessage("Hi"), answer, result("1", "ok")])[1]

    if llm.protocol == "openai":
        assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"city": "Rome"}
    else:
        assert message["content"][0]["input"] == {"city": "Rome"}


@pytest.mark.parametrize("role", ["tool", "function"])
def test_calls_without_ids_are_paired_with_their_results_in_order(llm: StepPlan, plan: Sandbox, role: str) -> None:
    answer = ChatMessage(role="assistant", blocks=[call(None, "a", {}), call(None, "b", {})])
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, result(None, "from a", role), result(None, "from b", role)])

    if llm.protocol == "openai":
        ids = [item["id"] for item in messages[1]["tool_calls"]]
        assert [(item["tool_call_id"], item["content"]) for item in messages[2:]] == list(
            zip(ids, ["from a", "from b"], strict=True)
        )
    else:
        ids = [item["id"] for item in messages[1]["content"]]
        assert [(item["tool_use_id"], item["content"]) for item in messages[2]["content"]] == list(
            zip(ids, ["from a", "from b"], strict=True)
        )


class SDKCall:
    """A call as an object of a vendor's SDK."""

    def model_dump(self) -> dict[str, Any]:
        return {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Rome"}'}}


@pytest.mark.parametrize(
    "kwargs",
    [
        {"tool_calls": [{"id": "1", "function": {"name": "look", "arguments": '{"city": "Rome"}'}}]},
        {"tool_calls": [{"id": "1", "name": "look", "input": {"city": "Rome"}, "type": "tool_use"}]},
        {"tool_calls": [SDKCall()]},
        {"function_call": {"name": "look", "arguments": '{"city": "Rome"}'}},
    ],
)
def test_calls_of_stored_messages_are_found_in_every_old_shape(
    llm: StepPlan, plan: Sandbox, kwargs: dict[str, Any]
) -> None:
    answer = ChatMessage(role="assistant", content=None, additional_kwargs=kwargs)
    id = "look" if "function_call" in kwargs else "1"
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, result(id, "sunny")])

    if llm.protocol == "openai":
        [item] = messages[1]["tool_calls"]
        assert (item["function"]["name"], json.loads(item["function"]["arguments"])) == ("look", {"city": "Rome"})
        assert messages[2] == {"role": "tool", "tool_call_id": item["id"], "content": "sunny"}
    else:
        [item] = messages[1]["content"]
        assert (item["name"], item["input"]) == ("look", {"city": "Rome"})
        assert messages[2]["content"][0]["tool_use_id"] == item["id"]
    assert [selection.tool_kwargs for selection in llm_selections(llm, answer)] == [{"city": "Rome"}]


def llm_selections(llm: StepPlan, message: ChatMessage) -> Any:
    from llama_index.core.base.llms.types import ChatResponse

    return llm.get_tool_calls_from_response(ChatResponse(message=message))


def test_a_directly_returned_result_is_an_ordinary_assistant_turn(llm: StepPlan, plan: Sandbox) -> None:
    direct = ChatMessage("42", role="assistant", additional_kwargs={"tool_call_id": "1"})
    answer = ChatMessage(role="assistant", blocks=[call("1", "look", {})])
    messages = sent(llm, plan, [ChatMessage("Hi"), answer, result("1", "42"), direct, ChatMessage("Thanks")])

    assert messages[3] == {"role": "assistant", "content": "42"}


@pytest.mark.guarantees("unpaired-calls")
def test_a_result_without_its_call_goes_as_text(llm: StepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    messages = sent(llm, plan, [result("gone", "42"), ChatMessage("What was that?")])

    assert [record.message for record in caplog.records] == ["Tool results without a call are sent as text: gone."]

    assert "tool_call_id" not in str(messages)
    assert "tool_use_id" not in str(messages)
    assert "Result of a tool call:" in str(messages)
    assert "42" in str(messages)


@pytest.mark.guarantees("unpaired-calls")
def test_a_call_without_its_result_is_reported_as_interrupted(
    llm: StepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    history = [ChatMessage("Hi"), ChatMessage(role="assistant", blocks=[call("1", "look", {})]), ChatMessage("So?")]
    messages = sent(llm, plan, history)

    assert "interrupted" in str(messages[2])
    assert [record.message for record in caplog.records] == [
        "The history was repaired. These tool calls have no result: 1."
    ]


@pytest.mark.guarantees("unpaired-calls")
def test_a_call_without_its_result_is_refused_if_so_chosen(plan: Sandbox, protocol: ProtocolName) -> None:
    history = [ChatMessage("Hi"), ChatMessage(role="assistant", blocks=[call("1", "look", {})]), ChatMessage("So?")]
    llm = make_llm(plan, protocol, repair_history=False)
    with pytest.raises(InvalidRequestError, match="set repair_history=True"):
        llm.chat(history)
    with pytest.raises(InvalidRequestError, match="set repair_history=True"):
        llm.count_tokens(history)
