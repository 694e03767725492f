"""Every status and body of a refusal becomes the error of its kind, in one clear line that names the fix."""

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
from stepplan.refusals import error_from_frame, is_error
from tests.support.driver import refused

BODIES: list[tuple[int, str, str, type[APIStatusError]]] = [
    (400, "input_invalid", "The input you provided is invalid", BadRequestError),
    (400, "input_invalid", "Request param: top_p is invalid, recommended val is: 0.9", BadRequestError),
    (400, "request_params_invalid", "model", BadRequestError),
    (400, "request_params_invalid", "invalid msg role: function", BadRequestError),
    (400, "request_params_invalid", "you have no active step plan subscription", PermissionDeniedError),
    (400, "images_too_many", "too many images", BadRequestError),
    (400, "unsupported_content_type", "image", BadRequestError),
    (400, "x", "you have no active step plan subscription", PermissionDeniedError),
    (400, "x", "The model step-9 does not exist", NotFoundError),
    (400, "x", "No such model: step-9", NotFoundError),
    (400, "model_not_found", "step-9", NotFoundError),
    (400, "model_invalid", "step-9", NotFoundError),
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
    (400, "context_length_exceeded", "too many", ContextOverflowError),
    (400, "content_policy_violation", "no", ContentBlockedError),
    (413, "x", "Payload too large", BadRequestError),
    (422, "x", "wrong", BadRequestError),
    (401, "invalid_api_key", "Incorrect API key provided", AuthenticationError),
    (402, "quota_exceeded", "You exceeded your current quota, please check your plan", QuotaExceededError),
    (429, "quota_exceeded", "used up", QuotaExceededError),
    (429, "insufficient_quota", "used up", QuotaExceededError),
    (429, "x", "You exceeded your current quota, please check your plan", QuotaExceededError),
    (403, "x", "forbidden", PermissionDeniedError),
    (404, "model_not_found", "The model step-9 does not exist", NotFoundError),
    (404, "model_invalid", 'The model "step-9" does not exist or you do not have access to it', NotFoundError),
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


@pytest.mark.guarantees("error-classes", "context-overflow")
@pytest.mark.parametrize(("status", "kind", "message", "cls"), BODIES)
def test_a_documented_body_becomes_its_error(status: int, kind: str, message: str, cls: type[APIStatusError]) -> None:
    body = {"error": {"message": message, "type": kind}}
    error = refused(status, json.dumps(body))
    assert type(error) is cls
    assert error.status_code == status
    assert error.body == body
    assert error.response is not None
    assert error.response.json() == body
    assert str(error).startswith(f"{status} {kind}: {message.rstrip('.')}.")
    assert error.partial is None


SHAPES: list[tuple[Any, str]] = [
    ({"error": {"message": "Slow down", "type": "rate_limited", "code": None, "param": None}}, "rate_limited"),
    ({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}, "rate_limit_error"),
    ({"type": "error", "message": "Slow down"}, ""),
    (
        {"object": "error", "message": "Slow down", "type": "RateLimitError", "param": None, "code": 429},
        "RateLimitError",
    ),
    ({"error": "Slow down"}, ""),
    ({"error": {"message": "Slow down", "type": "None", "code": "429"}}, ""),
    ({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}, "rate_limit_exceeded"),
    ({"error": {"message": "Slow\n  down", "code": 429}}, ""),
    ({"error": {"error": {"message": "Slow down", "type": "rate_limited"}}}, "rate_limited"),
    ({"error": [{"message": "Slow down", "type": "rate_limited"}]}, "rate_limited"),
    ({"errors": [{"message": "Slow down"}]}, ""),
    ([{"error": {"message": "Slow down"}}], ""),
    ({"detail": "Slow down"}, ""),
    ({"detail": {"message": "Slow down", "type": "rate_limited"}}, "rate_limited"),
    ({"detail": {"error": {"message": "Slow down"}}}, ""),
    ({"message": "Slow down"}, ""),
    ({"code": "429", "msg": "Slow down"}, ""),
    ({"code": 429, "message": "Slow down", "data": None}, ""),
    ({"error": {"error_msg": "Slow down", "error_code": 18}}, ""),
    ({"error": {"reason": "Slow down"}}, ""),
    ({"error": {"title": "Slow down"}}, ""),
    ({"error": "rate_limited", "error_description": "Slow down"}, ""),
    ({"title": "Too Many Requests", "detail": "Slow down", "type": "https://errors.example/429", "status": 429}, ""),
    ("Slow down", ""),
]


@pytest.mark.guarantees("odd-error-bodies")
@pytest.mark.parametrize(("body", "kind"), SHAPES)
def test_the_servers_text_is_found_in_whatever_shape_it_comes(body: Any, kind: str) -> None:
    error = refused(429, body if isinstance(body, str) else json.dumps(body))
    assert str(error).startswith(f"429 {kind}".rstrip() + ": Slow down. ")
    assert type(error) is RateLimitError
    assert error.body == body


def test_the_parameter_that_a_server_refuses_is_named() -> None:
    body = {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Field required", "type": "missing"}]}
    assert str(refused(422, json.dumps(body))) == "422 missing: body.messages.0.role: Field required."
    assert type(error_from_frame(body)) is BadRequestError


ODD_BODIES: list[tuple[str, Any, str]] = [
    ("", None, "the server gave no reason"),
    (" \n", " \n", "the server gave no reason"),
    ("404 page not found", "404 page not found", "404 page not found"),
    (
        "<html>\n  <b>Bad   Gateway</b></html>",
        "<html>\n  <b>Bad   Gateway</b></html>",
        "<html> <b>Bad Gateway</b></html>",
    ),
    ("\ufffd\x00\x01", "\ufffd\x00\x01", "\ufffd"),
    ('"just words"', "just words", "just words"),
    ('{"error": null}', {"error": None}, "the server gave no reason"),
    ('{"error": {}}', {"error": {}}, "the server gave no reason"),
    ('{"error": []}', {"error": []}, "the server gave no reason"),
    ('{"detail": "不行"}', {"detail": "不行"}, "不行"),
    ('{"error": {"message": null, "type": 7, "code": "x"}}', None, '"type": 7'),
    ('{"error": {"message": {"a": 1}}}', None, '{"message": {"a": 1}}'),
    ('{"error": {"message": " ", "type": "x"}}', None, '{"message": " ", "type": "x"}'),
    ('{"detail": [1, 2]}', {"detail": [1, 2]}, '{"detail": [1, 2]}'),
    ('[{"error": 1}]', [{"error": 1}], '[{"error": 1}]'),
    ("null", None, "the server gave no reason"),
    ("0", 0, "the server gave no reason"),
    ("[]", [], "the server gave no reason"),
    ("x" * 5000, "x" * 5000, "x" * 300),
]


@pytest.mark.guarantees("odd-error-bodies")
@pytest.mark.parametrize(("text", "body", "message"), ODD_BODIES)
@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_an_odd_body_does_not_hide_the_status(text: str, body: Any, message: str, status: int) -> None:
    error = refused(status, text)
    assert error.status_code == status
    assert message in str(error)
    assert len(str(error)) < 700
    if body is not None:
        assert error.body == body


@pytest.mark.guarantees("odd-error-bodies")
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "x" * 300_000, "type": "y" * 300_000, "code": "z" * 300_000}},
        {"error": {"message": "x" * 300_000, "type": "input_invalid"}},
        {"error": {"message": {"inner": "x" * 300_000}}},
        {"detail": "x" * 300_000},
        "x" * 300_000,
    ],
)
def test_a_long_text_is_cut_in_the_message_and_whole_in_the_body(body: Any) -> None:
    for error in (refused(400, json.dumps(body)), error_from_frame(body)):
        assert len(str(error)) < 500
        assert "..." in str(error)
        assert error.body == body


def test_a_cause_that_is_named_late_in_a_long_text_is_found() -> None:
    message = "x" * 5000 + " maximum context length exceeded"
    assert type(refused(400, json.dumps({"error": {"message": message}}))) is ContextOverflowError
    assert type(error_from_frame({"error": {"message": message}})) is ContextOverflowError


@pytest.mark.guarantees("depth")
@pytest.mark.parametrize("text", ["[" * 2000 + "]" * 2000, '{"error":' * 2000 + "1" + "}" * 2000])
def test_a_deep_body_is_one_sentence(text: str) -> None:
    error = refused(400, text)
    assert type(error) is BadRequestError
    assert len(str(error)) < 500
    assert error.body == text


def test_the_json_of_a_refusal_that_is_nested_too_deeply_is_a_value_error() -> None:
    error = refused(400, "[" * 100_000 + "]" * 100_000)
    assert error.response is not None
    with pytest.raises(ValueError, match="nested too deeply"):
        error.response.json()


FRAMES: list[tuple[Any, type[APIStatusError], int]] = [
    ({"error": {"type": "api_error", "message": "x"}}, InternalServerError, 500),
    ({"error": {"type": "unheard_of", "message": "x"}}, InternalServerError, 500),
    ({"error": {"type": "BadRequestError", "code": 400, "message": "x"}}, BadRequestError, 400),
    ({"error": {"type": "x", "code": 503, "message": "x"}}, OverloadedError, 503),
    ({"error": {"type": "x", "code": "429", "message": "x"}}, RateLimitError, 429),
    ({"error": {"type": "x", "code": 7, "message": "x"}}, InternalServerError, 500),
    ({"error": {"type": "x", "code": "7", "message": "x"}}, InternalServerError, 500),
    ({"error": {"type": "x", "code": True, "message": "x"}}, InternalServerError, 500),
    ({"error": {"type": "invalid_request_error", "code": "model_not_found", "message": "x"}}, NotFoundError, 404),
    ({"error": {"type": "x", "code": "context_length_exceeded", "message": "x"}}, ContextOverflowError, 400),
    ({"error": {"type": "input_invalid", "message": "no active step plan x"}}, PermissionDeniedError, 400),
    ({"error": "This model's maximum context length is x"}, ContextOverflowError, 400),
    ({"error": "The model x does not exist"}, NotFoundError, 400),
    ({"error": "You exceeded your current quota x"}, QuotaExceededError, 500),
    ({"object": "error", "message": "x", "type": "NotFoundError", "code": 404}, NotFoundError, 404),
    ({"object": "error", "message": "x", "type": "BadRequestError", "code": None}, BadRequestError, 400),
    ({"object": "error", "message": "x"}, InternalServerError, 500),
    ({"type": "error", "message": "x"}, InternalServerError, 500),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, OverloadedError, 529),
    ({"detail": "x"}, InternalServerError, 500),
    ({"detail": "Not Found"}, NotFoundError, 404),
    ({"status": "429", "message": "x"}, RateLimitError, 429),
    ({"error": "x"}, InternalServerError, 500),
    ("x", InternalServerError, 500),
    (None, InternalServerError, 500),
]


@pytest.mark.parametrize(("body", "cls", "status"), FRAMES)
def test_inside_an_answer_the_body_stands_for_the_status(body: Any, cls: type[APIStatusError], status: int) -> None:
    error = error_from_frame(body)
    assert type(error) is cls
    assert error.status_code == status
    assert error.body == body
    assert error.response is None


@pytest.mark.parametrize("body", [{"error": "x"}, {"type": "error", "message": "x"}, {"detail": "x"}, "x"])
def test_an_error_of_an_unknown_kind_is_not_retried(body: Any) -> None:
    assert not error_from_frame(body).is_retryable
    assert error_from_frame({"error": {"type": "api_error"}}).is_retryable
    assert error_from_frame({"error": {"message": "x", "code": "503"}}).is_retryable


@pytest.mark.parametrize("body", [body for body, *_ in FRAMES if isinstance(body, dict)])
def test_an_error_inside_an_answer_is_recognised(body: dict[str, Any]) -> None:
    assert is_error(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": [], "error": None},
        {"choices": [{"message": {"content": "x"}}], "message": "hello", "detail": "x"},
        {"id": "x", "object": "chat.completion.chunk", "usage": {"prompt_tokens": 1}},
        {"type": "message", "content": [], "message": "x"},
        {"type": "message_start", "message": {"id": "x"}},
        {"type": "ping"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"object": "list", "data": []},
        {"input_tokens": 5},
        {"error": "", "choices": []},
        {"detail": None},
    ],
)
def test_an_answer_is_not_taken_for_an_error(body: dict[str, Any]) -> None:
    assert not is_error(body)


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


@pytest.mark.guarantees("error-details")
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


@pytest.mark.guarantees("error-details")
def test_errors_can_be_sent_to_another_process() -> None:
    error = refused(429, '{"error": {"message": "slow", "type": "rate_limited"}}')
    error.partial, error.retry_after, error.trace_id = Response(), 3.0, "t-1"
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is RateLimitError
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__
