"""What a person changed in an answer is what is sent, whichever way the answer came; what they left alone goes back."""

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.messages import ToolCall as Call

from langchain_stepplan import ChatStepPlan, InvalidRequestError
from langchain_stepplan._answers import to_ai_message
from langchain_stepplan._messages import to_messages
from stepplan import Block, Reasoning, Response, Text, ToolCall
from stepplan.sandbox import Sandbox, Turn
from stepplan.sandbox import ToolCall as ScriptedCall
from tests.support.ways.langchain import WAYS, Models, Way, chunks_of, total

# A different order of blocks than LangChain's fields have, with everything that these cannot hold.
BLOCKS = (
    Reasoning("First this.", "sig-a"),
    Text("I pay. "),
    Reasoning("", redacted="opaque"),
    ToolCall("a", "pay", '{"amount":9999}'),
    Text("And look."),
    ToolCall("b", "look", '{"place":"北京"}'),
)
PAY, LOOK = BLOCKS[3], BLOCKS[5]
PLAIN = (Reasoning("Hm."), Text("I pay."), ToolCall("a", "pay", '{"amount":9999}'), LOOK)


def whole(blocks: tuple[Block, ...], v1: bool) -> AIMessage:
    return to_ai_message(Response(blocks, "tool_calls"), v1=v1)


def streamed(blocks: tuple[Block, ...], v1: bool) -> AIMessage:
    return total(chunks_of(Response(blocks, "tool_calls"), v1=v1))


def streamed_and_stored(blocks: tuple[Block, ...], v1: bool) -> AIMessage:
    return cast("AIMessage", message_chunk_to_message(cast("AIMessageChunk", streamed(blocks, v1))))


MADE = pytest.mark.parametrize("made", [whole, streamed, streamed_and_stored])
Made = Callable[[tuple[Block, ...], bool], AIMessage]
V1 = pytest.mark.parametrize("v1", [False, True])


def sent(message: BaseMessage) -> list[Any]:
    """The blocks that go out, with the calls' arguments read."""
    [turn] = to_messages([message])
    return [
        (block.id, block.name, json.loads(block.arguments)) if isinstance(block, ToolCall) else block
        for block in turn.content
    ]


AS_MADE = [*BLOCKS[:3], ("a", "pay", {"amount": 9999}), BLOCKS[4], ("b", "look", {"place": "北京"})]


def with_call(position: int, *calls: Any) -> list[Any]:
    return [*AS_MADE[:position], *calls, *AS_MADE[position + 1 :]]


# -------------------------------------------------------------------------------------------------------------- calls


def edit_in_place(message: AIMessage) -> None:
    message.tool_calls[0]["args"]["amount"] = 5


def edit_by_assignment(message: AIMessage) -> None:
    message.tool_calls = [{**message.tool_calls[0], "args": {"amount": 5}}, message.tool_calls[1]]


def rename(message: AIMessage) -> None:
    message.tool_calls[0]["name"] = "refund"


def take_out_the_first(message: AIMessage) -> None:
    message.tool_calls = message.tool_calls[1:]


def take_out_all(message: AIMessage) -> None:
    message.tool_calls = []


def add_one(message: AIMessage) -> None:
    message.tool_calls = [*message.tool_calls, Call(type="tool_call", id="c", name="look", args={"place": "x"})]


def empty_the_arguments(message: AIMessage) -> None:
    message.tool_calls[0]["args"] = {}


CALLS: list[tuple[Callable[[AIMessage], None], list[Any]]] = [
    (edit_in_place, with_call(3, ("a", "pay", {"amount": 5}))),
    (edit_by_assignment, with_call(3, ("a", "pay", {"amount": 5}))),
    (rename, with_call(3, ("a", "refund", {"amount": 9999}))),
    (take_out_the_first, with_call(3)),
    (take_out_all, with_call(3)[:-1]),
    (add_one, [*AS_MADE, ("c", "look", {"place": "x"})]),
    (empty_the_arguments, with_call(3, ("a", "pay", {}))),
]


@pytest.mark.guarantees("edited-answers")
@V1
@MADE
@pytest.mark.parametrize(("edit", "expected"), CALLS)
def test_calls_are_sent_as_they_are_now(
    made: Made, edit: Callable[[AIMessage], None], expected: list[Any], v1: bool
) -> None:
    message = made(BLOCKS, v1)
    assert sent(message) == AS_MADE
    edit(message)
    assert sent(message) == expected
    assert sent(copy.deepcopy(message)) == expected


@V1
def test_unedited_arguments_of_a_stream_go_back_as_the_model_wrote_them(v1: bool) -> None:
    """So that the server's prefix cache stays valid."""
    message = streamed(BLOCKS, v1)
    message.tool_calls[1]["args"]["place"] = "x"
    [turn] = to_messages([message])
    assert [block for block in turn.content if isinstance(block, ToolCall)] == [
        PAY,
        ToolCall("b", "look", '{"place": "x"}'),
    ]


BROKEN = (Text("I pay."), ToolCall("a", "pay", '{"amount": 9999'), ToolCall("b", "look", '{"place": "x"}'))


@V1
@MADE
def test_a_broken_call_that_was_mended_is_sent_where_it_was(made: Made, v1: bool) -> None:
    message = made(BROKEN, v1)
    [broken] = message.invalid_tool_calls
    message.tool_calls = [*message.tool_calls, Call(type="tool_call", id="a", name="pay", args={"amount": 5})]
    message.invalid_tool_calls = []
    assert broken["id"] == "a"
    assert sent(message) == [Text("I pay."), ("a", "pay", {"amount": 5}), ("b", "look", {"place": "x"})]


@V1
@MADE
def test_the_arguments_of_a_broken_call_can_be_edited_too(made: Made, v1: bool) -> None:
    message = made(BROKEN, v1)
    message.invalid_tool_calls[0]["args"] = '{"amount": 5'
    turn, *_ = to_messages([message, ToolMessage("cut off", tool_call_id="a"), ToolMessage("seen", tool_call_id="b")])
    assert turn.content == (Text("I pay."), ToolCall("a", "pay", '{"amount": 5'), BROKEN[2])


@pytest.mark.guarantees("edited-answers")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_what_was_approved_is_what_the_model_sees(
    way: Way, version: str, model_for: Models, plan: Sandbox
) -> None:
    for protocol in ("openai", "anthropic"):
        model = model_for(protocol, output_version=version)
        plan.script(
            Turn(text="I pay.", tool_calls=[ScriptedCall("pay", {"amount": 9999}, "a"), ScriptedCall("pay", {}, "b")]),
            Turn(text="Paid."),
        )
        message = await way(model, "pay")
        message.tool_calls = [{**message.tool_calls[0], "args": {"amount": 5}}]
        await way(model, [HumanMessage("pay"), message, ToolMessage("paid 5", tool_call_id="a")])
        body = json.dumps(plan.requests[-1].body)
        assert "9999" not in body
        said = plan.requests[-1].body["messages"][1]
        if protocol == "openai":
            [call] = said["tool_calls"]
            assert json.loads(call["function"]["arguments"]) == {"amount": 5}
        else:
            assert [block["input"] for block in said["content"] if block["type"] == "tool_use"] == [{"amount": 5}]


# ------------------------------------------------------------------------------------------------- text and reasoning


@pytest.mark.guarantees("edited-answers")
@MADE
@pytest.mark.parametrize("text", ["Something else.", "Other text, len.", ""])
def test_edited_text_is_sent_and_the_signed_reasoning_stays(made: Made, text: str) -> None:
    message = made(BLOCKS, False)
    message.content = text
    found = sent(message)
    assert "".join(block.text for block in found if isinstance(block, Text)) == text
    assert [block for block in found if not isinstance(block, Text)] == [
        block for block in AS_MADE if not isinstance(block, Text)
    ]


@MADE
def test_text_of_a_string_that_became_a_list_is_sent(made: Made) -> None:
    message = made(PLAIN, False)
    message.content = [{"type": "text", "text": "Other"}, " text."]
    assert sent(message) == [Reasoning("Hm."), Text("Other"), Text(" text."), *sent(whole(PLAIN, False))[2:]]


@MADE
@pytest.mark.parametrize("reasoning", ["Then that.", "First thus.", "Something much longer than it was."])
def test_edited_reasoning_is_sent_without_the_signature_of_the_old_one(made: Made, reasoning: str) -> None:
    message = made(BLOCKS, False)
    message.additional_kwargs["reasoning_content"] = reasoning
    found = sent(message)
    assert [block for block in found if isinstance(block, Reasoning)] == [Reasoning(reasoning)]
    assert [block for block in found if not isinstance(block, Reasoning)] == [
        block for block in AS_MADE if not isinstance(block, Reasoning)
    ]


@pytest.mark.guarantees("edited-answers")
@MADE
@pytest.mark.parametrize("blocks", [BLOCKS, PLAIN])
def test_removed_reasoning_is_gone(made: Made, blocks: tuple[Block, ...]) -> None:
    message = made(blocks, False)
    del message.additional_kwargs["reasoning_content"]
    assert [block for block in sent(message) if isinstance(block, Reasoning)] == []
    message.additional_kwargs.clear()
    found = sent(message)
    assert "".join(block.text for block in found if isinstance(block, Text)) == message.content
    assert [block[0] for block in found if isinstance(block, tuple)] == ["a", "b"]


@MADE
@pytest.mark.parametrize(
    "damaged", [None, 5, "x", {}, [5], [{"type": "text"}], [{"type": "text", "length": "x"}], [{"type": "hologram"}]]
)
def test_a_stored_layout_that_was_damaged_is_not_used(made: Made, damaged: Any) -> None:
    message = made(BLOCKS, False)
    message.additional_kwargs["stepplan_blocks"] = damaged
    text = Text("I pay. And look.")
    assert sent(message) == [Reasoning("First this."), text, AS_MADE[3], AS_MADE[5]]


@MADE
@pytest.mark.parametrize("damaged", [5, b"sig", ["sig"], {"sig": {}}])
def test_a_stored_signature_that_is_no_text_is_not_sent(made: Made, damaged: Any) -> None:
    plain, standard = made(BLOCKS, False), made(BLOCKS, True)
    for block in (*plain.additional_kwargs["stepplan_blocks"], *cast("list[Any]", standard.content)):
        for holder in (block, block.get("extras", {})):
            holder.update({"signature": damaged} if "signature" in holder else {})
    for message in (plain, standard):
        assert sent(message)[0] == Reasoning("First this.")


def test_a_text_added_to_a_message_of_calls_goes_before_them() -> None:
    message = whole((Reasoning("Hm.", "sig"), PAY), False)
    message.content = "I pay."
    assert sent(message) == [Reasoning("Hm.", "sig"), Text("I pay."), AS_MADE[3]]


def edit_block(message: AIMessage, kind: str, **fields: Any) -> None:
    blocks = [block for block in cast("list[Any]", message.content) if block["type"] == kind]
    blocks[0].update(fields)


@pytest.mark.guarantees("edited-answers")
@MADE
def test_an_edited_text_block_is_sent(made: Made) -> None:
    message = made(BLOCKS, True)
    edit_block(message, "text", text="I ask. ")
    assert sent(message) == [AS_MADE[0], Text("I ask. "), *AS_MADE[2:]]


@MADE
def test_an_edited_reasoning_block_is_sent_without_the_signature_of_the_old_one(made: Made) -> None:
    message = made(BLOCKS, True)
    edit_block(message, "reasoning", reasoning="Then that.")
    assert sent(message) == [Reasoning("Then that."), *AS_MADE[1:]]


@pytest.mark.guarantees("edited-answers")
@MADE
def test_a_removed_block_is_gone(made: Made) -> None:
    message = made(BLOCKS, True)
    content = cast("list[Any]", message.content)
    message.content = [block for block in content if block["type"] in {"tool_call", "text"}]
    assert sent(message) == [block for block in AS_MADE if not isinstance(block, Reasoning)]


@MADE
def test_standard_content_that_became_a_string_is_sent(made: Made) -> None:
    message = made(PLAIN, True)
    message.content = "Other."
    assert sent(message) == [Reasoning("Hm."), Text("Other."), *sent(whole(PLAIN, False))[2:]]


# ---------------------------------------------------------------------------------------------------------- malformed


def broken_edits() -> list[tuple[str, Callable[[AIMessage], None]]]:
    def circular(message: AIMessage) -> None:
        message.tool_calls[0]["args"]["me"] = message.tool_calls[0]["args"]

    def deep(message: AIMessage) -> None:
        value: Any = 1
        for _ in range(20_000):
            value = {"value": value}
        message.tool_calls[0]["args"]["deep"] = value

    def args(value: Any) -> Callable[[AIMessage], None]:
        return lambda message: cast("dict[str, Any]", message.tool_calls[0]).update(args=value)

    def text(value: Any) -> Callable[[AIMessage], None]:
        return lambda message: setattr(message, "content", [{"type": "text", "text": value}])

    calls = r"messages\[1\]\.tool_calls\[0\]: "
    return [
        (calls + "The arguments cannot be written as JSON", args({"when": {1, 2}})),
        (calls + "The arguments cannot be written as JSON", args({"amount": float("nan")})),
        (calls + "The arguments cannot be written as JSON", circular),
        (calls + "The arguments cannot be written as JSON", deep),
        (calls + "A tool call needs", args("amount=5")),
        (calls + "A tool call needs", lambda message: message.tool_calls[0].update(name=cast("Any", None))),
        (r"messages\[1\]\.content\[0\] \(text\): ", text(None)),
        (r"messages\[1\]\.content\[0\] \(text\): ", text(5)),
        (r"messages\[1\]\.content\[0\] must be", lambda message: setattr(message, "content", [5])),
        (r"messages\[1\]\.content must be", lambda message: setattr(message, "content", None)),
    ]


@MADE
@pytest.mark.parametrize(("named", "edit"), broken_edits())
def test_an_edit_that_cannot_be_sent_is_named(
    made: Made, named: str, edit: Callable[[AIMessage], None], model: ChatStepPlan
) -> None:
    message = made(PLAIN, False)
    edit(message)
    with pytest.raises(InvalidRequestError, match=named):
        model.invoke([HumanMessage("go"), message])
