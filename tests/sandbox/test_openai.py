"""The shapes of Chat Completions."""

import pytest

from stepplan.sandbox import Dialect, Sandbox, ToolCall, Turn, Usage
from tests.support.wire import CHAT, JSON, ask, chat, data, fold_chat

LIVE = Dialect()
CALLS = Turn(
    reasoning="Need the weather tool.",
    text="Checking both.",
    tool_calls=[ToolCall("get_weather", {"city": "Paris"}), ToolCall("get_weather", {"city": "Rome"})],
    usage=Usage(281, 60),
)


OLD = Dialect(chat_profile="old")
OPENAI = Dialect(chat_profile="openai")


async def stream(turn: Turn, dialect: Dialect = LIVE) -> str:
    plan = Sandbox([turn], dialect=dialect)
    response = await ask(plan, CHAT, chat(stream=True))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-trace-id"]
    assert "content-length" not in response.headers
    return response.text


def counts(prompt: int, completion: int) -> JSON:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


async def test_a_stream_is_the_one_of_the_quickstart_page() -> None:
    text = await stream(Turn(reasoning="Hm", text="Hello there.", usage=Usage(12, 4)))
    assert "event:" not in text
    assert text.endswith("\n\ndata: [DONE]\n\n")
    chunks = data(text)
    head = {name: chunks[0][name] for name in ("id", "object", "created", "model")}
    assert head["object"] == "chat.completion.chunk"
    assert head["created"] > 0
    left, right = head["id"].split(".")
    assert len(left) == len(right) == 32
    assert all(int(half, 16) for half in (left, right))
    assert [chunk.keys() for chunk in chunks] == [{*head, "choices", "usage", "agent"}] * 4
    assert all(chunk["agent"] == "" and head.items() <= chunk.items() for chunk in chunks)
    thought = {"role": "assistant", "content": "", "reasoning": "Hm", "reasoning_content": "Hm"}
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}}],
        [{"index": 0, "delta": thought}],
        [{"index": 0, "delta": {"role": "assistant", "content": "Hello there"}}],
        [{"index": 0, "delta": {"role": "assistant", "content": "."}, "finish_reason": "stop"}],
    ]
    assert [chunk["usage"] for chunk in chunks[:3]] == [counts(12, 0), counts(12, 1), counts(12, 3)]
    assert chunks[-1]["usage"].items() >= counts(12, 4).items()


async def test_an_empty_answer_ends_in_a_chunk_of_its_own() -> None:
    first, last = data(await stream(Turn(finish_reason="stop")))
    assert "finish_reason" not in first["choices"][0]
    assert last["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]


async def test_the_last_piece_of_a_call_ends_the_answer() -> None:
    last = data(await stream(CALLS))[-1]["choices"][0]
    assert last["finish_reason"] == "tool_calls"
    assert last["delta"]["tool_calls"][0]["function"]["arguments"].endswith("}")


async def test_whole_answers_name_an_agent() -> None:
    async def whole(dialect: Dialect) -> JSON:
        answer: JSON = (await ask(Sandbox([Turn(text="4")], dialect=dialect), CHAT, chat())).json()
        return answer

    assert (await whole(LIVE))["agent"] == ""
    assert "agent" not in await whole(OLD)
    assert "agent" not in await whole(OPENAI)


async def test_the_old_stream_has_empty_roles_and_reasons() -> None:
    text = await stream(Turn(text="Hello there.", usage=Usage(12, 3)), OLD)
    chunks = data(text)
    first, second = chunks[:2]
    assert first == {
        "id": first["id"],
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "step-3.7-flash",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": ""}],
        "usage": counts(0, 0),
    }
    assert second["created"] > 0
    assert second["usage"] == counts(12, 2)
    assert [chunk["choices"][0] for chunk in chunks[1:]] == [
        {"index": 0, "delta": {"role": "", "content": "Hello there"}, "finish_reason": ""},
        {"index": 0, "delta": {"role": "", "content": "."}, "finish_reason": ""},
        {"index": 0, "delta": {"role": "", "content": ""}, "finish_reason": "stop"},
    ]
    assert chunks[-1]["usage"] == {
        **counts(12, 3),
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


async def test_reasoning_comes_first_under_both_names() -> None:
    chunks = data(await stream(Turn(reasoning="2+2 is 4.", text="4")))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    thoughts = [delta for delta in deltas if "reasoning" in delta]
    assert len(thoughts) > 1
    assert all(delta["content"] == "" and delta["reasoning_content"] == delta["reasoning"] for delta in thoughts)
    assert "".join(delta["reasoning"] for delta in thoughts) == "2+2 is 4."
    assert deltas.index(thoughts[-1]) < deltas.index({"role": "assistant", "content": "4"})


async def test_tool_calls_come_one_after_another_each_name_first() -> None:
    chunks = data(await stream(CALLS))
    pieces = [piece for chunk in chunks for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [piece["index"] for piece in pieces] == sorted(piece["index"] for piece in pieces)
    for index, city in enumerate(["Paris", "Rome"]):
        first, *rest = [piece for piece in pieces if piece["index"] == index]
        assert first["type"] == "function"
        assert first["function"] == {"name": "get_weather", "arguments": ""}
        assert first["id"].startswith("chatcmpl-tool-")
        assert len(first["id"]) == len("chatcmpl-tool-") + 16
        assert len(rest) > 1
        assert all(piece.keys() == {"index", "function"} for piece in rest)
        assert "".join(piece["function"]["arguments"] for piece in rest) == f'{{"city": "{city}"}}'
    spent = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert spent == sorted(spent)
    assert spent[-1] == 60
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("dialect", [LIVE, OLD, OPENAI])
async def test_a_whole_answer_equals_its_stream(dialect: Dialect) -> None:
    folded = fold_chat(await stream(CALLS, dialect))
    answer = (await ask(Sandbox([CALLS], dialect=dialect), CHAT, chat())).json()
    [choice] = answer["choices"]
    message = choice["message"]
    assert answer["object"] == "chat.completion"
    assert message["role"] == "assistant"
    assert message["reasoning"] == message["reasoning_content"] == folded["reasoning"] == folded["reasoning_content"]
    assert message["content"] == folded["content"] == "Checking both."
    assert [
        {"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]}
        for call in message["tool_calls"]
    ] == list(folded["calls"].values())
    assert choice["finish_reason"] == folded["finish"]
    assert answer["usage"] == folded["usage"]


async def test_other_alphabets_are_not_escaped() -> None:
    assert "北京" in await stream(Turn(text="北京", tool_calls=[ToolCall("get_weather", {"city": "北京"})]))


@pytest.mark.parametrize("named", ["reasoning", "reasoning_content"])
async def test_one_reasoning_name(named: str) -> None:
    dialect = Dialect(chat_reasoning_fields=named)  # type: ignore[arg-type]
    folded = fold_chat(await stream(Turn(reasoning="Hm.", text="4"), dialect))
    assert {name for name in ("reasoning", "reasoning_content") if folded[name]} == {named}
    message = (await ask(Sandbox([Turn(reasoning="Hm.")], dialect=dialect), CHAT, chat())).json()["choices"][0][
        "message"
    ]
    assert message == {"role": "assistant", "content": "", named: "Hm."}


async def test_the_stream_as_openai_sends_it() -> None:
    assert [chunk["choices"][0] for chunk in data(await stream(Turn(text="4"), OPENAI))] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        {"index": 0, "delta": {"content": "4"}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]


async def test_usage_on_the_last_chunk_only() -> None:
    chunks = data(await stream(Turn(text="4", usage=Usage(9, 1)), Dialect(chat_usage="last")))
    assert ["usage" in chunk for chunk in chunks] == [False, True]


async def test_usage_in_a_chunk_without_choices() -> None:
    usage = Usage(9, 1, cached_tokens=8, reasoning_tokens=1)
    chunks = data(await stream(Turn(text="4", usage=usage), Dialect(chat_usage="trailing_empty_choices")))
    assert ["usage" in chunk for chunk in chunks] == [False, False, True]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        **counts(9, 1),
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


async def test_no_usage() -> None:
    assert not any("usage" in chunk for chunk in data(await stream(Turn(text="4"), Dialect(chat_usage="none"))))


async def test_stop_instead_of_tool_calls() -> None:
    assert fold_chat(await stream(CALLS, Dialect(chat_tool_finish="stop")))["finish"] == "stop"


async def test_whole_tool_calls_and_documented_ids() -> None:
    text = await stream(CALLS, Dialect(chat_tool_pieces="whole", tool_ids="call"))
    pieces = [piece for chunk in data(text) for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [piece["index"] for piece in pieces] == [0, 1]
    assert pieces[0]["function"] == {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    assert pieces[0]["id"].startswith("call_")
    assert len(pieces[0]["id"]) == len("call_") + 22
    assert pieces[0]["id"] != pieces[1]["id"]


async def test_ping_is_a_comment() -> None:
    first, second, *_ = (await stream(Turn(text="4"), Dialect(ping=True))).split("\n\n")
    assert first.startswith("data: ")
    assert second == ": ping"
