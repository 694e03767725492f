"""Token counts and costs of all calls that a callback sees."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook
from typing_extensions import override

from langchain_stepplan._replay import PROVIDER
from stepplan import Usage
from stepplan.integration.totals import UsageTotals


class CostCallbackHandler(UsageTotals, BaseCallbackHandler):
    """Adds up the token counts of `ChatStepPlan` by model, and estimates their cost.

    It counts whole and streamed answers, in all threads and tasks. Answers that broke off, and streams that you did not
    read to their end, have no token counts: they are left out, although StepFun may bill them. Answers of other
    providers are left out, too.

    Example:
        ```python
        costs = CostCallbackHandler()
        ChatStepPlan().invoke("Hello", config={"callbacks": [costs]})
        print(costs.usage, costs.cost)
        ```
    """

    @override
    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count the answers."""
        for generations in response.generations:
            for generation in generations:
                message = generation.message if isinstance(generation, ChatGeneration) else None
                if isinstance(message, AIMessage) and message.response_metadata.get("model_provider") == PROVIDER:
                    self._count(message)

    def _count(self, message: AIMessage) -> None:
        if counts := message.usage_metadata:
            read, written = counts.get("input_token_details", {}), counts.get("output_token_details", {})
            usage = Usage(
                counts["input_tokens"],
                counts["output_tokens"],
                read.get("cache_read", 0),
                read.get("cache_creation", 0),
                written.get("reasoning", 0),
            )
            self.add(message.response_metadata.get("model_name", "unknown"), usage)


_active: ContextVar[CostCallbackHandler | None] = ContextVar("stepplan_costs", default=None)
register_configure_hook(_active, inheritable=True)


@contextmanager
def get_cost_callback() -> Generator[CostCallbackHandler]:
    """A `CostCallbackHandler` that counts every call in the `with` block, including those of agents and tasks.

    If blocks are nested, only the inner one counts.

    Example:
        ```python
        with get_cost_callback() as costs:
            ChatStepPlan().invoke("Hello")
        print(costs.cost)
        ```
    """
    costs = CostCallbackHandler()
    token = _active.set(costs)
    try:
        yield costs
    finally:
        _active.reset(token)
