"""The retry policy: which errors are retried, how often, after how long."""

import math
import pickle
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from stepplan import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    IncompleteStreamError,
    InvalidRequestError,
    RateLimitError,
    ResponseDecodeError,
    RetryPolicy,
    StepPlanError,
)
from stepplan.errors import ErrorResponse
from stepplan.refusals import error_from_response
from tests.support.driver import ORIGIN, Reply, send

LONGEST = RetryPolicy(max_retries=10, spread=lambda low, high: high)


def refused(status: int, body: str = "", retry_after: float | None = None) -> APIStatusError:
    error = error_from_response(ErrorResponse(status, {}, body), ORIGIN)
    error.retry_after = retry_after
    return error


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert refused(status).is_retryable
    assert LONGEST.delay(refused(status), 0) == 0.5


@pytest.mark.guarantees("no-vain-retry")
@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 405, 410, 413, 422, 451])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    assert not refused(status).is_retryable
    assert LONGEST.delay(refused(status), 0) is None


@pytest.mark.guarantees("no-vain-retry")
def test_a_429_that_says_the_quota_is_used_up_is_not_tried_again() -> None:
    body = '{"error": {"type": "quota_exceeded", "message": "You exceeded your current quota"}}'
    assert LONGEST.delay(refused(429, body), 0) is None


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (APIConnectionError, True),
        (APITimeoutError, True),
        (IncompleteStreamError, True),
        (ResponseDecodeError, False),
        (InvalidRequestError, False),
        (StepPlanError, False),
    ],
)
def test_errors_without_a_status(error: Callable[[str], StepPlanError], again: bool) -> None:
    assert (LONGEST.delay(error("x"), 0) is not None) == again


def test_the_wait_doubles_up_to_its_maximum() -> None:
    assert [LONGEST.delay(refused(500), attempt) for attempt in range(7)] == [0.5, 1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("attempt", [63, 64, 1_023, 1_024, 1_075, 10**6])
def test_the_wait_stays_at_its_maximum_however_many_attempts_there_were(attempt: int) -> None:
    policy = RetryPolicy(max_retries=10**9, spread=lambda low, high: high)
    assert policy.delay(refused(500), attempt) == 8.0


def test_a_copy_in_another_process_draws_waits_of_its_own() -> None:
    policy = RetryPolicy(max_retries=9)
    data = pickle.dumps(policy)
    drawn = []
    for seed in (1, 2):
        random.seed(seed)
        drawn.append(pickle.loads(data).delay(refused(500), 0))
    assert drawn[0] != drawn[1], "the generator's state does not travel"
    assert len(data) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_retries", wrong) for wrong in (-1, 1.5, "2", True, None, math.nan, math.inf)),
        *(("initial", wrong) for wrong in (-0.1, "1", True, None, math.nan, math.inf)),
        *(("maximum", wrong) for wrong in (-0.1, "1", None, math.nan)),
        *(("retry_after_limit", wrong) for wrong in (-0.1, "1", None, math.nan)),
        *(("longest_attempt", wrong) for wrong in (-0.1, "1", None, math.nan)),
    ],
)
def test_a_policy_with_a_number_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        RetryPolicy(**{name: value})


@pytest.mark.guarantees("retry-after")
def test_the_wait_is_spread() -> None:
    shortest = RetryPolicy(max_retries=10, spread=lambda low, high: low)
    assert [shortest.delay(refused(500), attempt) for attempt in (0, 1, 9)] == [0.25, 0.5, 4]
    drawn = {RetryPolicy().delay(refused(500), 0) for _ in range(20)}
    assert len(drawn) > 1
    assert all(wait is not None and 0.25 <= wait <= 0.5 for wait in drawn)


@pytest.mark.parametrize("most", [0, 1, 2, 5])
def test_after_so_many_retries_it_gives_up(most: int) -> None:
    policy = RetryPolicy(max_retries=most)
    assert [policy.delay(refused(500), attempt) is None for attempt in range(7)] == [at >= most for at in range(7)]


@pytest.mark.parametrize(("asked", "wait"), [(0.0, 0.0), (0.1, 0.1), (60.0, 60.0), (60.1, None), (float("inf"), None)])
def test_what_the_server_asks_for_is_kept_to_unless_it_is_too_long(asked: float, wait: float | None) -> None:
    assert LONGEST.delay(refused(429, retry_after=asked), 3) == wait


@pytest.mark.guarantees("retry-after")
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "1e300"}, 1e300),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 -0000"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 09:28:30 +0200"}, 30.0),
        ({"retry-after": "Wednesday, 21-Oct-15 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 251956888319.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, 251956974659.0),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"retry-after": "Thu, 32 Foo 2015 25:61:61 GMT"}, None),
        ({"retry-after": "2015-10-21T07:28:30Z"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_forms_of_retry_after(headers: dict[str, str], wait: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepplan.retry.time.time", lambda: 1445412480.0)  # Wed, 21 Oct 2015 07:28:00 GMT
    error = send("openai", [Reply(status=429, headers=headers)]).error
    assert isinstance(error, RateLimitError)
    assert error.retry_after == wait


def test_the_exchange_waits_as_the_policy_says_and_asks_again() -> None:
    policy = RetryPolicy(max_retries=3, spread=lambda low, high: high)
    good = b'{"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}'
    outcome = send(
        "openai",
        [
            Reply(status=503),
            APIConnectionError("reset"),
            Reply(status=429, headers={"retry-after": "3"}),
            Reply([good]),
        ],
        policy,
    )
    assert outcome.error is None
    assert outcome.sleeps == [0.5, 1.0, 3.0]
    assert [response.text for response in outcome.items] == ["Hi."]


@pytest.mark.guarantees("retry-after")
@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "soon", "Fri, 31 Dec 99999 23:59:59 GMT", "-inf"])
def test_a_retry_after_that_is_no_time_leaves_the_backoff_as_it_is(value: str) -> None:
    outcome = send("openai", [Reply(status=429, headers={"retry-after": value})] * 3, replace(LONGEST, max_retries=2))
    assert outcome.sleeps == [0.5, 1.0]


@pytest.mark.guarantees("retry-after")
@pytest.mark.parametrize("asked", ["6", "3600", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_wait_is_longer_than_the_calls_timeout(asked: str) -> None:
    policy = LONGEST.within(5)
    outcome = send("openai", [Reply(status=429, headers={"retry-after": asked})], policy)
    assert isinstance(outcome.error, RateLimitError)
    assert outcome.opened == 1
    assert [policy.delay(refused(500), attempt) for attempt in range(6)] == [0.5, 1, 2, 4, 5, 5]
    assert policy.delay(refused(429, retry_after=5.0), 0) == 5.0
    assert LONGEST.within(600) == LONGEST, "a longer timeout changes nothing"


def test_a_request_that_took_ten_minutes_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("stepplan.exchange.time.monotonic", lambda: now[0])

    def slowly(seconds: float) -> Iterator[bytes]:
        now[0] += seconds
        yield b'{"error": {"message": "overload"}}'

    for failure in (Reply(slowly(600), status=503), Reply(slowly(600), status=504)):
        assert send("openai", [failure], LONGEST).opened == 1
    assert send("openai", [Reply(slowly(300), status=503), Reply(slowly(595), status=503)], LONGEST).opened == 2
    assert LONGEST.delay(APITimeoutError("x"), 0, elapsed=600.0) is None
    assert RetryPolicy(longest_attempt=math.inf).delay(APITimeoutError("x"), 0, elapsed=600.0) is not None


@pytest.mark.guarantees("n-plus-one")
@pytest.mark.parametrize("most", [0, 1, 3])
def test_n_retries_are_at_most_n_and_one_requests_and_the_last_error_is_raised(most: int) -> None:
    replies = [Reply(status=500 + at) for at in range(most + 1)]
    outcome = send("openai", replies, RetryPolicy(max_retries=most))
    assert outcome.opened == most + 1
    assert outcome.error is not None
    assert outcome.error.status_code == 500 + most


def test_a_refusal_whose_body_breaks_off_is_still_that_refusal() -> None:
    error = send("openai", [Reply([b'{"err', APIConnectionError("reset")], status=401)]).error
    assert error is not None
    assert error.status_code == 401
