"""Objects in answers: where they are found, what is taken, and why there is none."""

import json
import time
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from stepplan import ContentBlockedError, ResponseDecodeError
from stepplan.integration.objects import Answer, ObjectReader, find_object, to_instance

FOUND: dict[str, Any] = {"city": "北京", "days": 3}
TEXT = json.dumps(FOUND, ensure_ascii=False)


@pytest.mark.guarantees("object-found")
@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"  \n{TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```",
        f"```json {TEXT}```",
        f"Sure! Here it is:\n\n```json\n{TEXT}\n```\nAnything else?",
        f"Here it is: {TEXT}",
        f"{TEXT}\n\nI hope that this helps.",
        f"{TEXT} {{}}",
        f"Given {{x}} and {{y: 1}}, it is {TEXT}.",
        f'The input {{"a": 1}} gives\n```json\n{TEXT}\n```',
        f"\ufeff{TEXT}",
        f'<think>Perhaps {{"city": "Oslo", "days": 1}}?</think>{TEXT}',
        f'<think>\n```json\n{{"days": 1}}\n```\n</think>\n```json\n{TEXT}\n```',
        f'Perhaps {{"city": "Oslo"}}.</think>Here it is: {TEXT}',
        f"<think>{TEXT}</think>So it is.",
    ],
)
def test_an_object_is_found_in_a_fence_or_with_text_around_it(text: str) -> None:
    assert find_object(text) == FOUND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would rather talk.",
        "[1, 2]",
        '"{',
        "{'city': 'x'}",
        '{"city": "x", "inner": {"a": 1}, oops}',
        '{"code": "function() { return {}; }',
        '{"a": {"b": {"c": 1}',
        f"<think>Perhaps {TEXT}, or",
        f"\n<think>\n```json\n{TEXT}\n```\n",
        '{"a": 1e999}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        "{" * 100,
        '{"a":' * 5000,
    ],
)
def test_what_broke_off_or_is_not_json_holds_no_object(text: str) -> None:
    assert find_object(text) is None


def test_line_breaks_and_tabs_in_strings_are_read_as_models_write_them() -> None:
    assert find_object('{"poem": "one\n\ttwo"}') == {"poem": "one\n\ttwo"}


@pytest.mark.parametrize("before", ["", "Here it is: "])
def test_an_end_of_reasoning_within_a_string_is_a_part_of_it(before: str) -> None:
    assert find_object(before + '{"tag": "</think>", "days": 3}') == {"tag": "</think>", "days": 3}


def test_what_the_model_reasons_is_no_part_of_the_object() -> None:
    text = f'<think>{{"city": "Oslo"}}</think>{TEXT}'
    parts = [find_object(text[:end], partial=True) or {} for end in range(len(text) + 1)]
    assert all(part.get("city", "") in FOUND["city"] for part in parts)
    assert parts[-1] == FOUND


def test_a_fence_within_a_string_is_a_part_of_it() -> None:
    inner = {"code": "```json\n{}\n```"}
    assert find_object(json.dumps(inner)) == inner
    assert find_object(f"Here: {json.dumps(inner)}") == inner


@pytest.mark.parametrize("before", ["", "```json\n", "Given {x}: ", "Sure:\n\n```json\n"])
def test_an_object_fills_in_while_its_text_arrives(before: str) -> None:
    text = before + '{"city": "Saint Petersburg", "days": [1, 2]}' + "\n```\nDone."
    parts = [find_object(text[:end], partial=True) or {} for end in range(len(text) + 1)]
    cities = [part["city"] for part in parts if "city" in part]
    assert len(set(cities)) > 10
    assert all("Saint Petersburg".startswith(city) for city in cities)
    assert parts[-1] == {"city": "Saint Petersburg", "days": [1, 2]}
    assert not any(parts[: len(before)])


@pytest.mark.parametrize("text", ['{"a": ' * 4000, "{x " * 50_000, '{"a": "' + "{" * 200_000, "```\n" * 50_000])
def test_odd_text_takes_linear_time(text: str) -> None:
    began = time.thread_time()
    find_object(text)
    find_object(text, partial=True)
    assert time.thread_time() - began < 1


READER = ObjectReader("Trip", tool="Trip")


def test_the_arguments_of_the_call_come_before_the_text() -> None:
    assert READER.read(Answer(text='{"city": "x"}', calls=[("Trip", FOUND)])) == FOUND
    assert READER.read(Answer(text="", calls=[("Trip", FOUND), ("Trip", {})])) == FOUND


def test_the_only_tool_is_meant_whatever_the_call_is_named() -> None:
    assert READER.read(Answer(text="", calls=[("trip", FOUND)])) == FOUND


def test_a_model_that_writes_the_object_instead_of_calling_has_answered() -> None:
    assert READER.read(Answer(text=f"```json\n{TEXT}\n```")) == FOUND


def test_a_call_of_another_tool_is_no_object_and_no_error_where_others_were_offered() -> None:
    for tool in ("Trip", None):
        reader = ObjectReader("Trip", tool=tool, others=True)
        assert reader.read(Answer(text="", calls=[("look", {"place": "x"})])) is None
        assert reader.read(Answer(text="I look.", calls=[("look", {})], finish_reason="tool_calls")) is None
    assert (
        ObjectReader("Trip", tool="Trip", others=True).read(Answer("", calls=[("look", {}), ("Trip", FOUND)])) == FOUND
    )


@pytest.mark.parametrize(("text", "calls"), [(TEXT, []), ("", [("Trip", FOUND)]), ("I will not.", [])])
def test_a_refused_answer_is_a_refusal_even_if_it_parses(text: str, calls: list[Any]) -> None:
    for reader in (READER, ObjectReader("Trip"), ObjectReader("Trip", others=True)):
        with pytest.raises(ContentBlockedError, match="The model refused to answer") as caught:
            reader.read(Answer(text, calls, finish_reason="content_filter"))
        assert caught.value.body == text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer('{"city": "北', finish_reason="length"), "cut off before the Trip was complete: raise max_tokens"),
        (Answer("", invalid="Broken.", finish_reason="length"), "raise max_tokens"),
        (Answer("", invalid="The arguments are broken."), "holds no Trip. The arguments are broken."),
        (Answer("I would rather talk."), "holds no Trip: 'I would rather talk.'"),
    ],
)
def test_why_there_is_no_object_is_said(answer: Answer, said: str) -> None:
    with pytest.raises(ResponseDecodeError) as caught:
        READER.read(answer)
    assert said in str(caught.value)
    assert caught.value.body == answer.text


def test_parts_are_those_of_the_call_or_of_the_text() -> None:
    assert READER.read_part(Answer("", calls=[("Trip", {"city": "北"})])) == {"city": "北"}
    assert READER.read_part(Answer('```json\n{"city": "北')) == {"city": "北"}
    assert READER.read_part(Answer("Hm")) == {}


def test_strict_classes_take_what_json_can_say_and_lone_surrogates_do_no_harm() -> None:
    class Day(BaseModel):
        model_config = ConfigDict(strict=True)
        day: date
        note: str

    assert to_instance(Day, {"day": "2026-01-02", "note": "\ud83d"}) == Day(day=date(2026, 1, 2), note="\ufffd")
