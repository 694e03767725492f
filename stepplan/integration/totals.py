"""Token counts and costs of many answers, added up by model: what both adapters' cost handlers are."""

import threading

from stepplan.prices import Cost
from stepplan.responses import Usage


class UsageTotals:
    """Token counts by model, and what they cost. Any thread or task may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage: dict[str, Usage] = {}

    def add(self, model: str, usage: Usage) -> None:
        """Count one answer."""
        with self._lock:
            self._usage[model] = self._usage.get(model, Usage()) + usage

    @property
    def usage(self) -> dict[str, Usage]:
        """The token counts so far, by the name of the model that answered."""
        with self._lock:
            return dict(self._usage)

    @property
    def costs(self) -> dict[str, Cost | None]:
        """What each model's tokens cost, as an estimate; `None` for a model whose price is not known."""
        return {model: usage.cost(model) for model, usage in self.usage.items()}

    @property
    def cost(self) -> Cost | None:
        """What all of it costs, as an estimate; `None` if the price of one of the models is not known."""
        total = Cost(0.0)
        for cost in self.costs.values():
            if cost is None:
                return None
            total += cost
        return total

    def __str__(self) -> str:
        return "\n".join(
            f"{model}: {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, "
            f"{usage.cost(model) or 'price not known'}"
            for model, usage in self.usage.items()
        )
