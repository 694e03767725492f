"""What goes wrong, and how it reaches the user: our errors, one request where retrying is no use, nothing left open."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from llama_index.core.base.llms.types import ChatMessage

from llama_index_stepplan import StepPlan
from llama_index_stepplan._answers import Reading
from llama_index_stepplan._chunks import AsyncChunks, ChunkBuilder
from stepplan import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    Event,
    IncompleteStreamError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    Request,
    StepPlanError,
    TextDelta,
)
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm

HI = [ChatMessage("Hi")]


@pytest.mark.guarantees("no-vain-retry")
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, QuotaExceededError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
    ],
)
@pytest.mark.parametrize("way", WAYS)
async def test_what_retrying_cannot_mend_is_one_request(
    plan: Sandbox, llm: StepPlan, way: Way, status: int, error: type[APIStatusError]
) -> None:
    llm.max_retries = 3
    plan.script(Turn(fault=Fault(status=status, times=9)))
    with pytest.raises(error) as caught:
        await ask(llm, way, HI)

    assert caught.value.status_code == status
    assert len(plan.requests) == 1


@pytest.mark.guarantees("n-plus-one")
@pytest.mark.parametrize("way", WAYS)
async def test_a_throttled_request_is_sent_as_often_as_chosen(plan: Sandbox, llm: StepPlan, way: Way) -> None:
    llm.max_retries = 2
    plan.script(Turn(fault=Fault(status=429, times=9, headers={"Retry-After": "0"})))
    with pytest.raises(RateLimitError, match=r"(?i)429.*too many requests") as caught:
        await ask(llm, way, HI)

    assert len(plan.requests) == 3
    assert "rate" in str(caught.value).lower()


@pytest.mark.guarantees("throttle-weathered")
@pytest.mark.parametrize("way", WAYS)
async def test_a_throttled_request_succeeds_in_the_end(plan: Sandbox, llm: StepPlan, way: Way) -> None:
    llm.max_retries = 1
    plan.script(Turn(text="Hello.", fault=Fault(status=429, headers={"Retry-After": "0"})))

    assert (await ask(llm, way, HI))[-1].message.content == "Hello."


@pytest.mark.guarantees("cut-stream")
@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("abrupt", [True, False])
async def test_a_stream_that_just_ends_is_an_error_with_what_had_arrived(
    plan: Sandbox, llm: StepPlan, way: Way, abrupt: bool
) -> None:
    plan.script(Turn(reasoning="Hm.", text="A long answer. " * 50, fault=Fault(cut_at=2500, abrupt=abrupt)))
    with pytest.raises((IncompleteStreamError, APIConnectionError)) as caught:
        await ask(llm, way, HI)

    assert caught.value.partial is not None
    assert "A long answer. " in caught.value.partial.text
    assert caught.value.partial.finish_reason is None


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes soon, if it comes."""
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


@pytest.mark.guarantees("abandoned-streams")
async def test_a_stream_that_is_left_is_closed(plan: Sandbox, llm: StepPlan) -> None:
    plan.script(*[Turn(text="Word. " * 200, fault=Fault(delay=0.01))] * 3)
    for _ in range(3):
        chunks = llm.stream_chat(HI)
        next(chunks)
        chunks.close()

    await until(lambda: not plan.open_requests)


@pytest.mark.guarantees("abandoned-streams")
async def test_an_async_stream_that_is_left_is_closed(plan: Sandbox, llm: StepPlan) -> None:
    plan.script(*[Turn(text="Word. " * 200, fault=Fault(delay=0.01))] * 6)
    for leave in (True, False) * 3:
        chunks = await llm.astream_chat(HI)
        await anext(chunks)
        if leave:
            await chunks.aclose()
        del chunks  # as `break` in `async for` does

    await until(lambda: not plan.open_requests)


async def test_an_error_thrown_into_async_chunks_ends_them_where_they_wait() -> None:
    left: list[str] = []

    async def events() -> AsyncGenerator[Event]:
        try:
            yield TextDelta(0, "Word.")
        except LookupError as error:
            left.append(str(error))
            raise

    chunks = AsyncChunks(events(), ChunkBuilder(Reading(Request(messages=()))), lambda chunk: chunk)
    assert (await anext(chunks)).delta == "Word."
    with pytest.raises(LookupError):
        await chunks.athrow(LookupError("mine"))
    assert left == ["mine"]


@pytest.mark.guarantees("cancelling")
async def test_a_cancelled_task_leaves_nothing_open(plan: Sandbox, llm: StepPlan) -> None:
    plan.script(Turn(text="Never comes.", fault=Fault(stall_after=1)))

    async def read() -> None:
        async for _ in await llm.astream_chat(HI):
            pass

    task = asyncio.create_task(read())
    await until(lambda: bool(plan.open_requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not plan.open_requests)

    assert len(plan.requests) == 1


@pytest.mark.guarantees("wrong-key-advice")
def test_a_wrong_key_says_where_it_came_from_and_not_what_it_is(plan: Sandbox) -> None:
    llm = make_llm(plan, "openai", api_key="sk-wrong-0123456789")
    with pytest.raises(AuthenticationError, match="api_key") as caught:
        llm.complete("Hi")

    assert "sk-wrong" not in repr(caught.value)


@pytest.mark.guarantees("error-classes")
@pytest.mark.parametrize("way", WAYS)
async def test_every_error_is_one_of_ours(plan: Sandbox, llm: StepPlan, way: Way) -> None:
    plan.script(Turn(fault=Fault(reset=True)))
    with pytest.raises(StepPlanError):
        await ask(llm, way, HI)
