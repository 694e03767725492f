"""Every answer in the fixtures, streamed or whole, on either protocol, says what its scenario says."""

import pytest

from stepplan import (
    Accumulator,
    MessageEnd,
    MessageStart,
    Reasoning,
    ReasoningDelta,
    Response,
    ToolCall,
    fold,
)
from tests.support.fixtures import COMPOSED, SCENARIOS, STREAMS, Answer, decode, essence, read

EVERY_STREAM = pytest.mark.parametrize("answer", STREAMS, ids=lambda answer: answer.name)


@pytest.mark.guarantees("same-every-way", "usage-always", "usage-details", "usage-missing", "reasoning-arrives")
@pytest.mark.parametrize("answer", COMPOSED, ids=lambda answer: answer.name)
def test_all_files_of_a_scenario_say_the_same(answer: Answer) -> None:
    response = answer.response()
    assert essence(response) == essence(SCENARIOS[answer.scenario])
    assert response.stop_sequence == SCENARIOS[answer.scenario].stop_sequence


def test_every_scenario_has_its_files_and_both_protocols_are_covered() -> None:
    assert {answer.scenario for answer in COMPOSED} == set(SCENARIOS)
    of_one_protocol = {"counted_reasoning", "searched", "stop_sequence", "redacted"}
    for scenario in set(SCENARIOS) - of_one_protocol:
        assert {answer.protocol for answer in COMPOSED if answer.scenario == scenario} == {"openai", "anthropic"}


@EVERY_STREAM
def test_a_stream_begins_with_its_start_and_ends_with_its_end(answer: Answer) -> None:
    events = decode([answer.data], answer.protocol)
    assert [type(event) for event in events].count(MessageStart) == 1
    assert [type(event) for event in events].count(MessageEnd) == 1
    assert isinstance(events[0], MessageStart)
    assert isinstance(events[-1], MessageEnd)


@pytest.mark.guarantees("one-block-each")
@EVERY_STREAM
def test_blocks_are_numbered_once_across_all_kinds_and_without_gaps(answer: Answer) -> None:
    events = decode([answer.data], answer.protocol)
    indices = [index for event in events if (index := getattr(event, "index", None)) is not None]
    assert sorted(set(indices)) == list(range(len(fold(events).content)))


@EVERY_STREAM
def test_no_event_is_empty(answer: Answer) -> None:
    for event in decode([answer.data], answer.protocol):
        if isinstance(event, ReasoningDelta):
            assert event.text or event.signature is not None or event.redacted is not None
        else:
            assert getattr(event, "text", "some")
            assert getattr(event, "arguments", "some")


@EVERY_STREAM
def test_the_response_so_far_grows_with_every_event(answer: Answer) -> None:
    accumulator, before = Accumulator(), Response()
    events = decode([answer.data], answer.protocol)
    for event in events:
        accumulator.add(event)
        response = accumulator.response()
        assert response.text.startswith(before.text)
        assert response.reasoning.startswith(before.reasoning)
        assert response != before or isinstance(event, MessageStart)
        assert (response.finish_reason is None) == (event is not events[-1])
        before = response
    assert accumulator.response() == fold(events)


def reasoning(name: str) -> Reasoning:
    answer = next(answer for answer in COMPOSED if answer.name == f"composed/reasoning.{name}")
    block = answer.response().content[0]
    assert isinstance(block, Reasoning)
    return block


@pytest.mark.guarantees("signatures")
@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("anthropic.sse", "4e3965cfedc2466b8efed77cf7eb3d65"),
        ("anthropic.json", "4e3965cfedc2466b8efed77cf7eb3d65"),
        ("split_signature.anthropic.sse", "4e3965cfedc2466b8efed77cf7eb3d65"),
        ("overlapping.anthropic.sse", ""),
        ("no_signature.anthropic.sse", None),
        ("null_signature.anthropic.sse", None),
        ("null_signature.anthropic.json", None),
        ("openai.sse", None),
    ],
)
def test_a_signature_is_kept_as_it_came(name: str, signature: str | None) -> None:
    assert reasoning(name).signature == signature


def test_arguments_that_came_as_a_string_are_taken_as_they_are() -> None:
    body = {"content": [{"type": "tool_use", "id": "a", "name": "look", "input": '{"place": "Pa'}]}
    response = read(body, "anthropic")
    assert response.content == (ToolCall("a", "look", '{"place": "Pa'),)


def test_of_several_answers_in_one_stream_the_first_is_read() -> None:
    chunk = '{"choices": [{"index": %d, "delta": {"content": "%s"}, "finish_reason": "stop"}]}'
    data = "".join(f"data: {chunk % (index, text)}\n\n" for index, text in ((1, "no"), (0, "yes"), (1, "no")))
    assert fold(decode([f"{data}data: [DONE]\n\n".encode()], "openai")).text == "yes"
