"""The core's errors as LangChain's: each class here is a member of both families, so `except` with either works.

The names are the core's. LangChain's middleware decides by its own base class, `ModelError`, and by `is_retryable`.
"""

from types import TracebackType
from typing import Any

from langchain_core import exceptions as lc

import stepplan
from stepplan import StepPlanError

# LangChain has a class for refusals since core 1.7.5.
Refusal: Any = getattr(lc, "ModelRefusalError", lc.ModelInvalidRequestError)


class OtherError(StepPlanError, lc.ModelError):
    """Any other failure."""


class InvalidRequestError(stepplan.InvalidRequestError, lc.ModelInvalidRequestError):
    """Refused before anything was sent. The message names what was refused, and the fix."""


class APIConnectionError(stepplan.APIConnectionError, lc.ModelConnectionError):
    """No answer: the connection was refused, reset or closed too early."""


class APITimeoutError(stepplan.APITimeoutError, APIConnectionError, lc.ModelTimeoutError):
    """No answer in time, or a stream that sent nothing but pings for too long."""


class IncompleteStreamError(stepplan.IncompleteStreamError, lc.ModelConnectionError):
    """A stream ended without the event that ends it. What had arrived is in `partial`."""


class ResponseDecodeError(stepplan.ResponseDecodeError, lc.ModelError):
    """The server answered with success, but the answer cannot be read. `body` holds it."""


class APIStatusError(stepplan.APIStatusError, lc.ModelError):
    """The server refused the request."""


class BadRequestError(stepplan.BadRequestError, APIStatusError, lc.ModelInvalidRequestError):
    """400, 413, 422: the request is wrong; sending it again will not help."""


class ContextOverflowError(stepplan.ContextOverflowError, BadRequestError, lc.ContextOverflowError):
    """The input does not fit in the model's context window. Summarization middleware acts on it."""


class AuthenticationError(stepplan.AuthenticationError, APIStatusError, lc.ModelAuthenticationError):
    """401: the key is wrong, or belongs to the other region."""


class PermissionDeniedError(stepplan.PermissionDeniedError, APIStatusError, lc.ModelPermissionDeniedError):
    """403, or an account without a Step Plan."""


class NotFoundError(stepplan.NotFoundError, APIStatusError, lc.ModelNotFoundError):
    """404: no such path, or no such model."""


class RateLimitError(stepplan.RateLimitError, APIStatusError, lc.ModelRateLimitError):
    """429: too many requests, or too many at once."""


class QuotaExceededError(stepplan.QuotaExceededError, APIStatusError, lc.ModelRateLimitError):
    """402: the plan's Credits are used up. A retry does not help, so `is_retryable` is False."""


class ContentBlockedError(stepplan.ContentBlockedError, APIStatusError, Refusal):  # type: ignore[misc]  # version of core
    """451: moderation blocked the prompt or the answer."""


class InternalServerError(stepplan.InternalServerError, APIStatusError, lc.ModelAPIError):
    """5xx: the server failed."""


class OverloadedError(stepplan.OverloadedError, InternalServerError):
    """503 or 529: the server is overloaded."""


_OURS: tuple[type[StepPlanError], ...] = (
    OtherError,
    InvalidRequestError,
    APIConnectionError,
    APITimeoutError,
    IncompleteStreamError,
    ResponseDecodeError,
    APIStatusError,
    BadRequestError,
    ContextOverflowError,
    AuthenticationError,
    PermissionDeniedError,
    NotFoundError,
    RateLimitError,
    QuotaExceededError,
    ContentBlockedError,
    InternalServerError,
    OverloadedError,
)
_BY_CORE_CLASS = {cls.__mro__[1]: cls for cls in _OURS}


def to_langchain(error: StepPlanError) -> StepPlanError:
    """The same error, with all its attributes, as a member of both families."""
    if isinstance(error, lc.ModelError):
        return error
    cls = next(_BY_CORE_CLASS[base] for base in type(error).__mro__ if base in _BY_CORE_CLASS)
    translated = cls(*error.args)
    translated.__dict__.update(error.__dict__)
    translated.__cause__ = error.__cause__
    return translated.with_traceback(error.__traceback__)


class langchain_errors:  # noqa: N801 - used like a function
    """A context manager that turns the core's errors into the classes above."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StepPlanError):
            translated = to_langchain(error)
            raise translated from translated.__cause__
