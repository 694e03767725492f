"""When to try again, and after how long. Pure: it decides, others wait."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from stepplan.errors import APIStatusError, StepPlanError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a failed request is sent again.

    Attributes:
        max_retries: Further tries after the first; 0 turns retrying off.
        initial: Seconds before the first retry; doubled for each further one.
        maximum: No backoff is longer than this many seconds.
        retry_after_limit: A server that asks for a longer wait than this many seconds gets no retry.
        spread: Draws the factor that a backoff is multiplied with, from 0.5 to 1, so that clients do not come in step.
    """

    max_retries: int = 2
    initial: float = 0.5
    maximum: float = 8.0
    retry_after_limit: float = 60.0
    spread: Callable[[float, float], float] = field(default=random.uniform, compare=False, repr=False)

    def delay(self, error: StepPlanError, attempt: int) -> float | None:
        """Seconds to wait before trying again, after `attempt` earlier retries; `None` to give up."""
        if attempt >= self.max_retries or not error.is_retryable:
            return None
        asked = error.retry_after if isinstance(error, APIStatusError) else None
        if asked is not None:
            return asked if asked <= self.retry_after_limit else None
        return min(self.maximum, self.initial * 2.0**attempt) * self.spread(0.5, 1.0)
