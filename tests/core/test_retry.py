"""The retry policy: which errors, how often, after how long."""

from collections.abc import Callable

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


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 405, 410, 413, 422, 451])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    assert not refused(status).is_retryable
    assert LONGEST.delay(refused(status), 0) is None


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


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_forms_of_retry_after(headers: dict[str, str], wait: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepplan.exchange.time.time", lambda: 1445412480.0)  # Wed, 21 Oct 2015 07:28:00 GMT
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
