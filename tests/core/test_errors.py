"""Every status and body of a refusal becomes the error that says what it is, in one clear line that names the fix."""

import json
import pickle
from typing import Any

import pytest

from stepplan import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentBlockedError,
    ContextOverflowError,
    ErrorResponse,
    IncompleteStreamError,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    Response,
    ResponseDecodeError,
    StepPlanError,
)
from stepplan.refusals import Origin, error_from_frame, error_from_response
from tests.support.driver import ORIGIN

BODIES: list[tuple[int, str, str, type[APIStatusError]]] = [
    (400, "input_invalid", "The input you provided is invalid", BadRequestError),
    (400, "input_invalid", "Request param: top_p is invalid, recommended val is: 0.9", BadRequestError),
    (400, "request_params_invalid", "model", BadRequestError),
    (400, "images_too_many", "too many images", BadRequestError),
    (400, "unsupported_content_type", "image", BadRequestError),
    (400, "x", "you have no active step plan subscription", PermissionDeniedError),
    (400, "x", "The model step-9 does not exist", NotFoundError),
    (400, "x", "No such model: step-9", NotFoundError),
    (400, "model_not_found", "step-9", NotFoundError),
    (
        400,
        "x",
        "This model's maximum context length is 262144 tokens. However, you requested 300000.",
        ContextOverflowError,
    ),
    (400, "x", "prompt too large", ContextOverflowError),
    (400, "x", "The prompt is too long: 300000 tokens", ContextOverflowError),
    (400, "x", "the request exceeds the available context size", ContextOverflowError),
    (400, "exceed_context_size_error", "too many", ContextOverflowError),
    (413, "x", "Payload too large", BadRequestError),
    (422, "x", "wrong", BadRequestError),
    (401, "invalid_api_key", "Incorrect API key provided", AuthenticationError),
    (402, "quota_exceeded", "You exceeded your current quota, please check your plan", QuotaExceededError),
    (429, "quota_exceeded", "used up", QuotaExceededError),
    (429, "x", "You exceeded your current quota, please check your plan", QuotaExceededError),
    (403, "x", "forbidden", PermissionDeniedError),
    (404, "model_not_found", "The model step-9 does not exist", NotFoundError),
    (404, "x", "gone", NotFoundError),
    (405, "x", "no", APIStatusError),
    (408, "x", "slow", APIStatusError),
    (409, "x", "conflict", APIStatusError),
    (429, "rate_limited", "request limited RPM reached, current: 11, limit: 10. Please top up", RateLimitError),
    (429, "rate_limited", "concurrency reached, current: 11, limit: 10", RateLimitError),
    (451, "censorship_blocked", "The content you provided or machine outputted is blocked.", ContentBlockedError),
    (500, "engine_exception", "failed", InternalServerError),
    (502, "x", "bad gateway", InternalServerError),
    (503, "x", "overload", OverloadedError),
    (504, "x", "timeout", InternalServerError),
    (529, "overloaded_error", "Overloaded", OverloadedError),
    (302, "x", "moved", APIStatusError),
]


def refused(status: int, text: str, origin: Origin = ORIGIN) -> APIStatusError:
    return error_from_response(ErrorResponse(status, {"content-type": "text/plain"}, text), origin)


@pytest.mark.parametrize(("status", "kind", "said", "cls"), BODIES)
def test_a_documented_body_becomes_its_error(status: int, kind: str, said: str, cls: type[APIStatusError]) -> None:
    body = {"error": {"message": said, "type": kind}}
    error = refused(status, json.dumps(body))
    assert type(error) is cls
    assert error.status_code == status
    assert error.body == body
    assert error.response is not None
    assert error.response.json() == body
    assert str(error).startswith(f"{status} {kind}: {said.rstrip('.')}.")
    assert error.partial is None


ODD_BODIES: list[tuple[str, Any, str]] = [
    ("", None, "the server gave no reason"),
    ("404 page not found", "404 page not found", "404 page not found"),
    (
        "<html>\n  <b>Bad   Gateway</b></html>",
        "<html>\n  <b>Bad   Gateway</b></html>",
        "<html> <b>Bad Gateway</b></html>",
    ),
    ("\ufffd\x00\x01", "\ufffd\x00\x01", "\ufffd"),
    ('"just words"', "just words", "just words"),
    ('{"error": "words"}', {"error": "words"}, "words"),
    ('{"error": null}', {"error": None}, "the server gave no reason"),
    ('{"error": {}}', {"error": {}}, "the server gave no reason"),
    ('{"message": "words"}', {"message": "words"}, "words"),
    ('{"detail": "不行"}', {"detail": "不行"}, '{"detail": "不行"}'),
    ('{"error": {"message": null, "type": 7, "code": "x"}}', None, '"type": 7'),
    ('{"error": {"message": {"a": 1}}}', None, '{"message": {"a": 1}}'),
    ('[{"error": 1}]', [{"error": 1}], '[{"error": 1}]'),
    ("null", None, "the server gave no reason"),
    ("0", 0, "the server gave no reason"),
    ("[]", [], "the server gave no reason"),
    ("x" * 5000, "x" * 5000, "x" * 300),
]


@pytest.mark.parametrize(("text", "body", "said"), ODD_BODIES)
@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_an_odd_body_does_not_hide_the_status(text: str, body: Any, said: str, status: int) -> None:
    error = refused(status, text)
    assert error.status_code == status
    assert said in str(error)
    assert len(str(error)) < 700
    if body is not None:
        assert error.body == body


OTHER_REGION = "if yours is of the other one, set region='china'."
SENTENCES = [
    (
        *(401, "invalid_api_key", "Incorrect API key provided"),
        f"The key came from STEP_API_KEY and was sent to plan.test; a key works in one region only: {OTHER_REGION}",
    ),
    (
        *(400, "input_invalid", "you have no active step plan subscription"),
        "Subscribe to a Step Plan, or set region='china' if the subscription is of the other region.",
    ),
    (
        *(402, "quota_exceeded", "You exceeded your current quota"),
        "The plan's credits are used up: add a booster pack or wait for the next month.",
    ),
    (
        *(404, "", "404 page not found"),
        "There is no such path: https://plan.test/v1/x. Check base_url; the plan's ends in /step_plan.",
    ),
    (
        *(404, "model_not_found", "The model step-9 does not exist"),
        "Check the model's name: 'step-3.7-flash' was asked for.",
    ),
    (
        *(404, "not_found_error", "File Not Found"),
        "Check the model's name, 'step-3.7-flash', and the address, https://plan.test/v1/x.",
    ),
    (
        *(429, "rate_limited", "concurrency reached, current: 11, limit: 10"),
        "Too many requests: slow down, or use fewer at once.",
    ),
    (*(400, "input_invalid", "prompt too long"), "Shorten the conversation or lower max_tokens."),
    (*(400, "input_invalid", "Request param: n is invalid, recommended val is: 1"), ""),
    (*(500, "engine_exception", "failed"), ""),
]


@pytest.mark.parametrize(("status", "kind", "said", "fix"), SENTENCES)
def test_the_message_says_what_happened_and_what_to_do(status: int, kind: str, said: str, fix: str) -> None:
    text = json.dumps({"error": {"message": said, "type": kind}}) if kind else said
    assert str(refused(status, text)) == f"{status} {kind}".rstrip() + f": {said}. {fix}".rstrip()


def test_on_a_host_without_regions_none_is_suggested() -> None:
    origin = Origin("http://127.0.0.1/v1/x", "127.0.0.1", "api_key", None, "m")
    assert str(refused(401, "", origin)).endswith("The key came from api_key and was sent to 127.0.0.1.")
    assert str(refused(400, '{"error": "no active step plan"}', origin)).endswith("Subscribe to a Step Plan.")


@pytest.mark.parametrize(
    ("body", "cls", "status"),
    [
        ({"error": {"type": "overloaded_error", "message": "x"}}, OverloadedError, 529),
        ({"error": {"type": "api_error", "message": "x"}}, InternalServerError, 500),
        ({"error": {"type": "unheard_of", "message": "x"}}, InternalServerError, 500),
        ({"error": {"type": "BadRequestError", "code": 400, "message": "x"}}, BadRequestError, 400),
        ({"error": {"type": "x", "code": 503, "message": "x"}}, OverloadedError, 503),
        ({"error": {"type": "x", "code": 7, "message": "x"}}, InternalServerError, 500),
        ({"error": {"type": "x", "code": True, "message": "x"}}, InternalServerError, 500),
        ({"error": {"type": "invalid_api_key", "message": "x"}}, AuthenticationError, 401),
        ({"error": {"type": "not_found_error", "message": "x"}}, NotFoundError, 404),
        ({"error": {"type": "timeout_error", "message": "x"}}, InternalServerError, 504),
        ({"error": {"type": "input_invalid", "message": "no active step plan"}}, PermissionDeniedError, 400),
        ({"error": "x"}, InternalServerError, 500),
        ("x", InternalServerError, 500),
    ],
)
def test_inside_an_answer_the_type_or_the_code_stands_for_the_status(
    body: Any, cls: type[APIStatusError], status: int
) -> None:
    error = error_from_frame(body)
    assert type(error) is cls
    assert error.status_code == status
    assert error.body == body
    assert error.response is None
    assert "x" in str(error) or "no active" in str(error)


def test_the_tree() -> None:
    bases = {
        InvalidRequestError: (StepPlanError, ValueError),
        APIConnectionError: (StepPlanError,),
        APITimeoutError: (APIConnectionError,),
        IncompleteStreamError: (StepPlanError,),
        ResponseDecodeError: (StepPlanError,),
        APIStatusError: (StepPlanError,),
        BadRequestError: (APIStatusError,),
        ContextOverflowError: (BadRequestError,),
        AuthenticationError: (APIStatusError,),
        PermissionDeniedError: (APIStatusError,),
        NotFoundError: (APIStatusError,),
        RateLimitError: (APIStatusError,),
        QuotaExceededError: (APIStatusError,),
        ContentBlockedError: (APIStatusError,),
        InternalServerError: (APIStatusError,),
        OverloadedError: (InternalServerError,),
    }
    assert {cls: cls.__bases__ for cls in bases} == bases


def test_every_error_has_all_that_tracers_look_for() -> None:
    for cls in (StepPlanError, InvalidRequestError, APITimeoutError, ResponseDecodeError, RateLimitError):
        error = cls("x")
        assert (error.status_code, error.body, error.trace_id, error.request_id, error.response, error.partial) == (
            None,
        ) * 6
        assert isinstance(error.is_retryable, bool)
    error = refused(500, "x")
    error.trace_id = "t-1"
    assert error.request_id == "t-1"


def test_errors_can_be_sent_to_another_process() -> None:
    error = refused(429, '{"error": {"message": "slow", "type": "rate_limited"}}')
    error.partial, error.retry_after, error.trace_id = Response(), 3.0, "t-1"
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is RateLimitError
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__
