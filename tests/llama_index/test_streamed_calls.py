"""Tool calls while they arrive: sorted into calls, shown as far as they go, in linear time."""

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock

import stepplan
from llama_index_stepplan import StepPlan, _chunks
from llama_index_stepplan._answers import Reading
from llama_index_stepplan._chunks import ChunkBuilder
from stepplan import MessageEnd, Request, Response, ToolCallDelta, ToolCallStart, parse_partial_arguments
from stepplan.integration.raw import call_data
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.servers import canned_stream
from tests.support.ways.llama_index import STREAMS, Way, ask


def pieces(*calls: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of Chat Completions with pieces of calls."""
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": finish}]}


def piece(index: int, arguments: str = "", name: str | None = None, id: str | None = None) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def calls_of(chunk: ChatResponse) -> list[tuple[str | None, str, Any]]:
    blocks = [block for block in chunk.message.blocks if isinstance(block, ToolCallBlock)]
    return [(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]


STREAMED: dict[str, list[dict[str, Any]]] = {
    "two calls in one chunk": [pieces(piece(0, '{"n": 1}', "add", "a"), piece(1, '{"n": 2}', "sub", "b"))],
    "interleaved": [
        pieces(piece(0, '{"n"', "add", "a")),
        pieces(piece(1, '{"n"', "sub", "b")),
        pieces(piece(0, ": 1}")),
        pieces(piece(1, ": 2}")),
    ],
    "name and id repeated": [
        pieces(piece(0, '{"n": ', "add", "a")),
        pieces(piece(0, "1}", "add", "a")),
        pieces(piece(1, '{"n": ', "sub", "b")),
        pieces(piece(1, "2}", "sub", "b")),
    ],
}


@pytest.mark.guarantees("calls-stay-apart")
@pytest.mark.parametrize("chunks", STREAMED.values(), ids=STREAMED)
def test_pieces_are_sorted_into_calls(chunks: list[dict[str, Any]]) -> None:
    with canned_stream([*chunks, pieces(finish="tool_calls")]) as client:
        llm = StepPlan(api_key="k", http_client=client)
        last = list(llm.stream_chat([ChatMessage("Go")]))[-1]

    assert calls_of(last) == [("a", "add", {"n": 1}), ("b", "sub", {"n": 2})]
    assert [call["function"]["arguments"] for call in last.message.additional_kwargs["tool_calls"]] == [
        '{"n": 1}',
        '{"n": 2}',
    ]


@pytest.mark.parametrize("way", STREAMS)
async def test_arguments_fill_in_as_they_arrive(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(Turn(tool_calls=[ToolCall("write", {"text": "once upon a time there was", "n": 1}, "1")]))
    chunks = await ask(llm, way, "Write.")
    seen = [calls_of(chunk)[0][2].get("text", "") for chunk in chunks if calls_of(chunk)]

    assert all("once upon a time there was".startswith(text) for text in seen)
    assert seen == sorted(seen, key=len)
    assert len(set(seen)) > 3
    assert calls_of(chunks[-1]) == [("1", "write", {"text": "once upon a time there was", "n": 1})]


@pytest.mark.guarantees("llama-index-chunk-so-far")
def test_an_earlier_chunk_does_not_change_later(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="Both.", tool_calls=[ToolCall("a", {"x": "y" * 20}, "1"), ToolCall("b", {}, "2")]))
    chunks: list[ChatResponse] = []
    dumps: list[str] = []
    for chunk in llm.stream_chat([ChatMessage("Go")]):
        chunks.append(chunk)
        dumps.append(chunk.model_dump_json())

    assert [chunk.model_dump_json() for chunk in chunks] == dumps


@pytest.mark.guarantees("linear-calls")
@pytest.mark.parametrize("length", [1_000, 10_000, 100_000])
def test_what_is_parsed_while_arguments_arrive_is_linear(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    parsed = 0

    def counting(text: str) -> dict[str, Any]:
        nonlocal parsed
        parsed += len(text)
        return parse_partial_arguments(text)

    monkeypatch.setattr(_chunks, "parse_partial_arguments", counting)
    arguments = '{"text": "' + "x" * length + '"}'
    builder = ChunkBuilder(Reading(Request(messages=())))
    builder.add(ToolCallStart(0, "1", "write"))
    for start in range(0, len(arguments), 10):
        chunk = builder.add(ToolCallDelta(0, arguments[start : start + 10]))
        assert chunk is not None
        shown = len(calls_of(chunk)[0][2].get("text", ""))
        assert shown >= min(length, (start - 10) * 32 // 33 - 20)
    last = builder.add(MessageEnd(Response((stepplan.ToolCall("1", "write", arguments),), "tool_calls")))

    assert parsed < 40 * len(arguments)
    assert last is not None
    assert calls_of(last) == [("1", "write", {"text": "x" * length})]


@pytest.mark.guarantees("linear-calls")
@pytest.mark.parametrize("count", [10, 100, 1_000])
def test_what_is_built_while_calls_arrive_is_linear_in_their_number(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    built = 0

    def counting(*args: Any) -> Any:
        nonlocal built
        built += 1
        return call_data(*args)

    monkeypatch.setattr(_chunks, "call_data", counting)
    builder = ChunkBuilder(Reading(Request(messages=())))
    chunk = None
    for index in range(count):
        builder.add(ToolCallStart(index, str(index), "look"))
        chunk = builder.add(ToolCallDelta(index, f'{{"n": {index}}}'))

    assert built <= 2 * count
    assert chunk is not None
    assert calls_of(chunk) == [(str(index), "look", {"n": index}) for index in range(count)]
    assert [call["id"] for call in chunk.message.additional_kwargs["tool_calls"]] == list(map(str, range(count)))


@pytest.mark.parametrize("way", STREAMS)
async def test_each_piece_of_a_call_names_the_position_of_the_call(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(Turn(text="Both.", tool_calls=[ToolCall("add", {"n": 1}, "a"), ToolCall("sub", {"n": 2}, "b")]))
    arguments, names = ["", ""], ["", ""]
    for chunk in await ask(llm, way, "Go"):
        raw: Any = chunk.raw
        for piece in raw["choices"][0].get("delta", {}).get("tool_calls", []):
            names[piece["index"]] += piece["function"].get("name", "")
            arguments[piece["index"]] += piece["function"]["arguments"] if "name" not in piece["function"] else ""

    assert names == ["add", "sub"]
    assert [parse_partial_arguments(text) for text in arguments] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("way", STREAMS)
async def test_only_the_first_call_is_shown_where_one_at_a_time_was_asked_for(
    llm: StepPlan, plan: Sandbox, way: Way
) -> None:
    plan.script(Turn(tool_calls=[ToolCall("add", {"n": 1}, "a"), ToolCall("sub", {"n": 2}, "b")]))
    chunks = await ask(llm, way, "Go", parallel_tool_calls=False)

    assert {id for chunk in chunks for id, _, _ in calls_of(chunk)} == {"a"}
