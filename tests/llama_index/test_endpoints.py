"""The eight endpoints, and what every answer and chunk of theirs holds."""

import json

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock

from llama_index_stepplan import StepPlan
from llama_index_stepplan._untyped import response_kwargs
from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask

TURN = Turn(
    reasoning="Two and two… four.",
    text="It is four.",
    usage=Usage(input_tokens=30, output_tokens=12, cached_tokens=8),
)


@pytest.mark.guarantees("reasoning-arrives")
@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_holds_thinking_first_then_text(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(TURN)
    answer = (await ask(llm, way, "What is 2 + 2?"))[-1]

    thinking, text = answer.message.blocks
    assert isinstance(thinking, ThinkingBlock)
    assert thinking.content == TURN.reasoning
    assert text == TextBlock(text="It is four.")
    assert answer.message.role is MessageRole.ASSISTANT
    assert answer.message.content == "It is four."
    assert answer.message.additional_kwargs == {}
    [request] = plan.requests
    assert set(request.unlisted) <= {"stream_options"}


@pytest.mark.guarantees("usage-details", "finish-and-model-once", "llama-index-raw")
@pytest.mark.parametrize("way", WAYS)
async def test_raw_is_plain_data_in_the_shape_of_openai(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(TURN)
    answer = (await ask(llm, way, "What is 2 + 2?"))[-1]

    raw = json.loads(json.dumps(answer.raw))
    assert raw["model"] == "step-3.7-flash"
    assert raw["id"]
    assert raw["choices"][0]["finish_reason"] == "stop"
    assert raw["choices"][0]["message"]["content"] == "It is four."
    assert raw["usage"]["prompt_tokens"] == 38 if llm.protocol == "anthropic" else 30
    assert raw["usage"]["completion_tokens"] == 12
    assert raw["usage"]["prompt_tokens_details"] == {"cached_tokens": 8}


@pytest.mark.guarantees("usage-always", "usage-details", "finish-and-model-once")
@pytest.mark.parametrize("way", WAYS)
async def test_counts_and_finish_reason_are_in_additional_kwargs(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(TURN)
    counts = response_kwargs((await ask(llm, way, "What is 2 + 2?"))[-1])

    assert counts["finish_reason"] == "stop"
    assert counts["completion_tokens"] == 12
    assert counts["cached_tokens"] == 8
    assert counts["total_tokens"] == counts["prompt_tokens"] + 12


@pytest.mark.guarantees("llama-index-chunk-so-far", "llama-index-raw", "reasoning-arrives")
@pytest.mark.parametrize("way", STREAMS)
async def test_every_chunk_holds_the_message_so_far(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(
        Turn(reasoning="I need the weather. " * 3, text="Let me look.", tool_calls=[ToolCall("look", {"a": 1})])
    )
    text = thinking = ""
    chunks = await ask(llm, way, "Weather?")
    for chunk in chunks:
        assert chunk.delta is not None
        text += chunk.delta
        thinking += response_kwargs(chunk).get("thinking_delta", "")
        assert (chunk.message.content or "") == text
        blocks = [block.content for block in chunk.message.blocks if isinstance(block, ThinkingBlock)]
        assert "".join(filter(None, blocks)) == thinking
        chunk.model_dump_json()

    assert text == "Let me look."
    assert thinking == "I need the weather. " * 3
    assert len(chunks) > 5


@pytest.mark.guarantees("reasoning-arrives")
@pytest.mark.parametrize("way", WAYS)
async def test_thinking_delta_is_on_stream_chunks_only(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(TURN)
    chunks = await ask(llm, way, "What is 2 + 2?")

    assert any("thinking_delta" in response_kwargs(chunk) for chunk in chunks) == (way in STREAMS)
    assert "thinking_delta" not in response_kwargs(chunks[-1])


@pytest.mark.guarantees("same-every-way")
async def test_the_last_chunk_is_the_whole_answer(llm: StepPlan, plan: Sandbox) -> None:
    turn = Turn(reasoning="Both.", text="Looking.", tool_calls=[ToolCall("a", {"x": 1}, "1"), ToolCall("b", {}, "2")])
    plan.script(*[turn] * 4)
    answers = [(await ask(llm, way, "Look"))[-1] for way in WAYS]

    for answer in answers[1:]:
        assert answer.message.model_dump(exclude={"blocks": {0}}) == answers[0].message.model_dump(
            exclude={"blocks": {0}}
        )
        assert response_kwargs(answer) == response_kwargs(answers[0])


@pytest.mark.guarantees("llama-index-chunk-so-far")
async def test_completions_are_the_text_of_the_answer(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(*[TURN] * 4)

    streamed = list(llm.stream_complete("What is 2 + 2?"))
    streamed_async = [chunk async for chunk in await llm.astream_complete("What is 2 + 2?")]
    whole = (llm.complete("What is 2 + 2?"), await llm.acomplete("What is 2 + 2?"))

    for completion in (*whole, streamed[-1], streamed_async[-1]):
        assert completion.text == "It is four."
        assert completion.additional_kwargs["completion_tokens"] == 12
    for chunks in (streamed, streamed_async):
        assert "".join(chunk.delta or "" for chunk in chunks) == "It is four."
        assert all(chunk.text == "It is four."[: len(chunk.text)] for chunk in chunks)


def test_the_prompt_is_put_in_its_form_unless_it_has_it(llm: StepPlan, plan: Sandbox) -> None:
    llm.completion_to_prompt = lambda prompt: f"<{prompt}>"
    llm.complete("one")
    llm.complete("two", formatted=True)

    sent = [request.body["messages"][0]["content"] for request in plan.requests]
    assert sent == ["<one>", "two"]


def test_the_callers_messages_stay_as_they_are(llm: StepPlan, plan: Sandbox) -> None:
    history = [ChatMessage("Hi", role="system"), ChatMessage("Hello", additional_kwargs={"cache_control": {"a": 1}})]
    before = [message.model_dump() for message in history]
    llm.chat(history)

    assert [message.model_dump() for message in history] == before
    assert "cache_control" not in json.dumps(plan.requests[0].body)
