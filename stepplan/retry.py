"""When a failed request is sent again, and after how long. Decides only; the exchange waits."""

import contextlib
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Self

from stepplan.arguments import number, whole_number
from stepplan.errors import APIStatusError, StepPlanError

_RETRIES = whole_number("at least 0", lambda value: 0 <= value < math.inf)
_SECONDS = number("seconds, at least 0", lambda value: 0 <= value < math.inf, "a number of")
_LIMIT = number("seconds, at least 0", lambda value: value >= 0, "a number of")


def _uniform(low: float, high: float) -> float:
    # A function of this module, because `random.uniform` pickles with its generator: every process that gets a copy
    # would draw the same numbers.
    return random.uniform(low, high)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed request is sent again, and after how long.

    Attributes:
        max_retries: Retries after the first attempt; 0 turns retrying off.
        initial: Seconds before the first retry; doubled for each further one.
        maximum: The longest backoff, in seconds.
        retry_after_limit: Seconds. If the server asks for a longer wait (`Retry-After`), the request fails at once.
        spread: Draws the factor of each backoff from (0.5, 1.0), so that clients that failed together do not all come
            back together. A function of the two bounds.
        longest_attempt: Seconds. A request that took longer before it failed is not sent again: StepFun ends every
            request after 600 s with a 503, and the same request would run into that limit again.

    Raises:
        InvalidRequestError: A number is out of range.
    """

    max_retries: int = 2
    initial: float = 0.5
    maximum: float = 8.0
    retry_after_limit: float = 60.0
    spread: Callable[[float, float], float] = field(default=_uniform, compare=False, repr=False)
    longest_attempt: float = 590.0

    def __post_init__(self) -> None:
        _RETRIES("max_retries", self.max_retries)
        _SECONDS("initial", self.initial)
        for name in ("maximum", "retry_after_limit", "longest_attempt"):
            _LIMIT(name, getattr(self, name))

    def within(self, limit: float) -> Self:
        """The same policy with no wait longer than `limit` seconds, such as the timeout of a call."""
        if limit >= max(self.maximum, self.retry_after_limit):
            return self
        return replace(
            self,
            maximum=min(self.maximum, limit),
            retry_after_limit=min(self.retry_after_limit, limit),
        )

    def delay(self, error: StepPlanError, attempt: int, elapsed: float = 0.0) -> float | None:
        """Seconds to wait before the next retry; `None` to give up.

        Args:
            error: Why the request failed.
            attempt: How many retries there were before.
            elapsed: Seconds that the failed attempt took.
        """
        if attempt >= self.max_retries or not error.is_retryable or elapsed > self.longest_attempt:
            return None
        asked = error.retry_after if isinstance(error, APIStatusError) else None
        if asked is not None:
            return asked if asked <= self.retry_after_limit else None
        return self.backoff(attempt)

    def backoff(self, attempt: int) -> float:
        """Seconds to wait if the server does not say how long, after `attempt` earlier waits."""
        doublings = min(attempt, 64)  # more would overflow, and are over any maximum
        return min(self.maximum, self.initial * 2.0**doublings) * self.spread(0.5, 1.0)


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: `Retry-After-Ms`, else `Retry-After` as a number or a date (RFC 9110).

    A time in the past is 0. What is not a finite number or a date that exists is ignored, so that the backoff holds.

    Args:
        headers: Values by name in lower case.
    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        with contextlib.suppress(ValueError):
            number = float(headers.get(name, "")) / unit
            if math.isfinite(number):
                return max(0.0, number)
    with contextlib.suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        # A date that names no time zone is in UTC, not in the zone of this machine.
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
    return None
