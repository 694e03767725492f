"""However a stream cuts characters and their escapes, what is read is the same, and valid."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import (
    DecodedEvent,
    Finish,
    MessageStart,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    fold,
    parse_arguments,
)
from stepplan.surrogates import SurrogatePairs

_UNITS = st.sampled_from(["a", "你", "\ud83d", "\ude00", "\ud83d\ude00", " "])
# A half that is written as it is cannot stand beside an escaped one: what holds the arguments escapes neither or both.
_ESCAPES = st.sampled_from(["a", r"\ud83d", r"\ude00", r"\ud83d\ude00", r"\\", r"\"", r"\u4f60", r"\n", "ud83d", "你"])


def cut(text: str, data: st.DataObject) -> list[str]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)]) if start < end]


def filtered(events: list[DecodedEvent]) -> list[DecodedEvent]:
    pairs = SurrogatePairs()
    return [found for event in [MessageStart(), *events, Finish("stop")] for found in pairs.feed(event)]


def valid(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.guarantees("any-slicing")
@given(st.lists(_UNITS), st.data())
def test_text_and_reasoning_are_the_same_in_any_slicing(units: list[str], data: st.DataObject) -> None:
    text = "".join(units)
    for kind in (TextDelta, ReasoningDelta):
        events = filtered([kind(0, piece) for piece in cut(text, data)])
        assert all(getattr(event, "text", "x") for event in events)
        response = fold(events)
        assert response.text + response.reasoning == valid(text)


@pytest.mark.guarantees("any-slicing")
@given(st.lists(_ESCAPES), st.data())
def test_arguments_are_the_same_in_any_slicing(escapes: list[str], data: st.DataObject) -> None:
    text = f'{{"a": "{"".join(escapes)}"}}'
    events = filtered([ToolCallStart(0, "1", "f"), *(ToolCallDelta(0, piece) for piece in cut(text, data))])
    [call] = fold(events).content
    assert isinstance(call, ToolCall)
    expected = valid(json.loads(text, strict=False)["a"])
    assert parse_arguments(call.arguments) == {"a": expected}
    assert json.loads(call.arguments) == {"a": expected}


def test_pieces_of_calls_that_alternate_do_not_mix() -> None:
    starts: list[DecodedEvent] = [ToolCallStart(0, "1", "f"), ToolCallStart(1, "2", "f")]
    pieces = ['{"a": "\ud83d', '{"a": "\\ud83d', '\ude00"}', '\\ude00"}']
    events = [*starts, *(ToolCallDelta(at % 2, piece) for at, piece in enumerate(pieces))]
    parsed = [parse_arguments(call.arguments) for call in fold(filtered(events)).content if isinstance(call, ToolCall)]
    assert parsed == [{"a": "😀"}, {"a": "😀"}]


@pytest.mark.guarantees("any-slicing", "lone-surrogates")
@pytest.mark.parametrize("between", [TextDelta(1, "x"), ReasoningDelta(1, "x"), ToolCallStart(1, "2", "g")])
def test_arguments_are_the_same_whatever_comes_between_their_pieces(between: DecodedEvent) -> None:
    halves = [(r"\ud83d", "\ufffd"), (r"\ude00", "\ufffd"), (r"\\ud83d", r"\ud83d")]
    for escapes, read in [(r"\ud83d\ude00", "😀"), *halves]:
        text = f'{{"a": "{escapes}"}}'
        for at in range(1, len(text)):
            deltas = ToolCallDelta(0, text[:at]), between, ToolCallDelta(0, text[at:])
            call = fold(filtered([ToolCallStart(0, "1", "f"), *deltas])).content[0]
            assert isinstance(call, ToolCall)
            assert json.loads(call.arguments) == {"a": read}


def test_a_signature_survives_a_half_beside_it() -> None:
    [block] = fold(filtered([ReasoningDelta(0, "a\ud83d", signature="sig")])).content
    assert block == fold([ReasoningDelta(0, "a\ufffd", signature="sig")]).content[0]


def test_a_half_before_another_block_stays_in_its_own() -> None:
    response = fold(filtered([ReasoningDelta(0, "a\ud83d"), TextDelta(1, "\ude00b")]))
    assert response.reasoning == "a\ufffd"
    assert response.content[1] == Text("\ufffdb")
