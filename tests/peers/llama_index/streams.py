"""Streams: what every chunk holds, what the last one holds, and what happens when a stream breaks."""

import asyncio
import gc
import json
import time
from typing import Any

import httpx
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock, ToolCallBlock

from stepplan.sandbox import Fault, Turn, Usage
from tests.peers.features import Bench
from tests.peers.features import for_llama_index as feature
from tests.peers.wire import call_piece, chat_chunk, message_events, plain, replay

HI = [ChatMessage("Hi")]


async def last_of(llm: Any) -> Any:
    return [chunk async for chunk in await llm.astream_chat(HI)][-1]


def thinking(response: Any) -> str:
    return "".join(block.content or "" for block in response.message.blocks if isinstance(block, ThinkingBlock))


@feature("Streams", "`delta`s add up to the message at every chunk")
def text_accumulates(it: Bench) -> None:
    it.plan.script(Turn(text="One two three four five."))
    text = ""
    for chunk in it.llm().stream_chat(HI):
        assert chunk.delta is not None, "a delta is None"
        text += chunk.delta
        assert (chunk.message.content or "") == text, f"content is {chunk.message.content!r} after {text!r}"
    assert text == "One two three four five."


@feature(
    "Streams",
    "async streaming keeps the first piece of thinking",
    absent={"anthropic": "Messages starts thinking with a separate event"},
)
def first_thinking_kept(it: Bench) -> None:
    chunks = [
        chat_chunk({"role": "assistant", "content": None, "reasoning_content": "FIRST "}),
        chat_chunk({"content": None, "reasoning_content": "second"}),
        chat_chunk({"content": "Done."}),
        chat_chunk({}, "stop"),
    ]
    with replay(chunks) as url:
        whole = thinking(asyncio.run(last_of(it.llm(url=url))))
    assert whole == "FIRST second", f"thinking is {whole!r}"


def called(it: Bench, *deltas: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    with replay([*(chat_chunk({"tool_calls": pieces}) for pieces in deltas), chat_chunk({}, "tool_calls")]) as url:
        last = list(it.llm(url=url).stream_chat(HI))[-1]
    blocks = [block for block in last.message.blocks if isinstance(block, ToolCallBlock)]
    return [
        (b.tool_name, json.loads(b.tool_kwargs) if isinstance(b.tool_kwargs, str) else b.tool_kwargs) for b in blocks
    ]


EXPECTED = [("add", {"n": 1}), ("sub", {"n": 2})]


@feature(
    "Streams",
    "two tool calls in one chunk stay two calls",
    absent={"anthropic": "an event of Messages holds one block"},
)
def two_in_one(it: Bench) -> None:
    got = called(it, [call_piece(0, '{"n": 1}', "add", "a"), call_piece(1, '{"n": 2}', "sub", "b")])
    assert got == EXPECTED, f"got {got}"


@feature(
    "Streams",
    "interleaved pieces of tool calls go to the right call",
    absent={"anthropic": "Messages sends one block after the other"},
)
def interleaved(it: Bench) -> None:
    got = called(
        it,
        [call_piece(0, '{"n"', "add", "a")],
        [call_piece(1, '{"n"', "sub", "b")],
        [call_piece(0, ": 1}")],
        [call_piece(1, ": 2}")],
    )
    assert got == EXPECTED, f"got {got}"


@feature(
    "Streams",
    "a repeated name and id of a tool call are not concatenated",
    absent={"anthropic": "Messages sends the name once"},
)
def repeated_names(it: Bench) -> None:
    got = called(
        it,
        [call_piece(0, '{"n": ', "add", "a")],
        [call_piece(0, "1}", "add", "a")],
        [call_piece(1, '{"n": 2}', "sub", "b")],
    )
    assert got == EXPECTED, f"got {got}"


@feature("Streams", "a stream requests token usage", absent={"anthropic": "Messages always sends them"})
def asks_for_usage(it: Bench) -> None:
    list(it.llm().stream_chat(HI))
    assert it.body().get("stream_options") == {"include_usage": True}, "stream_options is not sent"


@feature("Streams", "the last chunk has token usage, with cached tokens, and the finish reason")
def last_chunk_is_complete(it: Bench) -> None:
    it.plan.script(Turn(text="Hello.", usage=Usage(input_tokens=20, output_tokens=5, cached_tokens=8)))
    last = list(it.llm().stream_chat(HI))[-1]
    raw = plain(last.raw)
    usage = raw.get("usage")
    assert usage, "raw has no usage"
    assert "8" in json.dumps(plain(usage), default=str), f"no cached tokens in {usage}"
    written = json.dumps(raw, default=str)
    assert '"stop"' in written or "end_turn" in written, "raw has no finish reason"


@feature(
    "Streams",
    "a chunk with only usage does not erase the finish reason",
    absent={"anthropic": "Messages has no such event"},
)
def counts_alone(it: Bench) -> None:
    counts = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    chunks = [
        chat_chunk({"content": "Hello."}),
        chat_chunk({}, "stop"),
        {**chat_chunk({}), "choices": [], "usage": counts},
    ]
    with replay(chunks) as url:
        raw = plain(list(it.llm(url=url).stream_chat(HI))[-1].raw)
    assert plain(raw.get("usage")).get("prompt_tokens") == 20, "the last chunk has no counts"
    assert [choice["finish_reason"] for choice in raw["choices"]] == ["stop"], f"choices are {raw['choices']}"


@feature(
    "Streams",
    "cached tokens reported only at the start of a stream are counted",
    absent={"openai": "Chat Completions reports usage at the end"},
)
def cached_at_start(it: Bench) -> None:
    usage = {"input_tokens": 20, "cache_read_input_tokens": 70_001, "output_tokens": 1}
    events = message_events({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hello."}], usage)
    with replay(events) as url:
        last = list(it.llm(url=url).stream_chat(HI))[-1]
    told = json.dumps([plain(last.raw), last.additional_kwargs, last.message.additional_kwargs], default=str)
    assert "70001" in told, "the last chunk does not tell of them"


@feature("Streams", "messages kept in memory hold no usage or deltas")
def nothing_but_the_message(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Hm.", text="Hello."))
    kept = list(it.llm().stream_chat(HI))[-1].message.additional_kwargs
    assert kept == {}, f"it keeps {sorted(kept)}"


@feature("Streams", "every chunk can be serialized as JSON")
def chunks_are_json(it: Bench) -> None:
    for chunk in it.llm().stream_chat(HI):
        chunk.model_dump_json()
        json.dumps(chunk.raw)


@feature("Streams", "a stream that breaks off raises an error")
def cut_stream(it: Bench) -> None:
    it.plan.script(Turn(text="A long answer. " * 100, fault=Fault(cut_at=3000)))
    try:
        last = list(it.llm().stream_chat(HI))[-1]
    except Exception:  # noqa: BLE001 - whichever it has
        assert it.plan.requests, "nothing was asked"
        return
    raise AssertionError(f"{len(last.message.content or '')} characters passed for the whole answer")


@feature("Streams", "abandoned streams give their connections back")
def small_pool(it: Bench) -> None:
    it.plan.script(*[Turn(text="Word. " * 500, fault=Fault(delay=0.01))] * 3, Turn(text="Hello."))

    async def leave() -> str:
        limits, timeout = httpx.Limits(max_connections=2), httpx.Timeout(30, pool=2)
        async with httpx.AsyncClient(limits=limits, timeout=timeout) as client:
            llm = it.llm(async_http_client=client)
            for _ in range(3):
                async for _chunk in await llm.astream_chat(HI):
                    break
            return str((await llm.achat(HI)).message.content)

    assert asyncio.run(leave()) == "Hello."


@feature("Streams", "abandoned streams are closed")
def left_streams(it: Bench) -> None:
    it.plan.script(*[Turn(text="Word. " * 500, fault=Fault(delay=0.01))] * 3)

    async def leave() -> int:
        llm = it.llm()
        for _ in range(3):
            async for _chunk in await llm.astream_chat(HI):
                break
        for _ in range(150):
            gc.collect()
            if not it.plan.open_requests:
                break
            await asyncio.sleep(0.01)
        return it.plan.open_requests

    assert (open_ones := asyncio.run(leave())) == 0, f"{open_ones} of 3 are still open"


def long_call(it: Bench, pieces: int) -> list[dict[str, Any]]:
    """A stream of a tool call whose arguments come in so many pieces."""
    texts = ['{"text": "', *["x" * 8] * pieces, '"}']
    if it.protocol == "anthropic":
        block = {"type": "tool_use", "id": "a", "name": "write", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": text} for text in texts]
        return message_events(block, deltas, {"input_tokens": 1, "output_tokens": 1})
    calls = [call_piece(0, "", "write", "a"), *(call_piece(0, text) for text in texts)]
    return [*(chat_chunk({"tool_calls": [call]}) for call in calls), chat_chunk({}, "tool_calls")]


@feature("Streams", "streamed tool arguments take linear time, also when an agent reads every chunk")
def linear_arguments(it: Bench) -> None:
    """Five times the pieces should take five times as long; twenty-five times is quadratic."""

    def seconds(pieces: int) -> float:
        with replay(long_call(it, pieces)) as url:
            llm = it.llm(url=url)
            begin = time.thread_time()  # of this thread alone, however busy the machine is
            for chunk in llm.stream_chat(HI):
                llm.get_tool_calls_from_response(chunk, error_on_no_tool_call=False)
            return time.thread_time() - begin

    seconds(50)
    small, large = min(seconds(1000), seconds(1000)), seconds(5000)
    assert large < 10 * small, f"5 times the text took {large / small:.0f} times as long"


@feature("Streams", "chunks do not share one list of tool calls")
def chunks_apart(it: Bench) -> None:
    from stepplan.sandbox import ToolCall

    it.plan.script(Turn(tool_calls=[ToolCall("look", {"city": "Rome, the eternal"}, "1")]))
    chunks = list(it.llm().stream_chat(HI))
    lists = [chunk.message.additional_kwargs.get("tool_calls") for chunk in chunks]
    shown = [calls for calls in lists if calls]
    assert shown, "no call was shown in additional_kwargs"
    assert len({id(calls) for calls in shown}) == len(shown), "all chunks hold the same list"
