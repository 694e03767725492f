"""What goes wrong inside a stream ends in an error that says what, and that holds what had arrived."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

import stepplan
from stepplan import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ContentBlockedError,
    MessageStart,
    OverloadedError,
    ProtocolName,
    ResponseDecodeError,
    RetryPolicy,
    StepPlanError,
    TextDelta,
    fold,
)
from tests.support.driver import STREAM_TIMEOUT, Outcome, Reply, send, stream
from tests.support.fixtures import COMPOSED, FAILING, Answer

EVERY_FAILURE = pytest.mark.parametrize("answer", FAILING, ids=lambda answer: answer.name)
PROTOCOLS: tuple[ProtocolName, ...] = ("openai", "anthropic")
ON_BOTH = pytest.mark.parametrize("protocol", PROTOCOLS)
PATIENT = RetryPolicy(max_retries=2, spread=lambda low, high: high)

Ask = Callable[..., Outcome[Any]]
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'


def frames(data: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in data.split(b"\n\n") if frame]


def good(protocol: ProtocolName) -> bytes:
    return next(answer.data for answer in COMPOSED if answer.path.name == f"text.{protocol}.sse")


@pytest.mark.guarantees("error-in-stream")
@EVERY_FAILURE
def test_the_error_is_of_the_class_that_the_file_is_named_for(answer: Answer) -> None:
    outcome = stream(answer.protocol, [Reply([answer.data])])
    assert outcome.error is not None
    assert type(outcome.error) is getattr(stepplan, answer.scenario)
    assert outcome.items[-1] == TextDelta(0, "Partial")
    assert outcome.error.partial is not None
    assert outcome.error.partial == fold(outcome.items)
    assert outcome.error.partial.finish_reason is None


@pytest.mark.guarantees("overload-in-stream")
@EVERY_FAILURE
def test_after_a_part_was_handed_on_nothing_is_asked_for_again(answer: Answer) -> None:
    outcome = stream(answer.protocol, [Reply([answer.data])], PATIENT)
    assert outcome.opened == 1
    assert outcome.sleeps == []


@pytest.mark.guarantees("error-in-stream")
@EVERY_FAILURE
def test_the_servers_words_are_kept(answer: Answer) -> None:
    error = stream(answer.protocol, [Reply([answer.data], headers={"x-trace-id": "t-1"})]).error
    assert error is not None
    assert error.trace_id == "t-1"
    if isinstance(error, APIStatusError):
        said = json.dumps(error.body)
        assert str(error).partition(": ")[2].partition(".")[0] in said
    elif isinstance(error, ResponseDecodeError):
        assert error.body
        assert not error.is_retryable


@pytest.mark.guarantees("overload-in-stream")
@ON_BOTH
def test_overload_before_the_first_content_is_tried_again(protocol: ProtocolName) -> None:
    start, *_ = frames(good(protocol))
    outcome = stream(protocol, [Reply([OVERLOADED]), Reply([start, OVERLOADED]), Reply([good(protocol)])], PATIENT)
    assert outcome.error is None
    assert outcome.sleeps == [0.5, 1.0]
    assert fold(outcome.items).text == "Hello there."
    assert [type(event) for event in outcome.items].count(MessageStart) == 1


@pytest.mark.guarantees("overload-in-stream")
@ON_BOTH
def test_overload_is_the_same_error_as_status_529(protocol: ProtocolName) -> None:
    inside = stream(protocol, [Reply([OVERLOADED])]).error
    outside = stream(protocol, [Reply([b""], status=529)]).error
    assert type(inside) is type(outside) is OverloadedError
    assert inside is not None
    assert inside.status_code == 529


@ON_BOTH
def test_a_stream_that_ends_before_it_began_is_tried_again(protocol: ProtocolName) -> None:
    outcome = stream(protocol, [Reply(), Reply([frames(good(protocol))[0]]), Reply([good(protocol)])], PATIENT)
    assert outcome.error is None
    assert outcome.opened == 3


@ON_BOTH
@pytest.mark.parametrize("failure", [APIConnectionError("reset"), APITimeoutError("silent")], ids=type)
def test_a_connection_that_fails_midway_keeps_what_had_arrived(protocol: ProtocolName, failure: StepPlanError) -> None:
    first = b"".join(frames(good(protocol))[:3])
    outcome = stream(protocol, [Reply([first, failure])], PATIENT)
    assert outcome.error is failure
    assert failure.partial is not None
    assert failure.partial.text == "Hello" if protocol == "anthropic" else "Hello there."


@ON_BOTH
def test_a_connection_that_fails_after_the_end_does_not_matter(protocol: ProtocolName) -> None:
    outcome = stream(protocol, [Reply([good(protocol), APIConnectionError("reset")])])
    assert outcome.error is None
    assert fold(outcome.items).finish_reason == "stop"


@ON_BOTH
def test_what_follows_the_end_is_not_read(protocol: ProtocolName) -> None:
    outcome = stream(protocol, [Reply([good(protocol) + b"data: junk\n\n", b"data: more junk\n\n"])])
    assert outcome.error is None
    assert fold(outcome.items).text == "Hello there."


@pytest.mark.guarantees("error-in-stream")
@ON_BOTH
def test_what_came_before_an_error_in_the_same_bytes_is_handed_on_first(protocol: ProtocolName) -> None:
    outcome = stream(protocol, [Reply([b"".join(frames(good(protocol))[:3]) + OVERLOADED])])
    assert isinstance(outcome.error, OverloadedError)
    assert fold(outcome.items).text
    assert outcome.error.partial == fold(outcome.items)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [100.0]
    monkeypatch.setattr("stepplan.exchange.time.monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def slowly(pieces: Iterable[bytes], wait: Callable[[float], None], seconds: float) -> Iterator[bytes]:
    for piece in pieces:
        wait(seconds)
        yield piece


PING = b'event: ping\ndata: {"type":"ping"}\n\n'
COMMENT = b": ping\n\n"


@pytest.mark.guarantees("stalled-stream")
@ON_BOTH
@pytest.mark.parametrize("ping", [PING, COMMENT])
def test_pings_do_not_keep_a_stream_alive(protocol: ProtocolName, ping: bytes, clock: Callable[[float], None]) -> None:
    start, *_ = frames(good(protocol))
    pieces = slowly([start, *[ping] * 10], clock, STREAM_TIMEOUT / 4)
    outcome = stream(protocol, [Reply(pieces)])
    assert isinstance(outcome.error, APITimeoutError)
    assert "stream_timeout" in str(outcome.error)
    assert len(list(pieces)) == 5, "the fifth ping comes too late"


@ON_BOTH
def test_a_stream_may_take_long_as_long_as_it_goes_on(protocol: ProtocolName, clock: Callable[[float], None]) -> None:
    pieces = [piece for frame in frames(good(protocol)) for piece in (PING, frame)]
    outcome = stream(protocol, [Reply(slowly(pieces, clock, STREAM_TIMEOUT / 8))])
    assert len(pieces) > 8
    assert outcome.error is None
    assert fold(outcome.items).text == "Hello there."


@ON_BOTH
def test_pings_after_the_end_are_borne_for_the_same_time(
    protocol: ProtocolName, clock: Callable[[float], None]
) -> None:
    outcome = stream(protocol, [Reply(slowly([good(protocol), *[PING] * 100], clock, STREAM_TIMEOUT / 4))])
    assert outcome.error is None
    assert fold(outcome.items).text == "Hello there."


@ON_BOTH
def test_a_whole_answer_instead_of_a_stream_is_refused_and_kept(protocol: ProtocolName) -> None:
    whole = next(answer.data for answer in COMPOSED if answer.path.name == f"text.{protocol}.json")
    error = stream(protocol, [Reply([whole], headers={"content-type": "application/json"})]).error
    assert isinstance(error, ResponseDecodeError)
    assert error.body["usage"]


@pytest.mark.guarantees("odd-error-bodies")
@ON_BOTH
@pytest.mark.parametrize("ask", [stream, send])
def test_a_web_page_instead_of_an_answer_is_shown(protocol: ProtocolName, ask: Ask) -> None:
    error = ask(protocol, [Reply([b"<html>Log in</html>"], headers={"content-type": "text/html"})], PATIENT).error
    assert isinstance(error, ResponseDecodeError)
    assert "text/html" in str(error)
    assert error.body == "<html>Log in</html>"


@pytest.mark.guarantees("errors-with-200")
@ON_BOTH
@pytest.mark.parametrize("ask", [stream, send])
def test_an_error_in_an_answer_whose_status_says_yes_is_an_error(protocol: ProtocolName, ask: Ask) -> None:
    body = b'{"error": {"type": "censorship_blocked", "message": "blocked"}}'
    headers = {"content-type": "application/json", "x-trace-id": "t-1"}
    error = ask(protocol, [Reply([body], headers=headers)], PATIENT).error
    assert isinstance(error, ContentBlockedError)
    assert error.trace_id == "t-1"
    assert error.status_code == 451


@pytest.mark.guarantees("odd-error-bodies")
@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai", b"{}"),
        ("openai", b'{"choices": []}'),
        ("openai", b'{"choices": [null]}'),
        ("openai", b'{"choices": [{"message": {"tool_calls": ["x"]}}]}'),
        ("anthropic", b"{}"),
        ("anthropic", b'{"content": null}'),
        ("anthropic", b'{"content": ["x"]}'),
        ("anthropic", b"[]"),
        ("openai", b""),
        ("openai", b'{"choices": [{"mess'),
    ],
)
def test_an_answer_of_no_known_shape_is_an_error_that_holds_it(protocol: ProtocolName, body: bytes) -> None:
    error = send(protocol, [Reply([body], headers={"content-type": "application/json"})], PATIENT).error
    assert isinstance(error, ResponseDecodeError)
    assert error.body == (json.loads(body) if body.endswith(b"}") else body.decode())


@pytest.mark.guarantees("whole-deadline")
def test_a_whole_answer_that_drips_past_its_time_is_given_up(clock: Callable[[float], None]) -> None:
    error = send("openai", [Reply(slowly([b" "] * 100, clock, 1.0))]).error
    assert isinstance(error, APITimeoutError)
    assert "timeout" in str(error)


@ON_BOTH
def test_an_event_that_is_no_json_object_is_shown_in_the_error(protocol: ProtocolName) -> None:
    piece = b"data: [oops " + b"x" * 5000 + b"\n\n"
    error = stream(protocol, [Reply([piece])]).error
    assert isinstance(error, ResponseDecodeError)
    assert str(error).startswith("The stream sent an event that is not a JSON object: '[oops xxx")
    assert len(str(error)) < 300
    assert error.body == piece.decode().removeprefix("data: ").rstrip()


@pytest.mark.guarantees("any-bytes")
@pytest.mark.parametrize("wrong", [{"type": []}, {"type": 1}, {"type": {"a": 1}}])
def test_a_call_that_is_found_malformed_when_the_body_ends_is_an_error_that_holds_what_had_arrived(wrong: Any) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "now"}, **wrong}
    chunks = [{"choices": [{"delta": {"content": "Hm."}}]}, {"choices": [{"delta": {"tool_calls": [call]}}]}]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    outcome = stream("openai", [Reply([f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks])])
    assert isinstance(outcome.error, ResponseDecodeError)
    assert outcome.error.partial is not None
    assert outcome.error.partial.text == "Hm."
