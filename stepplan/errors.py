"""The error tree. `stepplan.refusals` decides which class a server's refusal becomes.

StepPlanError
├── InvalidRequestError          refused here, before anything was sent (also a ValueError)
├── APIConnectionError           no answer: the connection was refused, reset or closed early
│   └── APITimeoutError          no answer in time, or a stream that fell silent
├── IncompleteStreamError        a stream ended before the answer did
├── ResponseDecodeError          an answer that cannot be read
└── APIStatusError               the server refused
    ├── BadRequestError          400, 413, 422
    │   └── ContextOverflowError    the input exceeds the model's context window
    ├── AuthenticationError      401
    ├── PermissionDeniedError    403, and 400 "no active step plan subscription"
    ├── NotFoundError            404: no such path, no such model
    ├── RateLimitError           429
    ├── QuotaExceededError       402, and 429 with a used-up quota
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
    """The reply of a server that refused, in the shape that tracers read. It holds no header of the request.

    Attributes:
        status_code: The HTTP status.
        headers: The reply's headers, by name in lower case.
        text: The body.
    """

    status_code: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is not JSON, or is nested too deeply.
        """
        try:
            return json.loads(self.text)
        except RecursionError:
            raise ValueError("The body is nested too deeply.") from None


class StepPlanWarning(UserWarning):
    """Something works, but may not do what was intended."""


class StepPlanError(Exception):
    """The base class of all errors of this project.

    Attributes:
        status_code: The HTTP status. For an error inside an answer, the status of that type of error.
        body: What the server sent instead of an answer: parsed JSON, or else text. `None` if it sent nothing.
        trace_id: The id to quote to StepFun's support (`X-Trace-Id`).
        response: The HTTP response of a server that refused.
        partial: The part of the answer that had arrived.
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
        """The trace id, under the name that tracers read."""
        return self.trace_id


class InvalidRequestError(StepPlanError, ValueError):
    """The request was refused before anything was sent. The message names the argument and the fix."""


class APIConnectionError(StepPlanError):
    """The server did not answer: the connection was refused, reset or closed early."""

    is_retryable = True


class APITimeoutError(APIConnectionError):
    """The answer did not arrive in time, or a stream sent nothing but pings for too long."""


class IncompleteStreamError(StepPlanError):
    """A stream ended before the answer did. `partial` holds the part that had arrived."""

    is_retryable = True


class ResponseDecodeError(StepPlanError):
    """The status was a success, but the answer cannot be read. `body` holds it."""


class APIStatusError(StepPlanError):
    """The server refused, by its HTTP status or by an error inside an answer.

    Attributes:
        retry_after: Seconds that the server asks to wait (`Retry-After`).
    """

    retry_after: float | None = None


class BadRequestError(APIStatusError):
    """400, 413, 422: the request is wrong, and fails again if it is sent again."""


class ContextOverflowError(BadRequestError):
    """The input does not fit in the model's context window."""


class AuthenticationError(APIStatusError):
    """401: the key is wrong, or belongs to the other region."""


class PermissionDeniedError(APIStatusError):
    """403, or an account without a Step Plan."""


class NotFoundError(APIStatusError):
    """404: no such path, or no such model."""


class RateLimitError(APIStatusError):
    """429: too many requests, or too many at a time.

    Attributes:
        concurrency_limit: How many requests the account may have running, if that is what was exceeded.
    """

    concurrency_limit: int | None = None
    is_retryable = True


class QuotaExceededError(APIStatusError):
    """402: the plan's Credits are used up. It is never retried, because they do not come back within seconds."""


class ContentBlockedError(APIStatusError):
    """451: moderation blocked the prompt or the answer."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""

    is_retryable = True


class OverloadedError(InternalServerError):
    """503 or 529: the server is overloaded."""
