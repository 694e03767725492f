"""Many requests at once: the gate in front of a server that refuses more than it can take."""

import asyncio
import contextlib
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from stepplan import (
    AsyncClient,
    Client,
    Message,
    ProtocolName,
    QuotaExceededError,
    RateLimitError,
    Request,
    Settings,
    StepPlanError,
    fold,
    gate,
)
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import PROTOCOLS, Asker, Way, settings_for
from tests.support.servers import within_a_while

ON_BOTH = pytest.mark.parametrize("protocol", PROTOCOLS)
WHOLE_AND_STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
SLOW = Turn(text="Slow.", fault=Fault(delay=0.02))
TOO_MANY = [
    "concurrency reached, current: 11, limit: {limit}",
    "request limited concurrency reached, current: 141, limit: {limit}. Please top up.",
]


def ask(text: str = "Hello") -> Request:
    return Request(messages=(Message.user(text),))


def refusal(text: str, times: int = 1) -> Turn:
    body = {"error": {"type": "rate_limited", "message": text}}
    return Turn(fault=Fault(status=429, body=body, times=times))


@pytest.fixture(autouse=True)
def _open_gates() -> Iterator[None]:
    gate.reset()
    yield
    gate.reset()


async def answer_all(settings: Settings, protocol: ProtocolName, prompts: list[str], *, streamed: bool) -> list[str]:
    client = AsyncClient(settings, protocol=protocol)

    async def answer(prompt: str) -> str:
        if streamed:
            return fold([event async for event in client.stream(ask(prompt))]).text
        return (await client.send(ask(prompt))).text

    return await asyncio.gather(*map(answer, prompts))


def answer_all_in_threads(
    settings: Settings, protocol: ProtocolName, prompts: list[str], *, streamed: bool
) -> list[str]:
    client = Client(settings, protocol=protocol)

    def answer(prompt: str) -> str:
        return (fold(client.stream(ask(prompt))) if streamed else client.send(ask(prompt))).text

    with ThreadPoolExecutor(30) as threads:
        return list(threads.map(answer, prompts))


@pytest.mark.guarantees("all-answered")
@ON_BOTH
@WHOLE_AND_STREAMED
def test_more_prompts_than_the_plan_takes_are_all_answered_once(
    way: Way, protocol: ProtocolName, streamed: bool
) -> None:
    prompts = [f"Prompt {number}." for number in range(60)]
    with Sandbox(max_concurrency=10) as plan:
        settings = settings_for(plan, max_retries=0)
        if way == "async":
            texts = asyncio.run(answer_all(settings, protocol, prompts, streamed=streamed))
        else:
            texts = answer_all_in_threads(settings, protocol, prompts, streamed=streamed)
        assert len(plan.requests) == 60
    assert all(prompt in text for prompt, text in zip(prompts, texts, strict=True))


@pytest.mark.guarantees("all-answered")
async def test_sync_and_async_calls_of_both_protocols_share_the_line() -> None:
    prompts = [f"Prompt {number}." for number in range(20)]
    with Sandbox([SLOW] * 80, max_concurrency=8) as plan:
        settings = settings_for(plan, max_retries=0)
        calls = [
            call
            for protocol in PROTOCOLS
            for call in (
                answer_all(settings, protocol, prompts, streamed=True),
                asyncio.to_thread(answer_all_in_threads, settings, protocol, prompts, streamed=False),
            )
        ]
        texts = await asyncio.gather(*calls)
        assert len(plan.requests) == 80
    assert {text for some in texts for text in some} == {"Slow."}


@pytest.mark.guarantees("limit-learned")
def test_a_limit_below_ours_is_learned_once_and_nothing_is_lost(way: Way) -> None:
    prompts = [f"Prompt {number}." for number in range(40)]
    with Sandbox([SLOW] * 80, max_concurrency=3) as plan:
        settings = settings_for(plan, max_retries=0)
        for _ in range(2):
            if way == "async":
                asyncio.run(answer_all(settings, "openai", prompts, streamed=False))
            else:
                answer_all_in_threads(settings, "openai", prompts, streamed=False)
        refused = len(plan.requests) - 80
        assert 0 < refused <= 8


def test_a_limit_that_was_set_too_high_is_lowered_to_the_plans(way: Way) -> None:
    prompts = [f"Prompt {number}." for number in range(60)]
    with Sandbox([SLOW] * 60, max_concurrency=10) as plan:
        settings = settings_for(plan, max_retries=0, max_concurrency=30)
        if way == "async":
            asyncio.run(answer_all(settings, "openai", prompts, streamed=False))
        else:
            answer_all_in_threads(settings, "openai", prompts, streamed=False)
        assert len(plan.requests) - 60 <= 20


CLIENT = """
import asyncio, sys
from stepplan import AsyncClient, Message, Request, Settings

async def main():
    client = AsyncClient(Settings(base_url=sys.argv[1], api_key=sys.argv[2]))
    requests = [Request(messages=(Message.user(f"Prompt {number}."),)) for number in range(40)]
    answers = await asyncio.gather(*map(client.send, requests), return_exceptions=True)
    print([answer for answer in answers if isinstance(answer, Exception)], len(answers))

asyncio.run(main())
"""


@pytest.mark.guarantees("all-answered")
@pytest.mark.interpreter
def test_two_processes_of_one_account_are_all_answered() -> None:
    with Sandbox([replace(SLOW, fault=Fault(delay=0.2))] * 80, max_concurrency=10) as plan:
        command = [sys.executable, "-c", CLIENT, plan.base_url, plan.api_key]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [process.communicate(timeout=100)[0] for process in both]
        assert plan.pending == ()
    assert outputs == ["[] 40\n"] * 2


# --------------------------------------------------------------------------------------------------------- refusals


@ON_BOTH
@WHOLE_AND_STREAMED
@pytest.mark.parametrize("text", TOO_MANY)
def test_too_many_at_once_is_no_retry(
    asker: Asker, plan: Sandbox, protocol: ProtocolName, streamed: bool, text: str
) -> None:
    plan.script(replace(refusal(text.format(limit=10), times=5), text="Hi."))
    asker = replace(asker, protocol=protocol, settings=replace(asker.settings, max_retries=0))
    asker.whole_or_streamed(ask(), streamed=streamed)
    assert len(plan.requests) == 6


def test_too_many_at_once_ends_with_the_calls_time(asker: Asker, plan: Sandbox) -> None:
    plan.script(refusal(TOO_MANY[0].format(limit=10), times=1000))
    before = time.monotonic()
    with pytest.raises(RateLimitError) as caught:
        replace(asker, settings=replace(asker.settings, timeout=0.5)).send(ask())
    assert 0.4 <= time.monotonic() - before < 3
    assert caught.value.concurrency_limit == 10
    assert len(plan.requests) < 50


def test_too_many_at_once_ends_with_the_calls_time_in_line_too(asker: Asker, plan: Sandbox) -> None:
    plan.script(Turn(text="x " * 20, fault=Fault(stall_after=5)), refusal(TOO_MANY[0].format(limit=1), times=9))
    with contextlib.closing(Client(asker.settings).stream(ask())) as events:
        next(events)
        before = time.monotonic()
        with pytest.raises(RateLimitError):
            replace(asker, settings=replace(asker.settings, timeout=0.5)).send(ask())
        assert 0.4 <= time.monotonic() - before < 3
    assert len(plan.requests) == 2


@pytest.mark.parametrize("text", ["request limited RPM reached, current: 11, limit: 10.", "Slow down.", ""])
def test_other_throttles_count_as_retries(asker: Asker, plan: Sandbox, text: str) -> None:
    plan.script(refusal(text, times=9))
    with pytest.raises(RateLimitError) as caught:
        replace(asker, settings=replace(asker.settings, max_retries=1)).send(ask())
    assert caught.value.concurrency_limit is None
    assert len(plan.requests) == 2


@pytest.mark.guarantees("quota-ends-the-line")
def test_a_used_up_quota_calls_off_what_waits_in_line(way: Way) -> None:
    def answer(settings: Settings) -> list[Any]:
        if way == "async":
            return asyncio.run(_all_of(settings, 60))
        with ThreadPoolExecutor(60) as threads:
            return list(threads.map(lambda _: _error_of(Client(settings)), range(60)))

    with Sandbox(quota=False) as plan:
        errors = answer(settings_for(plan))
        asked = len(plan.requests)
    assert {type(error) for error in errors} == {QuotaExceededError}
    assert len({str(error) for error in errors}) == 1
    assert len({id(error) for error in errors}) == 60
    assert asked <= (8 if way == "async" else 60)


async def _all_of(settings: Settings, number: int) -> list[Any]:
    client = AsyncClient(settings)
    return await asyncio.gather(*(client.send(ask()) for _ in range(number)), return_exceptions=True)


def _error_of(client: Client) -> StepPlanError:
    with pytest.raises(StepPlanError) as caught:
        client.send(ask())
    return caught.value


# --------------------------------------------------------------------------------------------------------- the slots


@WHOLE_AND_STREAMED
def test_a_stream_holds_its_slot_until_it_ends(plan: Sandbox, way: Way, streamed: bool) -> None:
    settings = settings_for(plan, max_concurrency=1)
    events = Client(settings).stream(ask())
    next(events)
    threading.Timer(0.3, lambda: list(events)).start()
    before = time.monotonic()
    Asker(way, settings).whole_or_streamed(ask(), streamed=streamed)
    assert time.monotonic() - before >= 0.25


@pytest.mark.guarantees("never-stuck")
@pytest.mark.parametrize("ending", ["closed", "collected", "raised"])
def test_a_stream_that_is_left_gives_its_slot_back(plan: Sandbox, ending: str) -> None:
    client = Client(settings_for(plan, max_concurrency=1))
    for _ in range(3):
        events = client.stream(ask())
        next(events)
        if ending == "closed":
            events.close()
        elif ending == "raised":
            with pytest.raises(ZeroDivisionError):
                _raise_in(events)
        del events
        gc.collect()
    assert client.send(ask()).text


@pytest.mark.guarantees("never-stuck")
@pytest.mark.parametrize("ending", ["closed", "collected", "raised"])
async def test_an_async_stream_that_is_left_gives_its_slot_back(plan: Sandbox, ending: str) -> None:
    client = AsyncClient(settings_for(plan, max_concurrency=1))

    async def leave() -> None:
        events = client.stream(ask())
        await anext(events)
        if ending == "closed":
            await events.aclose()
        elif ending == "raised":
            with contextlib.suppress(ZeroDivisionError):
                async for _ in events:
                    _ = 1 / 0

    for _ in range(3):
        await asyncio.wait_for(leave(), 5)
        gc.collect()
    assert (await asyncio.wait_for(client.send(ask()), 5)).text


def _raise_in(events: Iterator[Any]) -> None:
    for _ in events:
        _ = 1 / 0


def test_a_loop_that_ends_amid_a_stream_gives_its_slot_back(plan: Sandbox) -> None:
    settings = settings_for(plan, max_concurrency=1)
    kept: list[Any] = []

    async def leave() -> None:
        kept.append(AsyncClient(settings).stream(ask()))
        await anext(kept[-1])

    for _ in range(3):
        asyncio.run(asyncio.wait_for(leave(), 5))
    assert Client(settings).send(ask()).text


async def test_a_cancelled_call_leaves_the_line(plan: Sandbox) -> None:
    client = AsyncClient(settings_for(plan, max_concurrency=1))
    events = client.stream(ask())
    await anext(events)
    waiting = [asyncio.create_task(client.send(ask())) for _ in range(3)]
    await asyncio.sleep(0.05)
    waiting[0].cancel()
    await events.aclose()
    assert all(answer.text for answer in await asyncio.gather(*waiting[1:]))
    assert waiting[0].cancelled()
    assert len(plan.requests) == 3


@pytest.mark.guarantees("never-stuck")
def test_calling_within_a_stream_cannot_stop_for_good(plan: Sandbox, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "STANDSTILL", 0.2)
    settings = settings_for(plan, max_concurrency=1)
    with contextlib.closing(Client(settings).stream(ask())) as events:
        next(events)
        for _ in range(2):
            Asker(way, settings).send(ask())


def test_what_is_no_answer_does_not_wait(plan: Sandbox, way: Way) -> None:
    settings = settings_for(plan, max_concurrency=1)
    with contextlib.closing(Client(settings).stream(ask())) as events:
        next(events)
        assert Asker(way, settings).models()
        assert Asker(way, settings).count_tokens(ask())


def test_waiting_is_in_the_debug_log(plan: Sandbox, way: Way, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "stepplan")
    settings = settings_for(plan, max_concurrency=1)
    events = Client(settings).stream(ask())
    next(events)
    threading.Timer(0.1, events.close).start()
    Asker(way, settings).send(ask())
    assert "Waiting in line: 1 requests of this account are running, 1 wait." in caplog.text
    assert within_a_while(lambda: plan.open_requests == 0)
