"""Requests, responses and events as values: what they refuse, what they say, how they compare and copy."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from typing import Any

import pytest

from stepplan import (
    MODELS,
    Accumulator,
    DecodedEvent,
    Finish,
    Image,
    InvalidRequestError,
    JSONSchema,
    Message,
    MessageStart,
    Reasoning,
    ReasoningDelta,
    Request,
    Response,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    Usage,
    fold,
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


class NotANumber:
    """Shows a secret in its repr."""

    def __repr__(self) -> str:
        return "sk-canary"


@pytest.mark.guarantees("wrong-types")
@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("temperature", (True, "hot", [1], NotANumber()), "a number from 0 to 2"),
        ("top_p", ("0.5", False), "a number over 0 and at most 1"),
        ("top_k", ("5", True), "a whole number from 0 to 500"),
        ("max_tokens", (True, "sk-canary", {}), "a whole number over 0"),
        ("frequency_penalty", ("1", 1j), "a number from -2 to 2"),
        ("model", (None, 5), "a string"),
        ("reasoning_effort", (5, True), "a string"),
        ("parallel_tool_calls", (0, "no"), "True or False"),
        ("replay_reasoning", (None, 1), "True or False"),
        ("stream_usage", ("yes",), "True or False"),
        ("repair_history", (1,), "True or False"),
        ("think_tags", (1,), "True or False"),
        ("stop", ("sk-canary", 5, None, {"a"}), "a sequence of strings"),
        ("tools", (Tool("f"), "f"), "a sequence of Tools"),
        ("messages", ("Hi", None), "a sequence of Messages"),
        ("tool_choice", ("always", True, ["auto"]), "'auto', 'none', 'required', an AnyTool or a NamedTool"),
        ("response_format", ("json", {"type": "json_object"}), "'json_object' or a JSONSchema"),
        ("extra_body", ("a", [("a", 1)], {1: 2}), "a mapping whose keys are strings"),
        ("extra_headers", ("a", {1: "a"}), "a mapping whose keys are strings"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_the_arguments_name_and_not_shown(
    name: str, wrong: tuple[Any, ...], expected: str
) -> None:
    for value in wrong:
        with pytest.raises(InvalidRequestError) as caught:
            Request(**{"messages": HI, name: value})
        assert str(caught.value).startswith(f"{name} must be {expected}, not ")
        assert "sk-canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("messages", ["Hi"], "messages may hold Messages only, not a value of type str."),
        ("tools", [{"name": "f"}], "tools may hold Tools only, not a value of type dict."),
        ("stop", ["a", 5], "stop may hold strings only, not a value of type int."),
        ("extra_headers", {"x": 5}, "extra_headers['x'] must be a string, not of type int."),
        ("max_tokens", 1.5, "max_tokens=1.5 is not a whole number."),
        ("max_tokens", float("inf"), "max_tokens=inf is out of range: it must be over 0."),
        ("top_k", float("nan"), "top_k=nan is out of range: it must be from 0 to 500."),
        ("model", "", "model must not be empty."),
    ],
)
def test_what_is_wrong_within_a_value_is_named(name: str, wrong: Any, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Request(**{"messages": HI, name: wrong})
    assert str(caught.value) == expected


def test_numbers_of_other_types_are_taken_as_what_they_are() -> None:
    request = Request(messages=list(HI), max_tokens=100.0, temperature=Fraction(1, 2), stop=["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - what is tested
    assert (request.messages, request.stop) == (HI, ("a",))
    assert repr((request.max_tokens, request.temperature)) == "(100, 0.5)"


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        (Tool, {"name": 5}, "A tool's name must be a string"),
        (Tool, {"name": "f", "description": None}, "The description of the tool 'f' must be a string, not None"),
        (Tool, {"name": "f", "parameters": "{}"}, "The parameters of the tool 'f' must be a mapping"),
        (Tool, {"name": "f", "strict": "yes"}, "strict of the tool 'f' must be True or False"),
        (JSONSchema, {"name": None, "schema": {}}, "A response format's name must be a string, not None"),
        (JSONSchema, {"name": "a", "schema": "{}"}, "A response format's schema must be a mapping"),
        (JSONSchema, {"name": "a", "schema": {}, "strict": 1}, "A response format's strict must be True or False"),
    ],
)
def test_a_tool_or_a_schema_of_wrong_types_is_refused_where_it_is_made(
    kind: type[Any], wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        kind(**wrong)
    assert said in str(caught.value)


@pytest.mark.guarantees("effort")
@pytest.mark.parametrize("model", [name for name, known in MODELS.items() if known.reasoning_efforts])
def test_an_effort_that_a_known_model_refuses_is_refused_with_those_it_accepts(model: str) -> None:
    accepted = MODELS[model].reasoning_efforts
    for effort in accepted:
        assert Request(messages=HI, model=model, reasoning_effort=effort).reasoning_effort == effort
    with pytest.raises(InvalidRequestError) as caught:
        Request(messages=HI, model=model, reasoning_effort="extreme")
    assert str(caught.value) == (
        f"reasoning_effort='extreme' is not supported by {model}, which accepts: {', '.join(accepted)}."
    )


def test_medium_effort_is_for_the_model_that_documents_it() -> None:
    assert "medium" in MODELS["step-3.7-flash"].reasoning_efforts
    with pytest.raises(InvalidRequestError, match="low, high"):
        Request(messages=HI, model="step-3.5-flash-2603", reasoning_effort="medium")


def test_a_model_that_ignores_the_effort_accepts_any() -> None:
    for effort in ("low", "medium", "high", "max"):
        assert Request(messages=HI, model="step-router-v1", reasoning_effort=effort).reasoning_effort == effort


def test_the_facts_of_the_newest_models() -> None:
    newest = MODELS["step-5-preview"]
    assert newest.context_window == context_window("step-5-preview") == 1_000_000
    assert newest.inputs == {"text", "image", "video"}
    assert newest.reasoning_efforts == ("low", "medium", "high")
    assert newest.json_schema
    assert not newest.web_search
    router = MODELS["step-router-v1"]
    assert router.inputs == {"text"}
    assert not router.web_search
    assert router.max_output_tokens == 250_000


@pytest.mark.guarantees("any-model-name")
def test_of_an_unknown_model_nothing_is_known_and_nothing_refused() -> None:
    request = Request(messages=HI, model="step-9", reasoning_effort="extreme")
    assert request.model == "step-9"
    assert takes("step-9", "video")
    assert context_window("step-9") == context_window("step-3.7-flash") == 256_000


def test_what_models_take() -> None:
    assert list(models_taking("video")) == ["step-3.7-flash", "step-5-preview"]
    assert not takes("step-router-v1", "image")
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


def test_folding_keeps_blocks_apart_and_in_the_order_of_their_index() -> None:
    events: list[DecodedEvent] = [
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
        Finish("tool_calls", Usage(1, 2), "stop"),
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
