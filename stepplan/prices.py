"""What tokens cost, as dated data, and the estimate that is made of it.

Only StepFun's console knows what an account has left: no key can read its Credits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PRICES_AS_OF = "2026-10"
"""The month in which StepFun's pricing page showed `PRICES`."""

CREDITS_PER_USD = 7_000_000
"""The plan counts a million Credits for a yuan, and about seven million for a dollar."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens of one model cost, in US dollars.

    Attributes:
        input: Input that was not in the prompt cache.
        cached_input: Input read from the prompt cache.
        output: Output; reasoning is billed as output.
    """

    input: float
    cached_input: float
    output: float


# Source: StepFun's page "Pricing" (platform.stepfun.ai), October 2026. step-router-v1 has no price of its own: it is
# billed as the model that it chose.
PRICES: Mapping[str, Price] = {
    "step-3.7-flash": Price(0.20, 0.04, 1.15),
    "step-3.5-flash-2603": Price(0.10, 0.02, 0.30),
    "step-3.5-flash": Price(0.10, 0.02, 0.30),
    "step-5-preview": Price(1.00, 0.05, 2.70),
}
"""The list prices of `PRICES_AS_OF`, by model."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What tokens cost by StepFun's list prices: an estimate, not a bill.

    Searches are billed apart, and prices may have changed since `PRICES_AS_OF`. StepFun's list prices in yuan differ
    from those in dollars by up to 6 %, and so do the Credits of an account of the China site.

    Attributes:
        usd: US dollars.
    """

    usd: float

    @property
    def credits(self) -> int:
        """Credits of the plan."""
        return round(self.usd * CREDITS_PER_USD)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.usd + other.usd)

    def __str__(self) -> str:
        usd = f"{self.usd:,.2f}" if self.usd >= 1 else f"{self.usd:.6f}"
        return f"about ${usd} ({self.credits:,} Credits)"
