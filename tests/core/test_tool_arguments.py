"""What is read of a tool call's arguments, and which calls must not be run."""

import copy
import pickle
from typing import Any

import pytest

from stepplan import (
    Response,
    Text,
    ToolCall,
    parse_arguments,
    parse_partial_arguments,
)


@pytest.mark.guarantees("calls-without-arguments")
@pytest.mark.parametrize("arguments", ["", " ", "null", "{}", " {} "])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    assert parse_arguments(arguments) == {}
    [call] = Response((ToolCall("1", "f", arguments),), "tool_calls").tool_calls
    assert call.arguments == {}
    assert call.error is None


@pytest.mark.parametrize("arguments", ["[]", "1", '"x"', "{", '{"a": 1}}', "{'a': 1}", '{"a": NaN}', "x", "[" * 500])
def test_arguments_that_are_no_object_make_a_call_that_must_not_be_run(arguments: str) -> None:
    with pytest.raises(ValueError, match=r"JSON object|column"):
        parse_arguments(arguments)
    [call] = Response((ToolCall("1", "f", arguments),), "tool_calls").tool_calls
    assert call.arguments is None
    assert call.error
    assert call.error.startswith("The arguments of 'f' are not a JSON object")
    assert call.call.arguments == arguments


@pytest.mark.parametrize(
    "arguments", ['{"a": 1e999}', '{"a": [{"b": -1E999}]}', f'{{"a": {"9" * 400}.0}}', '{"a": -Infinity}']
)
def test_numbers_that_json_cannot_express_make_a_call_that_must_not_be_run(arguments: str) -> None:
    [call] = Response((ToolCall("1", "f", arguments),), "tool_calls").tool_calls
    assert call.arguments is None
    assert call.error


@pytest.mark.guarantees("lenient-arguments")
@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"a": "x\ny\t\x00"}', {"a": "x\ny\t\x00"}),
        ('{\n"a\nb": "c\\nd\n"\n}', {"a\nb": "c\nd\n"}),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
        ('{"a": "\\ud83d\\ude00 \\\\ud83d"}', {"a": "😀 \\ud83d"}),
        ('{"a": "1e999", "b": 1e30}', {"a": "1e999", "b": 1e30}),
    ],
)
def test_arguments_are_read_leniently(arguments: str, read: dict[str, Any]) -> None:
    assert parse_arguments(arguments) == read
    assert parse_partial_arguments(arguments) == read


def test_tool_calls_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    response = Response((ToolCall("1", "f", '{"a": 1}'),), "tool_calls")
    first = response.tool_calls
    monkeypatch.setattr("stepplan.responses.parse_arguments", lambda _: pytest.fail("parsed again"))
    assert response.tool_calls is first
    assert copy.deepcopy(response) == response == pickle.loads(pickle.dumps(response))
    assert repr(response) == repr(Response((ToolCall("1", "f", '{"a": 1}'),), "tool_calls"))


@pytest.mark.guarantees("cut-off-call")
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
        ('{"a": "b\nc', {"a": "b\nc"}),
        ('{"a": "b\\ud83d", "c": "d', {"a": "b\ufffd", "c": "d"}),
        ('{"a": "b\\', {"a": "b"}),
        ('{"a": "b\\u', {"a": "b"}),
        ('{"a": "b\\ud8', {"a": "b"}),
        ('{"a": "b\\ud83d', {"a": "b"}),
        ('{"a": "b\\ud83d\\ude', {"a": "b"}),
        ('{"a": "b\\\\', {"a": "b\\"}),
        ('{"a": "b\\\\\\', {"a": "b\\"}),
        ('{"a": "b\\\\u00', {"a": "b\\u00"}),
        ('{"a": "' + "x\\n" * 50 + "\\ud83d\\ude", {"a": "x\n" * 50}),
        ('{"a": "' + "\\\\" * 50 + "\\u12", {"a": "\\" * 50}),
        ('{"a": ["x", "y\\u00e', {"a": ["x", "y"]}),
        ('{"a": 1e999, "b": "c', {}),
    ],
)
def test_arguments_are_read_as_far_as_they_came(arguments: str, read: dict[str, Any]) -> None:
    assert parse_partial_arguments(arguments) == read
