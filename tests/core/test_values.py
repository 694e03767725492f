"""Requests, responses and events as values: what they refuse, what they say, how they compare and copy."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from stepplan import (
    MODELS,
    Accumulator,
    Event,
    Image,
    InvalidRequestError,
    Message,
    MessageEnd,
    MessageStart,
    Reasoning,
    ReasoningDelta,
    Request,
    Response,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    Usage,
    fold,
    parse_arguments,
    parse_partial_arguments,
)
from stepplan.models import context_window, models_taking, takes

HI = (Message.user("Hi"),)


@pytest.mark.parametrize(
    ("name", "good", "bad", "words"),
    [
        ("temperature", (0, 0.0, 2), (-0.1, 2.1, float("nan"), float("inf")), "from 0 to 2"),
        ("top_p", (0.01, 1), (0, -1, 1.01), "over 0 and at most 1"),
        ("top_k", (0, 500), (-1, 501), "from 0 to 500"),
        ("max_tokens", (1, 10**9), (0, -1), "over 0"),
        ("frequency_penalty", (-2, 0, 2), (-2.1, 2.1), "from -2 to 2"),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_the_range(
    name: str, good: tuple[Any, ...], bad: tuple[Any, ...], words: str
) -> None:
    for value in good:
        assert getattr(Request(messages=HI, **{name: value}), name) == value
    for value in bad:
        with pytest.raises(InvalidRequestError) as caught:
            Request(messages=HI, **{name: value})
        assert str(caught.value) == f"{name}={value!r} is out of range: it must be {words}."


@pytest.mark.parametrize("model", MODELS)
def test_an_effort_that_a_known_model_refuses_is_refused_with_those_it_accepts(model: str) -> None:
    accepted = MODELS[model].reasoning_efforts
    for effort in accepted:
        assert Request(messages=HI, model=model, reasoning_effort=effort).reasoning_effort == effort
    with pytest.raises(InvalidRequestError) as caught:
        Request(messages=HI, model=model, reasoning_effort="extreme")
    assert str(caught.value) == (
        f"reasoning_effort='extreme' is not known to {model}, which accepts: {', '.join(accepted)}."
    )


def test_medium_effort_is_for_the_model_that_documents_it() -> None:
    assert "medium" in MODELS["step-3.7-flash"].reasoning_efforts
    with pytest.raises(InvalidRequestError, match="low, high"):
        Request(messages=HI, model="step-3.5-flash-2603", reasoning_effort="medium")


def test_of_an_unknown_model_nothing_is_known_and_nothing_refused() -> None:
    request = Request(messages=HI, model="step-9", reasoning_effort="extreme")
    assert request.model == "step-9"
    assert takes("step-9", "video")
    assert context_window("step-9") == context_window("step-3.7-flash") == 256_000


def test_what_models_take() -> None:
    assert list(models_taking("video")) == ["step-3.7-flash"]
    assert not takes("step-3.5-flash", "image")
    assert takes("step-3.5-flash", "text")


def test_values_cannot_be_changed_and_can_be_copied() -> None:
    message = Message.user("Hi", Image("https://example.com/a.png"))
    with pytest.raises(FrozenInstanceError):
        message.role = "system"  # type: ignore[misc]
    request = Request(messages=(message,), extra_body={"a": 1})
    for twin in (copy.deepcopy(request), pickle.loads(pickle.dumps(request)), replace(request)):
        assert twin == request


def test_strings_become_text() -> None:
    assert Message.assistant("a", Reasoning("b")).content == (Text("a"), Reasoning("b"))
    assert Message.system("a").role == "system"
    assert Image.from_base64("QUJD", "image/png").url == "data:image/png;base64,QUJD"


def test_a_response_is_read_by_kind_and_becomes_a_turn() -> None:
    blocks = (Reasoning("a"), Text("b"), Reasoning("c"), Text("d"), ToolCall("1", "f", '{"x": 1}'))
    response = Response(blocks, "tool_calls", Usage(3, 4))
    assert response.text == "bd"
    assert response.reasoning == "ac"
    assert [call.arguments for call in response.tool_calls] == [{"x": 1}]
    assert response.to_message() == Message("assistant", blocks)
    assert Usage(3, 4).total_tokens == 7


@pytest.mark.parametrize("arguments", ["", " ", "null", "{}", " {} "])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    assert parse_arguments(arguments) == {}
    [call] = Response((ToolCall("1", "f", arguments),), "tool_calls").tool_calls
    assert call.arguments == {}
    assert call.error is None


@pytest.mark.parametrize("arguments", ["[]", "1", '"x"', "{", '{"a": 1}}', "{'a': 1}", '{"a": NaN}', "x"])
def test_arguments_that_are_no_object_make_a_call_that_must_not_be_run(arguments: str) -> None:
    with pytest.raises(ValueError, match=r"JSON object|column"):
        parse_arguments(arguments)
    [call] = Response((ToolCall("1", "f", arguments),), "tool_calls").tool_calls
    assert call.arguments is None
    assert call.error
    assert call.error.startswith("The arguments of 'f' are not a JSON object")
    assert call.call.arguments == arguments


@pytest.mark.parametrize("reason", ["length", "content_filter", None, "other"])
@pytest.mark.parametrize("arguments", ["", '{"city": "Pa'])
def test_the_last_call_of_an_answer_that_was_cut_off_must_not_be_run(reason: str | None, arguments: str) -> None:
    whole = ToolCall("1", "f", "")
    first, last = Response((whole, ToolCall("2", "g", arguments)), reason).tool_calls
    assert first.arguments == {}
    assert last.arguments is None
    assert last.error
    assert "cut off" in last.error
    assert "max_tokens" in last.error


def test_a_call_whose_arguments_are_whole_may_be_run_even_if_the_answer_was_cut_off() -> None:
    [call] = Response((ToolCall("1", "f", '{"a": 1}'),), "length").tool_calls
    assert call.arguments == {"a": 1}
    [call, *_] = Response((ToolCall("1", "f", ""), Text("and")), "length").tool_calls
    assert call.arguments == {}


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ("", {}),
        ("{", {}),
        ('{"ci', {}),
        ('{"city": "Pa', {"city": "Pa"}),
        ('{"city": "Paris", "days": [1, 2', {"city": "Paris", "days": [1, 2]}),
        ('{"city": "北京"}', {"city": "北京"}),
        ("[1", {}),
        ("x", {}),
    ],
)
def test_arguments_are_read_as_far_as_they_came(arguments: str, read: dict[str, Any]) -> None:
    assert parse_partial_arguments(arguments) == read


def test_folding_keeps_blocks_apart_and_in_the_order_of_their_index() -> None:
    events: list[Event] = [
        MessageStart("id", "model", "trace"),
        TextDelta(1, "b"),
        ReasoningDelta(0, "a"),
        ToolCallStart(2, "1", "f"),
        TextDelta(1, "b"),
        ToolCallDelta(2, '{"x"'),
        ReasoningDelta(0, "a"),
        ReasoningDelta(0, signature="s"),
        ToolCallDelta(2, ": 1}"),
        ReasoningDelta(0, signature="t"),
        ReasoningDelta(3, redacted="r"),
        ReasoningDelta(3, signature="s"),
        MessageEnd("tool_calls", Usage(1, 2), "stop"),
    ]
    assert fold(events) == Response(
        (Reasoning("aa", "st"), Text("bb"), ToolCall("1", "f", '{"x": 1}'), Reasoning("", "s", "r")),
        "tool_calls",
        Usage(1, 2),
        "id",
        "model",
        "stop",
        "trace",
    )


def test_looking_does_not_disturb_the_accumulator() -> None:
    accumulator = Accumulator()
    for piece in "abc":
        accumulator.add(TextDelta(0, piece))
        accumulator.response()
    assert accumulator.response().text == "abc"
    assert accumulator.response() == accumulator.response()


def test_nothing_folds_to_an_empty_response() -> None:
    assert fold([]) == Response()
