"""Faults on a real connection, with both clients: what is tried again, what is raised, and with what."""

import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from stepplan import PROTOCOLS as WIRES
from stepplan import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    Client,
    ContentBlockedError,
    IncompleteStreamError,
    InternalServerError,
    Message,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolName,
    QuotaExceededError,
    RateLimitError,
    Request,
    Response,
    StepPlanError,
    fold,
)
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import PROTOCOLS, Asker, Way, settings_for

ON_BOTH = pytest.mark.parametrize("protocol", PROTOCOLS)
WHOLE_AND_STREAMED = pytest.mark.parametrize("streamed", [False, True])
REQUEST = Request(messages=(Message.user("Hello"),))
TURN = Turn(reasoning="Let me think about it.", text="The whole answer, in some words.")


def hurried(asker: Asker, **fields: Any) -> Asker:
    return replace(asker, settings=replace(asker.settings, **fields))


def raised(asker: Asker, *, streamed: bool, request: Request = REQUEST) -> StepPlanError:
    with pytest.raises(StepPlanError) as caught:
        asker.whole_or_streamed(request, streamed=streamed)
    return caught.value


@pytest.mark.guarantees("throttle-weathered")
@ON_BOTH
@WHOLE_AND_STREAMED
def test_a_throttled_request_is_sent_again_and_answered(
    asker: Asker, plan: Sandbox, protocol: ProtocolName, streamed: bool
) -> None:
    plan.script(replace(TURN, fault=Fault(status=429, headers={"Retry-After": "0"}, times=2)))
    replace(asker, protocol=protocol).whole_or_streamed(REQUEST, streamed=streamed)
    assert len(plan.requests) == 3
    assert len({str(sent.body) for sent in plan.requests}) == 1


@pytest.mark.guarantees("retry-after")
@pytest.mark.parametrize("headers", [{"Retry-After": "0.3"}, {"Retry-After-Ms": "300"}])
def test_the_wait_the_server_asks_for_is_kept_to(asker: Asker, plan: Sandbox, headers: dict[str, str]) -> None:
    plan.script(replace(TURN, fault=Fault(status=429, headers=headers)))
    before = time.monotonic()
    asker.send(REQUEST)
    assert time.monotonic() - before >= 0.3


@pytest.mark.guarantees("retry-after")
def test_a_wait_that_is_too_long_is_not_begun(asker: Asker, plan: Sandbox) -> None:
    plan.script(replace(TURN, fault=Fault(status=429, headers={"Retry-After": "3600"})))
    error = raised(asker, streamed=False)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 3600
    assert len(plan.requests) == 1


@pytest.mark.guarantees("error-classes", "error-details", "no-vain-retry")
@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, QuotaExceededError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (451, ContentBlockedError),
    ],
)
@WHOLE_AND_STREAMED
def test_a_refusal_that_will_not_pass_takes_one_request(
    asker: Asker, plan: Sandbox, status: int, cls: type[APIStatusError], streamed: bool
) -> None:
    plan.script(replace(TURN, fault=Fault(status=status, times=9)))
    error = raised(asker, streamed=streamed)
    assert type(error) is cls
    assert len(plan.requests) == 1
    assert error.trace_id
    assert error.response is not None
    assert error.response.status_code == status


@pytest.mark.guarantees("n-plus-one")
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("retries", [0, 2])
def test_n_retries_are_n_and_one_requests(asker: Asker, plan: Sandbox, status: int, retries: int) -> None:
    plan.script(replace(TURN, fault=Fault(status=status, times=9)))
    error = raised(hurried(asker, max_retries=retries), streamed=False)
    assert error.status_code == status
    assert error.is_retryable
    assert len(plan.requests) == retries + 1


@pytest.mark.guarantees("overload-in-stream")
@ON_BOTH
def test_overload_before_any_content_is_tried_again(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    plan.script(replace(TURN, fault=Fault(error_after=1, error=error)), TURN)
    assert fold(replace(asker, protocol=protocol).stream(REQUEST)).text == TURN.text
    assert len(plan.requests) == 2


@pytest.mark.guarantees("overload-in-stream")
@ON_BOTH
def test_overload_after_some_content_is_raised_with_it(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    plan.script(replace(TURN, fault=Fault(error_after=4, error=error)), TURN)
    events, caught = replace(asker, protocol=protocol).stream_until_error(REQUEST)
    assert isinstance(caught, OverloadedError)
    assert arrived(caught) == fold(events)
    assert arrived(caught).reasoning
    assert caught.trace_id
    assert len(plan.requests) == 1


@ON_BOTH
def test_an_error_instead_of_a_whole_answer_is_typed(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    plan.script(*[replace(TURN, fault=Fault(error_after=1))] * 3)
    assert isinstance(raised(replace(asker, protocol=protocol), streamed=False), InternalServerError)


@pytest.mark.guarantees("stale-connections")
@WHOLE_AND_STREAMED
def test_a_reset_before_any_byte_is_tried_again(asker: Asker, plan: Sandbox, streamed: bool) -> None:
    plan.script(replace(TURN, fault=Fault(reset=True, times=2)))
    asker.whole_or_streamed(REQUEST, streamed=streamed)
    assert len(plan.requests) == 3


@pytest.mark.guarantees("error-details")
@WHOLE_AND_STREAMED
def test_a_reset_every_time_is_a_connection_error_with_its_cause(asker: Asker, plan: Sandbox, streamed: bool) -> None:
    plan.script(replace(TURN, fault=Fault(reset=True, times=9)))
    error = raised(asker, streamed=streamed)
    assert type(error) is APIConnectionError
    assert error.__cause__ is not None
    assert "127.0.0.1" in str(error)
    assert len(plan.requests) == 3


@pytest.mark.guarantees("cut-stream", "both-transports")
@ON_BOTH
@pytest.mark.parametrize("abrupt", [False, True], ids=["ended", "broken off"])
@pytest.mark.parametrize("size", [None, 7], ids=["by event", "by 7 bytes"])
def test_a_stream_that_is_cut_keeps_what_had_arrived(
    asker: Asker, plan: Sandbox, protocol: ProtocolName, abrupt: bool, size: int | None
) -> None:
    plan.script(TURN, TURN)
    length = len(wire_bytes(plan, protocol))
    asker = replace(asker, protocol=protocol)
    whole = fold(asker.stream(REQUEST))
    for cut_at in (*range(length // 2, length - 20, length // 7), length - 15, length - 2):
        plan.script(replace(TURN, fault=Fault(cut_at=cut_at, abrupt=abrupt, slice=size)))
        events, error = asker.stream_until_error(REQUEST)
        if error is None:  # a finish reason and a clean end are an answer
            assert not abrupt
            assert cut_at > length - 40
            assert (fold(events).reasoning, fold(events).text) == (whole.reasoning, whole.text)
            continue
        assert type(error) is (APIConnectionError if abrupt else IncompleteStreamError)
        partial = arrived(error)
        assert partial == fold(events)
        assert partial.finish_reason is None
        assert whole.reasoning.startswith(partial.reasoning)
        assert whole.text.startswith(partial.text)
        assert partial.reasoning
    assert plan.pending == ()


def arrived(error: StepPlanError | None) -> Response:
    assert error is not None
    assert error.partial is not None
    return error.partial


def wire_bytes(plan: Sandbox, protocol: ProtocolName) -> bytes:
    """The bytes of a streamed answer to the request, taken with another client."""
    wire = WIRES[protocol]
    url, headers = f"{plan.base_url}/v1{wire.PATH}", {"authorization": f"Bearer {plan.api_key}"}
    with httpx.Client(trust_env=False) as http:
        return http.post(url, json=wire.encode(REQUEST, stream=True), headers=headers).content


@ON_BOTH
def test_a_whole_answer_that_is_cut_is_an_error(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    plan.script(*[replace(TURN, fault=Fault(cut_at=80, abrupt=True))] * 3)
    assert isinstance(raised(replace(asker, protocol=protocol), streamed=False), APIConnectionError)
    assert len(plan.requests) == 3


@pytest.mark.guarantees("any-slicing", "line-ends")
@ON_BOTH
def test_slow_writes_that_split_characters_change_nothing(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    turn = Turn(text="你好🎉\u2028.")
    plan.script(replace(turn, fault=Fault(slice=1)), replace(turn, fault=Fault(slice=3)))
    asker = replace(asker, protocol=protocol)
    assert fold(asker.stream(REQUEST)).text == turn.text
    assert asker.send(REQUEST).text == turn.text


@pytest.mark.guarantees("stalled-stream", "both-transports")
@ON_BOTH
@pytest.mark.parametrize("pings", [True, False], ids=["pings", "silence"])
def test_a_stream_that_stalls_is_given_up_with_what_had_arrived(
    asker: Asker, plan: Sandbox, protocol: ProtocolName, pings: bool
) -> None:
    plan.script(replace(TURN, fault=Fault(stall_after=5, pings=pings, ping_interval=0.05)))
    asker = hurried(replace(asker, protocol=protocol), stream_timeout=0.4)
    before = time.monotonic()
    events, error = asker.stream_until_error(REQUEST)
    assert 0.4 <= time.monotonic() - before < 3
    assert isinstance(error, APITimeoutError)
    assert "stream_timeout" in str(error)
    assert arrived(error) == fold(events)
    assert arrived(error).reasoning
    assert len(plan.requests) == 1


@pytest.mark.parametrize("pings", [True, False], ids=["pings", "silence"])
@WHOLE_AND_STREAMED
def test_a_stall_before_any_content_is_tried_again_and_then_raised(
    asker: Asker, plan: Sandbox, streamed: bool, pings: bool
) -> None:
    plan.script(*[replace(TURN, fault=Fault(stall_after=1, pings=pings, ping_interval=0.05))] * 2)
    error = raised(hurried(asker, timeout=0.3, stream_timeout=0.3, max_retries=1), streamed=streamed)
    assert isinstance(error, APITimeoutError)
    assert error.partial is None
    assert len(plan.requests) == 2


@pytest.mark.guarantees("stalled-stream")
def test_a_slow_stream_is_no_stalled_one(asker: Asker, plan: Sandbox) -> None:
    plan.script(replace(TURN, fault=Fault(delay=0.08)))
    before = time.monotonic()
    assert fold(hurried(asker, stream_timeout=0.5).stream(REQUEST)).text == TURN.text
    assert time.monotonic() - before > 0.5


@pytest.mark.guarantees("separate-timeouts")
def test_a_consumer_may_take_its_time(plan: Sandbox) -> None:
    events = Client(settings_for(plan, stream_timeout=0.2)).stream(REQUEST)
    for at, _ in enumerate(events):
        if at < 3:
            time.sleep(0.3)


def test_nobody_listening_is_a_connection_error_that_names_the_host(way: Way) -> None:
    with Sandbox() as plan:
        settings = settings_for(plan, max_retries=1)
    error = raised(Asker(way, settings), streamed=False)
    assert type(error) is APIConnectionError
    assert settings.host in str(error)


@pytest.mark.guarantees("wrong-key-advice")
@ON_BOTH
def test_the_sentences_for_what_users_get_wrong(way: Way, protocol: ProtocolName) -> None:
    def sentence(plan: Sandbox, request: Request = REQUEST, **fields: Any) -> str:
        asker = Asker(way, replace(settings_for(plan), **fields), protocol)
        return str(raised(asker, streamed=True, request=request))

    with Sandbox(api_key="sk-right") as plan:
        settings = settings_for(plan)
        wrong = replace(settings_for(plan), base_url=plan.base_url.replace("step_plan", "nowhere"))
        assert sentence(plan, replace(REQUEST, model="step-9")) == (
            '404 model_invalid: The model "step-9" does not exist or you do not have access to it. '
            "Check the model's name, 'step-9'."
        )
        assert f"There is no such path: {wrong.root}/v1/" in sentence(plan, base_url=wrong.root)
        assert sentence(plan, replace(REQUEST, extra_body={"temperature": 3})).startswith(
            "400 input_invalid: Request param: temperature is invalid, recommended val is: between 0 and 2."
        )
    with Sandbox(api_key="sk-other") as plan:
        wrong_key = replace(settings, base_url=plan.base_url)
        assert str(raised(Asker(way, wrong_key, protocol), streamed=False)) == (
            f"401 invalid_api_key: Incorrect API key provided. The key from api_key was sent to {wrong_key.host}."
        )
    with Sandbox(subscription=False) as plan:
        assert sentence(plan).endswith("you have no active step plan subscription. Subscribe to a Step Plan.")
    with Sandbox(quota=False) as plan:
        assert sentence(plan).endswith("used up: add a booster pack or wait for the next month.")
        assert len(plan.requests) == 1
