"""The documented error answers: a status and a body, the same over both protocols."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from stepplan.jsontext import utf8
from stepplan.sandbox.jsontools import dump

_ERRORS: dict[int, tuple[str, str]] = {
    400: ("input_invalid", "The input you provided is invalid"),
    401: ("invalid_api_key", "Incorrect API key provided"),
    402: ("quota_exceeded", "You exceeded your current quota, please check your plan and billing details"),
    403: ("permission_denied", "You do not have permission to access this resource"),
    404: ("model_invalid", "The model does not exist or you do not have access to it."),
    429: ("rate_limited", "request limited RPM reached, current: 11, limit: 10. Please top up at the console"),
    451: ("censorship_blocked", "The content you provided or machine outputted is blocked."),
    500: ("engine_exception", "The engine failed to process the request"),
    503: ("service_unavailable", "The service is overloaded, please try again later"),
    504: ("gateway_timeout", "The upstream service did not answer in time"),
}
# The reverse proxy in front of the service sends plain bodies.
_PLAIN: dict[int, tuple[str, str]] = {
    404: ("text/plain", "404 page not found"),
    502: ("text/html", "<html><head><title>502 Bad Gateway</title></head></html>"),
}


class Refusal(Exception):  # noqa: N818 - the service refuses; the sandbox did not fail
    """The service refuses this request.

    Args:
        status: The HTTP status.
        message: The error body's message; the documented one by default.
        kind: The error body's `type`; the documented one by default.
    """

    def __init__(self, status: int, message: str = "", kind: str = "") -> None:
        default_kind, default_message = _ERRORS[status]
        super().__init__(message or default_message)
        self.status = status
        self.message = message or default_message
        self.kind = kind or default_kind

    @property
    def body(self) -> dict[str, Any]:
        """The error body."""
        return {"error": {"message": self.message, "type": self.kind}}


def json_response(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Non-ASCII characters are sent as they are, not escaped."""
    return Response(utf8(dump(body)), status, headers, media_type="application/json")


def status_response(status: int, body: Mapping[str, Any] | str | None, headers: Mapping[str, str]) -> Response:
    """The answer for a scripted status, with the documented body unless another is given."""
    if isinstance(body, str):
        return Response(body, status, headers, media_type="text/plain")
    if body is None and status in _PLAIN:
        media_type, text = _PLAIN[status]
        return Response(text, status, headers, media_type=media_type)
    if body is None:
        kind, message = _ERRORS.get(status, ("unknown_error", f"The service answered {status}"))
        body = {"error": {"message": message, "type": kind}}
    return json_response(body, status, headers)


def not_found() -> Response:
    """The answer for a path that does not exist."""
    return status_response(404, None, {})
