"""Turns a refusal, its status and its body, into a member of the error tree, with a sentence that names the fix."""

import json
import re
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

from stepplan.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContentBlockedError,
    ContextOverflowError,
    ErrorResponse,
    InternalServerError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
)

_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    451: ContentBlockedError,
    503: OverloadedError,
    529: OverloadedError,
}

_RETRYABLE_OTHERS = {408, 409}
"""Statuses without a class of their own that refuse only for now."""

# Inside an answer there is no status: the error's type stands for one. StepFun's types, then Anthropic's.
_STATUS_OF_TYPE = {
    "input_invalid": 400,
    "request_params_invalid": 400,
    "images_too_many": 400,
    "unsupported_content_type": 400,
    "invalid_api_key": 401,
    "quota_exceeded": 402,
    "model_not_found": 404,
    "rate_limited": 429,
    "censorship_blocked": 451,
    "censorship_block": 451,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}

# No body of StepFun's for this is public; these are the words the servers of this family use.
_OVERFLOW = re.compile(
    r"maximum context length|context length|context size|prompt (is )?too (long|large)|exceeds?.{0,40}context",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(r"model.{0,80}(does not exist|not found)|no such model|model_not_found", re.IGNORECASE)
_NO_PLAN = re.compile(r"no active step plan", re.IGNORECASE)
_QUOTA = re.compile(r"exceeded your current quota", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request went and with which key, for errors that have to say so.

    Attributes:
        url: The whole URL.
        host: Its host.
        key_source: Where the key came from: `api_key`, or the name of a variable.
        other_region: The setting that asks for the other region; `None` where there are no regions.
        model: The model that was asked for.
    """

    url: str
    host: str
    key_source: str
    other_region: str | None
    model: str | None


def error_from_response(response: ErrorResponse, origin: Origin) -> APIStatusError:
    """The error for an answer that refuses, whatever its body looks like."""
    try:
        body: Any = from_json(response.text)
    except ValueError:
        body = response.text or None
    error = _build(response.status_code, body, origin)
    error.response = response
    return error


def error_from_frame(body: Any) -> APIStatusError:
    """The error for an error that came inside an answer whose HTTP status said yes."""
    kind, _, code = _read(body)
    return _build(_STATUS_OF_TYPE.get(kind) or code or 500, body, None)


def _build(status: int, body: Any, origin: Origin | None) -> APIStatusError:
    kind, said, _ = _read(body)
    cls = _class_for(status, kind, said)
    what = f"{status}{f' {kind}' if kind else ''}: {said or 'the server gave no reason'}".rstrip(".") + "."
    fix = _fix(cls, kind, said, origin, body)
    error = cls(f"{what} {fix}" if fix else what, body=body)
    error.status_code = status
    error.is_retryable = cls.is_retryable or status in _RETRYABLE_OTHERS
    return error


def _class_for(status: int, kind: str, said: str) -> type[APIStatusError]:
    if kind == "quota_exceeded" or _QUOTA.search(said):
        return QuotaExceededError
    if status in {400, 413, 422}:
        if kind == "exceed_context_size_error" or _OVERFLOW.search(said):
            return ContextOverflowError
        if _NO_PLAN.search(said):
            return PermissionDeniedError
        if _is_model_missing(kind, said):
            return NotFoundError
    return _BY_STATUS.get(status) or (InternalServerError if status >= 500 else APIStatusError)


def _is_model_missing(kind: str, said: str) -> bool:
    return kind == "model_not_found" or _NO_MODEL.search(said) is not None


def _fix(cls: type[APIStatusError], kind: str, said: str, origin: Origin | None, body: Any) -> str:
    """What to do about it, in a sentence; empty where nobody can say."""
    if cls is QuotaExceededError:
        return "The plan's credits are used up: add a booster pack or wait for the next month."
    if cls is RateLimitError:
        return "Too many requests: slow down, or use fewer at once."
    if cls is ContextOverflowError:
        return "Shorten the conversation or lower max_tokens."
    if origin is None:
        return ""
    if cls is AuthenticationError:
        sent = f"The key came from {origin.key_source} and was sent to {origin.host}"
        if origin.other_region is None:
            return f"{sent}."
        return f"{sent}; a key works in one region only: if yours is of the other one, set {origin.other_region}."
    if cls is PermissionDeniedError and _NO_PLAN.search(said):
        if origin.other_region is None:
            return "Subscribe to a Step Plan."
        return f"Subscribe to a Step Plan, or set {origin.other_region} if the subscription is of the other region."
    if cls is NotFoundError:
        if _is_model_missing(kind, said):
            return f"Check the model's name: {origin.model!r} was asked for."
        if not isinstance(body, dict):
            return f"There is no such path: {origin.url}. Check base_url; the plan's ends in /step_plan."
        return f"Check the model's name, {origin.model!r}, and the address, {origin.url}."
    return ""


def _read(body: Any) -> tuple[str, str, int | None]:
    """Type, message and status in an error body: `{"error": {…}}`, `{"error": "…"}`, `{"message": …}` or anything."""
    inner: Any = cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else body
    if isinstance(inner, str):
        return "", " ".join(inner.split())[:300], None
    fields = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    kind, said, code = fields.get("type"), fields.get("message"), fields.get("code")
    if not isinstance(said, str):
        said = json.dumps(inner, ensure_ascii=False)[:300] if inner else ""
    is_status = isinstance(code, int) and 400 <= code < 600
    return kind if isinstance(kind, str) else "", said, code if is_status else None
