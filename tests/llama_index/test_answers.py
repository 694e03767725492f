"""Every answer that the core is tested with, as LlamaIndex gets it: whole, streamed, sent back, and gone wrong."""

import asyncio
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ThinkingBlock

import stepplan
from llama_index_stepplan import StepPlan
from llama_index_stepplan._messages import to_messages
from llama_index_stepplan._untyped import response_kwargs
from stepplan import Block, Reasoning, Response, StepPlanError, Text, ToolCall
from tests.support.fixtures import COMPOSED, FAILING, STREAMS, Answer
from tests.support.ways.llama_index import ask

ANSWERS = list({answer.name: answer for answer in (*COMPOSED, *STREAMS)}.values())

both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def name_of(answer: Answer) -> str:
    return answer.name


def replay(answer: Answer, *, is_async: bool) -> tuple[StepPlan, list[ChatResponse]]:
    """A model whose server gives this answer, and its chunks; of a whole answer, itself alone."""
    kind = "application/json" if answer.path.suffix == ".json" else "text/event-stream"

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=answer.data, headers={"content-type": kind})

    transport = httpx.MockTransport(respond)

    async def chunks() -> tuple[StepPlan, list[ChatResponse]]:
        with httpx.Client(transport=transport) as client:
            async with httpx.AsyncClient(transport=transport) as async_client:
                llm = StepPlan(
                    protocol=answer.protocol,
                    api_key="k",
                    max_retries=0,
                    http_client=client,
                    async_http_client=async_client,
                )
                if answer.path.suffix == ".json":
                    return llm, await ask(llm, "achat" if is_async else "chat", "Hi")
                return llm, await ask(llm, "astream_chat" if is_async else "stream_chat", "Hi")

    return asyncio.run(chunks())


def of(response: Response, kind: type[Block]) -> list[Any]:
    return [block for block in response.content if isinstance(block, kind)]


@both_clients
@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_nothing_of_an_answer_is_lost(answer: Answer, is_async: bool) -> None:
    llm, chunks = replay(answer, is_async=is_async)
    expected, last = answer.response(), chunks[-1]
    calls = llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
    valid = [call for call in expected.tool_calls if call.arguments is not None]
    invalid = [call for call in expected.tool_calls if call.arguments is None]

    assert (last.message.content or "") == expected.text
    thinking = [block for block in last.message.blocks if isinstance(block, ThinkingBlock)]
    assert [block.content for block in thinking] == [block.text for block in of(expected, Reasoning)]
    assert [(call.tool_id, call.tool_name, call.tool_kwargs) for call in calls] == [
        (call.call.id, call.call.name, call.arguments) for call in valid
    ]
    assert last.message.additional_kwargs.get("invalid_tool_calls", []) == [
        {"id": call.call.id, "name": call.call.name, "arguments": call.call.arguments, "error": call.error}
        for call in invalid
    ]


@both_clients
@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_counts_model_and_finish_reason_are_told(answer: Answer, is_async: bool) -> None:
    _, chunks = replay(answer, is_async=is_async)
    expected, told = answer.response(), response_kwargs(chunks[-1])
    raw: Any = chunks[-1].raw

    assert told["finish_reason"] == raw["choices"][0]["finish_reason"] == expected.finish_reason
    assert (raw["model"], raw["id"]) == (expected.model, expected.id)
    if expected.usage is None:
        assert raw["usage"] is None
        assert "total_tokens" not in told
        return
    counts = [expected.usage.input_tokens, expected.usage.output_tokens, expected.usage.total_tokens]
    for place in (raw["usage"], told):
        assert [place[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")] == counts
    assert raw["usage"]["prompt_tokens_details"]["cached_tokens"] == expected.usage.cache_read_tokens
    assert raw["usage"]["completion_tokens_details"]["reasoning_tokens"] == expected.usage.reasoning_tokens


@both_clients
@pytest.mark.parametrize("answer", [answer for answer in ANSWERS if answer.path.suffix == ".sse"], ids=name_of)
def test_every_chunk_is_the_answer_so_far(answer: Answer, is_async: bool) -> None:
    _, chunks = replay(answer, is_async=is_async)
    text = thinking = ""
    for chunk in chunks:
        text += chunk.delta or ""
        thinking += response_kwargs(chunk).get("thinking_delta", "")
        shown = [block.content or "" for block in chunk.message.blocks if isinstance(block, ThinkingBlock)]
        assert (chunk.delta is not None, chunk.message.content or "", "".join(shown)) == (True, text, thinking)
        assert ChatResponse.model_validate_json(chunk.model_dump_json()) == chunk


def spelled(block: Block) -> Block:
    """The block, in which no arguments are spelled in one way."""
    return ToolCall(block.id, block.name, block.arguments.strip() or "{}") if isinstance(block, ToolCall) else block


@both_clients
@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_an_answer_goes_back_as_it_came(answer: Answer, is_async: bool) -> None:
    """Block for block; but nothing that is empty, and no call that could not be run."""
    _, chunks = replay(answer, is_async=is_async)
    stored = ChatMessage.model_validate_json(chunks[-1].message.model_dump_json())
    expected = answer.response()
    broken = [call.call for call in expected.tool_calls if call.arguments is None]
    kept = [spelled(block) for block in expected.content if block not in broken and block != Text("")]

    assert [list(map(spelled, message.content)) for message in to_messages([stored])] == ([kept] if kept else [])


@both_clients
@pytest.mark.parametrize("answer", FAILING, ids=name_of)
def test_an_answer_that_goes_wrong_is_an_error_of_its_own_class(answer: Answer, is_async: bool) -> None:
    error: type[StepPlanError] = getattr(stepplan, answer.scenario)
    with pytest.raises(error):
        replay(answer, is_async=is_async)
