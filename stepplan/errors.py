"""The error tree. `stepplan.refusals` decides which member a refusal becomes.

StepPlanError
├── InvalidRequestError          refused here, before anything was sent (also a ValueError)
├── APIConnectionError           no answer: refused, reset, closed early
│   └── APITimeoutError          no answer in time, or a stream that fell silent
├── IncompleteStreamError        a stream ended without its end
├── ResponseDecodeError          an answer that cannot be read
└── APIStatusError               the server refused
    ├── BadRequestError          400, 413, 422
    │   └── ContextOverflowError    more input than the model's window
    ├── AuthenticationError      401
    ├── PermissionDeniedError    403, and 400 "no active step plan subscription"
    ├── NotFoundError            404: no such path, no such model
    ├── RateLimitError           429
    ├── QuotaExceededError       402, and 429 that says the quota is used up
    ├── ContentBlockedError      451
    └── InternalServerError      5xx
        └── OverloadedError      503, 529
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepplan.responses import Response


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """What the server sent when it refused, in the shape tracers look for. Holds no request header, so no key."""

    status_code: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.text)


class StepPlanWarning(UserWarning):
    """Something works, but probably not as meant."""


class StepPlanError(Exception):
    """The base of every error here.

    Attributes:
        status_code: The HTTP status; for an error inside an answer, the status that its type stands for.
        body: What the server sent instead of an answer: parsed JSON, else text; `None` if there was nothing.
        trace_id: What to quote to StepFun's support (`X-Trace-Id`).
        response: Status, headers and text of the refusal.
        partial: What had arrived of the answer before it broke off.
        is_retryable: Whether the same request may succeed later.
    """

    is_retryable: bool = False

    def __init__(self, message: str, *, body: Any = None) -> None:
        super().__init__(message)
        self.status_code: int | None = None
        self.body = body
        self.trace_id: str | None = None
        self.response: ErrorResponse | None = None
        self.partial: Response | None = None

    @property
    def request_id(self) -> str | None:
        """The trace id, under the name tracers look for."""
        return self.trace_id


class InvalidRequestError(StepPlanError, ValueError):
    """Refused before anything was sent: the message names what, and the fix."""


class APIConnectionError(StepPlanError):
    """No answer: the connection was refused, reset or closed early."""

    is_retryable = True


class APITimeoutError(APIConnectionError):
    """No answer in time, or a stream that brought nothing but pings for too long."""


class IncompleteStreamError(StepPlanError):
    """A stream ended without the event that ends it. What had arrived is in `partial`."""

    is_retryable = True


class ResponseDecodeError(StepPlanError):
    """The server said yes, but the answer cannot be read. `body` holds it."""


class APIStatusError(StepPlanError):
    """The server refused, by HTTP status or by an error inside a stream.

    Attributes:
        retry_after: Seconds the server asked to wait (`Retry-After`).
    """

    retry_after: float | None = None


class BadRequestError(APIStatusError):
    """400, 413, 422: the request is wrong; sending it again will not help."""


class ContextOverflowError(BadRequestError):
    """The input does not fit in the model's context window."""


class AuthenticationError(APIStatusError):
    """401: the key is wrong, or belongs to the other region."""


class PermissionDeniedError(APIStatusError):
    """403, or an account without a Step Plan."""


class NotFoundError(APIStatusError):
    """404: no such path, or no such model."""


class RateLimitError(APIStatusError):
    """429: too many requests, or too many at once."""

    is_retryable = True


class QuotaExceededError(APIStatusError):
    """402: the plan's credits are used up. Waiting seconds does not help, so it is never retried."""


class ContentBlockedError(APIStatusError):
    """451: moderation blocked the prompt or the answer."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""

    is_retryable = True


class OverloadedError(InternalServerError):
    """503 or 529: the server has too much to do."""
