"""Each known type of error inside an answer is the error of its class, streamed and whole, over both protocols."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from stepplan import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContentBlockedError,
    ContextOverflowError,
    InternalServerError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolName,
    QuotaExceededError,
    RateLimitError,
    ResponseDecodeError,
    RetryPolicy,
)
from tests.support.clients import PROTOCOLS
from tests.support.driver import Reply, send, stream

TYPES: list[tuple[str, type[APIStatusError], int, bool]] = [
    # StepFun's
    ("input_invalid", BadRequestError, 400, False),
    ("request_params_invalid", BadRequestError, 400, False),
    ("images_too_many", BadRequestError, 400, False),
    ("unsupported_content_type", BadRequestError, 400, False),
    ("invalid_api_key", AuthenticationError, 401, False),
    ("quota_exceeded", QuotaExceededError, 402, False),
    ("model_not_found", NotFoundError, 404, False),
    ("model_invalid", NotFoundError, 404, False),
    ("rate_limited", RateLimitError, 429, True),
    ("censorship_blocked", ContentBlockedError, 451, False),
    ("censorship_block", ContentBlockedError, 451, False),
    ("engine_exception", InternalServerError, 500, True),
    # Anthropic's
    ("invalid_request_error", BadRequestError, 400, False),
    ("authentication_error", AuthenticationError, 401, False),
    ("billing_error", QuotaExceededError, 402, False),
    ("permission_error", PermissionDeniedError, 403, False),
    ("not_found_error", NotFoundError, 404, False),
    ("request_too_large", BadRequestError, 413, False),
    ("rate_limit_error", RateLimitError, 429, True),
    ("api_error", InternalServerError, 500, True),
    ("timeout_error", InternalServerError, 504, True),
    ("overloaded_error", OverloadedError, 529, True),
    # OpenAI's, and those of servers that follow it
    ("context_length_exceeded", ContextOverflowError, 400, False),
    ("exceed_context_size_error", ContextOverflowError, 400, False),
    ("insufficient_quota", QuotaExceededError, 402, False),
    ("permission_denied", PermissionDeniedError, 403, False),
    ("rate_limit_exceeded", RateLimitError, 429, True),
    ("content_filter", ContentBlockedError, 451, False),
    ("content_policy_violation", ContentBlockedError, 451, False),
    ("server_error", InternalServerError, 500, True),
    ("not_supported_error", InternalServerError, 501, True),
    ("unavailable_error", OverloadedError, 503, True),
    # vLLM's and SGLang's: names of classes, and the names of the statuses
    ("BadRequestError", BadRequestError, 400, False),
    ("BadRequest", BadRequestError, 400, False),
    ("AuthenticationError", AuthenticationError, 401, False),
    ("PermissionDeniedError", PermissionDeniedError, 403, False),
    ("NotFoundError", NotFoundError, 404, False),
    ("UnprocessableEntityError", BadRequestError, 422, False),
    ("RateLimitError", RateLimitError, 429, True),
    ("InternalServerError", InternalServerError, 500, True),
    ("ServiceUnavailableError", OverloadedError, 503, True),
    ("Bad Request", BadRequestError, 400, False),
    ("Unauthorized", AuthenticationError, 401, False),
    ("PAYMENT_REQUIRED", QuotaExceededError, 402, False),
    ("Forbidden", PermissionDeniedError, 403, False),
    ("Not Found", NotFoundError, 404, False),
    ("TOO_MANY_REQUESTS", RateLimitError, 429, True),
    ("Internal Server Error", InternalServerError, 500, True),
    ("bad_gateway", InternalServerError, 502, True),
    ("service_unavailable", OverloadedError, 503, True),
    ("Gateway Timeout", InternalServerError, 504, True),
]
SHAPES: dict[str, Callable[[str], dict[str, Any]]] = {
    "error": lambda kind: {"error": {"type": kind, "message": "The reason."}},
    "anthropic": lambda kind: {"type": "error", "error": {"type": kind, "message": "The reason."}},
    "code": lambda kind: {"error": {"type": None, "code": kind, "message": "The reason."}},
    "object": lambda kind: {"object": "error", "type": kind, "message": "The reason."},
    "detail": lambda kind: {"detail": {"type": kind, "message": "The reason."}},
}
START: dict[ProtocolName, bytes] = {
    "openai": b'data: {"choices": [{"delta": {"content": "Partial"}}]}\n\n',
    "anthropic": b'data: {"type": "message_start", "message": {}}\n\n'
    b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Partial"}}\n\n',
}
PATIENT = RetryPolicy(max_retries=2)
JSON = {"content-type": "application/json"}


def check(error: Any, cls: type[APIStatusError], status: int) -> None:
    assert type(error) is cls
    assert error.status_code == status
    assert "The reason." in str(error)


@pytest.mark.guarantees("error-in-stream")
@pytest.mark.parametrize(("kind", "cls", "status", "retried"), TYPES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_type_of_error_is_its_class(
    kind: str, cls: type[APIStatusError], status: int, retried: bool, protocol: ProtocolName
) -> None:
    for name, shape in SHAPES.items():
        data = json.dumps(shape(kind)).encode()
        for event in (b"", b"event: error\n") if name == "anthropic" else (b"",):
            frame = event + b"data: " + data + b"\n\n"
            whole = send(protocol, [Reply([data], headers=JSON)] * (3 if retried else 1), PATIENT)
            check(whole.error, cls, status)
            first = stream(protocol, [Reply([frame])] * (3 if retried else 1), PATIENT)
            check(first.error, cls, status)
            later = stream(protocol, [Reply([START[protocol], frame])], PATIENT)
            check(later.error, cls, status)
            assert later.error is not None
            assert later.error.partial is not None
            assert later.error.partial.text == "Partial"


@pytest.mark.guarantees("error-in-stream")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "body",
    [
        {"error": "The reason."},
        {"error": {"message": "The reason.", "type": "unheard_of"}},
        {"object": "error", "message": "The reason."},
        {"type": "error", "message": "The reason."},
        {"detail": "The reason."},
        {"errors": [{"message": "The reason."}]},
        {"message": "The reason."},
        {"code": 7, "msg": "The reason."},
    ],
)
def test_an_error_of_an_unknown_type_is_raised_once_with_its_reason(protocol: ProtocolName, body: Any) -> None:
    data = json.dumps(body).encode()
    for outcome in (
        send(protocol, [Reply([data], headers=JSON)], PATIENT),
        stream(protocol, [Reply([b"data: " + data + b"\n\n"])], PATIENT),
        stream(protocol, [Reply([START[protocol], b"data: " + data + b"\n\n"])], PATIENT),
    ):
        check(outcome.error, InternalServerError, 500)
        assert outcome.opened == 1


DEEP = ["[" * 2000 + "]" * 2000, '{"a":' * 2000 + "1" + "}" * 2000]
AROUND = ["%s", '{"choices": %s}', '{"content": %s}', '{"error": %s}', '{"choices": [{"message": {"content": %s}}]}']


@pytest.mark.guarantees("depth")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("deep", DEEP, ids=["array", "object"])
@pytest.mark.parametrize("around", AROUND)
def test_an_answer_that_is_nested_too_deeply_is_one_sentence(protocol: ProtocolName, deep: str, around: str) -> None:
    text = around % deep
    for outcome in (
        send(protocol, [Reply([text.encode()], headers=JSON)], PATIENT),
        stream(protocol, [Reply([text.encode()], headers=JSON)], PATIENT),
        stream(protocol, [Reply([f"data: {text}\n\n".encode()])], PATIENT),
    ):
        assert isinstance(outcome.error, ResponseDecodeError)
        assert len(str(outcome.error)) < 400
        assert outcome.error.body == text


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("code", [429, "429"])
def test_a_status_in_the_body_is_the_status(protocol: ProtocolName, code: Any) -> None:
    data = json.dumps({"error": {"message": "The reason.", "type": "x", "code": code}}).encode()
    outcome = stream(protocol, [Reply([b"data: " + data + b"\n\n"])] * 3, PATIENT)
    check(outcome.error, RateLimitError, 429)
    assert outcome.opened == 3
