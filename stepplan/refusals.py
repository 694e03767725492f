"""Turns what a server sends instead of an answer into an error of `stepplan.errors`, with a sentence on the fix."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json

from stepplan.endpoint import VARIABLE, Endpoint
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
from stepplan.models import closest_model
from stepplan.reasons import ERROR_TEXTS, Reason, read_reason, stated_status

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

_LONGEST = 300
"""Characters of a server's text in an error's message; its `body` holds the whole."""

_MAY_PASS = {408, 409}
"""Statuses without a class of their own that a retry may get past."""

_QUOTA = {"quota_exceeded", "insufficient_quota"}
_BLOCKED = {"censorship_blocked", "censorship_block", "content_filter", "content_policy_violation"}
_OVERFLOW = {"context_length_exceeded", "exceed_context_size"}
_NO_MODEL = {"model_not_found", "model_invalid"}

# StepFun has published no body for a context that is too long; these are the texts of servers of the same family.
_OVERFLOW_TEXT = re.compile(
    r"maximum context length|context length|context size|prompt (is )?too (long|large)|exceeds?.{0,40}context",
    re.IGNORECASE,
)
_NO_MODEL_TEXT = re.compile(r"model.{0,80}(does not exist|not found)|no such model|model_not_found", re.IGNORECASE)
_NO_PLAN_TEXT = re.compile(r"no active step plan", re.IGNORECASE)
_CONCURRENCY_TEXT = re.compile(r"concurrency\b.{0,80}?\blimit\D{0,5}(\d{1,9})", re.IGNORECASE)
_QUOTA_TEXT = re.compile(r"exceeded your current quota", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request went and with which key, for the advice in errors.

    Attributes:
        url: The whole URL.
        endpoint: The endpoint that it belongs to.
        key_source: Where the key came from: `api_key`, or the name of a variable.
        model: The model in the request, if it names one.
    """

    url: str
    endpoint: Endpoint
    key_source: str
    model: str | None


def error_from_response(response: ErrorResponse, origin: Origin) -> APIStatusError:
    """The error for a reply whose HTTP status is not a success, whatever its body looks like."""
    try:
        body: Any = from_json(response.text)
    except ValueError:
        body = response.text or None
    reason = read_reason(body)
    if 300 <= response.status_code < 400 and (target := response.headers.get("location")):
        reason = replace(reason, message=f"the server redirects to {target}; set base_url to what answers there")
    error = _build(response.status_code, body, reason, origin)
    error.response = response
    return error


def error_from_frame(body: Any) -> APIStatusError:
    """The error for one that the server sent inside a reply whose HTTP status is a success.

    An error of an unknown type without a status counts as a fault of the server, but one that is not retried.

    Args:
        body: The JSON value (or the text) that holds it.
    """
    reason = read_reason(body)
    status = reason.status or (400 if _kind_of_400(reason) else None)
    error = _build(status or 500, body, reason, None)
    error.is_retryable = error.is_retryable and status is not None
    return error


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether a JSON object that came with a successful status is an error, and not an answer or a piece of one."""
    if body.get("error") or body.get("object") == "error" or body.get("type") == "error":
        return True
    if "choices" in body or "content" in body or "delta" in body:  # only answers, and pieces of them, have these
        return False
    named = any(isinstance(body.get(key), str) for key in ERROR_TEXTS)
    return named or bool(body.get("detail") or body.get("errors") or stated_status(body))


def _build(status: int, body: Any, reason: Reason, origin: Origin | None) -> APIStatusError:
    cls = _class_for(status, reason)
    text = reason.message or "the server gave no reason"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    end = "" if text.endswith(".") else "."
    head = f"{status} {reason.kind}".rstrip()
    error = cls(f"{head}: {text}{end} {_fix(cls, reason, origin, body)}".rstrip(), body=body)
    error.status_code = status
    if isinstance(error, RateLimitError) and (found := _CONCURRENCY_TEXT.search(reason.message)):
        error.concurrency_limit = int(found[1])
    error.is_retryable = cls.is_retryable or status in _MAY_PASS
    return error


def _class_for(status: int, reason: Reason) -> type[APIStatusError]:
    if reason.names & _QUOTA or _QUOTA_TEXT.search(reason.message):
        return QuotaExceededError
    if reason.names & _BLOCKED:
        return ContentBlockedError
    if status in {400, 413, 422} and (cls := _kind_of_400(reason)):
        return cls
    return _BY_STATUS.get(status) or (InternalServerError if status >= 500 else APIStatusError)


def _kind_of_400(reason: Reason) -> type[APIStatusError] | None:
    """The class of an error that servers send with status 400, although its cause has a class of its own."""
    if reason.names & _OVERFLOW or _OVERFLOW_TEXT.search(reason.message):
        return ContextOverflowError
    if _NO_PLAN_TEXT.search(reason.message):
        return PermissionDeniedError
    return NotFoundError if _is_model_missing(reason) else None


def _is_model_missing(reason: Reason) -> bool:
    return bool(reason.names & _NO_MODEL) or _NO_MODEL_TEXT.search(reason.message) is not None


def _fix(cls: type[APIStatusError], reason: Reason, origin: Origin | None, body: Any) -> str:
    """What to do about it, in a sentence; empty where that depends on more than is known here."""
    if cls is QuotaExceededError:
        if origin is not None and origin.endpoint.is_pay_as_you_go:
            return "The balance of the pay-as-you-go platform is used up: top it up, or use the plan's URL."
        return "The plan's Credits are used up: add a booster pack or wait for the next month."
    if cls is RateLimitError:
        return "Too many requests: slow down, or send fewer at once."
    if cls is ContextOverflowError:
        return "Shorten the conversation or lower max_tokens."
    if origin is None:
        return ""
    if cls is AuthenticationError:
        return _fix_key(origin)
    if cls is PermissionDeniedError and _NO_PLAN_TEXT.search(reason.message):
        if origin.endpoint.other_region is None:
            return "Subscribe to a Step Plan."
        return f"Subscribe to a Step Plan, or set {origin.endpoint.other_region} if you have one in the other region."
    if cls is NotFoundError:
        return _fix_name(reason, origin, has_json=isinstance(body, dict))
    return ""


def _fix_key(origin: Origin) -> str:
    endpoint = origin.endpoint
    set_by = f" (set by {VARIABLE})" if endpoint.source == VARIABLE else ""
    sent = f"The key from {origin.key_source} was sent to {endpoint.host}{set_by}."
    if endpoint.other_region is not None:
        return f"{sent} A key works in one region only: if yours is for the other one, set {endpoint.other_region}."
    return f"{sent} To reach StepFun, unset {VARIABLE}." if set_by else sent


def _fix_name(reason: Reason, origin: Origin, *, has_json: bool) -> str:
    closest = closest_model(origin.model) if origin.model else None
    hint = f" Did you mean {closest!r}?" if closest else ""
    if _is_model_missing(reason):
        return f"Check the model's name, {origin.model!r}.{hint}"
    if has_json:
        return f"Check the model's name, {origin.model!r}, and the address, {origin.url}.{hint}"
    source = origin.endpoint.source
    check = f" Check {source}; the plan's URL ends in /step_plan." if source not in {"", "region"} else ""
    return f"There is no such path: {origin.url}.{check}"
