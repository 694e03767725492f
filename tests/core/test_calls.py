"""Streamed tool calls on Chat Completions: however a server marks its pieces, N calls come out as N calls."""

import json
from itertools import product
from typing import Any

import pytest

from stepplan import Event, Request, Tool, ToolCall, ToolCallDelta, ToolCallStart, fold
from stepplan.names import wire_name
from tests.support.fixtures import decode, read

Piece = dict[str, Any]
PARIS, ROME = '{"city": "Paris"}', '{"city": "Rome"}'
TWO = [("get_weather", PARIS), ("get_weather", ROME)]
MIXED = [("get_weather", PARIS), ("get_time", ROME)]


def piece(name: str | None = None, arguments: str | None = None, **marks: Any) -> Piece:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"type": "function", "function": function, **marks}


def parts(text: str) -> list[str]:
    return [text[:5], text[5:9], text[9:]]


def events(*chunks: list[Piece], request: Request = Request(messages=())) -> list[Event]:  # noqa: B008 - a frozen value
    frames: list[Piece] = [{"choices": [{"delta": {"tool_calls": chunk}}]} for chunk in chunks]
    frames.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    data = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
    return decode([data.encode()], "openai", request)


def calls(*chunks: list[Piece]) -> list[ToolCall]:
    return [block for block in fold(events(*chunks)).content if isinstance(block, ToolCall)]


def one_after_the_other(*marks: tuple[Piece, Piece], then: list[tuple[str, str]]) -> list[list[Piece]]:
    """For each call a first piece with its name, then its arguments in pieces; with these marks on first and others."""
    chunks: list[list[Piece]] = []
    for (first, others), (name, arguments) in zip(marks, then, strict=True):
        chunks += [[piece(name, "", **first)], *([piece(None, part, **others)] for part in parts(arguments))]
    return chunks


A: Piece = {"id": "a"}
B: Piece = {"id": "b"}
I0: Piece = {"index": 0}
I1: Piece = {"index": 1}
NULL: Piece = {"id": "null"}
SHAPES: dict[str, tuple[list[list[Piece]], list[tuple[str, str]]]] = {
    "as documented": (one_after_the_other((I0 | A, I0), (I1 | B, I1), then=TWO), TWO),
    "id repeated": (one_after_the_other((I0 | A, I0 | A), (I1 | B, I1 | B), then=TWO), TWO),
    "id empty on pieces": (one_after_the_other((I0 | A, I0 | {"id": ""}), (I1 | B, I1 | {"id": ""}), then=TWO), TWO),
    "id null on pieces": (one_after_the_other((I0 | A, I0 | {"id": None}), (I1 | B, I1 | {"id": None}), then=TWO), TWO),
    "id 'null'": (one_after_the_other((I0 | NULL, I0 | NULL), (I1 | NULL, I1 | NULL), then=TWO), TWO),
    "no id": (one_after_the_other((I0, I0), (I1, I1), then=TWO), TWO),
    "no index": (one_after_the_other((A, {}), (B, {}), then=TWO), TWO),
    "no index, id repeated": (one_after_the_other((A, A), (B, B), then=TWO), TWO),
    "index null": (one_after_the_other((A | {"index": None}, {"index": None}), (B, {}), then=TWO), TWO),
    "neither index nor id": (one_after_the_other(({}, {}), ({}, {}), then=TWO), TWO),
    "index always 0": (one_after_the_other((I0 | A, I0), (I0 | B, I0), then=TWO), TWO),
    "index always 0, id repeated": (one_after_the_other((I0 | A, I0 | A), (I0 | B, I0 | B), then=TWO), TWO),
    "index always 0, no id": (one_after_the_other((I0, I0), (I0, I0), then=MIXED), MIXED),
    "index gaps": (
        one_after_the_other(({"index": 3} | A, {"index": 3}), ({"index": 7} | B, {"index": 7}), then=TWO),
        TWO,
    ),
    "id new with every piece": (
        [
            [piece("get_weather", "", id="a0", **I0)],
            *([piece(None, part, id=f"a{at}", **I0)] for at, part in enumerate(parts(PARIS), 1)),
            [piece("get_weather", "", id="b0", **I1)],
            *([piece(None, part, id=f"b{at}", **I1)] for at, part in enumerate(parts(ROME), 1)),
        ],
        TWO,
    ),
    "index new with every piece": (
        [
            [piece("get_weather", "", id="a", index=0)],
            *([piece(None, part, id="a", index=at)] for at, part in enumerate(parts(PARIS), 1)),
            [piece("get_weather", "", id="b", index=4)],
            *([piece(None, part, id="b", index=at)] for at, part in enumerate(parts(ROME), 5)),
        ],
        TWO,
    ),
    "interleaved": (
        [
            [piece("get_weather", "", **I0, **A)],
            [piece("get_weather", "", **I1, **B)],
            *(
                [piece(None, paris, **I0), piece(None, rome, **I1)]
                for paris, rome in zip(parts(PARIS), parts(ROME), strict=True)
            ),
        ],
        TWO,
    ),
    "interleaved by id": (
        [
            [piece("get_weather", "", **A), piece("get_weather", "", **B)],
            *(
                [piece(None, paris, **A), piece(None, rome, **B)]
                for paris, rome in zip(parts(PARIS), parts(ROME), strict=True)
            ),
        ],
        TWO,
    ),
    "whole calls": ([[piece("get_weather", PARIS, **I0, **A)], [piece("get_weather", ROME, **I1, **B)]], TWO),
    "whole calls in one chunk": (
        [[piece("get_weather", PARIS, **I0, **A), piece("get_weather", ROME, **I1, **B)]],
        TWO,
    ),
    "whole calls, index always 0": (
        [[piece("get_weather", PARIS, **I0, **A)], [piece("get_weather", ROME, **I0, **B)]],
        TWO,
    ),
    "whole calls, index always 0, id empty": (
        [[piece("get_weather", PARIS, id="", **I0)], [piece("get_weather", ROME, id="", **I0)]],
        TWO,
    ),
    "whole calls, no index, one id for both": (
        [[piece("get_weather", PARIS, **A)], [piece("get_weather", ROME, **A)]],
        TWO,
    ),
    "one id for both": (one_after_the_other((I0 | A, I0), (I1 | A, I1), then=TWO), TWO),
    "one id for both, repeated": (one_after_the_other((I0 | A, I0 | A), (I1 | A, I1 | A), then=TWO), TWO),
    "name repeated": (
        [
            *([piece("get_weather", part, **I0, **A)] for part in parts(PARIS)),
            *([piece("get_weather", part, **I1, **B)] for part in parts(ROME)),
        ],
        TWO,
    ),
    "name and id repeated, index always 0": (
        [
            *([piece("get_weather", part, **I0, **A)] for part in parts(PARIS)),
            *([piece("get_weather", part, **I0, **B)] for part in parts(ROME)),
        ],
        TWO,
    ),
    "name empty or null on pieces": (
        [
            [piece("get_weather", "", **I0, **A)],
            [piece("", PARIS[:6], **I0)],
            [{"index": 0, "function": {"name": None, "arguments": PARIS[6:]}}],
        ],
        TWO[:1],
    ),
    "name after id and arguments": (
        [[{"index": 0, "id": "a"}], [piece(None, "{", **I0)], [piece("get_weather", PARIS[1:], **I0)]],
        TWO[:1],
    ),
    "id after arguments": ([[piece(None, "{", **I0)], [piece("get_weather", PARIS[1:], **I0, **A)]], TWO[:1]),
    "ended by an empty piece with everything": (
        [
            [piece("get_weather", PARIS, **I0, **A)],
            [piece("get_weather", "", **I0, **A)],
            [piece("get_weather", " ", **I0)],
        ],
        TWO[:1],
    ),
    "second call without arguments": (
        [[piece("get_weather", PARIS, **I0, **A)], [piece("now", "", **I1, **B)]],
        [TWO[0], ("now", "")],
    ),
    "name repeated, an object's beginning within a string": (
        [[piece("f", '{"x": "}', **I0, **A)], [piece("f", '{"}', **I0, **A)]],
        [("f", '{"x": "}{"}')],
    ),
    "null function": ([[piece("get_weather", PARIS, **I0, **A)], [{"index": 0, "function": None}]], TWO[:1]),
    "three, of which the second is known again by its id": (
        [
            [piece("get_weather", PARIS, **A)],
            [piece("get_weather", ROME[:4], **B)],
            [piece("get_time", PARIS, id="c")],
            [piece(None, ROME[4:], **B)],
        ],
        [*TWO, ("get_time", PARIS)],
    ),
}


@pytest.mark.guarantees("calls-stay-apart", "calls-without-arguments")
@pytest.mark.parametrize("shape", SHAPES)
def test_each_call_comes_out_as_itself(shape: str) -> None:
    chunks, expected = SHAPES[shape]
    found = calls(*chunks)
    assert [(call.name, call.arguments.strip()) for call in found] == expected
    assert len({call.id for call in found}) == len(found)
    assert all(call.id and call.id != "null" for call in found)


@pytest.mark.guarantees("calls-stay-apart")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_is_announced_once_and_before_its_arguments(shape: str) -> None:
    announced: list[int] = []
    for event in events(*SHAPES[shape][0]):
        if isinstance(event, ToolCallStart):
            assert event.index == len(announced)
            announced.append(event.index)
        if isinstance(event, ToolCallDelta):
            assert event.index in announced
            assert event.arguments


@pytest.mark.parametrize(
    "shape", ["as documented", "index always 0", "no index", "interleaved", "whole calls", "name repeated"]
)
def test_ids_that_are_distinct_are_kept(shape: str) -> None:
    assert [call.id for call in calls(*SHAPES[shape][0])] == ["a", "b"]


@pytest.mark.parametrize("shape", ["id after arguments", "name after id and arguments", "null function"])
def test_an_id_is_kept_whenever_it_came(shape: str) -> None:
    assert [call.id for call in calls(*SHAPES[shape][0])] == ["a"]


def test_the_first_of_two_calls_with_one_id_keeps_it() -> None:
    first, second = calls(*SHAPES["one id for both"][0])
    assert first.id == "a"
    assert second.id.startswith("call_")


def test_arguments_that_never_got_a_name_are_not_lost() -> None:
    [nameless] = calls([piece(None, PARIS, **I0)])
    assert nameless.name == ""
    assert nameless.arguments == PARIS


@pytest.mark.guarantees("calls-stay-apart")
@pytest.mark.parametrize("indexes", [(None, None), (0, 0), (1, 0)])
@pytest.mark.parametrize("ids", [("a", "b"), ("a", "a"), ("", "null"), (None, None)])
def test_the_calls_of_a_whole_answer_stay_apart_also_without_a_name(ids: Any, indexes: Any) -> None:
    for names in product(["get_weather", None], repeat=2):
        marks = zip(names, (PARIS, ROME), ids, indexes, strict=True)
        sent = [piece(name, text, id=id, index=index) for name, text, id, index in marks]
        found = read({"choices": [{"message": {"tool_calls": sent}, "finish_reason": "tool_calls"}]}, "openai").content
        said = [(call.name, call.arguments) for call in found if isinstance(call, ToolCall)]
        assert sorted(said) == sorted((name or "", text) for name, text in zip(names, (PARIS, ROME), strict=True))
        assert len({call.id for call in found if isinstance(call, ToolCall)}) == 2


def test_a_call_of_which_nothing_came_is_no_call() -> None:
    assert calls([piece(**I0)]) == []


@pytest.mark.guarantees("illegal-names")
def test_names_are_given_back_as_the_caller_knows_them() -> None:
    request = Request(messages=(), tools=(Tool("files.read"), Tool("plain")))
    pieces = [piece(wire_name("files.read"), "{}", **I0, **A), piece("plain", "{}", **I1, **B)]
    found = [event.name for event in events(pieces, request=request) if isinstance(event, ToolCallStart)]
    assert found == ["files.read", "plain"]


@pytest.mark.guarantees("linear-calls")
def test_a_long_call_whose_every_piece_names_it_is_never_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(arguments: str) -> dict[str, Any]:
        raise AssertionError(f"parsed {len(arguments)} characters")

    monkeypatch.setattr("stepplan.protocols.openai.calls.parse_arguments", refuse)
    text = json.dumps({"rows": [{"a": at} for at in range(1000)]})
    pieces = [text[at : at + 8] for at in range(0, len(text), 8)]
    [start, *deltas] = events(*([piece("save", part, **I0, **A)] for part in pieces))[1:-1]
    assert isinstance(start, ToolCallStart)
    assert "".join(delta.arguments for delta in deltas if isinstance(delta, ToolCallDelta)) == text
