"""Faults on demand, over real connections."""

import asyncio
import json
import time

import httpx
import pytest

from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn
from tests.support.servers import within_a_while
from tests.support.wire import CHAT, MESSAGES, ask, auth, body_for, chat, data, messages, post

BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])
TURN = Turn(reasoning="Zwölf Boxkämpfer 你好.", text="Grüße 🙂 there.", tool_calls=[ToolCall("f", {"ü": "é"})])


def read(plan: Sandbox, path: str, *, stream: bool = True) -> tuple[list[bytes], Exception | None]:
    """The pieces of a body as they arrived, and the error that ended it, if any."""
    pieces: list[bytes] = []
    url = f"{plan.base_url}{path}"
    with httpx.Client(timeout=5, trust_env=False, headers=auth()) as client:
        try:
            with client.stream("POST", url, json=body_for(path, stream=stream)) as response:
                assert response.status_code == 200
                pieces.extend(response.iter_raw())
        except httpx.TransportError as error:
            return pieces, error
    return pieces, None


def whole_body(plan: Sandbox, path: str, *, stream: bool = True) -> bytes:
    plan.script(TURN)
    body = post(plan, path, body_for(path, stream=stream)).content
    plan.reset()
    return body


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "input_invalid"),
        (401, "invalid_api_key"),
        (402, "quota_exceeded"),
        (403, "permission_denied"),
        (429, "rate_limited"),
        (451, "censorship_blocked"),
        (500, "engine_exception"),
        (503, "service_unavailable"),
        (504, "gateway_timeout"),
        (418, "unknown_error"),
    ],
)
async def test_a_status_comes_with_its_documented_body(path: str, status: int, kind: str) -> None:
    response = await ask(Sandbox([Turn(fault=Fault(status=status))]), path, body_for(path))
    assert response.status_code == status
    assert response.json().keys() == {"error"}
    assert response.json()["error"]["type"] == kind


@BOTH
async def test_the_reverse_proxy_does_not_send_json(path: str) -> None:
    plan = Sandbox([Turn(fault=Fault(status=404)), Turn(fault=Fault(status=502))])
    assert (await ask(plan, path, body_for(path))).text == "404 page not found"
    plan.reset()
    plan.script(Turn(fault=Fault(status=502)))
    response = await ask(plan, path, body_for(path))
    assert response.headers["content-type"].startswith("text/html")


@BOTH
async def test_a_status_repeats_and_then_the_turn_is_taken(path: str) -> None:
    fault = Fault(status=429, headers={"Retry-After": "1"}, times=2)
    plan = Sandbox([Turn(text="At last.", fault=fault), Turn(text="Next.")])
    for left in (2, 2):
        response = await ask(plan, path, body_for(path))
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
        assert len(plan.pending) == left
    assert "At last." in (await ask(plan, path, body_for(path))).text
    assert "Next." in (await ask(plan, path, body_for(path))).text
    assert plan.pending == ()
    assert len(plan.requests) == 4


@BOTH
async def test_a_turn_that_is_only_a_fault_is_derived_after_it(path: str) -> None:
    plan = Sandbox([Turn(fault=Fault(status=500))])
    assert (await ask(plan, path, body_for(path, "Hi Ann"))).status_code == 500
    assert "Hi Ann" in (await ask(plan, path, body_for(path, "Hi Ann"))).text


@BOTH
async def test_another_body(path: str) -> None:
    plan = Sandbox([Turn(fault=Fault(status=400, body={"error": "no"})), Turn()])
    assert (await ask(plan, path, body_for(path))).json() == {"error": "no"}
    plan.reset()
    plan.script(Turn(fault=Fault(status=500, body="oops")))
    response = await ask(plan, path, body_for(path))
    assert (response.text, response.headers["content-type"]) == ("oops", "text/plain; charset=utf-8")


@BOTH
def test_a_reset_and_then_the_turn(plan: Sandbox, path: str) -> None:
    plan.script(Turn(text="At last.", fault=Fault(reset=True, times=2)))
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            post(plan, path, body_for(path))
    assert "At last." in post(plan, path, body_for(path)).text
    wait_until_closed(plan)


async def test_without_a_server_the_caller_gets_the_error() -> None:
    plan = Sandbox([Turn(fault=Fault(reset=True)), Turn(text="4", fault=Fault(cut_at=3, abrupt=True))])
    with pytest.raises(ConnectionResetError):
        await ask(plan, CHAT, chat())
    plan.reset()
    plan.script(Turn(text="4", fault=Fault(cut_at=3, abrupt=True)))
    with pytest.raises(ConnectionResetError):
        await ask(plan, CHAT, chat(stream=True))


@BOTH
@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
@pytest.mark.parametrize("stream", [True, False])
def test_any_slicing_gives_the_same_bytes(plan: Sandbox, path: str, size: int, stream: bool) -> None:
    expected = whole_body(plan, path, stream=stream)
    plan.script(Turn(TURN.reasoning, TURN.text, TURN.tool_calls, fault=Fault(slice=size)))
    pieces, error = read(plan, path, stream=stream)
    assert error is None
    assert b"".join(pieces) == expected
    if size < 100:
        assert {len(piece) for piece in pieces[:-1]} == {size}


@BOTH
@pytest.mark.parametrize("at", [0, 1, 150, 10**6])
@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_ends_the_body(plan: Sandbox, path: str, at: int, stream: bool) -> None:
    expected = whole_body(plan, path, stream=stream)
    plan.script(Turn(TURN.reasoning, TURN.text, TURN.tool_calls, fault=Fault(cut_at=at)))
    pieces, error = read(plan, path, stream=stream)
    assert error is None
    assert b"".join(pieces) == expected[:at]


@BOTH
@pytest.mark.parametrize("at", [0, 150])
@pytest.mark.parametrize("stream", [True, False])
def test_an_abrupt_cut_breaks_the_connection(plan: Sandbox, path: str, at: int, stream: bool) -> None:
    expected = whole_body(plan, path, stream=stream)
    fault = Fault(cut_at=at, abrupt=True, slice=64)
    plan.script(Turn(TURN.reasoning, TURN.text, TURN.tool_calls, fault=fault))
    pieces, error = read(plan, path, stream=stream)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert b"".join(pieces) == expected[:at]


async def test_an_error_frame_on_chat() -> None:
    plan = Sandbox([Turn(text="Partial answer.", fault=Fault(error_after=2))])
    text = (await ask(plan, CHAT, chat(stream=True))).text
    *chunks, error = data(text)
    assert [chunk["object"] for chunk in chunks] == ["chat.completion.chunk"] * 2
    assert error == {"error": {"message": "engine failure", "type": "internal_error"}}
    assert "[DONE]" not in text


@pytest.mark.parametrize(("shape", "extra"), [("typed", {"type": "error"}), ("bare", {})])
async def test_an_error_frame_on_messages(shape: str, extra: dict[str, str]) -> None:
    blocked = {"type": "censorship_blocked", "message": "blocked"}
    fault = Fault(error_after=3, error=blocked, error_shape=shape)  # type: ignore[arg-type]
    text = (await ask(Sandbox([Turn(text="Partial.", fault=fault)]), MESSAGES, messages(stream=True))).text
    *events, error = data(text)
    assert [event["type"] for event in events] == ["message_start", "content_block_start", "content_block_delta"]
    assert error == {**extra, "error": blocked}
    assert text.split("\n\n")[-2].startswith("event: error\n")


@BOTH
async def test_an_error_in_a_whole_answer_is_a_500(path: str) -> None:
    response = await ask(Sandbox([Turn(text="4", fault=Fault(error_after=0))]), path, body_for(path))
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "internal_error"


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_stall(plan: Sandbox, path: str, stream: bool) -> None:
    plan.script(Turn(text="Partial answer.", fault=Fault(stall_after=2)))
    pieces: list[bytes] = []
    with (
        httpx.Client(timeout=httpx.Timeout(5, read=1), trust_env=False, headers=auth()) as client,
        client.stream("POST", f"{plan.base_url}{path}", json=body_for(path, stream=stream)) as response,
        pytest.raises(httpx.ReadTimeout),
    ):
        pieces.extend(response.iter_raw())
    assert len(data(b"".join(pieces).decode())) == (2 if stream else 0)
    wait_until_closed(plan)


@BOTH
def test_a_stall_with_pings(plan: Sandbox, path: str) -> None:
    plan.script(Turn(text="Partial answer.", fault=Fault(stall_after=1, pings=True, ping_interval=0.01)))
    ping = b": ping\n\n" if path == CHAT else b'event: ping\ndata: {"type":"ping"}\n\n'
    received = b""
    with (
        httpx.Client(timeout=5, trust_env=False, headers=auth()) as client,
        client.stream("POST", f"{plan.base_url}{path}", json=body_for(path, stream=True)) as response,
    ):
        for piece in response.iter_raw():
            received += piece
            if received.count(ping) >= 3:
                assert plan.open_requests == 1
                break
    wait_until_closed(plan)


def test_pings_in_a_whole_answer_are_blanks(plan: Sandbox) -> None:
    plan.script(Turn(text="4", fault=Fault(stall_after=0, pings=True, ping_interval=0.01)))
    with (
        httpx.Client(timeout=5, trust_env=False, headers=auth()) as client,
        client.stream("POST", plan.base_url + CHAT, json=chat()) as response,
    ):
        assert next(response.iter_raw()).strip() == b""
    wait_until_closed(plan)


def test_a_delay_comes_before_every_event(plan: Sandbox) -> None:
    plan.script(Turn(text="4", fault=Fault(delay=0.05)))
    started = time.perf_counter()
    events = post(plan, CHAT, chat(stream=True)).text.count("data: ")
    # A timer may fire a little early, so one delay less is asked for.
    assert time.perf_counter() - started >= (events - 1) * 0.05


def test_nothing_more_is_sent_after_a_disconnect(plan: Sandbox) -> None:
    plan.script(Turn(text="A long answer.", fault=Fault(delay=60)))
    with httpx.Client(timeout=5, trust_env=False, headers=auth()) as client:
        with client.stream("POST", plan.base_url + CHAT, json=chat(stream=True)) as response:
            assert response.status_code == 200
            assert plan.open_requests == 1
        wait_until_closed(plan)


def test_characters_can_be_split_slowly(plan: Sandbox) -> None:
    plan.script(Turn(text="🙂", fault=Fault(slice=3, delay=0.0001)))
    assert "🙂" in post(plan, CHAT, chat(stream=True)).content.decode()


@BOTH
def test_too_many_open_requests_are_429(path: str) -> None:
    with Sandbox([Turn(fault=Fault(stall_after=1))], max_concurrency=1) as plan:
        with (
            httpx.Client(timeout=5, trust_env=False, headers=auth()) as client,
            client.stream("POST", f"{plan.base_url}{path}", json=body_for(path, stream=True)) as response,
        ):
            assert response.status_code == 200
            refused = post(plan, path, body_for(path))
        assert refused.status_code == 429
        message = "concurrency reached, current: 2, limit: 1"
        assert refused.json() == {"error": {"message": message, "type": "rate_limited"}}
        wait_until_closed(plan)
        assert post(plan, path, body_for(path)).status_code == 200


@BOTH
@pytest.mark.parametrize("stream", [True, False])
async def test_open_answers_count_until_they_end_or_are_closed(path: str, stream: bool) -> None:
    with Sandbox([Turn(text="Slowly.", fault=Fault(delay=30))] * 10) as plan:
        url = plan.base_url + path
        async with httpx.AsyncClient(timeout=5, trust_env=False, headers=auth(), limits=httpx.Limits()) as client:
            opened = [
                await client.send(client.build_request("POST", url, json=body_for(path, stream=stream)), stream=True)
                for _ in range(10)
            ]
            assert plan.open_requests == 10
            refused = await client.post(url, json=body_for(path))
            assert refused.status_code == 429
            assert refused.json()["error"]["message"] == "concurrency reached, current: 11, limit: 10"
            await opened[0].aclose()
            await asyncio.to_thread(_wait_for, plan, 9)
            assert (await client.post(url, json=body_for(path))).status_code == 200
            for response in opened:
                await response.aclose()
        wait_until_closed(plan)


async def test_many_requests_at_once(plan: Sandbox) -> None:
    async with httpx.AsyncClient(timeout=5, trust_env=False, headers=auth()) as client:
        url = plan.base_url + CHAT
        answers = await asyncio.gather(*(client.post(url, json=chat(f"Number {n}")) for n in range(10)))
    for number, response in enumerate(answers):
        assert f"Number {number}" in response.json()["choices"][0]["message"]["content"]
    assert len({json.loads(response.content)["id"] for response in answers}) == 10


def wait_until_closed(plan: Sandbox) -> None:
    _wait_for(plan, 0)


def _wait_for(plan: Sandbox, count: int) -> None:
    """Wait for this many open requests: the server notices a disconnect a moment later."""
    assert within_a_while(lambda: plan.open_requests == count, 5)
