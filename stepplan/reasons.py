"""Reads why a server refused, in whatever shape it says so.

StepFun and OpenAI send `{"error": {"message", "type", "code"}}`, Anthropic `{"type": "error", "error": {...}}`, vLLM
`{"object": "error", "message", "type", "code"}`, FastAPI `{"detail": ...}`, proxies `{"code": "429", "msg": ...}`, a
page, plain text or nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

_LONGEST_NAME = 64

ERROR_TEXTS = ("message", "msg", "error_description", "error_msg", "errorMessage", "error_message", "Message")
"""Keys of a text that only errors have at the top."""
_MESSAGES = (*ERROR_TEXTS[:2], "detail", *ERROR_TEXTS[2:], "error", "reason", "title")
"""Where servers put their text, in the order of preference within one object."""

_INSIDE = ("error", "errors", "detail")
_NUMBERS = ("code", "status_code", "status")
_NO_NAMES = {"", "error", "none", "null"}

# Names of errors, without the ending "_error" or "_exception", and the HTTP status that they stand for.
_STATUS_OF_NAME = {
    # StepFun
    "input_invalid": 400,
    "request_params_invalid": 400,
    "images_too_many": 400,
    "unsupported_content_type": 400,
    "invalid_api_key": 401,
    "quota_exceeded": 402,
    "model_invalid": 404,
    "model_not_found": 404,
    "rate_limited": 429,
    "censorship_blocked": 451,
    "censorship_block": 451,
    "engine": 500,
    # Anthropic
    "invalid_request": 400,
    "authentication": 401,
    "billing": 402,
    "permission": 403,
    "request_too_large": 413,
    "rate_limit": 429,
    "api": 500,
    "timeout": 504,
    "overloaded": 529,
    # OpenAI, and servers that follow it: llama.cpp, vLLM, SGLang
    "context_length_exceeded": 400,
    "exceed_context_size": 400,
    "insufficient_quota": 402,
    "permission_denied": 403,
    "rate_limit_exceeded": 429,
    "content_filter": 451,
    "content_policy_violation": 451,
    "server": 500,
    "internal_server": 500,
    "not_supported": 501,
    "unavailable": 503,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a server refused.

    Attributes:
        kind: The error's type as the server wrote it, else its code; empty if there is neither.
        message: The server's text on one line; empty if there is none.
        names: Type and code in one spelling: snake case, without the ending `_error` or `_exception`.
        status: The HTTP status that the body states, else the one that its names stand for.
    """

    kind: str
    message: str
    names: frozenset[str]
    status: int | None


def read_reason(body: Any) -> Reason:
    """The reason in the body of an error: JSON of any shape, text, or `None`."""
    kind = code = message = ""
    status: int | None = None
    for layer in _layers(body):  # the inner ones are more specific
        kind = _name(layer.get("type")) or kind
        code = _name(layer.get("code")) or code
        message = _message(layer) or message
        status = stated_status(layer) or status
    names = [_spelled(name) for name in (code, kind) if name]
    known = (_status_of(name) for name in (*names, _spelled(message)))
    return Reason(
        kind=(kind or code)[:_LONGEST_NAME],
        message=" ".join((message or _as_text(body)).split()),
        names=frozenset(names),
        status=status or next(filter(None, known), None),
    )


def _layers(body: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in which an error is wrapped, from the outside in. Of several errors, the first."""
    while True:
        if isinstance(body, list) and body:
            body = cast("Sequence[Any]", body)[0]
        if not isinstance(body, dict):
            return
        layer = cast("dict[str, Any]", body)
        yield layer
        body = next((layer[key] for key in _INSIDE if isinstance(layer.get(key), dict | list)), None)


def _name(value: Any) -> str:
    """A type or a code, if it is a name: neither a number, nor the address of a page that explains the error."""
    name = value.strip() if isinstance(value, str) else ""
    return "" if name.lower() in _NO_NAMES or name.isdigit() or "/" in name else name


def _spelled(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+", "_", name[:_LONGEST_NAME]).lower()
    return snake.removesuffix("_error").removesuffix("_exception")


def _status_of(name: str) -> int | None:
    if name in _STATUS_OF_NAME:
        return _STATUS_OF_NAME[name]
    standard = HTTPStatus.__members__.get(name.upper())
    return standard.value if standard is not None and standard >= 400 else None


def _message(layer: Mapping[str, Any]) -> str:
    found = next((value for key in _MESSAGES if isinstance(value := layer.get(key), str) and value.strip()), "")
    where = layer.get("loc")  # FastAPI's path of the parameter that it refuses
    return (
        f"{'.'.join(map(str, cast('Sequence[Any]', where)))}: {found}" if found and isinstance(where, list) else found
    )


def stated_status(layer: Mapping[str, Any]) -> int | None:
    """The HTTP status of a failure that an object states itself."""
    for key in _NUMBERS:
        value = layer.get(key)
        number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{3}", value, re.ASCII) else value
        if isinstance(number, int) and 400 <= number < 600:
            return number
    return 422 if "loc" in layer else None


def _as_text(body: Any) -> str:
    if isinstance(body, str):
        return body
    inner = cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else body
    return json.dumps(inner, ensure_ascii=False) if inner else ""
