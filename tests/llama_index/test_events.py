"""What callbacks, instrumentation and token counters are told: once per call, and all of it."""

import json
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)

from llama_index_stepplan import StepPlan
from stepplan import InternalServerError, ProtocolName
from stepplan.sandbox import Fault, Sandbox, Turn, Usage
from tests.support.instrumentation import Recorder
from tests.support.ways.llama_index import make_llm

ENDPOINTS = (
    "chat",
    "achat",
    "stream_chat",
    "astream_chat",
    "complete",
    "acomplete",
    "stream_complete",
    "astream_complete",
)


async def use(llm: StepPlan, endpoint: str) -> int:
    """Call an endpoint and read its answer to the end; how many chunks it had."""
    question: Any = "Hi" if "complete" in endpoint else [ChatMessage("Hi")]
    method: Callable[..., Any] = getattr(llm, endpoint)
    answer = await method(question) if endpoint.startswith("a") else method(question)
    if isinstance(answer, AsyncGenerator):
        return len([chunk async for chunk in answer])
    return len(list(answer)) if isinstance(answer, Generator) else 0


@pytest.mark.guarantees("llama-index-events")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_call_fires_its_events_once(
    plan: Sandbox, protocol: ProtocolName, recorder: Recorder, endpoint: str
) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm = make_llm(plan, protocol, callback_manager=CallbackManager([debug]))
    chunks = await use(llm, endpoint)

    is_chat = "chat" in endpoint
    assert len(debug.get_event_pairs(CBEventType.LLM)) == 1
    assert len(recorder.of(LLMChatStartEvent)) == len(recorder.of(LLMChatEndEvent)) == is_chat
    assert len(recorder.of(LLMCompletionStartEvent)) == len(recorder.of(LLMCompletionEndEvent)) == (not is_chat)
    progress = LLMChatInProgressEvent if is_chat else LLMCompletionInProgressEvent
    assert len(recorder.of(progress)) == chunks


@pytest.mark.guarantees("key-not-shown")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_every_event_can_be_written_down_and_holds_no_key(
    llm: StepPlan, plan: Sandbox, recorder: Recorder, endpoint: str
) -> None:
    await use(llm, endpoint)

    written = json.dumps([event.model_dump(mode="json") for event in recorder.events])
    assert "step-3.7-flash" in written
    assert plan.api_key not in written


def _never(text: str) -> list[str]:
    """Stands for a tokenizer that must not be needed."""
    return [text] * 10_000


@pytest.mark.guarantees("usage-always", "llama-index-events")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_token_counts_are_the_servers_own_and_counted_once(
    plan: Sandbox, protocol: ProtocolName, endpoint: str
) -> None:
    counter = TokenCountingHandler(tokenizer=_never)
    plan.script(Turn(text="Hello there.", usage=Usage(input_tokens=11, output_tokens=5)))
    await use(make_llm(plan, protocol, callback_manager=CallbackManager([counter])), endpoint)

    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (11, 5)
    assert len(counter.llm_token_counts) == 1


@pytest.mark.guarantees("llama-index-events")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_failure_ends_the_event_with_the_exception(
    plan: Sandbox, protocol: ProtocolName, recorder: Recorder, endpoint: str
) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm = make_llm(plan, protocol, callback_manager=CallbackManager([debug]))
    plan.script(Turn(text="Hello there, this goes wrong.", fault=Fault(error_after=3)))
    with pytest.raises(InternalServerError):
        await use(llm, endpoint)

    [(_, end)] = debug.get_event_pairs(CBEventType.LLM)
    assert end.payload is not None
    assert isinstance(end.payload["exception"], InternalServerError)
    assert recorder.of(LLMChatEndEvent) == recorder.of(LLMCompletionEndEvent) == []


def test_the_last_event_of_a_stream_holds_the_whole_answer(llm: StepPlan, recorder: Recorder) -> None:
    chunks = list(llm.stream_chat([ChatMessage("Hi")]))

    [end] = recorder.of(LLMChatEndEvent)
    assert end.response.message.content == chunks[-1].message.content
    assert end.response.raw["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("endpoint", ["complete", "stream_complete"])
def test_a_prompt_may_be_given_by_name_but_once(llm: StepPlan, endpoint: str) -> None:
    """As llama-index-core/tests/llms/test_callbacks.py has it."""
    method: Callable[..., Any] = getattr(llm, endpoint)

    assert method(prompt="Hi")
    with pytest.raises(TypeError):
        method("Hi", prompt="Hi")
    with pytest.raises(ValueError, match="No prompt provided"):
        method()
