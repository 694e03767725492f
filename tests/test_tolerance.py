"""What servers and models get wrong is tolerated, or is one clear error: on both protocols, in both adapters, all ways.

The answers are composed.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import ToolCall as LangChainCall
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock

import stepplan
from stepplan import (
    BadRequestError,
    ContentBlockedError,
    IncompleteStreamError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    StepPlanError,
)
from tests.support.both import Asking, Got, every_way, streamed_every_way
from tests.support.composed import Answer


def slices(text: str) -> list[tuple[str, ...]]:
    """The text in one piece, in two at every position, and letter by letter."""
    return [(text,), *((text[:at], text[at:]) for at in range(1, len(text))), tuple(text)]


# ----------------------------------------------------------------------------------------------------- tool arguments


@pytest.mark.guarantees("unfit-numbers")
@every_way
@pytest.mark.parametrize(
    "arguments",
    ['{"a": 1e999}', '{"a": {"b": [0, -1e999]}}', '{"a": 1E+400}', '{"a": 1e99999999999}', '{"a": NaN}'],
)
def test_a_number_that_json_cannot_express_makes_a_call_invalid(asking: Asking, arguments: str) -> None:
    got = asking.answered(Answer(arguments=(arguments,), reason="tool_calls"))
    assert got.calls == []
    assert got.invalid == ["a"]


@pytest.mark.guarantees("unfit-numbers")
@every_way
def test_large_and_small_numbers_that_json_can_express_are_kept(asking: Asking) -> None:
    got = asking.answered(Answer(arguments=('{"a": [1e22, -1.5e300, 1e-999]}',), reason="tool_calls"))
    assert got.calls == [{"a": [1e22, -1.5e300, 0.0]}]


@pytest.mark.guarantees("lenient-arguments")
@every_way
@pytest.mark.parametrize("control", ["\n", "\t", "\r\n", "\x00", "\x1b[31m"])
def test_control_characters_within_the_strings_of_arguments_are_kept(asking: Asking, control: str) -> None:
    arguments = f'{{"text":\n"a{control}b", "k{control}ey": 1}}'
    got = asking.answered(Answer(arguments=(arguments,), reason="tool_calls"))
    assert got.calls == [{"text": f"a{control}b", f"k{control}ey": 1}]
    assert got.invalid == []


@pytest.mark.guarantees("lenient-arguments")
@streamed_every_way
def test_control_characters_do_not_hide_that_arguments_were_cut_off(asking: Asking) -> None:
    got = asking.answered(Answer(arguments=('{"text": "a\nb',), reason="length"))
    assert got.calls == []
    assert got.invalid == ["a"]


@pytest.mark.guarantees("lenient-arguments")
@streamed_every_way
def test_a_call_that_only_a_lenient_parser_reads_goes_back_as_strict_json(asking: Asking) -> None:
    call = {"text": "a\nb"}
    if asking.framework == "langchain":
        history: Any = [
            HumanMessage("go"),
            AIMessage("", tool_calls=[LangChainCall(name="look", args=call, id="a")]),
            ToolMessage("ok", tool_call_id="a"),
        ]
    else:
        history = [
            ChatMessage("go"),
            ChatMessage(
                role="assistant",
                blocks=[ToolCallBlock(tool_call_id="a", tool_name="look", tool_kwargs='{"text": "a\nb"}')],
            ),
            ChatMessage("ok", role="tool", additional_kwargs={"tool_call_id": "a"}),
        ]
    message = asking.sent(history)["messages"][1]
    if asking.protocol == "openai":
        assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == call
    else:
        assert message["content"][0]["input"] == call


# ----------------------------------------------------------------------------------------------------------- characters

EMOJI = "\ud83d\ude00"  # as halves: `json.dumps` escapes each


@pytest.mark.guarantees("any-slicing")
@streamed_every_way
@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        (("a\ud83d", "\ude00b"), "a😀b"),
        (("\ud83d", "\ude00"), "😀"),
        (("a\ud83d", "b"), "a\ufffdb"),
        (("a", "\ude00b"), "a\ufffdb"),
        (("a\ud83d",), "a\ufffd"),
        (("\ud83d", "\ud83d", "\ude00"), "\ufffd😀"),
        (("你\ud83d", "\ude00好"), "你😀好"),
    ],
)
def test_a_character_that_was_cut_in_two_is_joined(asking: Asking, pieces: tuple[str, ...], read: str) -> None:
    assert asking.answered(Answer(text=pieces)).text == read
    assert asking.answered(Answer(reasoning=pieces, text=("x",))).reasoning == read
    answer = Answer(arguments=('{"a": "', *pieces, '"}'), reason="tool_calls")
    assert asking.answered(answer).calls == [{"a": read}]


@pytest.mark.guarantees("lone-surrogates")
@every_way
def test_an_escaped_half_in_the_models_own_json_becomes_a_replacement_character(asking: Asking) -> None:
    for arguments, read in (
        ('{"a": "x\\ud83d"}', "x\ufffd"),
        ('{"a": "\\ude00"}', "\ufffd"),
        ('{"a": "\\ud83d\\ude00"}', "😀"),
    ):
        for pieces in ((arguments,), tuple(arguments)):
            assert asking.answered(Answer(arguments=pieces, reason="tool_calls")).calls == [{"a": read}]


@pytest.mark.guarantees("lone-surrogates")
@every_way
def test_a_half_in_an_answers_text_becomes_a_replacement_character(asking: Asking) -> None:
    assert asking.answered(Answer(reasoning=("\ud83d",), text=("a\ud83d",))) == Got("a\ufffd", "\ufffd", requests=1)


# ------------------------------------------------------------------------------------------------------- the stream


@pytest.mark.guarantees("clean-end")
@streamed_every_way
def test_a_finish_reason_and_a_clean_end_are_an_answer(asking: Asking) -> None:
    assert asking.answered(Answer(text=("Hello",), ends=False)).text == "Hello"
    answer = Answer(arguments=('{"a": 1}',), reason="tool_calls", ends=False)
    assert asking.answered(answer).calls == [{"a": 1}]


@pytest.mark.guarantees("cut-stream")
@streamed_every_way
def test_a_clean_end_without_a_finish_reason_is_an_error(asking: Asking) -> None:
    frames = Answer(text=("Hello",)).frames(asking.protocol)[:-2]
    got = asking.got("".join(f"{frame}\n\n" for frame in frames).encode(), "text/event-stream")
    assert isinstance(got.error, IncompleteStreamError)
    assert got.error.partial is not None
    assert got.error.partial.text == "Hello"


@pytest.mark.guarantees("keep-alive-noise")
@streamed_every_way
@pytest.mark.parametrize(
    "noise",
    [
        "event: ping\ndata: now",
        "event: ping\ndata:",
        'event: ping\ndata: {"type": "ping"}',
        'event: ping\ndata: {"message": "still here"}',
        "event: heartbeat\ndata: 2026-11-25T00:00:00Z",
        "data:",
        "data: ",
        "data",
        ":",
        "event: ping",
        "retry: 3000",
    ],
)
def test_what_keeps_a_connection_alive_is_no_part_of_the_answer(asking: Asking, noise: str) -> None:
    frames = Answer(reasoning=("Hm.",), text=("Hel", "lo")).frames(asking.protocol)
    noisy = "".join(f"{noise}\n\n{frame}\n\n" for frame in frames)
    assert asking.got(noisy.encode(), "text/event-stream") == Got("Hello", "Hm.", requests=1)


@streamed_every_way
def test_an_event_of_the_protocol_that_is_not_json_is_an_error(asking: Asking) -> None:
    frames = Answer(text=("Hello",)).frames(asking.protocol)
    broken = "data: {broken" if asking.protocol == "openai" else "event: content_block_delta\ndata: {broken"
    content = "".join(f"{frame}\n\n" for frame in (frames[0], broken, *frames[1:]))
    assert isinstance(asking.got(content.encode(), "text/event-stream").error, stepplan.ResponseDecodeError)


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.guarantees("error-in-stream")
@streamed_every_way
@pytest.mark.parametrize("partly", [False, True])
@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"object": "error", "message": "Too long: maximum context length is 9", "code": 400}, BadRequestError),
        ({"type": "error", "message": "blocked", "code": "censorship_blocked"}, ContentBlockedError),
        ({"detail": "model 'x' does not exist"}, NotFoundError),
        ({"error": {"message": "slow down", "code": "429"}}, RateLimitError),
        ({"error": {"type": "model_invalid", "message": "The model x does not exist."}}, NotFoundError),
    ],
)
def test_every_shape_of_error_in_a_stream_is_the_typed_error(
    asking: Asking, frame: dict[str, Any], kind: type[StepPlanError], partly: bool
) -> None:
    frames = Answer(text=("Hel", "lo")).frames(asking.protocol)[: 2 if partly else 0]
    content = "".join(f"{each}\n\n" for each in (*frames, f"data: {json.dumps(frame)}"))
    got = asking.got(content.encode(), "text/event-stream", max_retries=0 if kind is RateLimitError else 2)
    assert isinstance(got.error, kind)
    assert got.requests == 1


@pytest.mark.guarantees("errors-with-200")
@every_way
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "text/event-stream", "application/octet-stream"]
)
def test_an_error_with_a_successful_status_is_an_error_whatever_its_content_type(
    asking: Asking, content_type: str
) -> None:
    body = b'\n{"error": {"type": "censorship_blocked", "message": "blocked"}}'
    got = asking.got(body, content_type, max_retries=2)
    assert isinstance(got.error, ContentBlockedError)
    assert got.requests == 1


@pytest.mark.guarantees("depth")
@every_way
def test_a_body_that_is_nested_too_deeply_is_one_sentence(asking: Asking) -> None:
    deep = '{"choices": ' + "[" * 2000 + "]" * 2000 + "}"
    content = f"data: {deep}\n\n" if asking.mode == "streamed" else deep
    got = asking.got(content.encode(), "text/event-stream" if asking.mode == "streamed" else "application/json")
    assert isinstance(got.error, stepplan.ResponseDecodeError)
    assert len(str(got.error)) < 500


# --------------------------------------------------------------------------------------------------------- think tags


@pytest.mark.guarantees("think-tags")
@streamed_every_way
@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("Hm.</think>\n\nYes.", "Hm.", "Yes."),
        ("<think>Hm.</think>Yes.", "Hm.", "Yes."),
        ("</think>Yes.", "", "Yes."),
        ("Yes, without tags.", "", "Yes, without tags."),
        ("Yes. <think>no</think>", "", "Yes. <think>no</think>"),
    ],
)
def test_reasoning_ends_at_the_closing_tag_with_or_without_an_opening_one(
    asking: Asking, text: str, reasoning: str, answer: str
) -> None:
    for pieces in slices(text):
        assert asking.answered(Answer(text=pieces), think_tags=True) == Got(answer, reasoning, requests=1)
    whole = replace(asking, mode="whole")
    assert whole.answered(Answer(text=(text,)), think_tags=True) == Got(answer, reasoning, requests=1)


# ------------------------------------------------------------------------------------------------------------ requests


@pytest.mark.guarantees("system-messages")
@every_way
def test_a_conversation_of_system_messages_alone_is_sent(asking: Asking, caplog: pytest.LogCaptureFixture) -> None:
    texts = ["Be brief.", "Say hello."]
    if asking.framework == "langchain":
        body = asking.sent([SystemMessage(text) for text in texts])
    else:
        body = asking.sent([ChatMessage(text, role="system") for text in texts])
    if asking.protocol == "openai":
        assert [message["role"] for message in body["messages"]] == ["system", "system"]
        assert not caplog.records
    else:
        assert body["system"] == "Be brief."
        assert body["messages"] == [{"role": "user", "content": "Say hello."}]
        assert [record.levelname for record in caplog.records if record.name == "stepplan"] == ["WARNING"]


@pytest.mark.guarantees("empty-conversation")
@every_way
@pytest.mark.parametrize("empty", [True, False])
def test_an_empty_conversation_is_refused_with_the_same_sentence(asking: Asking, empty: bool) -> None:
    message: Any = HumanMessage("") if asking.framework == "langchain" else ChatMessage("")
    got = asking.answered(Answer(text=("Hello",)), [] if empty else [message])
    assert isinstance(got.error, InvalidRequestError)
    assert str(got.error) == "The conversation is empty: add a user message with content."
    assert got.requests == 0


@pytest.mark.guarantees("same-ids-twice")
@streamed_every_way
def test_parallel_calls_with_one_id_go_out_with_distinct_ids_and_their_results_in_order(asking: Asking) -> None:
    if asking.framework == "langchain":
        calls = [LangChainCall(name="look", args={"at": at}, id="x") for at in "ab"]
        history: list[Any] = [
            HumanMessage("go"),
            AIMessage("", tool_calls=calls),
            ToolMessage("saw a", tool_call_id="x"),
            ToolMessage("saw b", tool_call_id="x"),
        ]
    else:
        blocks = [ToolCallBlock(tool_call_id="x", tool_name="look", tool_kwargs={"at": at}) for at in "ab"]
        history = [
            ChatMessage("go"),
            ChatMessage(role="assistant", blocks=blocks),
            ChatMessage("saw a", role="tool", additional_kwargs={"tool_call_id": "x"}),
            ChatMessage("saw b", role="tool", additional_kwargs={"tool_call_id": "x"}),
        ]
    messages = asking.sent(history)["messages"]
    if asking.protocol == "openai":
        sent = [(call["id"], json.loads(call["function"]["arguments"])) for call in messages[1]["tool_calls"]]
        results = [(message["tool_call_id"], message["content"]) for message in messages[2:]]
    else:
        sent = [(block["id"], block["input"]) for block in messages[1]["content"]]
        results = [(block["tool_use_id"], block["content"]) for block in messages[2]["content"]]
    assert sent == [("x", {"at": "a"}), ("x_2", {"at": "b"})]
    assert results == [("x", "saw a"), ("x_2", "saw b")]
